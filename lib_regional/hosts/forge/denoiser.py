"""The guided prediction of Forge's samplers: the output of ``CFGDenoiser`` as a clean latent, for every parametrisation.

k-diffusion's samplers pass sigma and expect the clean latent; timestep samplers (DDIM, PLMS, UniPC) pass a timestep and expect the noise,
and their latent is variance-preserving. Flux mixes linearly: ``x = (1 − sigma) · clean + sigma · noise``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ...engine.calls import DenoiserCall, StepInfo, through_denoised
from ...engine.hooks import DenoiserHook


def predicts_noise(denoiser: Any) -> bool:
    """Whether the sampler passes timesteps and expects the noise."""
    return bool(getattr(denoiser, "classic_ddim_eps_estimation", False))


def level_of(denoiser: Any, level: float) -> float:
    """Sigma of the sampler's ``level`` (sigma or timestep)."""
    if not predicts_noise(denoiser):
        return level
    kept = _cumprod(denoiser, level)
    return math.sqrt((1.0 - kept) / kept)


def _cumprod(denoiser: Any, timestep: float) -> float:
    """ᾱ at the training step that the host rounds to."""
    alphas = denoiser.inner_model.inner_model.alphas_cumprod
    return float(alphas[min(max(round(timestep), 0), len(alphas) - 1)])


def noise_shares(denoiser: Any, level: float) -> tuple[float, float]:
    """``alpha``, ``beta`` of ``x = alpha · clean + beta · noise``."""
    if predicts_noise(denoiser):
        kept = _cumprod(denoiser, level)
        return math.sqrt(kept), math.sqrt(1.0 - kept)
    predictor = getattr(denoiser.inner_model, "predictor", None)
    return (1.0 - level, level) if getattr(predictor, "prediction_type", "") == "const" else (1.0, level)


def _noise(denoiser: Any, x: Tensor, alpha: float, beta: float) -> Tensor:
    """The initial noise of the pass: (x − alpha · initial latent) / beta; txt2img has no initial latent."""
    begun = getattr(denoiser, "init_latent", None)
    return x / beta if begun is None else (x - alpha * begun.to(x)) / beta


def guided(denoiser: Any, hook: DenoiserHook, x: Tensor, level: float, step: StepInfo, ask: Callable[[], Tensor]) -> Tensor:
    """The output of ``denoiser`` with ``hook`` around its own output ``ask()``, in the parametrisation that its sampler expects."""
    alpha, beta = noise_shares(denoiser, level)
    noisy = predicts_noise(denoiser)
    noise = _noise(denoiser, x, alpha, beta) if step.index == 0 and beta > 0 else None
    return through_denoised(
        ask,
        lambda output: (x - beta * output) / alpha if noisy else output,
        lambda clean: (x - alpha * clean) / beta if noisy else clean,
        lambda run: hook(DenoiserCall(x, step, alpha, beta, run, noise)),
    )
