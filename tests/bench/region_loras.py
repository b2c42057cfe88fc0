"""Step time of regions with a LoRA each / plain, and of merging weights per region / plain, on a UNet with SD1.5's dimensions.

    python tests/bench/region_loras.py [--regions 4] [--rank 32] [--convs] [--size 512] [--rounds 3] [--naive-rounds 1] [--device cpu]

Random weights: speed does not depend on them. *Ours* is one pass of attention couple with the deltas on the regions' own tokens. *Naive* is
the usual way: for every region its LoRA is merged into the weights, the UNet runs for that region alone, and the weights are put back; the
predictions are summed by the weight maps. Plain and ours take turns in every round. FLOPs are counted by torch, on shapes alone.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(1, str(Path(__file__).parent))

from attention_couple import GRIDS, RandomModel, flops, plan_of, timed

from lib_regional.engine.plan import Plan, plan_pass
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import open_session
from lib_regional.request.prompt.lora_tags import LoraTag
from lib_regional.request.settings import Settings
from lib_regional.tensors.lora.deltas import LayerDelta, NetworkDeltas
from lib_regional.tensors.lora.layers import kind_of
from lib_regional.tensors.lora.low_rank import dense
from lib_regional.tensors.masks.pyramid import Pyramid

STRENGTH = 0.8


class RandomLoras:
    """Random LoRAs of one rank on all layers that trainers choose: those of the transformers, and with ``convs`` the 3×3 convolutions."""

    def __init__(self, unet: nn.Module, rank: int, convs: bool) -> None:
        self._unet, self._rank, self._convs = unet, rank, convs
        self._known: dict[str, NetworkDeltas] = {}

    @contextmanager
    def on_texts(self, _: object) -> Iterator[None]:
        yield

    def unet_deltas(self, lora: LoraTag) -> NetworkDeltas:
        """Deltas of one LoRA; the same for the same name."""
        if lora.name not in self._known:
            self._known[lora.name] = {name: self._delta(layer) for name, layer in self._unet.named_modules() if self._chosen(name, layer)}
        return self._known[lora.name]

    def _chosen(self, name: str, layer: nn.Module) -> bool:
        wide = isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1)
        inside = ".attentions." in name and isinstance(layer, nn.Linear | nn.Conv2d)
        return inside or (self._convs and wide and ".resnets." in name)

    def _delta(self, layer: nn.Module) -> LayerDelta:
        weight, kind = layer.weight, kind_of(layer)
        assert isinstance(weight, torch.Tensor) and kind is not None
        out, inner, *kernel = weight.shape
        down = torch.randn(self._rank, inner, *kernel, device=weight.device, dtype=weight.dtype) * 0.01
        up = torch.randn(out, self._rank, *(1 for _ in kernel), device=weight.device, dtype=weight.dtype) * 0.01
        return LayerDelta(kind, down=down, up=up)


def lora_plan(count: int, size: int, loras: bool = True, separate: str = "nothing") -> Plan:
    """Regions of equal size, each with a text and a LoRA of its own, kept apart as ``separate`` says."""
    regions = [{"prompt": f"region {i}" + (f"<lora:{i}:{STRENGTH}>" if loras else "")} for i in range(count)]
    options = {"options": {"attention_couple": {"separate": separate}}}
    settings = Settings.parse({"enabled": True, "grid": {"ratios": GRIDS[count], "direction": "columns"}, "regions": regions, **options})
    return Plan(settings, settings.layout(), (size, size), plan_pass(settings, ["main"], ["negative"], 20))


@torch.no_grad()
def merge(model: RandomModel, deltas: NetworkDeltas, strength: float) -> None:
    """Add a LoRA to the UNet's weights."""
    for name, delta in deltas.items():
        weight = model.unet.get_submodule(name).weight
        weight += strength * dense(delta, tuple(weight.shape))


