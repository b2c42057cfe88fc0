"""What the ControlNet units of a generation add to one call of the UNet.

A ControlNet reads the call's own rows (latent, timestep, context) and the control picture, and gives one residual for every skip connection
of the UNet and one for its middle block (Zhang et al. 2023, eq. 4 with zero convolutions). Here each is multiplied by the unit's weight, by
its control mode's weight for that layer, and by the unit's mask. Rows that a method predicts by themselves get residuals of their own: of
a window of the canvas, by the control picture's and the mask's part there.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ...engine.calls import RowRoles, StepInfo
from ...request.errors import RegionalError
from ...request.layout.windows import Grid, Window, canvas_of
from ..model.stable_diffusion import CELL
from .hints import hint_of
from .units import CONTROL_MODES, HR_OPTIONS, Unit

SOFT = 0.825
"""Ratio of two neighbouring layers' weights in the control modes other than *Balanced*."""
LAYERS = 12
"""Skip connections of Stable Diffusion 1, by which these weights are counted."""


@dataclass(frozen=True)
class ControlRow:
    """One row of a call: ``image`` of the batch, whether it is guided, and its ``window`` of the canvas (None: all of it)."""

    image: int
    cond: bool
    window: Window | None = None


@dataclass(eq=False)
class Prepared:
    """A unit with its network and its control pictures, one for all images of a batch or one for each."""

    unit: Unit
    network: Any
    pictures: tuple[Image.Image, ...]
    _hints: dict[tuple[int, Grid], Tensor] = field(default_factory=dict)
    _masks: dict[Grid, Tensor] = field(default_factory=dict)
    factors: dict[Hashable, dict[Grid, Tensor]] = field(default_factory=dict)
    """What residuals of a call's rows are multiplied by, by the size of a layer; see `Control`."""

    def acts(self, step: StepInfo) -> bool:
        """Whether the unit is at work at a step."""
        if self.unit.hr_option != HR_OPTIONS[0] and step.hires != (self.unit.hr_option == HR_OPTIONS[2]):
            return False
        return self.unit.weight > 0 and self.unit.start <= step.progress <= self.unit.end

    def hint(self, image: int, canvas: Grid, like: Tensor) -> Tensor:
        """(3, 8H, 8W) for an image of the batch on a canvas (H, W) in cells."""
        number = image % len(self.pictures)
        if (number, canvas) not in self._hints:
            size = (canvas[1] * CELL, canvas[0] * CELL)
            self._hints[number, canvas] = hint_of(self.pictures[number], self.unit.module, self.unit.resize_mode, *size).to(like)
        return self._hints[number, canvas]

    def mask(self, canvas: Grid, like: Tensor) -> Tensor | None:
        """(H, W) of the canvas; None where the unit acts everywhere."""
        if self.unit.mask is None:
            return None
        if canvas not in self._masks:
            self._masks[canvas] = _resized(self.unit.mask[None, None], canvas)[0, 0].to(like.device)
        return self._masks[canvas]

    @property
    def guided_only(self) -> bool:
        """Whether the unit leaves the negative prompt's rows as they are."""
        return self.unit.control_mode == CONTROL_MODES[2]

    def scales(self, layers: int) -> list[float]:
        """What each residual is multiplied by, the middle block's last."""
        soft = self.unit.control_mode != CONTROL_MODES[0]
        return [self.unit.weight * (SOFT ** (LAYERS - at) if soft else 1.0) for at in range(layers)]


