"""Noise that depends on an image's own seed only, so that a picture does not change with its place in a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class ImageNoise:
    """Noise for a batch: every image draws from its own CPU generator. The first draw is the initial latent noise.

    With ``subseeds`` and a strength above 0 the first draw is interpolated between the two seeds' noises, as in the WebUI.
    """

    def __init__(self, shape: Sequence[int], seeds: Sequence[int], subseeds: Sequence[int] = (), subseed_strength: float = 0.0) -> None:
        self.shape = tuple(shape)
        self.seeds, self.subseeds, self.subseed_strength = seeds, subseeds, subseed_strength
        self.generators = [_generator(seed) for seed in seeds]
        self._first = [self._draw(generator) for generator in self.generators]
        if subseed_strength > 0:
            others = [self._draw(_generator(seed)) for seed in subseeds]
            self._first = [slerp(subseed_strength, a, b) for a, b in zip(self._first, others, strict=True)]
        self._fresh = True

    def next(self) -> Tensor:
        """The batch's next noise (B, *shape), on the CPU in float32."""
        if self._fresh:
            self._fresh = False
            return torch.stack(self._first)
        return torch.stack([self._draw(generator) for generator in self.generators])

    def _draw(self, generator: torch.Generator) -> Tensor:
        return torch.randn(self.shape, generator=generator)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(int(seed))


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
