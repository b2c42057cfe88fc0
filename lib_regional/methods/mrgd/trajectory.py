"""The source's latent, stepped beside the sampler's own, and what a deterministic first-order sampler makes of a prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...engine.calls import DenoiserCall
from ...request.errors import RegionalError
from ...tensors.device_copies import has_values

SAMPLERS = ("ddim", "euler")
"""Samplers whose next latent follows from the last one and its clean prediction alone, by their labels in lower case."""

_NOT_FOLLOWING = 0.02
_CHECKED = 3
"""Steps after which a sampler that adds noise or looks further back has shown itself; later ones do not wait for the answer."""


@dataclass(frozen=True)
class Point:
    """A latent at a noise level with its clean prediction: x = alpha · clean + beta · noise."""

    x: Tensor
    clean: Tensor
    alpha: float
    beta: float

    def at(self, alpha: float, beta: float) -> Tensor:
        """The same clean latent and noise at another level: DDIM with eta 0 (Song et al. 2021, equation 12), and Euler's step."""
        noise = (self.x - self.alpha * self.clean) / self.beta
        return alpha * self.clean + beta * noise


class Source:
    """The source's latent (B, C, H, W): a copy of the sampler's first, then stepped by itself."""

    def __init__(self) -> None:
        self._own: Point | None = None
        self._target: Point | None = None
        self._arrivals = 0
        self.x: Tensor | None = None

    def arrive(self, call: DenoiserCall) -> Tensor:
        """The source's latent at the level of ``call``. Raises RegionalError if the sampler's does not follow from its last one."""
        if self._own is None or self._target is None:
            self.x = call.x.clone()
            return self.x
        expected = self._target.at(call.alpha, call.beta)
        self._arrivals += 1
        if self._arrivals <= _CHECKED and has_values(call.x) and not _follows(expected, call.x):
            raise RegionalError(f"Edits need a sampler of first order without fresh noise ({' or '.join(SAMPLERS)}); this one is another.")
        self.x = self._own.at(call.alpha, call.beta)
        return self.x

    def leave(self, call: DenoiserCall, own: Tensor, target: Tensor) -> None:
        """The clean predictions (B, C, H, W) of this step."""
        assert self.x is not None
        self._own = Point(self.x, own, call.alpha, call.beta)
        self._target = Point(call.x.clone(), target, call.alpha, call.beta)

    def final(self, target: Tensor) -> Tensor | None:
        """The source's latent at the level at which sampling ended with ``target`` (B, C, H, W); None where it never began.

        The level follows from the target's last point: ``x = alpha · clean + beta · noise`` in the sense of least squares.
        """
        if self._own is None or self._target is None:
            return None
        last = self._target
        noise = (last.x - last.alpha * last.clean) / last.beta
        basis = torch.stack([last.clean.flatten(), noise.flatten()], 1).float()
        alpha, beta = torch.linalg.lstsq(basis, target.to(basis).flatten()[:, None]).solution.flatten().tolist()
        return self._own.at(alpha, beta)


def _follows(expected: Tensor, x: Tensor) -> bool:
    return float((expected - x).abs().mean()) <= _NOT_FOLLOWING * float(x.abs().mean())


Conversion = Callable[[Tensor, Tensor, float, float], Tensor]


def _from_noise(x: Tensor, output: Tensor, alpha: float, beta: float) -> Tensor:
    return (x - beta * output) / alpha


def _from_velocity(x: Tensor, output: Tensor, alpha: float, beta: float) -> Tensor:
    """v = (a·noise − b·clean) with a, b the shares at unit variance (Salimans and Ho 2022)."""
    unit = (alpha**2 + beta**2) ** 0.5
    clean: Tensor = (alpha * x / unit - beta * output) / unit
    return clean


CONVERSIONS: tuple[Conversion, ...] = (_from_noise, _from_velocity)
"""What a UNet's output may mean."""


def find_conversion(x: Tensor, output: Tensor, clean: Tensor, alpha: float, beta: float) -> Conversion:
    """Which meaning of the guided ``output`` gives the host's own ``clean``."""
    if not has_values(x):
        return CONVERSIONS[0]
    errors = [float((convert(x, output, alpha, beta) - clean).abs().mean()) for convert in CONVERSIONS]
    return CONVERSIONS[errors.index(min(errors))]
