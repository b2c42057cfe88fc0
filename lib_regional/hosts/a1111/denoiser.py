"""The guided prediction of AUTOMATIC1111's samplers: the output of ``CFGDenoiser`` as a clean latent, for every parametrisation.

k-diffusion's samplers expect the clean latent. The timestep samplers (DDIM, PLMS, UniPC) expect the noise, and their latent is
variance-preserving: ``x = √ᾱ · clean + √(1−ᾱ) · noise``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ...engine.calls import DenoiserCall, StepInfo, through_denoised
from ...engine.hooks import DenoiserHook


def noise_shares(denoiser: Any, level: float) -> tuple[float, float]:
    """``alpha``, ``beta`` of ``x = alpha · clean + beta · noise`` at the sampler's ``level`` (sigma or timestep)."""
    alphas = getattr(denoiser, "alphas", None)
    if alphas is None:
        return 1.0, level
    kept = _cumprod_at(alphas, level)
    return math.sqrt(kept), math.sqrt(1.0 - kept)


def _cumprod_at(alphas: Tensor, timestep: float) -> float:
    """ᾱ between two training steps is linear in its logarithm, as in UniPC's schedule."""
    position = min(max(timestep, 0.0), len(alphas) - 1.0)
    below = int(position)
    low, high = float(alphas[below]), float(alphas[min(below + 1, len(alphas) - 1)])
    return math.exp(math.log(low) + (position - below) * (math.log(high) - math.log(low)))


def step_of(denoiser: Any, level: float | None) -> StepInfo:
    """The current step; sigma is 0 without a ``level``. Adaptive samplers make more calls than they announce; the total grows with them."""
    alpha, beta = (1.0, 0.0) if level is None else noise_shares(denoiser, level)
    total = max(int(denoiser.total_steps), denoiser.step + 1)
    scale = float(denoiser.sampler.sampler_extra_args.get("cond_scale", 1.0)) * float(getattr(denoiser, "cond_scale_miltiplier", 1.0))
    return StepInfo(denoiser.step, total, beta / alpha, bool(getattr(denoiser.p, "is_hr_pass", False)), scale)


def around_denoiser(denoiser: Any, hook: DenoiserHook, ended: Callable[[], bool], noise: Tensor | None = None) -> Callable[..., Tensor]:
    """Wrapper for ``denoiser.forward`` (`patching.patched_forward`). Once sampling has ``ended`` the hook is not called.

    ``noise`` is the initial noise of the pass; the hook gets it at the first step.
    """

    def around(inner: Callable[..., Tensor], x: Tensor, sigma: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if ended():
            return inner(x, sigma, *args, **kwargs)
        level = float(sigma[0])
        alpha, beta = noise_shares(denoiser, level)
        predicts_noise = getattr(denoiser, "alphas", None) is not None

        step = step_of(denoiser, level)
        return through_denoised(
            lambda: inner(x, sigma, *args, **kwargs),
            lambda output: (x - beta * output) / alpha if predicts_noise else output,
            lambda clean: (x - alpha * clean) / beta if predicts_noise else clean,
            lambda run: hook(DenoiserCall(x, step, alpha, beta, run, noise if step.index == 0 else None)),
        )

    return around
