"""Step time of attention couple / plain, and of a naive couple / plain, on a UNet with SD1.5's dimensions (random weights).

    python tests/bench/attention_couple.py [--sizes 512 768] [--regions 1 2 4 8 16] [--rounds 5] [--device cpu] [--out docs/bench.md]

Plain, ours and naive take turns in every round, so that what else the machine does hits all of them; the figure is the median
of the rounds' ratios. FLOPs are counted by torch for one step, the first one (which makes keys and values) and a later one.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[2]))

from lib_regional.engine.calls import ModelCall, Row, StepInfo
from lib_regional.engine.plan import Plan, plan_pass
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import open_session
from lib_regional.request.settings import Settings
from lib_regional.tensors.masks.pyramid import Pyramid

GRIDS = {1: "1", 2: "1,1", 3: "1,1,1", 4: "1,1,1;1,1,1", 8: ";".join(["1,1,1,1,1"] * 2), 16: ";".join(["1,1,1,1,1"] * 4)}
ROWS = (Row(0, "cond"), Row(0, "uncond"))


@dataclass(frozen=True)
class Cond:
    crossattn: torch.Tensor
    vector: None = None


class RandomModel:
    """A UNet of SD1.5's dimensions and a text encoder that answers every text with its own random context."""

    def __init__(self, device: str, dtype: torch.dtype) -> None:
        from diffusers import UNet2DConditionModel

        torch.manual_seed(0)
        with torch.device(device):
            self.unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8).to(dtype).eval()
        self.call_listeners, self.denoiser_hooks = [], []
        self.device, self.dtype = device, dtype

    def context(self, text: str) -> torch.Tensor:
        generator = torch.Generator().manual_seed(sum(map(ord, text)))
        return torch.randn(77, 768, generator=generator).to(self.device, self.dtype)

    def encode_schedules(self, texts, steps, *, negative, size):
        return [((steps, Cond(self.context(text))),) for text in texts]

    def step(self, latent: torch.Tensor, index: int) -> torch.Tensor:
        context = torch.stack([self.context("main"), self.context("negative")])
        call = ModelCall(ROWS, StepInfo(index, 20), (latent.shape[-2], latent.shape[-1]))
        for listener in self.call_listeners:
            listener(call)
        return self.unet(latent.expand(2, -1, -1, -1), 500, context).sample


def plan_of(count: int, size: int) -> Plan:
    regions = [{"prompt": f"region {i}"} for i in range(count)]
    settings = Settings.parse({"enabled": True, "grid": {"ratios": GRIDS[count], "direction": "columns"}, "regions": regions})
    return Plan(settings, settings.layout(), (size, size), plan_pass(settings, ["main"], ["negative"], 20))


class NaiveProcessor:
    """What the usual couple does: the whole layer once per region, over all tokens, weighted and summed."""

    def __init__(self, before, contexts, weights) -> None:
        self.before, self.contexts, self.weights = before, contexts, weights

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, **rest):
        x, main = hidden_states, encoder_hidden_states
        maps = self.weights(x.shape[1])
        texts = zip((main[0], *self.contexts), maps, strict=True)
        cond = sum(self.before(attn, x[:1], text[None], **rest) * weight[None, :, None] for text, weight in texts)
        return torch.cat([cond, self.before(attn, x[1:], main[1:], **rest)])


