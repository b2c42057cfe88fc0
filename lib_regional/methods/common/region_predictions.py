"""The prediction of a picture out of the predictions of its regions, in the UNet's own output.

Every branch (a region, the base, all prompts joined) is predicted on windows of the latent; a row's output is their weighted sum. The
weights of a cell sum to 1 and the clean prediction is affine in the output, so the guided predictions are summed alike:
``D = Σ ŵ_r D_r`` (design, section 3). Where regions have CFG scales s_r of their own, and the picture has s, guidance over

    uncond = Σ ŵ_r n_r        cond = Σ ŵ_r ((s_r/s) c_r + (1 − s_r/s) n_r)

is ``uncond + s (cond − uncond) = Σ ŵ_r (n_r + s_r (c_r − n_r))``, every region guided by its own scale.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from ...engine.calls import Conditioning, Role, Row, StepInfo, UNetCall, UNetRow
from ...engine.capabilities import facts_of
from ...engine.hooks import Hooks
from ...engine.plan import Plan
from ...engine.ports import Host
from ...request.errors import RegionalError
from ...request.layout.windows import Grid
from ...request.prompt.lora_tags import without_tags
from ...request.prompt.region_prompts import ImageTexts
from ...tensors.latents.fusing import Fusion
from ...tensors.latents.windows import Window, canvas_of
from ...tensors.masks.pyramid import Active, Factors
from ..texts.signed_texts import own_texts, turned_values
from .attention_recording import row_recorder
from .contexts import Contexts
from .lora_factors import ByTag
from .prepared import Prepared
from .region_lora import loras_of_regions, row_hooks
from .region_noise import region_noise
from .rows import Passes
from .token_attributes import strength_attributes


@dataclass(frozen=True)
class View:
    """One window of a branch; ``weight`` (h, w) is what its prediction counts for at each cell of the picture."""

    window: Window
    weight: Tensor


@dataclass(frozen=True)
class Branch:
    """One prediction of the picture's sum: of a region, of the base (``region`` None), or of all prompts ``together``."""

    region: int | None
    views: tuple[View, ...]
    together: bool = False


@dataclass(frozen=True)
class Scene:
    """What branches depend on: latent (H, W), active regions, those of them without text, negative and CFG scale, the prompt's weights.

    ``image`` where its masks are its own, else None.
    """

    latent: Grid
    active: Active
    inactive: frozenset[int]
    factors: Factors
    image: int | None = None


Branches = Callable[[Scene, StepInfo], tuple[Branch, ...]]

Observe = Callable[[Tensor, Branch, Window, UNetCall, Row], "Tensor | None"]
"""The latent (C, h, w) that a branch is predicted from, given the row's crop (C, h, w); None for the crop itself."""

Report = Callable[[UNetCall, Row, Branch, Tensor], None]
"""Called with every prediction (C, h, w) of a branch's window, for an image's row of a role."""


@dataclass(frozen=True)
class _Use:
    """``factor`` times a prediction of ``role`` is part of row ``at`` of the call, in a view of a branch."""

    at: int
    factor: float
    role: Role
    view: View
    branch: Branch


@dataclass
class _Job:
    """One prediction to make, and where it counts."""

    row: UNetRow
    uses: list[_Use] = field(default_factory=list)


