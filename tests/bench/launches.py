"""Launches, host time and FLOPs of one step ÷ plain, on a UNet of real dimensions whose tensors are shapes alone (the meta device).

    python tests/bench/launches.py [--models sd15 sdxl] [--cases WORD …] [--rounds 3] [--json launches.json]

On a GPU a step at small batches is bound by the kernels that it launches and by the host's own time; neither needs a GPU to be counted.
*Launches*: every operator but views, by name. *Made*: operators whose result is a new tensor or is written in place, so that what does
nothing is left out and a reshape that copies counts. *Host time*: processor time of a step, which here is Python and dispatching, plain and
the case in turns, the smallest of the rounds each. *FLOPs*: as torch counts them. All for the first step, which makes what is kept, and for
a later one. What a step waits for the device for would raise here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "hosts")]

from shapes import SIDES, Launches, ShapeLoras, ShapeModel, cpu_seconds  # noqa: E402

from lib_regional.engine.plan import Plan, plan_pass  # noqa: E402
from lib_regional.hosts.diffusers.adapter import DiffusersHost  # noqa: E402
from lib_regional.methods import open_session  # noqa: E402
from lib_regional.request.settings import Settings  # noqa: E402
from lib_regional.tensors.masks.pyramid import Pyramid  # noqa: E402

GRIDS = {1: "1", 2: "1,1", 4: "1,1,1;1,1,1", 16: ";".join(["1,1,1,1,1"] * 4)}
"""Number of regions -> how they divide the canvas."""
QUADRANTS = [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]]


@dataclass(frozen=True)
class Case:
    """``regions`` of equal size under a method; ``loras``: what each region's own LoRA changes (attention, or convolutions too).

    ``later`` is the index of the step that stands for the later ones.
    """

    name: str
    regions: int
    method: str = "attention_couple"
    options: Mapping[str, Any] = field(default_factory=dict)
    loras: str = ""
    usual: bool = False
    later: int = 2


def couples() -> Iterator[Case]:
    """Attention couple, and beside it the usual one, which runs a whole layer for every region."""
    yield from (Case(f"couple, {n}", n) for n in GRIDS)
    yield from (Case(f"usual couple, {n}", n, usual=True) for n in GRIDS)


def with_loras() -> Iterator[Case]:
    """A LoRA of rank 32 for every region, kept apart as far as each choice of ``separate`` goes."""
    for kind in ("attention", "convolutions"):
        for separate in ("nothing", "attention", "norms", "all"):
            options = {"separate": separate}
            yield from (Case(f"LoRAs on {kind}, separate: {separate}, {n}", n, options=options, loras=kind) for n in (2, 4))


def predictions() -> Iterator[Case]:
    """Methods whose regions are predictions of their own."""
    for n in (2, 4):
        yield Case(f"latent couple, full, {n}", n, "latent_couple", {"mode": "full"})
        yield Case(f"latent couple, crop, {n}", n, "latent_couple", {"mode": "crop"})
        yield Case(f"MultiDiffusion, {n}", n, "multidiffusion")
        yield Case(f"mask conditioning, {n}", n, "mask_conditioning")
        yield Case(f"latent composite, alone, {n}", n, "latent_composite", {"alone": 1})
        yield Case(f"MRGD without a source, {n}", n, "mrgd")
        yield Case(f"MRGD, {n}", n, "mrgd", {"source": _source(n)}, later=3)


def _source(count: int) -> dict[str, Any]:
    """The same regions with another text in the last one."""
    texts = [f"a thing{i}" for i in range(count - 1)] + ["another thing"]
    boxes = QUADRANTS if count == 4 else [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]
    return {"regions": [{"box": box, "prompt": text} for box, text in zip(boxes, texts, strict=True)], "base": {"prompt": "main"}}


CASES = (*couples(), *with_loras(), *predictions())


def plan_of(case: Case, side: int) -> Plan:
    """What is asked of the method."""
    regions = [{"prompt": f"a thing{i}" + (f"<lora:{i}:0.8>" if case.loras else "")} for i in range(case.regions)]
    grid = {"ratios": GRIDS[case.regions], "direction": "columns"}
    asked = {"enabled": True, "method": case.method, "grid": grid, "regions": regions, "options": {case.method: dict(case.options)}}
    settings = Settings.parse(asked)
    return Plan(settings, settings.layout(), (side, side), plan_pass(settings, ["main"], ["negative"], 20))


class Usual:
    """The whole layer once per text on the conditional row, weighted and summed: what regional attention usually does."""

    def __init__(self, before: Callable[..., torch.Tensor], texts: torch.Tensor, weights: Callable[[int], torch.Tensor]) -> None:
        self.before, self.texts, self.weights = before, texts, weights

    def __call__(
        self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor, *args: Any, **rest: Any
    ) -> torch.Tensor:
        """Processor interface of diffusers."""
        x, context = hidden_states, encoder_hidden_states
        maps = self.weights(x.shape[1])
        texts = (context[:1], *self.texts)
        cond = sum(self.before(attn, x[:1], text) * weight for text, weight in zip(texts, maps, strict=True))
        return torch.cat([cond, self.before(attn, x[1:], context[1:])])


@contextmanager
def usual(model: ShapeModel, plan: Plan) -> Iterator[None]:
    """The usual couple in place of ours."""
    pyramid, latent, known = Pyramid(plan.layout), (plan.size[1] // 8, plan.size[0] // 8), dict[int, torch.Tensor]()
    active = tuple(range(len(plan.layout.regions)))

    def weights(tokens: int) -> torch.Tensor:
        if tokens not in known:
            side = round(tokens**0.5)
            maps = pyramid.at(active, latent, (side, side))
            known[tokens] = torch.cat([maps.base[None], maps.regions]).flatten(1)[..., None].to(model.device, model.dtype)
        return known[tokens]

    texts = model.pair[:1, None].expand(len(active), -1, -1, -1)
    sites = [module for name, module in model.unet.named_modules() if name.endswith(".attn2")]
    before = [site.processor for site in sites]
    for site in sites:
        site.processor = Usual(site.processor, texts, weights)
    try:
        yield
    finally:
        for site, processor in zip(sites, before, strict=True):
            site.processor = processor


def installed(model: ShapeModel, case: Case | None) -> AbstractContextManager[Any]:
    """What a case puts into the UNet; None is nothing."""
    if case is None:
        return nullcontext()
    plan = plan_of(case, SIDES[model.kind])
    model.loras = ShapeLoras(model.unet, convs=case.loras == "convolutions")
    return usual(model, plan) if case.usual else open_session(DiffusersHost(model), plan)


@dataclass
class Cost:
    """One step: see the head of this file."""

    launches: int = 0
    made: int = 0
    flops: int = 0
    seconds: float = float("inf")


def run(model: ShapeModel, case: Case | None, steps: int, measure: Callable[[Callable[[], Any]], Any]) -> list[Any]:
    """``measure`` of a generation's first ``steps``."""
    noise = x = model.latent(SIDES[model.kind])
    with installed(model, case):
        return [measure(lambda at=at: model.step(x.clone(), at, noise)) for at in range(steps)]


