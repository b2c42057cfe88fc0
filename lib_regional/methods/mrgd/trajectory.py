"""The source's latent, stepped beside the sampler's own, and what a deterministic first-order sampler makes of a prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...engine.calls import DenoiserCall
from ...request.errors import RegionalError
from ...tensors.device_copies import has_values
from ...tensors.precision import single

SAMPLERS = ("ddim", "euler")
"""Samplers whose next latent follows from the last one and its clean prediction alone, by their labels in lower case."""

_NOT_FOLLOWING = 0.02
_CHECKED = 3
"""Steps after which a sampler that adds noise or looks further back has shown itself: the device is asked once, after the last of them."""


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
        self._strayed: Tensor | None = None
        self.x: Tensor | None = None

    def arrive(self, call: DenoiserCall) -> Tensor:
        """The source's latent at the level of ``call``. Raises as `check` does, at the last of the steps that are looked at."""
        if self._own is None or self._target is None:
            self.x = call.x.clone()
            return self.x
        self._arrivals += 1
        if self._arrivals <= _CHECKED:
            strays = _distance(self._target.at(call.alpha, call.beta), call.x)
            self._strayed = strays if self._strayed is None else torch.maximum(self._strayed, strays)
        if self._arrivals == _CHECKED:
            self.check()
        self.x = self._own.at(call.alpha, call.beta)
        return self.x

    def check(self) -> None:
        """Raise RegionalError if the sampler's latents do not follow from the ones before, as far as they were looked at."""
        strayed, self._strayed = self._strayed, None
        if strayed is not None and has_values(strayed) and not float(strayed) <= _NOT_FOLLOWING:
            raise RegionalError(f"Edits need a sampler of first order without fresh noise ({' or '.join(SAMPLERS)}); this one is another.")

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
        self.check()
        last = self._target
        noise = (last.x - last.alpha * last.clean) / last.beta
        basis = torch.stack([last.clean.flatten(), noise.flatten()], 1).float()
        alpha, beta = torch.linalg.lstsq(basis, target.to(basis).flatten()[:, None]).solution.flatten().tolist()
        return self._own.at(alpha, beta)


def _distance(expected: Tensor, x: Tensor) -> Tensor:
    """Mean difference ÷ mean size, one number on the device."""
    return (single(expected) - single(x)).abs().mean() / single(x).abs().mean().clamp_min(1e-12)


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
    """Which meaning of the guided ``output`` gives the host's own ``clean``; the answer stays on the device, and nothing waits for it."""
    noise, velocity = (single(convert(x, output, alpha, beta) - clean).abs().mean() for convert in CONVERSIONS)
    is_noise = noise <= velocity

    def convert(x: Tensor, output: Tensor, alpha: float, beta: float) -> Tensor:
        made = [meaning(x, output, alpha, beta) for meaning in CONVERSIONS]
        return torch.where(is_noise, made[0], made[1])

    return convert
