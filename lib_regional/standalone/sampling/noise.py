"""Noise that depends on an image's own seed only, so that a picture does not change with its place in a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from .philox import PhiloxGenerator


class Generator(Protocol):
    """Draws unit noise, each time the seed's next."""

    def randn(self, shape: Sequence[int]) -> Tensor:
        """Noise of ``shape``, on the CPU in float32."""


class TorchGenerator:
    """PyTorch's generator of the CPU."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator("cpu").manual_seed(seed)

    def randn(self, shape: Sequence[int]) -> Tensor:
        """See `Generator`."""
        return torch.randn(tuple(shape), generator=self._generator)


SOURCES: Mapping[str, Callable[[int], Generator]] = {"CPU": TorchGenerator, "NV": PhiloxGenerator}
"""Value of the option ``randn_source`` -> the generator of a seed."""


class ImageNoise:
    """Noise for a batch: every image draws from its own generator, of a kind of `SOURCES`. The first draw is the initial latent noise.

    With ``subseeds`` and a strength above 0 the first draw is interpolated between the two seeds' noises, as in the WebUI.
    """

    def __init__(
        self,
        shape: Sequence[int],
        seeds: Sequence[int],
        subseeds: Sequence[int] = (),
        subseed_strength: float = 0.0,
        source: str = "CPU",
    ) -> None:
        self.shape = tuple(shape)
        self.seeds, self.subseeds, self.subseed_strength, self.source = seeds, subseeds, subseed_strength, source
        self.generators = [SOURCES[source](int(seed)) for seed in seeds]
        self._first = [generator.randn(self.shape) for generator in self.generators]
        if subseed_strength > 0:
            others = [SOURCES[source](int(seed)).randn(self.shape) for seed in subseeds]
            self._first = [slerp(subseed_strength, a, b) for a, b in zip(self._first, others, strict=True)]
        self._fresh = True

    def next(self) -> Tensor:
        """The batch's next noise (B, *shape), on the CPU in float32."""
        if self._fresh:
            self._fresh = False
            return torch.stack(self._first)
        return torch.stack([generator.randn(self.shape) for generator in self.generators])


def slerp(share: float, low: Tensor, high: Tensor) -> Tensor:
    """Spherical interpolation along the second axis of (C, H, W), as the WebUI mixes the noises of two seeds."""
    low_norm = low / low.norm(dim=1, keepdim=True)
    high_norm = high / high.norm(dim=1, keepdim=True)
    dot = (low_norm * high_norm).sum(1)
    if float(dot.mean()) > 0.9995:
        return low * share + high * (1 - share)
    omega = dot.acos()
    total = omega.sin()
    mixed: Tensor = (((1 - share) * omega).sin() / total).unsqueeze(1) * low + ((share * omega).sin() / total).unsqueeze(1) * high
    return mixed
