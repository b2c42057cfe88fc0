"""RAG: region-aware generation by hard binding, then soft refinement (Chen et al. 2024), carried over to UNets.

*Hard binding*: in the first steps every region is denoised alone in a latent of its box, which begins with its part of the noise, and is
put back at every step; where boxes overlap one of them wins. Everything outside the regions is predicted jointly, from the picture in
which the regions already are. So it differs from latent composite, whose base knows nothing of them. *Soft refinement*: whatever is
predicted jointly is attention couple with a base share of ``1 − δ``.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ..engine.calls import StepInfo, UNetCall
from ..engine.capabilities import facts_of
from ..engine.compose import by_origin
from ..engine.hooks import Hooks, UNetHook
from ..engine.plan import Plan
from ..engine.ports import Host
from ..request.layout.windows import Grid
from .attention_couple import couple_hooks
from .common.prepared import Prepared
from .common.region_predictions import Branch, Branches, Scene, others_of, prepared_hooks, scene_of
from .latent_composite import Hidden, alone_first, owned_branches


def rag(plan: Plan, host: Host) -> Hooks:
    """Hooks for one generation; options: ``bind``, ``soft``, ``memory``. A hires pass has no steps of hard binding."""
    option = plan.settings.option_of("rag")
    prepared, hidden = Prepared(plan, host, others_of(plan)), Hidden(plan, facts_of(host))
    joint, branches = couple_hooks(softened(plan, float(option("soft"))), prepared), _of_regions(owned_branches(plan))
    made = prepared_hooks(plan, prepared, branches, option("memory"), observe=hidden.observe, report=hidden.keep)
    assert made.unet is not None
    binding = replace(by_origin(joint, made), unet=Binding(plan, made.unet, branches), denoiser=joint.denoiser)

    def bound(step: StepInfo) -> bool:
        return not step.hires and step.index < bound_steps(float(option("bind")), step.total)

    return alone_first(bound, binding, joint, hidden, prepared)


def bound_steps(share: float, total: int) -> int:
    """How many of ``total`` steps are bound: a share above 0 has one at least."""
    return math.ceil(share * total - 1e-9)


def softened(plan: Plan, soft: float) -> Plan:
    """The plan with base shares ``1 − δ (1 − b)``: the regions' own weight is scaled by ``soft``, δ."""
    regions = tuple(replace(region, base_share=1 - soft * (1 - region.base_share)) for region in plan.layout.regions)
    return replace(plan, layout=replace(plan.layout, regions=regions))


def _of_regions(branches: Branches) -> Branches:
    """``branches`` without the base."""
    known: dict[Scene, tuple[Branch, ...]] = {}

    def found(scene: Scene, step: StepInfo) -> tuple[Branch, ...]:
        if scene not in known:
            known[scene] = tuple(branch for branch in branches(scene, step) if branch.region is not None)
        return known[scene]

    return found


class Binding:
    """A UNet hook: the regions' own predictions in their cells, the joint prediction, the host's own call, in all others."""

    def __init__(self, plan: Plan, regions: UNetHook, branches: Branches) -> None:
        self._plan = plan
        self._regions = regions
        self._branches = branches
        self._owned: dict[Scene, Tensor] = {}

    def __call__(self, call: UNetCall) -> Tensor | None:
        active = self._plan.active(call.model.step)
        made = self._regions(call) if active else None
        if made is None:
            return None
        owned = torch.stack([self._cells(scene_of(self._plan, call, row, active), call.model.step) for row in call.model.rows])
        if bool(owned.all()):
            return made
        return torch.where(owned.view(len(owned), *(1,) * (made.dim() - 3), *owned.shape[-2:]).to(made.device), made, call.native())

    def _cells(self, scene: Scene, step: StepInfo) -> Tensor:
        """The cells that belong to regions, bool (H, W), on the CPU."""
        if scene not in self._owned:
            self._owned[scene] = _covered(self._branches(scene, step), scene.latent)
        return self._owned[scene]


def _covered(branches: tuple[Branch, ...], latent: Grid) -> Tensor:
    cells = torch.zeros(latent, dtype=torch.bool)
    for branch in branches:
        for view in branch.views:
            view.window.of(cells).logical_or_(view.weight > 0)
    return cells
