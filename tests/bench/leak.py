"""What reaches a region of another region's LoRA: through self-attention, norms and convolutions, on a UNet of real dimensions.

    python tests/bench/leak.py [--model sd15|sdxl] [--seeds 5] [--start 0] [--cells 32] [--border 8] [--strength 0.1] [--convs]
        [--json leak.json]

Two halves of a picture, each with a LoRA (rank 32, all layers of the transformers, with ``--convs`` the 3×3 convolutions too). The right
one is exchanged for another; *leak* is the change of the prediction in the left half, without the strip on which the parts may see each
other, ÷ the change in the right half (root mean squares). One step, the conditional row, fp32 on the CPU.

The UNet has all its channels; ``--cells`` is the side of the latent, 32 (256²) by default, a quarter of the work of 64 (512²). The border
is 8 cells wide on each side (``--border``), one cell of SD1.5's coarsest grid, two of SDXL's. ``--start 5`` goes on with other seeds.

Weights are drawn, as nobody's checkpoint is part of this project: of variance 1/fan-in, as trained ones are about; the last layer of each
residual branch times 0.5, queries and keys times 1.5, so that attention is selective. A LoRA's ΔW has ``--strength`` times the weight's
Frobenius norm. Drawn weights have no objects to look for in the picture: what self-attention carries is less than in a trained model.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from shapes import Cond, ShapeLoras, ShapeModel  # noqa: E402

from lib_regional.engine.calls import ModelCall, Row, StepInfo  # noqa: E402
from lib_regional.engine.plan import Plan, plan_pass  # noqa: E402
from lib_regional.engine.session import Session  # noqa: E402
from lib_regional.hosts.diffusers.adapter import DiffusersHost  # noqa: E402
from lib_regional.methods import prepare  # noqa: E402
from lib_regional.methods.isolation import layers  # noqa: E402
from lib_regional.request.settings import Settings  # noqa: E402
from lib_regional.tensors.lora.deltas import LayerDelta  # noqa: E402

RESIDUAL, SELECTIVE = 0.5, 1.5
BRANCH_ENDS = (".conv2", ".to_out.0", ".ff.net.2", ".proj_out")
QUERIES = (".attn1.to_q", ".attn1.to_k", ".attn2.to_q", ".attn2.to_k")
ROW = (Row(0, "cond"),)
CASES: Mapping[str, tuple[bool, frozenset[str]]] = {
    "nothing": (False, frozenset()),
    "attention": (True, frozenset()),
    "norms": (True, frozenset({"group_norm"})),
    "all": (True, frozenset({"group_norm", "conv"})),
    "all but self-attention": (False, frozenset({"group_norm", "conv"})),
    "all but norms": (True, frozenset({"conv"})),
}
"""What is isolated: self-attention or not, and which kinds of layers. The first four are the choices of ``separate``."""


class Drawn(ShapeModel):
    """A UNet with drawn weights, and a context of its own for every text."""

    def __init__(self, kind: str = "sd15") -> None:
        super().__init__(kind, torch.float32, "cpu")
        for name, module in self.unet.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                gain = RESIDUAL if name.endswith(BRANCH_ENDS) else SELECTIVE if name.endswith(QUERIES) else 1.0
                nn.init.normal_(module.weight, std=gain / module.weight[0].numel() ** 0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def encode_schedules(self, texts: list[str], steps: int, *, negative: bool, size: tuple[int, int]) -> list[Any]:
        """See `hosts.diffusers.adapter`."""
        vector = None if self.added is None else self._made(1286)
        return [((steps, Cond(self.context(text), vector)),) for text in texts]

    def context(self, text: str) -> Tensor:
        """(77, D) of unit variance."""
        return torch.randn(77, self.width, generator=torch.Generator().manual_seed(sum(map(ord, text))))


class DrawnLoras(ShapeLoras):
    """LoRAs whose ΔW has ``strength`` times the weight's norm; another for every name."""

    def __init__(self, unet: nn.Module, strength: float, convs: bool, seed: int) -> None:
        super().__init__(unet, kind="convolutions" if convs else "attention")
        self._strength, self._seed = strength, seed

    def unet_deltas(self, lora: Any) -> Mapping[str, LayerDelta]:
        """See `shapes.ShapeLoras`."""
        if lora.name not in self._known:
            torch.manual_seed(self._seed * 1000 + sum(map(ord, lora.name)))
        return super().unet_deltas(lora)

    def _delta(self, layer: nn.Module) -> LayerDelta:
        made, weight = super()._delta(layer), layer.weight
        assert made.down is not None and made.up is not None and isinstance(weight, Tensor)
        down, up = torch.randn_like(made.down), torch.randn_like(made.up)
        grams = (up.flatten(1).mT @ up.flatten(1)) * (down.flatten(1) @ down.flatten(1).mT)
        size = grams.sum().sqrt()  # ‖U D‖, without the product itself
        return replace(made, down=down, up=up * (self._strength * weight.norm() / size))


