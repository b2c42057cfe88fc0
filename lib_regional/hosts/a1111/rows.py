"""The role of every row of the UNet's batch in AUTOMATIC1111: read from the sampler's conditioning, never guessed from sizes.

The whole batch of one denoiser call is image 0's ``AND`` parts, image 1's, …, then one negative row per image (twice for
InstructPix2Pix). The host may run it in several UNet calls, in this order, and may leave out the negative rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...engine.calls import ModelCall, Row, RowRoles, StepInfo
from ...request.errors import RegionalError
from ...request.layout.windows import Grid
from .denoiser import step_of

_TILED = "another extension (a tiled one, like Tiled Diffusion?) calls it in its own way, which Regional cannot follow: disable one."


def rows_of(parts: Sequence[int], total: int) -> RowRoles:
    """Roles of ``total`` rows for images of ``parts[i]`` ``AND`` parts each; what follows the positive rows is negative."""
    cond = tuple(Row(image, "cond", part) for image, count in enumerate(parts) for part in range(count))
    return cond + tuple(Row(n % len(parts), "uncond") for n in range(total - len(cond)))


def read_rows(params: Any) -> RowRoles:
    """Roles of a denoiser call from its ``CFGDenoiserParams``."""
    parts = [len(image) for image in params.denoiser.sampler.sampler_extra_args["cond"].batch]
    found = len(params.text_cond["crossattn"] if isinstance(params.text_cond, dict) else params.text_cond)
    if sum(parts) != found:
        raise RegionalError(f"Another extension changed this batch's prompts ({found} instead of {sum(parts)}); Regional cannot follow it.")
    return rows_of(parts, len(params.x))


def read_step(params: Any, levels: bool = True) -> StepInfo:
    """The current step, from ``CFGDenoiserParams``; its sigma, for which the device is waited for, only where ``levels`` are read."""
    return step_of(params.denoiser, float(params.sigma[0]) if levels else None)


class Announced:
    """One denoiser call and the UNet calls that it consists of."""

    def __init__(self, rows: RowRoles, step: StepInfo, latent: Grid) -> None:
        self._rows = rows
        self._step = step
        self._latent = latent
        self.taken = 0
        """Rows that the UNet has run so far."""

    def take(self, count: int, latent: Grid) -> ModelCall:
        """The next ``count`` rows."""
        rows = self._rows[self.taken : self.taken + count]
        self.taken += count
        if latent != self._latent:
            raise RegionalError(
                f"The UNet runs {latent[0]}×{latent[1]} cells where the sampler announced {self._latent[0]}×{self._latent[1]}: {_TILED}"
            )
        if len(rows) != count:
            raise RegionalError(f"The UNet runs {self.taken} rows where the sampler announced {len(self._rows)}: {_TILED}")
        return ModelCall(rows, self._step, latent)
