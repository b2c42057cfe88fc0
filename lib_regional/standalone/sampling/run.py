"""Samplers as the WebUI's processing uses them: ``sample`` from noise, ``sample_img2img`` from a latent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..model.stable_diffusion import StandaloneModel
from ..scripts.callbacks import ExtraNoiseParams
from ..state import Interrupted
from .denoiser import CFGDenoiser
from .noise_levels import SCHEDULES, ddim_timesteps
from .samplers import SamplerSpec
from .spaces import SigmaSpace, TimestepSpace

MOST_STEPS = 100_000
"""Of a schedule whose last few are sampled: a strength of next to nothing asks for no end of them."""


def img2img_steps(strength: float, steps: int, *, exact: bool = False) -> tuple[int, int]:
    """Steps of the whole schedule, and how many of them are sampled less one: int(strength · steps).

    With ``exact`` (hires, and the option ``img2img_fix_steps``) exactly ``steps`` are sampled, whatever the strength.
    """
    strength = min(strength, 0.999)
    if not exact:
        return steps, int(strength * steps)
    return (int(min(steps / strength, MOST_STEPS)), steps - 1) if strength > 0 else (0, steps - 1)


class Sampler:
    """One sampler for one pass. ``last_latent`` is the newest clean prediction, the result after an interrupt."""

    def __init__(self, spec: SamplerSpec, schedule: str, model: StandaloneModel) -> None:
        self.spec = spec
        self.config = spec
        self.schedule = spec.schedule if schedule == "Automatic" else schedule
        self.model = model
        self.space = (TimestepSpace if spec.timesteps else SigmaSpace)(model.levels)
        self.last_latent: Tensor | None = None
        self.model_wrap_cfg: CFGDenoiser | None = None

    def sample(self, p: Any, x: Tensor, conditioning: Any, unconditional_conditioning: Any, steps: int | None = None, **_: Any) -> Tensor:
        """From unit noise x (B,4,H,W) to a latent."""
        levels = self._levels(steps or p.steps)
        x = x.to(self.model.device)
        start = x if self.spec.timesteps else x * levels[0]
        steps = len(levels) - (not self.spec.timesteps)
        return self._run(p, start, levels, conditioning, unconditional_conditioning, steps, init_noise=x)

    def sample_img2img(
        self, p: Any, x: Tensor, noise: Tensor, conditioning: Any, unconditional_conditioning: Any, steps: int | None = None, **_: Any
    ) -> Tensor:
        """From a clean latent x and unit noise (B,4,H,W), noised by ``p.denoising_strength``; ``steps`` makes them exact (hires)."""
        exact = steps is not None or bool(p.host.options.img2img_fix_steps)
        total, count = img2img_steps(p.denoising_strength, steps or p.steps, exact=exact)
        levels = self._levels(max(total, 1))
        levels = levels[-(count + 1) :] if self.spec.timesteps else levels[max(0, len(levels) - count - 2) :]
        x, noise = x.to(self.model.device), noise.to(self.model.device)
        start = self.space.noised(x, noise, x.new_full((len(x),), levels[0]))
        params = ExtraNoiseParams(noise, x, start)
        if p.host.callbacks.has("extra_noise") and p.host.options.img2img_extra_noise > 0:
            p.host.callbacks.call("extra_noise", params)
            start = start + params.noise * p.host.options.img2img_extra_noise
        return self._run(p, start, levels, conditioning, unconditional_conditioning, len(levels) - (not self.spec.timesteps), x, noise)

    def _levels(self, steps: int) -> list[float]:
        """Noise levels, noisiest first: sigmas ending in 0, or training steps."""
        if self.spec.timesteps:
            return [float(step) for step in reversed(ddim_timesteps(steps, len(self.model.levels)))]
        schedule = self.spec.levels if self.schedule == "Uniform" else SCHEDULES[self.schedule]
        return [float(sigma) for sigma in schedule(steps, self.model.levels)]

    def _run(
        self,
        p: Any,
        start: Tensor,
        levels: Sequence[float],
        cond: Any,
        uncond: Any,
        steps: int,
        init_latent: Tensor | None = None,
        init_noise: Tensor | None = None,
    ) -> Tensor:
        denoiser = CFGDenoiser(self, p, self.model, self.space, self.spec.calls(steps))
        denoiser.cond, denoiser.uncond, denoiser.cond_scale = cond, uncond, p.cfg_scale
        denoiser.mask, denoiser.nmask = getattr(p, "mask", None), getattr(p, "nmask", None)
        denoiser.init_latent, denoiser.init_noise = init_latent, init_noise
        if init_latent is None:
            denoiser.mask = denoiser.nmask = None
        self.model_wrap_cfg, self.last_latent = denoiser, start if init_latent is None else init_latent
        state = p.host.state
        state.sampling_steps, state.sampling_step = steps, 0
        try:
            result = self.spec.run(denoiser, start, self._plan(levels))
        except Interrupted:
            return self.last_latent
        if denoiser.padded_cond_uncond:
            p.extra_generation_params["Pad conds"] = True
        return result

    def _plan(self, levels: Sequence[float]) -> Sequence[Any]:
        if not self.spec.timesteps:
            return levels
        alphas = [float(self.model.levels.alphas_cumprod[int(level)]) for level in levels]
        last = float(self.model.levels.alphas_cumprod[0])
        return [(int(level), now, after) for level, now, after in zip(levels, alphas, [*alphas[1:], last], strict=True)]