def plan_of(right: str, cells: int, border: int) -> Plan:
    """Two halves with a LoRA each, the right one's by name, of a latent of ``cells``²; ``border`` cells on each side see the other part."""
    regions = [{"prompt": "left<lora:left:1>"}, {"prompt": f"right<lora:{right}:1>"}]
    options = {"attention_couple": {"separate": "all", "border": border / cells}}
    asked = {"enabled": True, "grid": {"ratios": "1,1", "direction": "columns"}, "regions": regions, "options": options}
    settings = Settings.parse(asked)
    return Plan(settings, settings.layout(), (8 * cells, 8 * cells), plan_pass(settings, ["main"], ["negative"], 20))


@contextmanager
def isolated(model: Drawn, plan: Plan, attention: bool, kinds: frozenset[str]) -> Iterator[None]:
    """Attention couple on the model, isolating self-attention or not and some kinds of layers."""
    host = DiffusersHost(model)
    with mock.patch.dict(layers._LEVEL_OF, {kind: 0 if kind in kinds else 99 for kind in layers._LEVEL_OF}):
        hooks = prepare(plan, host)
        with Session(host, hooks if attention else replace(hooks, self_attention=None)):
            yield


def predicted(model: Drawn, x: Tensor) -> Tensor:
    """The UNet's output (4, h, w) for a conditional row in the middle of sampling."""
    call = ModelCall(ROW, StepInfo(8, 20, 2.0), (x.shape[-2], x.shape[-1]))
    for listener in model.call_listeners:
        listener(call)
    more = {} if model.added is None else {"added_cond_kwargs": {name: value[:1] for name, value in model.added.items()}}
    found: Tensor = model.unet(x, 600, model.context("main")[None], **more).sample[0]
    return found


def leak(model: Drawn, x: Tensor, border: int, attention: bool, kinds: frozenset[str]) -> float:
    """Change on the left ÷ change on the right when the right half's LoRA is exchanged."""
    found = []
    for right in ("right", "other"):
        with isolated(model, plan_of(right, x.shape[-1], border), attention, kinds):
            found.append(predicted(model, x))
    change = (found[1] - found[0]).square().mean(0)
    side = change.shape[-1]
    return float((change[:, : side // 2 - border].mean() / change[:, side // 2 + border :].mean()).sqrt())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("sd15", "sdxl"), default="sd15", help="sdxl takes 13 GB of memory")
    parser.add_argument("--seeds", type=int, default=5, help="each another latent and other LoRAs")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--cells", type=int, choices=(32, 64), default=32, help="side of the latent")
    parser.add_argument("--border", type=int, default=8, help="cells on each side of the border in which the parts see each other")
    parser.add_argument("--strength", type=float, default=0.1)
    parser.add_argument("--convs", action="store_true")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    args = parser.parse_args()
    torch.manual_seed(0)
    leaks: dict[str, list[float]] = {name: [] for name in args.cases}
    with torch.inference_mode():
        model = Drawn(args.model)
        for seed in range(args.start, args.start + args.seeds):
            model.loras = DrawnLoras(model.unet, args.strength, args.convs, seed)
            x = torch.randn(1, 4, args.cells, args.cells, generator=torch.Generator().manual_seed(seed))
            for name in args.cases:
                leaks[name].append(leak(model, x, args.border, *CASES[name]))
                print(f"seed {seed}, isolated: {name}: {leaks[name][-1]:.4f}", flush=True)
    print("| isolated | leak, median | of the seeds |\n|---|---|---|")
    for name, values in leaks.items():
        print(f"| {name} | {statistics.median(values):.3f} | {', '.join(f'{value:.3f}' for value in values)} |")
    if args.json:
        args.json.write_text(json.dumps(leaks, indent=1) + "\n")


if __name__ == "__main__":
    main()
