"""The arguments of a UNet, the same call for other rows, and `Hooks.unet` in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from ...engine.calls import UNetCall, UNetRow
from ...engine.hooks import UNetHook
from ...request.errors import RegionalError
from ...request.layout.windows import Grid
from .running import Running

Arguments = TypeVar("Arguments", bound="UNetArguments")


@dataclass(frozen=True)
class UNetArguments:
    """One call: x (B, C, H, W), timesteps (B,), context (B, T, D) and the host's keyword arguments, y (B, V) of SDXL among them."""

    x: Tensor
    timesteps: Tensor
    context: Tensor
    rest: dict[str, Any]

    @property
    def latent(self) -> Grid:
        """Size in cells."""
        return (self.x.shape[-2], self.x.shape[-1])

    def rows(self: Arguments, rows: Sequence[UNetRow]) -> Arguments:
        """The call of other rows: inputs that a row does not replace come from its source row. Raises `RegionalError` for mixed sizes."""
        sources = [row.source for row in rows]
        x = [self.x[row.source] if row.x is None else row.x.to(self.x) for row in rows]
        contexts = [self.context[row.source] if row.conditioning is None else row.conditioning.crossattn.to(self.context) for row in rows]
        for what, shapes in (("latent", {t.shape for t in x}), ("context", {t.shape for t in contexts})):
            if len(shapes) > 1:
                raise RegionalError(f"Rows of one UNet call must share one {what} size, got {sorted(map(tuple, shapes))}.")
        rest = {key: self.of_rows(key, value, sources) for key, value in self.rest.items()}
        for at, row in enumerate(rows):
            if row.conditioning is not None and row.conditioning.vector is not None:
                self.set_vector(rest, at, row.conditioning.vector)
        return type(self)(torch.stack(x), self.timesteps[sources], torch.stack(contexts), rest)

    def of_rows(self, key: str, value: Any, sources: list[int]) -> Any:
        """The argument ``key`` for these rows, a copy; one without a row axis stays."""
        return value[sources] if isinstance(value, Tensor) and value.ndim and len(value) == len(self.x) else value

    def set_vector(self, rest: dict[str, Any], at: int, vector: Tensor) -> None:
        """Write the pooled text of row ``at`` into arguments of `of_rows`, where the model has one."""
        if rest.get("y") is not None:
            rest["y"][at] = vector.to(rest["y"])


def hooked_unet(
    hook: UNetHook, running: Running, given: Arguments, predict: Callable[[Arguments], Tensor], native: Callable[[], Tensor]
) -> Tensor | None:
    """Call ``hook`` in place of the announced call ``given``; ``predict`` runs the network on other rows, ``native`` as the host meant."""

    def run(rows: Sequence[UNetRow]) -> Tensor:
        part = given.rows(rows)
        with running.nested(rows, part.latent):
            return predict(part)

    assert running.now is not None
    return hook(UNetCall(running.now, given.x, run, native, given.context.shape[1]))