@contextmanager
def naive(model: RandomModel, plan: Plan):
    pyramid, latent = Pyramid(plan.layout), (plan.size[1] // 8, plan.size[0] // 8)
    active = tuple(range(len(plan.layout.regions)))

    def weights(tokens: int) -> torch.Tensor:
        side = round(tokens**0.5)
        maps = pyramid.at(active, latent, (side, side))
        return torch.cat([maps.base[None], maps.regions]).flatten(1).to(model.device, model.dtype)

    contexts = [model.context(text) for text in plan.first.texts[0].regions]
    sites = [m for n, m in model.unet.named_modules() if n.endswith(".attn2")]
    before = [m.processor for m in sites]
    for site, processor in zip(sites, before, strict=True):
        site.processor = NaiveProcessor(processor, contexts, weights)
    try:
        yield
    finally:
        for site, processor in zip(sites, before, strict=True):
            site.processor = processor


def timed(model: RandomModel, latent: torch.Tensor, index: int) -> float:
    if model.device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    model.step(latent, index)
    if model.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def flops(model: RandomModel, latent: torch.Tensor, index: int) -> float:
    with FlopCounterMode(display=False) as counter:
        model.step(latent, index)
    return counter.get_total_flops()


def counted(model: RandomModel, count: int, size: int) -> dict[str, float]:
    """FLOPs of the first step and of a later one ÷ plain; ``model`` is on the meta device, which computes shapes alone."""
    latent = torch.randn(1, 4, size // 8, size // 8, device=model.device)
    plain = flops(model, latent, 0)
    with open_session(DiffusersHost(model), plan_of(count, size)):
        return {"flops_first": flops(model, latent, 0) / plain, "flops": flops(model, latent, 1) / plain}


def measure(model: RandomModel, count: int, size: int, rounds: int) -> dict[str, float]:
    latent = torch.randn(1, 4, size // 8, size // 8, device=model.device, dtype=model.dtype)
    plan = plan_of(count, size)
    ours, slow, plain_times = [], [], []
    with ExitStack() as stack:
        session = stack.enter_context(open_session(DiffusersHost(model), plan))
        model.step(latent, 0)  # makes keys and values, as the first of many steps does
        hooks = {m: m.processor for n, m in model.unet.named_modules() if n.endswith(".attn2")}
        for index in range(rounds):
            for module, processor in hooks.items():
                module.processor = processor._before
            plain = timed(model, latent, index)
            with naive(model, plan):
                slow.append(timed(model, latent, index) / plain)
            for module, processor in hooks.items():
                module.processor = processor
            ours.append(timed(model, latent, index) / plain)
            plain_times.append(plain)
        session.close()
    return {
        "regions": count, "size": size, "plain_s": statistics.median(plain_times), "ours": statistics.median(ours), "ours_max": max(ours),
        "naive": statistics.median(slow),
    }  # fmt: skip


def memory(model: RandomModel, count: int, size: int) -> float | None:
    """Peak memory of two regional steps / two plain steps; None where the device does not tell (CPU: see `peak_rss`)."""
    if model.device != "cuda":
        return None
    latent = torch.randn(1, 4, size // 8, size // 8, device=model.device, dtype=model.dtype)
    peaks = []
    for context in (ExitStack(), open_session(DiffusersHost(model), plan_of(count, size))):
        torch.cuda.reset_peak_memory_stats()
        with context:
            model.step(latent, 0), model.step(latent, 1)
        peaks.append(torch.cuda.max_memory_allocated())
    return peaks[1] / peaks[0]


def peak_rss(count: int, size: int) -> int:
    """Peak resident bytes of a process that makes two steps with ``count`` regions (0: plain)."""
    model = RandomModel("cpu", torch.float32)
    latent = torch.randn(1, 4, size // 8, size // 8)
    with torch.inference_mode(), open_session(DiffusersHost(model), plan_of(count, size)) if count else ExitStack():
        model.step(latent, 0)
        model.step(latent, 1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def table(rows: list[dict[str, float]]) -> str:
    names = ("size", "regions", "plain, s a step", "ours ÷ plain (worst)", "naive ÷ plain", "FLOPs ÷ plain, first step", "later steps")
    head = f"| {' | '.join(names)} |\n{'|---' * len(names)}|"
    lines = [
        f"| {r['size']}² | {r['regions']} | {r['plain_s']:.2f} | **{r['ours']:.3f}** ({r['ours_max']:.3f}) | {r['naive']:.2f} "
        f"| {r['flops_first']:.4f} | {r['flops']:.4f} |"
        for r in rows
    ]
    return "\n".join([head, *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 768])
    parser.add_argument("--regions", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rss", type=int, help="print the peak resident bytes of two steps with so many regions (0: plain) and stop")
    args = parser.parse_args()
    if args.rss is not None:
        print(peak_rss(args.rss, args.sizes[0]))
        return
    model = RandomModel(args.device, torch.float16 if args.device == "cuda" else torch.float32)
    shapes = RandomModel("meta", torch.float32)
    rows = []
    with torch.inference_mode():
        for size in args.sizes:
            for count in args.regions:
                rows.append({**measure(model, count, size, args.rounds), **counted(shapes, count, size)})
                print(rows[-1], memory(model, count, size) or "", flush=True)
    machine = f"{args.device} ({platform.machine()}, {torch.get_num_threads()} threads)"
    text = f"{table(rows)}\n\ntorch {torch.__version__}, {machine}, {args.rounds} rounds\n"
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
