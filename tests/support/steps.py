"""Cases whose steps are counted: what is asked of which method, on a model of shapes (`shapes`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from shapes import SIDES, Launches, ShapeLoras, ShapeModel
from torch.utils.flop_counter import FlopCounterMode

from lib_regional.engine.plan import Plan, plan_pass
from lib_regional.engine.records.score_record import ScoreRecord
from lib_regional.engine.references import ImagePrompt
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import open_session
from lib_regional.request.settings import Settings
from lib_regional.tensors.masks.pyramid import Pyramid

GRIDS = {1: "1", 2: "1,1", 4: "1,1,1;1,1,1", 16: ";".join(["1,1,1,1,1"] * 4)}
"""Number of regions -> how they divide the canvas."""
QUADRANTS = [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]]


@dataclass(frozen=True)
class Case:
    """``regions`` of equal size under a method; ``loras``: what each region's own LoRA changes (`ShapeLoras.KINDS`).

    ``later`` is the index of the step that stands for the later ones. ``scores``: the regions are scored. ``references``: how many of the
    regions have a picture of 4 tokens.
    """

    name: str
    regions: int
    method: str = "attention_couple"
    options: Mapping[str, Any] = field(default_factory=dict)
    loras: str = ""
    usual: bool = False
    later: int = 2
    scores: bool = False
    references: int = 0


def couples() -> Iterator[Case]:
    """Attention couple, and beside it the usual one, which runs a whole layer for every region."""
    yield from (Case(f"couple, {n}", n) for n in GRIDS)
    yield from (Case(f"usual couple, {n}", n, usual=True) for n in GRIDS)
    yield from (Case(f"couple, {n}, isolated", n, options={"isolate_until": 0.2}, later=5) for n in GRIDS if n > 1)
    yield from (Case(f"couple, {n}, references: {few}", n, references=few) for n, few in ((1, 1), (2, 1), (2, 2), (4, 4)))


def with_loras() -> Iterator[Case]:
    """A LoRA of rank 32 for every region, kept apart as far as each choice of ``separate`` goes."""
    for kind in ShapeLoras.KINDS:
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


def referring(model: ShapeModel, plan: Plan, count: int) -> Plan:
    """The plan with pictures for its first ``count`` regions, on the CPU as they are prepared."""
    layers = DiffusersHost(model).cross_layers()
    pairs = {layer.name: (torch.zeros(2, 4, layer.inner), torch.zeros(2, 4, layer.inner)) for layer in layers}
    return replace(plan, references={at: ImagePrompt(pairs) for at in range(count)})


CASES = (*couples(), *with_loras(), *predictions())


def plan_of(case: Case, side: int) -> Plan:
    """What is asked of the method."""
    regions: list[dict[str, Any]]
    regions = [{"prompt": f"a thing{i}" + (f"<lora:{i}:0.8>" if case.loras else "")} for i in range(case.regions)]
    for region in regions[: case.references]:
        region["reference"] = {"image": "data:image/png;base64,AAAA"}
    grid = {"ratios": GRIDS[case.regions], "direction": "columns"}
    asked = {"enabled": True, "method": case.method, "grid": grid, "regions": regions, "options": {case.method: dict(case.options)}}
    settings = Settings.parse(asked)
    layout = settings.layout()
    scores = ScoreRecord(layout, lambda text: [(word, (at + 1,)) for at, word in enumerate(text.split())]) if case.scores else None
    return Plan(settings, layout, (side, side), plan_pass(settings, ["main"], ["negative"], 20), scores=scores)


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
    plan = referring(model, plan, case.references) if case.references else plan
    model.loras = ShapeLoras(model.unet, kind=case.loras or "attention")
    return usual(model, plan) if case.usual else open_session(DiffusersHost(model), plan)


@dataclass
class Cost:
    """One step: operators (`shapes.Launches`) and floating-point operations."""

    launches: int = 0
    made: int = 0
    flops: int = 0


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


def launched(step: Callable[[], Any]) -> Cost:
    """Launches of one step, which takes half the time."""
    with Launches() as launches:
        step()
    return Cost(launches.all.total(), launches.made.total())