@dataclass(frozen=True)
class Control:
    """The units that act in one call of the UNet, and its rows, which are parts of a ``canvas`` (H, W) in cells."""

    units: tuple[Prepared, ...]
    rows: tuple[ControlRow, ...]
    canvas: Grid

    def of_rows(self, sources: Sequence[int], windows: Sequence[Window | None]) -> Control:
        """The same for other rows, each of one of these rows; ``windows`` of the canvas where a row is a part of it."""
        return replace(self, rows=tuple(replace(self.rows[at], window=window) for at, window in zip(sources, windows, strict=True)))

    def residuals(self, x: Tensor, timesteps: Any, context: Tensor, added: Any) -> tuple[tuple[Tensor, ...], Tensor]:
        """Of x (B, C, h, w) with contexts (B, T, D): a residual for each skip connection, (B, C', h', w'), and the middle block's.

        Raises `RegionalError` for rows of another size than the canvas that do not say which part of it they are.
        """
        if any(row.window is None for row in self.rows) and (x.shape[-2], x.shape[-1]) != self.canvas:
            raise RegionalError("ControlNet cannot follow this method: it predicts pieces of the picture without naming their place.")
        total: list[Tensor] | None = None
        for unit in self.units:
            found = self._of_unit(unit, x, timesteps, context, added)
            total = found if total is None else [one + other for one, other in zip(total, found, strict=True)]
        assert total is not None
        return tuple(total[:-1]), total[-1]

    def _of_unit(self, unit: Prepared, x: Tensor, timesteps: Any, context: Tensor, added: Any) -> list[Tensor]:
        size = (x.shape[-2], x.shape[-1])
        hints = torch.stack([_part(unit.hint(row.image, self.canvas, x), self._window(row), size, CELL) for row in self.rows])
        down, middle = unit.network(x, timesteps, context, hints, added_cond_kwargs=added, return_dict=False)
        found, scales = [*down, middle], unit.scales(1 + len(down))
        if unit.unit.mask is None and not unit.guided_only:
            return [one * scale for one, scale in zip(found, scales, strict=True)]
        known = unit.factors.setdefault((self.rows, self.canvas, size, down[0].dtype), {})
        return [one * scale * self._factors(unit, known, size, one) for one, scale in zip(found, scales, strict=True)]

    def _factors(self, unit: Prepared, known: dict[Grid, Tensor], size: Grid, residual: Tensor) -> Tensor:
        """Where the unit acts, and in which rows, as it is multiplied with a residual of rows of a ``size``; ``known`` are those made."""
        layer = (residual.shape[-2], residual.shape[-1])
        if layer not in known:
            known[layer] = _resized(self._where(unit, size, residual), layer).to(residual)
        return known[layer]

    def _where(self, unit: Prepared, size: Grid, x: Tensor) -> Tensor:
        """(B, 1, h, w), or (B, 1, 1, 1) without a mask: 1 where the unit acts."""
        rows = [0.0 if unit.guided_only and not row.cond else 1.0 for row in self.rows]
        acts = x.new_tensor(rows, dtype=torch.float32)[:, None, None, None]
        mask = unit.mask(self.canvas, x)
        if mask is None:
            return acts
        return acts * torch.stack([_part(mask[None], self._window(row), size, 1) for row in self.rows])

    def _window(self, row: ControlRow) -> Window:
        return canvas_of(self.canvas) if row.window is None else row.window


def control_of(units: Sequence[Prepared], rows: RowRoles, step: StepInfo, canvas: Grid) -> Control | None:
    """The control of a call of the host's on these rows; None where no unit acts."""
    acting = tuple(unit for unit in units if unit.acts(step))
    return Control(acting, tuple(ControlRow(row.image, row.role == "cond") for row in rows), canvas) if acting else None


def _part(whole: Tensor, window: Window, size: Grid, cell: int) -> Tensor:
    """The part (C, …) of a tensor on ``cell`` places a latent cell, brought to a row of ``size`` cells."""
    part = whole[..., window.top * cell : window.bottom * cell, window.left * cell : window.right * cell]
    return _resized(part[None], (size[0] * cell, size[1] * cell))[0]


def _resized(planes: Tensor, size: Sequence[int]) -> Tensor:
    """(B, C, h, w) -> (B, C, *size); one value for all places stays one."""
    if tuple(planes.shape[-2:]) in ((1, 1), tuple(size)):
        return planes
    return F.interpolate(planes, tuple(size), mode="bilinear")
