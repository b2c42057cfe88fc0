"""Noise levels of a model trained on discrete steps, and the schedules through them, as the WebUI (k-diffusion) lays them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


class NoiseLevels:
    """The trained noise levels. ``alphas_cumprod`` (N,), ``sigmas`` (N,) ascending, with sigma = sqrt((1 - a) / a)."""

    def __init__(self, alphas_cumprod: Tensor) -> None:
        self.alphas_cumprod = alphas_cumprod.to(torch.float32)
        self.sigmas = ((1 - alphas_cumprod) / alphas_cumprod).sqrt().to(torch.float32)
        self.log_sigmas = self.sigmas.log()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NoiseLevels:
        """From a diffusers scheduler configuration (``beta_start``, ``beta_end``, ``beta_schedule``, ``num_train_timesteps``)."""
        start, end = float(config.get("beta_start", 0.00085)), float(config.get("beta_end", 0.012))
        count = int(config.get("num_train_timesteps", 1000))
        if config.get("beta_schedule", "scaled_linear") == "scaled_linear":
            betas = torch.linspace(start**0.5, end**0.5, count, dtype=torch.float64) ** 2
        else:
            betas = torch.linspace(start, end, count, dtype=torch.float64)
        return cls(torch.cumprod(1 - betas, 0))

    def __len__(self) -> int:
        return len(self.sigmas)

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        """Fractional training step of each sigma, interpolated between log sigmas; values outside are clamped."""
        log_sigma = sigma.to(torch.float32).clamp(min=1e-10).log()
        high = torch.searchsorted(self.log_sigmas, log_sigma).clamp(1, len(self) - 1)
        low = high - 1
        share = (log_sigma - self.log_sigmas[low]) / (self.log_sigmas[high] - self.log_sigmas[low])
        return low + share.clamp(0, 1)

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """Sigma at a fractional training step, interpolated between log sigmas."""
        low = t.floor().long().clamp(0, len(self) - 1)
        high = t.ceil().long().clamp(0, len(self) - 1)
        share = t - t.floor()
        return ((1 - share) * self.log_sigmas[low] + share * self.log_sigmas[high]).exp()


def uniform(steps: int, levels: NoiseLevels) -> Tensor:
    """Evenly spaced training steps from the last to 0 (k-diffusion's ``get_sigmas``). (steps+1,), ends in 0."""
    return _closed(levels.t_to_sigma(torch.linspace(len(levels) - 1, 0, steps)))


def sgm_uniform(steps: int, levels: NoiseLevels) -> Tensor:
    """Evenly spaced training steps that leave out the lowest. (steps+1,), ends in 0."""
    return _closed(levels.t_to_sigma(torch.linspace(len(levels) - 1, 0, steps + 1)[:-1]))


def karras(steps: int, levels: NoiseLevels, rho: float = 7.0) -> Tensor:
    """Karras et al. (2022), equation 5, between the model's own extremes. (steps+1,), ends in 0."""
    high, low = float(levels.sigmas[-1]) ** (1 / rho), float(levels.sigmas[0]) ** (1 / rho)
    return _closed((high + torch.linspace(0, 1, steps) * (low - high)) ** rho)


def exponential(steps: int, levels: NoiseLevels) -> Tensor:
    """Evenly spaced log sigmas. (steps+1,), ends in 0."""
    return _closed(torch.linspace(float(levels.log_sigmas[-1]), float(levels.log_sigmas[0]), steps).exp())


LCM_STEPS = 50
"""Training steps that latent consistency models are distilled to, the last one first and evenly spaced (Luo et al. 2023, section 4.3)."""


def lcm_uniform(steps: int, levels: NoiseLevels) -> Tensor:
    """Evenly spaced through the training steps that latent consistency models know. (steps+1,), ends in 0."""
    stride = max(1, len(levels) // LCM_STEPS)
    return _closed(levels.t_to_sigma(torch.linspace(len(levels) - 1, stride - 1, steps)))


def _closed(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros(1)])


SCHEDULES: dict[str, Callable[[int, NoiseLevels], Tensor]] = {
    "Uniform": uniform,
    "Karras": karras,
    "Exponential": exponential,
    "SGM Uniform": sgm_uniform,
}
"""Schedule types by the WebUI's label; "Automatic" is the sampler's own choice."""


def ddim_timesteps(steps: int, count: int = 1000) -> list[int]:
    """The WebUI's training steps for DDIM, ascending: every (count // steps)-th, plus one, ``steps`` of them (at most all)."""
    steps = min(steps, count)
    stride = count // steps
    return [min(index * stride + 1, count - 1) for index in range(steps)]
