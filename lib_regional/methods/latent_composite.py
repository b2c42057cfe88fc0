"""Latent composite: every region is made on its own for the first steps and pasted by its mask; then all is sampled on together.

A region's own latent is the box around it. Where the region is the one that shows, its latent is the picture's and the host's sampler
moves it, whatever the sampler. What does not show, the rest of the box and the base under the regions, is kept here and follows by
Euler's method on the probability-flow ODE (Karras et al. 2022, algorithm 2). A region that fills its box thus is, cell by cell, the
picture of that size that its prompt alone would give, as long as it is alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..engine.calls import DenoiserCall, Role, Row, StepInfo, UNetCall
from ..engine.capabilities import ModelFacts, facts_of
from ..engine.compose import switched
from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
from ..tensors.latents.noise import latent_channels, network_input, noise_slope, sampler_latent
from ..tensors.latents.windows import Window, canvas_of, fitted, support
from ..tensors.precision import single
from .attention_couple import couple_hooks
from .common.prepared import Prepared
from .common.region_noise import region_noise
from .common.region_predictions import Branch, Branches, Scene, View, others_of, prepared_hooks
from .latent_couple import contributions, latent_couple_hooks, shares_of

Owner = tuple[int, int | None]
"""Image of the batch, and region or None for the base."""

_BASE_RANK = -2e-3
"""Added to the base's weight where cells are given away: a region as heavy as the base gets the cell, whatever its priority."""

AFTER: dict[str, Callable[[Plan, Prepared], Hooks]] = {
    "attention_couple": couple_hooks,
    "latent_couple": latent_couple_hooks,
    "nothing": lambda plan, prepared: Hooks(denoiser=region_noise(plan, prepared.host)),
}
"""What the regions do once they are pasted, and in a hires pass, which begins with noise of the regions' seeds too."""


def owned_branches(plan: Plan) -> Branches:
    """Every cell belongs to one: the heaviest, then the one of higher priority, then the later one. Regions are seen in their boxes."""
    maps = shares_of(plan)
    known: dict[Scene, tuple[Branch, ...]] = {}

    def branches(scene: Scene, step: StepInfo) -> tuple[Branch, ...]:
        if scene not in known:
            found = contributions(maps(scene), scene)
            ranks = [_BASE_RANK if r is None else plan.layout.regions[r].priority * 1e-6 + r * 1e-10 for r, _ in found]
            votes = torch.stack([weight.double() + rank for (_, weight), rank in zip(found, ranks, strict=True)])
            owner = votes.argmax(0)
            known[scene] = tuple(_branch(r, (owner == at).float(), scene) for at, (r, _) in enumerate(found) if (owner == at).any())
        return known[scene]

    return branches


def _branch(region: int | None, mine: Tensor, scene: Scene) -> Branch:
    box = None if region is None else support(mine)
    window = canvas_of(scene.latent) if box is None else fitted(box, scene.latent)
    return Branch(region, (View(window, window.of(mine)),))


class Hidden:
    """Latents of one generation that do not show, in fp32 as the sampler would count them, and the last predictions of them."""

    def __init__(self, plan: Plan, facts: ModelFacts) -> None:
        self._plan = plan
        self._facts = facts
        self._latents: dict[Owner, Tensor] = {}
        self._seen: dict[Owner, tuple[Tensor, StepInfo]] = {}
        self._predictions: dict[Owner, dict[tuple[Role, int], Tensor]] = {}
        self._shows: dict[int, tuple[Branch, Tensor | None]] = {}

    def clear(self) -> None:
        """Forget all: a pass begins, or the regions are no longer alone."""
        self._latents.clear()
        self._seen.clear()
        self._predictions.clear()

    def observe(self, x: Tensor, branch: Branch, window: Window, call: UNetCall, row: Row) -> Tensor | None:
        """The picture's latent where the branch shows, its own hidden one elsewhere; see `region_predictions.Observe`."""
        shows = self._shown(branch, x.device)
        if shows is None:
            return None
        owner, sigma = (row.image, branch.region), call.model.step.sigma
        kind, channels = self._facts.prediction, latent_channels(x, self._facts.prediction)
        latent, rest = single(x[:channels]), x[channels:]
        hidden = self._latents.setdefault(owner, sampler_latent(latent, sigma, kind))
        seen = torch.where(shows, latent, network_input(hidden, sigma, kind))
        self._seen[owner] = (seen, call.model.step)
        return torch.cat([seen.to(x.dtype), rest])

    def _shown(self, branch: Branch, device: torch.device) -> Tensor | None:
        """Where the branch shows, bool (h, w); None for everywhere. Branches are the same from step to step."""
        if id(branch) not in self._shows:
            shows = branch.views[0].weight > 0
            self._shows[id(branch)] = (branch, None if bool(shows.all()) else shows.to(device))
        return self._shows[id(branch)][1]

    def keep(self, call: UNetCall, row: Row, branch: Branch, prediction: Tensor) -> None:
        """See `region_predictions.Report`."""
        if (row.image, branch.region) in self._seen:
            self._predictions.setdefault((row.image, branch.region), {})[row.role, row.part] = prediction

    def advance(self, call: DenoiserCall) -> None:
        """Bring all hidden latents to the noise level of ``call`` by an Euler step from where they were seen last."""
        kind = self._facts.prediction
        sigma = call.beta if kind == "flow" else call.beta / call.alpha
        for owner, (seen, step) in self._seen.items():
            guided = self._guided(self._predictions[owner], owner[1], step)
            slope = noise_slope(seen, guided, step.sigma, kind)
            self._latents[owner] = sampler_latent(seen, step.sigma, kind) + slope * (sigma - step.sigma)
        self._seen.clear()
        self._predictions.clear()

    def _guided(self, predictions: dict[tuple[Role, int], Tensor], region: int | None, step: StepInfo) -> Tensor:
        """Guidance with all ``AND`` parts of the prompt counting 1, as they do unless the prompt weights them."""
        conds = [made.float() for (role, _), made in predictions.items() if role == "cond"]
        uncond = predictions.get(("uncond", 0))
        if uncond is None:
            return torch.stack(conds).mean(0)
        own = None if region is None else self._plan.layout.regions[region].cfg_scale
        scale, start = step.cfg_scale if own is None or not step.guided else own, uncond.float()
        return start + scale * sum((cond - start for cond in conds), torch.zeros_like(start))


def latent_composite(plan: Plan, host: Host) -> Hooks:
    """Hooks for one generation; options: ``alone``, ``after``, ``memory``. A hires pass has no steps alone."""
    option = plan.settings.option_of("latent_composite")
    prepared, hidden = Prepared(plan, host, others_of(plan)), Hidden(plan, facts_of(host))
    own = prepared_hooks(plan, prepared, owned_branches(plan), option("memory"), observe=hidden.observe, report=hidden.keep)

    def alone(step: StepInfo) -> bool:
        return not step.hires and step.progress < option("alone")

    return alone_first(alone, own, AFTER[option("after")](plan, prepared), hidden, prepared)


def alone_first(alone: Callable[[StepInfo], bool], own: Hooks, after: Hooks, hidden: Hidden, prepared: Prepared) -> Hooks:
    """``own`` at the steps ``alone``, in which ``hidden`` latents are kept and follow the noise level; ``after`` at all others."""
    both = switched(alone, own, after)

    def denoiser(call: DenoiserCall) -> Tensor:
        if call.step.index == 0 or not alone(call.step):
            hidden.clear()
        hidden.advance(call)
        return call.run() if both.denoiser is None else both.denoiser(call)

    return prepared.renewed_by(replace(both, denoiser=denoiser))