def counted(step: Callable[[], Any]) -> Cost:
    """Launches and FLOPs of one step."""
    with FlopCounterMode(display=False) as counter, Launches() as launches:
        step()
    return Cost(launches.all.total(), launches.made.total(), counter.get_total_flops())


def measured(model: ShapeModel, case: Case, plain: Cost, rounds: int) -> dict[str, Any]:
    """A case's first and later step ÷ plain's; the times of ``plain`` are taken anew."""
    costs = run(model, case, case.later + 1, counted)
    own = replace(plain)
    for _ in range(rounds):
        own.seconds = min([own.seconds, *run(model, None, 1, cpu_seconds)])
        for cost, seconds in zip(costs, run(model, case, case.later + 1, cpu_seconds), strict=True):
            cost.seconds = min(cost.seconds, seconds)
    ratios = {label: _ratios(costs[at], own, rounds > 0) for label, at in (("first", 0), ("later", case.later))}
    return {"model": model.kind, "case": case.name, "plain": asdict(own), **ratios}


def _ratios(cost: Cost, plain: Cost, timed: bool) -> dict[str, float | None]:
    own = asdict(cost) if timed else {**asdict(cost), "seconds": None}
    return {name: None if value is None else round(value / getattr(plain, name), 4) for name, value in own.items()}


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    first, later = row["first"], row["later"]
    numbers = [first["launches"], later["launches"], later["made"], first["seconds"], later["seconds"], later["flops"]]
    return f"| {row['model']} | {row['case']} | " + " | ".join("–" if n is None else f"{n:.3f}" for n in numbers) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SIDES, default=["sd15"])
    parser.add_argument("--cases", nargs="+", default=[""], help="the cases whose names hold one of these words")
    parser.add_argument("--rounds", type=int, default=3, help="of host time; 0: it is not taken")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    args = parser.parse_args()
    rows = []
    heads = ("model", "case", "launches, first", "launches", "made", "host time, first", "host time", "FLOPs")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    with torch.inference_mode():
        for kind in args.models:
            model = ShapeModel(kind)
            [plain] = run(model, None, 1, counted)
            for case in CASES:
                if any(word in case.name for word in args.cases):
                    rows.append(measured(model, case, plain, args.rounds))
                    print(line(rows[-1]), flush=True)
            print(f"\nplain, {kind}: {plain.launches} launches ({plain.made} made), {plain.flops / 1e9:.0f} GFLOPs\n", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