class RegionalPrediction:
    """A UNet hook for one generation."""

    def __init__(
        self,
        plan: Plan,
        prepared: Prepared,
        branches: Branches,
        passes: Passes,
        observe: Observe | None = None,
        report: Report | None = None,
        always: bool = False,
    ) -> None:
        """``always``: also where no region is active, since the base alone is more than the host's own call."""
        self._plan = plan
        self._prepared = prepared
        self._branches = branches
        self._passes = passes
        self._observe = observe
        self._report = report
        self._always = always
        self._trained = facts_of(prepared.host).trained ** 2
        self._weights: dict[tuple[int, float], tuple[View, Tensor]] = {}
        if plan.signed:  # the host's own context lacks the base's negative weights
            self._always = always or any(own_texts(one, role) for one in plan.every_text for role in ("cond", "uncond"))

    @property
    def contexts(self) -> Contexts:
        """Those that hold now."""
        return self._prepared.contexts

    def __call__(self, call: UNetCall) -> Tensor | None:
        step = call.model.step
        active = self._plan.active(step)
        if not active and not self._always:
            return None
        jobs: dict[Hashable, _Job] = {}
        largest = 0
        for at, row in enumerate(call.model.rows):
            for branch in self._branches(scene_of(self._plan, call, row, active), step):
                largest = max([largest, *(view.window.cells for view in branch.views)])
                for view in branch.views:
                    for factor, role in self._shares(row, branch, step):
                        key, job = self._job(call, at, branch, view.window, role)
                        jobs.setdefault(key, job).uses.append(_Use(at, factor, role, view, branch))
        return self._summed(call, list(jobs.values()), largest)

    def _texts(self, row: Row, step: StepInfo) -> ImageTexts:
        return self._plan.pass_of(step).texts[row.image]

    def _scale(self, region: int | None) -> float | None:
        return None if region is None else self._plan.layout.regions[region].cfg_scale

    def _shares(self, row: Row, branch: Branch, step: StepInfo) -> Iterator[tuple[float, Role]]:
        """(factor, role) of the predictions that a branch's part in ``row`` is made of."""
        own = self._scale(branch.region)
        if row.role == "uncond" or own is None or own == step.cfg_scale or not step.guided:
            yield 1.0, row.role
            return
        if step.cfg_scale == 0:
            raise RegionalError("A region has a CFG scale of its own; this needs a CFG scale above 0 for the picture, which has 0.")
        yield own / step.cfg_scale, "cond"
        yield 1 - own / step.cfg_scale, "uncond"

    def _job(self, call: UNetCall, at: int, branch: Branch, window: Window, role: Role) -> tuple[Hashable, _Job]:
        row = call.model.rows[at]
        source, key, conditioning = self._context_of(call, at, branch, role)
        x = window.of(call.x[source])
        seen = self._observe(x, branch, window, call, row) if self._observe is not None else None
        alone = seen is not None or branch.region in self._plan.referenced(call.model.step)
        place: Hashable = (row.image, window, branch.region if alone else None)
        whole = seen is None and window == canvas_of(call.model.latent)
        tag = ("base" if branch.region is None else "region", branch.region, window)
        latent = None if whole else x if seen is None else seen
        return (place, key), _Job(UNetRow(source, latent, conditioning, tag, None if whole else window))

    def _context_of(self, call: UNetCall, at: int, branch: Branch, role: Role) -> tuple[int, Hashable, Conditioning | None]:
        """(source row, key of its context, conditioning or None for the source row's own)."""
        row, step = call.model.rows[at], call.model.step
        wanted = Row(row.image, role, row.part)
        key = None if branch.region is None else self.contexts.key(wanted, branch.region, step)
        if branch.together and role == "cond":
            key = self.contexts.text_key(together(self._texts(row, step)), role, step)
        if key is None and role != row.role:
            others = [n for n, other in enumerate(call.model.rows) if other.image == row.image and other.role == role]
            if others:
                own = self.contexts.own_key(call.model.rows[others[0]], step)
                return others[0], ("row", others[0]), None if own is None else self.contexts.conditioning(own)
            key = self.contexts.text_key(without_tags(self._texts(row, step).negative), role, step)
        key = self.contexts.own_key(row, step) if key is None else key
        return (at, ("row", at), None) if key is None else (at, key, self.contexts.conditioning(key))

    def _summed(self, call: UNetCall, jobs: list[_Job], largest: int) -> Tensor | None:
        rows, fusion = [job.row for job in jobs], Fusion(call.model.latent)
        for at, made in self._passes(call, rows, max(largest, min(self._trained, call.model.latent[0] * call.model.latent[1]))):
            for use in jobs[at].uses:
                fusion.add(use.at, use.view.window, made, self._weight(use, made.device))
                if self._report is not None:
                    row = call.model.rows[use.at]
                    self._report(call, replace(row, role=use.role), use.branch, made)
        return torch.stack([fusion.of(at) for at in range(len(call.x))]) if jobs else None

    def _weight(self, use: _Use, device: torch.device) -> Tensor:
        """What a use counts for at each cell, brought to the device once for each view; views are the same from step to step."""
        name = (id(use.view), use.factor)
        if name not in self._weights:
            self._weights[name] = (use.view, (use.view.weight * use.factor).to(device))
        return self._weights[name][1]


def scene_of(plan: Plan, call: UNetCall, row: Row, active: Active) -> Scene:
    """The scene of one row of a call with these ``active`` regions."""
    texts = plan.pass_of(call.model.step).texts[row.image]
    referenced = plan.referenced(call.model.step)
    alone = (r for r in active if not texts.regions[r] and texts.region_negatives[r] is None and r not in referenced)
    inactive = frozenset(r for r in alone if plan.layout.regions[r].cfg_scale is None)
    own = plan.words is not None and plan.words.varies(active)
    return Scene(call.model.latent, active, inactive, texts.weights, row.image if own else None)


def together(texts: ImageTexts) -> str:
    """All prompts of a picture in one, each once, without the regions' LoRAs."""
    parts = (text.strip() for text in (texts.base, *map(without_tags, texts.regions)))
    return ", ".join(dict.fromkeys(text for text in parts if text))


def others_of(plan: Plan, whole: bool = False) -> Callable[[ImageTexts, Literal["cond", "uncond"]], Iterator[str]]:
    """Texts that a prediction needs beside the regions': the main negative for CFG scales of regions, and with ``whole`` all in one."""
    scales = any(region.cfg_scale is not None for region in plan.layout.regions)

    def others(texts: ImageTexts, role: Role) -> Iterator[str]:
        if role == "uncond" and scales:
            yield without_tags(texts.negative)
        if role == "cond" and whole:
            yield together(texts)

    return others


def prediction_hooks(
    plan: Plan,
    host: Host,
    branches: Branches,
    memory: float,
    *,
    observe: Observe | None = None,
    always: bool = False,
    whole: bool = False,
) -> Hooks:
    """Hooks of a method whose regions are predictions of their own, with the regions' LoRAs and seeds.

    ``whole``: a branch has all prompts joined. For the others see `RegionalPrediction`.
    """
    prepared = Prepared(plan, host, others_of(plan, whole))
    return prepared.renewed_by(prepared_hooks(plan, prepared, branches, memory, observe=observe, always=always))


def prepared_hooks(
    plan: Plan,
    prepared: Prepared,
    branches: Branches,
    memory: float,
    *,
    observe: Observe | None = None,
    report: Report | None = None,
    always: bool = False,
) -> Hooks:
    """The same with what is ``prepared`` already, `others_of` the plan included, and renewed by whoever prepared it."""
    return Hooks(
        cross_attention=turned_values(plan, row_recorder(plan)),
        unet=RegionalPrediction(plan, prepared, branches, Passes(memory), observe, report, always),
        layers=row_hooks(prepared.networks, plan),
        token_attributes=strength_attributes(ByTag(loras_of_regions(plan))) if prepared.networks.layers else None,
        denoiser=region_noise(plan, prepared.host),
    )