class Naive:
    """One pass per region with its LoRA merged before and un-merged after; called like `RandomModel.step`."""

    def __init__(self, model: RandomModel, plan: Plan) -> None:
        self._model, self._texts = model, plan.first.texts[0].regions
        self._maps = Pyramid(plan.layout).at(
            tuple(range(len(self._texts))), (plan.size[1] // 8, plan.size[0] // 8), (plan.size[1] // 8,) * 2
        )
        self.device = model.device

    def step(self, latent: torch.Tensor, _: int) -> torch.Tensor:
        """The weighted sum of the regions' predictions (2, C, H, W)."""
        total = torch.zeros_like(latent).expand(2, -1, -1, -1).clone()
        for number, text in enumerate(self._texts):
            deltas = self._model.loras.unet_deltas(LoraTag(str(number)))
            context = torch.stack([self._model.context(text), self._model.context("negative")])
            merge(self._model, deltas, STRENGTH)
            total += self._model.unet(latent.expand(2, -1, -1, -1), 500, context).sample * self._maps.regions[number].to(latent)
            merge(self._model, deltas, -STRENGTH)
        return total


def in_turns(rounds: int, model: RandomModel, latent: torch.Tensor, plans: dict[str, Plan]) -> Iterator[dict[str, float]]:
    """Seconds of a plain step and of a later step of every plan, round by round."""
    for _ in range(rounds):
        times = {"plain": timed(model, latent, 1)}
        for name, plan in plans.items():
            with open_session(DiffusersHost(model), plan):
                model.step(latent, 0)  # keys and values, spots and moved deltas are made once in a generation
                times[name] = timed(model, latent, 1)
        yield times


def counted(args: argparse.Namespace) -> dict[str, float]:
    """FLOPs of a later step ÷ plain, on the meta device."""
    model = RandomModel("meta", torch.float32)
    model.loras = RandomLoras(model.unet, args.rank, args.convs)
    latent = torch.randn(1, 4, args.size // 8, args.size // 8, device="meta")
    plain = flops(model, latent, 1)
    found = {"regions alone": lora_plan(args.regions, args.size, False), "with LoRAs": lora_plan(args.regions, args.size)}
    found["kept apart"] = lora_plan(args.regions, args.size, separate="all")
    done: dict[str, float] = {}
    for name, plan in found.items():
        with open_session(DiffusersHost(model), plan):
            model.step(latent, 0)
            done[name] = flops(model, latent, 1) / plain
    return done


def naive_ratio(rounds: int, model: RandomModel, latent: torch.Tensor, plan: Plan, clock: Callable[..., float] = timed) -> list[float]:
    """Naive ÷ plain, in turns."""
    slow = Naive(model, plan)
    return [clock(slow, latent, 1) / clock(model, latent, 1) for _ in range(rounds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=4, choices=GRIDS)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--convs", action="store_true", help="LoCon: the 3×3 convolutions as well")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--naive-rounds", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    model = RandomModel(args.device, torch.float16 if args.device == "cuda" else torch.float32)
    model.loras = RandomLoras(model.unet, args.rank, args.convs)
    latent = torch.randn(1, 4, args.size // 8, args.size // 8, device=model.device, dtype=model.dtype)
    plan = lora_plan(args.regions, args.size)
    plans = {"regions": plan_of(args.regions, args.size), "loras": plan}
    plans["loras, kept apart"] = lora_plan(args.regions, args.size, separate="all")
    with torch.inference_mode():
        print("FLOPs ÷ plain:", {name: round(value, 4) for name, value in counted(args).items()}, flush=True)
        rounds = []
        for times in in_turns(args.rounds, model, latent, plans):
            rounds.append(times)
            print({name: round(value, 2) for name, value in times.items()}, flush=True)
        for name in plans if rounds else ():
            ratios = [times[name] / times["plain"] for times in rounds]
            print(f"{name} ÷ plain: {statistics.median(ratios):.3f} (worst {max(ratios):.3f})", flush=True)
        for ratio in naive_ratio(args.naive_rounds, model, latent, plan):
            print(f"naive ÷ plain: {ratio:.2f}", flush=True)
    print(f"torch {torch.__version__}, {args.device} ({platform.machine()}, {torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
