"""The role of every row of Forge's batch, as data that travels with the rows.

Forge cuts one guided prediction into conditions (one for each ``AND`` part and one for the negative, each of as many rows as there are
images), runs those together whose shapes agree and for which memory suffices, in an order of its own, and passes to the UNet only whether a
chunk is negative. So every condition gets one more entry, `RowTag`, which the host splits and joins with the rest. Nothing is counted
and nothing is inferred from sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ...engine.calls import Row, RowRoles, StepInfo
from ...request.errors import RegionalError
from .denoiser import level_of

ROWS = "regional_rows"
"""Keyword argument of the UNet with the rows' roles; Forge's networks accept unknown keywords."""


class RowTag:
    """Rows of one condition behind the interface of Forge's ``backend.sampling.condition.Condition``; ``cond`` is no tensor."""

    def __init__(self, rows: RowRoles) -> None:
        self.cond = rows

    def process_cond(self, batch_size: int, device: Any = None, **_: Any) -> RowTag:
        """Called by the host for ``batch_size`` rows on its device."""
        if batch_size != len(self.cond):
            raise RegionalError(
                f"Regional expected {len(self.cond)} images, but {batch_size} are made: another extension changes the batch."
            )
        return self

    def size(self) -> list[int]:
        """The size from which reForge estimates the memory of a call."""
        return [len(self.cond)]

    def can_concat(self, other: Any) -> bool:
        """Whether both conditions may run in one call."""
        return isinstance(other, RowTag)

    def concat(self, others: Sequence[RowTag]) -> RowRoles:
        """The roles of conditions that run in one call, in this order."""
        return (*self.cond, *(row for other in others for row in other.cond))


def tagged(condition: dict[str, Any], rows: RowRoles) -> dict[str, Any]:
    """``condition`` with its rows' roles, the original untouched."""
    return {**condition, "model_conds": {**condition["model_conds"], ROWS: RowTag(rows)}}


def tag_conditions(denoiser: Any, announce: Callable[[StepInfo], None], levels: bool = True) -> Callable[..., tuple[Any, ...]]:
    """A ``conditioning_modifiers`` function: positive conditions are the ``AND`` parts in order, for all images each.

    ``announce`` is called with the step, whose CFG scale is the one of this prediction; its sigma, for which the device is waited for, is 0
    unless ``levels`` are read.
    """

    def modify(
        model: Any, x: Any, timestep: Any, uncond: Any, cond: Any, cond_scale: Any, model_options: Any, seed: Any
    ) -> tuple[Any, ...]:
        images, parts = range(len(x)), _parts(denoiser)
        if len(cond) != parts:
            raise RegionalError(
                f"Another extension changed this batch's prompts ({len(cond)} instead of {parts}); Regional cannot follow it."
            )
        positive = [tagged(c, tuple(Row(image, "cond", part) for image in images)) for part, c in enumerate(cond)]
        negative = tuple(Row(image, "uncond") for image in images)
        announce(step_of(denoiser, float(timestep[0]) if levels else 0.0, float(cond_scale), _scale(denoiser)))
        left = None if uncond is None else [tagged(c, negative) for c in uncond]
        return model, x, timestep, left, positive, cond_scale, model_options, seed

    return modify


def _parts(denoiser: Any) -> int:
    """Number of ``AND`` parts that the host runs: the smallest of all images (the host transposes with ``zip``)."""
    return min(len(image) for image in denoiser.sampler.sampler_extra_args["cond"].batch)


def step_of(denoiser: Any, sigma: float, scale: float, asked: float) -> StepInfo:
    """The current step. Adaptive samplers make more calls than they announce; their total grows with the calls.

    A host that leaves guidance out of a step passes a ``scale`` of 1 where another was ``asked`` for.
    """
    total = max(int(denoiser.total_steps or 0), denoiser.step + 1)
    left_out = math.isclose(scale, 1.0) and not math.isclose(asked, 1.0)
    return StepInfo(denoiser.step, total, sigma, bool(getattr(denoiser.p, "is_hr_pass", False)), scale, not left_out)


def step_before(denoiser: Any, level: float) -> StepInfo:
    """The same before the host has begun its prediction; ``level`` is the sampler's (sigma or timestep)."""
    scale = _scale(denoiser)
    return step_of(denoiser, level_of(denoiser, level), scale, scale)


def _scale(denoiser: Any) -> float:
    """The CFG scale that the pass was asked for."""
    p, arguments = denoiser.p, getattr(denoiser.sampler, "sampler_extra_args", None) or {}
    hires = bool(getattr(p, "is_hr_pass", False))
    own = getattr(p, "hr_cfg", None) if hires else None
    scale = arguments.get("cond_scale") if own is None else own
    return 1.0 if scale is None else float(scale)


def rows_of(entries: dict[str, Any], rows: slice, before: int) -> dict[str, Any]:
    """Conditions of the tiles' call (of ``before`` rows) for the rows of one tile; entries without a row axis stay."""
    return {key: _control(value, rows, before) if key == "control" else _sliced(value, rows, before) for key, value in entries.items()}


def _sliced(value: Any, rows: slice, before: int) -> Any:
    return value[rows] if isinstance(value, Tensor) and value.ndim and len(value) == before else value


def _control(control: Any, rows: slice, before: int) -> Any:
    if not control:
        return control
    return {name: [_sliced(residual, rows, before) for residual in residuals] for name, residuals in control.items()}
