"""One trajectory of an edit: what is predicted where, with which text and which weight.

``R = {base, r_1 … r_n, total}`` of MultiDiffusion with regions (design, section 4; Bar-Tal et al. 2023; Li et al., AAAI-24).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ...engine.calls import Role, StepInfo
from ...engine.plan import Plan
from ...request.layout.regions import Layout
from ...request.layout.windows import Grid, Window, canvas_of, window_around
from ...request.prompt.region_prompts import ImageTexts
from ...request.prompt.splitting import join_texts
from ...tensors.latents.fusing import Fusion
from ...tensors.masks.weight_maps import WeightMaps, weight_maps

Key = int | str
"""A region by its position in the layout, or one of the two below."""
BASE, TOTAL = "base", "total"


@dataclass(frozen=True)
class Job:
    """One prediction: ``key`` is its region, ``weight`` (h, w) its share at each cell of its window; a row's shares sum to 1."""

    key: Key
    text: str
    window: Window
    weight: Tensor


@dataclass(frozen=True)
class Tag:
    """Mark of a row that the method has predicted: which trajectory, whose text, which image, which role."""

    side: str
    key: Key
    image: int
    role: Role


def is_base_reworded(source: Plan, target: Plan) -> bool:
    """Whether the base's text differs in any image."""
    return any(old.base != new.base for old, new in zip(source.first.texts, target.first.texts, strict=True))


def total_text(texts: ImageTexts, regions: tuple[int, ...]) -> str:
    """The prompt that names everything: the base's and all regions' texts."""
    return join_texts(texts.base, *(texts.regions[i] for i in regions))


@dataclass
class Side:
    """The source's or the target's trajectory. ``total`` is None without the joined prediction, else the share of steps before it."""

    name: str
    plan: Plan
    halo: int = 0
    total: float | None = None
    _maps: dict[tuple[object, ...], tuple[WeightMaps, dict[int, Window]]] = field(default_factory=dict)
    _jobs: dict[tuple[object, ...], list[Job]] = field(default_factory=dict)

    def active(self, image: int, step: StepInfo) -> tuple[int, ...]:
        """Active regions with a text."""
        texts = self.plan.pass_of(step).texts[image]
        return tuple(i for i in self.plan.active(step) if texts.regions[i])

    def jobs(self, image: int, role: Role, step: StepInfo, latent: Grid) -> list[Job]:
        """What is predicted for ``image``. Weights are positive somewhere, or the joined prediction's before it counts."""
        joined = self.total is not None and step.progress >= self.total
        name = (image, role, step.hires, self.active(image, step), latent, joined)
        if name not in self._jobs:
            self._jobs[name] = self._made_jobs(image, role, step, latent)
        return self._jobs[name]

    def _made_jobs(self, image: int, role: Role, step: StepInfo, latent: Grid) -> list[Job]:
        texts, active = self.plan.pass_of(step).texts[image], self.active(image, step)
        maps, windows = self.maps(image, step, latent)
        base = texts.base if role == "cond" else texts.negative
        jobs = [Job(BASE, base, canvas_of(latent), maps.base)] if bool((maps.base > 1e-3).any()) or not active else []
        for i in active:
            text = texts.regions[i] if role == "cond" else texts.region_negatives[i]
            jobs.append(Job(i, texts.negative if text is None else text, windows[i], windows[i].of(maps.regions[i])))
        if self.total is not None and active:
            weight = torch.full(latent, float(step.progress >= self.total))
            text = total_text(texts, active) if role == "cond" else texts.negative
            if role == "cond" or float(weight[0, 0]) > 0:
                jobs.append(Job(TOTAL, text, canvas_of(latent), weight))
        return _normalised(jobs, latent)

    def maps(self, image: int, step: StepInfo, latent: Grid) -> tuple[WeightMaps, dict[int, Window]]:
        """Weight maps, cut to the regions' windows (what is cut off goes to the base), and the windows."""
        active, factors = self.active(image, step), self.plan.pass_of(step).texts[image].weights
        name = (active, factors, latent)
        if name not in self._maps:
            layout = self.plan.layout
            windows = {i: window_around(layout.regions[i].shape.bounds, latent, self.halo) for i in active}
            full = weight_maps(_weighted(self.plan, factors), *latent, active)
            seen = torch.zeros_like(full.regions)
            for i, window in windows.items():
                window.of(seen[i]).fill_(1)
            cut = full.regions * seen
            self._maps[name] = (WeightMaps(cut, (1 - cut.sum(0)).clamp_min(0), full.share), windows)
        return self._maps[name]


def _weighted(plan: Plan, factors: tuple[float, ...]) -> Layout:
    if all(factor == 1 for factor in factors):
        return plan.layout
    regions = [replace(region, weight=region.weight * factor) for region, factor in zip(plan.layout.regions, factors, strict=True)]
    return replace(plan.layout, regions=tuple(regions))


def fuse(parts: Sequence[tuple[Job, Tensor]], latent: Grid) -> Tensor:
    """``Σ w_i ⊗ F_i⁻¹(y_i)`` of the predictions y (C, h, w) of one row's jobs -> (C, H, W)."""
    fusion = Fusion(latent)
    for job, y in parts:
        fusion.add(None, job.window, y, job.weight.to(y.device))
    return fusion.of(None)


def _normalised(jobs: list[Job], latent: Grid) -> list[Job]:
    """The jobs with weights that sum to 1 at every cell."""
    total = torch.zeros(latent)
    for job in jobs:
        job.window.of(total).add_(job.weight)
    return [replace(job, weight=job.weight / job.window.of(total).clamp_min(1e-6)) for job in jobs]
