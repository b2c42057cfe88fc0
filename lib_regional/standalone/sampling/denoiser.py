"""Classifier-free guidance: one denoising step of a batch, with the rows, callbacks and inpainting of the WebUI."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from ...engine.calls import DenoiserCall, ModelCall, Row, RowRoles, StepInfo, through_denoised
from ..controlnet.control import control_of
from ..model.stable_diffusion import StandaloneModel
from ..scripts.callbacks import AfterCFGCallbackParams, CFGDenoisedParams, CFGDenoiserParams
from ..scripts.script import MaskBlendArgs
from ..state import Interrupted
from .conditioning import (
    CondValue,
    MulticondLearnedConditioning,
    crossattn_of,
    joined,
    reconstruct_cond_batch,
    reconstruct_multicond_batch,
    rows_of,
)
from .spaces import Space


def row_roles(parts: Sequence[int], uncond: int) -> RowRoles:
    """Rows of a batch: every image's AND parts, then one uncond row per image."""
    cond = [Row(image, "cond", part) for image, count in enumerate(parts) for part in range(count)]
    return (*cond, *(Row(image, "uncond") for image in range(uncond)))


def runs(cond: int, uncond: int, together: bool, same_length: bool) -> Iterator[slice]:
    """The rows of each UNet call, as the WebUI splits them: all at once, or in chunks of the batch, or cond and uncond separately."""
    if same_length and together:
        yield slice(0, cond + uncond)
        return
    if same_length:
        yield from _chunks(0, cond + uncond, uncond)
        return
    yield from _chunks(0, cond, uncond * 2 if together else uncond)
    yield slice(cond, cond + uncond)


def _chunks(start: int, stop: int, size: int) -> Iterator[slice]:
    for begin in range(start, stop, size):
        yield slice(begin, min(begin + size, stop))


class CFGDenoiser:
    """Prediction with classifier-free guidance. ``step`` counts model calls of the pass from 0 to ``total_steps``."""

    def __init__(self, sampler: Any, p: Any, model: StandaloneModel, space: Space, total_steps: int) -> None:
        self.sampler = sampler
        self.p = p
        self.model = model
        self.space = space
        self.steps = total_steps
        self.total_steps = total_steps
        self.step = 0
        self.cond: MulticondLearnedConditioning | None = None
        self.uncond: Any = None
        self.cond_scale = 1.0
        self.mask: Tensor | None = None
        self.nmask: Tensor | None = None
        self.init_latent: Tensor | None = None
        self.init_noise: Tensor | None = None
        self.padded_cond_uncond = False

    @property
    def inner_model(self) -> StandaloneModel:
        """The model that predicts."""
        return self.model

    def __call__(self, x: Tensor, level: float) -> Tensor:
        """x (B,4,H,W) at a noise level -> the guided prediction in the sampler's space. Raises `Interrupted`."""
        if not self.model.denoiser_hooks:
            return self._guided(x, level)
        levels = x.new_full((len(x),), level)
        alpha, beta = self.space.shares(level)
        noise = self.init_noise if self.step == 0 else None

        def hooked(run: Callable[[], Tensor]) -> Tensor:
            for hook in self.model.denoiser_hooks:
                run = functools.partial(hook, DenoiserCall(x, self._step_info(level), alpha, beta, run, noise))
            return run()

        return through_denoised(
            lambda: self._guided(x, level),
            lambda output: self.space.denoised(x, output, levels),
            lambda clean: self.space.prediction(x, clean, levels),
            hooked,
        )

    def _step_info(self, level: float) -> StepInfo:
        hires = bool(getattr(self.p, "is_hr_pass", False))
        return StepInfo(self.step, self.total_steps, self.space.sigma(level), hires, float(self.cond_scale))

    def _guided(self, x: Tensor, level: float) -> Tensor:
        host = self.p.host
        if host.state.interrupted or host.state.skipped:
            raise Interrupted
        assert self.cond is not None
        levels = torch.full((len(x),), level, dtype=torch.float32, device=x.device)
        images, cond = reconstruct_multicond_batch(self.cond, self.step)
        uncond = reconstruct_cond_batch(self.uncond, self.step)
        if self.space.mask_before and self.mask is not None:
            x = self._blended(x, self.space.noised(cast(Tensor, self.init_latent), cast(Tensor, self.init_noise), levels), levels)
        x_out, rows, cond, uncond = self._predicted(x, levels, level, images, cond, uncond)
        params = CFGDenoisedParams(x_out, host.state.sampling_step, host.state.sampling_steps, self.model)
        host.callbacks.call("cfg_denoised", params)
        x_out = params.x
        guided = combine(x_out, images, len(x), self.cond_scale)
        if not self.space.mask_before and self.mask is not None:
            guided = self._blended(guided, cast(Tensor, self.init_latent), levels)
        clean = self.space.denoised(x, guided, levels)
        self.sampler.last_latent = clean
        host.state.current_latent = clean
        after = AfterCFGCallbackParams(guided, host.state.sampling_step, host.state.sampling_steps)
        host.callbacks.call("cfg_after_cfg", after)
        self.step += 1
        return cast(Tensor, after.x)

    def _predicted(
        self, x: Tensor, levels: Tensor, level: float, images: list[list[tuple[int, float]]], cond: CondValue, uncond: CondValue
    ) -> tuple[Tensor, RowRoles, CondValue, CondValue]:
        """Predictions (rows,4,H,W) of all rows, their roles, and the cond and uncond that were used, in as many UNet calls as needed."""
        host = self.p.host
        repeats = torch.tensor([len(parts) for parts in images], device=x.device)
        x_in, level_in = (torch.cat([t.repeat_interleave(repeats, 0), t]) for t in (x, levels))
        params = CFGDenoiserParams(x_in, None, level_in, host.state.sampling_step, host.state.sampling_steps, cond, uncond, self)
        host.callbacks.call("cfg_denoiser", params)
        cond, uncond = self._padded(params.text_cond, params.text_uncond)
        rows = row_roles([len(parts) for parts in images], len(x))
        n_cond, same = len(rows) - len(x), crossattn_of(cond).shape[1] == crossattn_of(uncond).shape[1]
        both = joined(cond, uncond) if same else None
        step = self._step_info(level)
        done = []
        for part in runs(n_cond, len(x), bool(host.options.batch_cond_uncond), same):
            context = rows_of(both, part) if both is not None else _separate_rows(cond, uncond, part, n_cond)
            done.append(self._call(params.x[part], params.sigma[part], context, rows[part], step))
        return torch.cat(done), rows, cond, uncond

    def _call(self, x: Tensor, level: Tensor, cond: CondValue, rows: RowRoles, step: StepInfo) -> Tensor:
        call = ModelCall(rows, step, (x.shape[-2], x.shape[-1]))
        for listener in list(self.model.call_listeners):
            listener(call)
        scaled, timesteps = self.space.inputs(x, level)
        control = control_of(getattr(self.p, "controls", ()), rows, step, call.latent)
        return self.space.output(x, self.model.predict_noise(scaled, timesteps, cond, control), level)

    def _padded(self, cond: CondValue, uncond: CondValue) -> tuple[CondValue, CondValue]:
        """Equally long contexts with the option ``pad_cond_uncond``: the shorter one gets empty prompts appended."""
        longer = crossattn_of(cond).shape[1] - crossattn_of(uncond).shape[1]
        if longer == 0 or not self.p.host.options.pad_cond_uncond:
            return cond, uncond
        self.padded_cond_uncond = True
        empty = self.model.encode([""])[0].crossattn
        if longer > 0:
            return cond, _appended(uncond, empty, longer // len(empty))
        return _appended(cond, empty, -longer // len(empty)), uncond

    def _blended(self, current: Tensor, original: Tensor, levels: Tensor) -> Tensor:
        mask, nmask = cast(Tensor, self.mask), cast(Tensor, self.nmask)
        blended = current * nmask + original * mask
        if self.p.scripts is None:
            return blended
        mba = MaskBlendArgs(current, nmask, original, mask, blended, denoiser=self, sigma=levels)
        self.p.scripts.on_mask_blend(self.p, mba)
        return cast(Tensor, mba.blended_latent)

    def report(self, index: int, denoised: Tensor) -> None:
        """Record the step ``index`` that the sampler has predicted."""
        self.p.host.state.sampling_step = index

    def noise(self) -> Tensor:
        """Fresh noise for the batch, from each image's own generator."""
        return cast(Tensor, self.p.rng.next()).to(self.model.device)


def _separate_rows(cond: CondValue, uncond: CondValue, part: slice, n_cond: int) -> CondValue:
    return rows_of(cond, part) if part.start < n_cond else rows_of(uncond, slice(part.start - n_cond, part.stop - n_cond))


def _appended(cond: CondValue, empty: Tensor, times: int) -> CondValue:
    if isinstance(cond, dict):
        longer = _appended(cond["crossattn"], empty, times)
        assert isinstance(longer, Tensor)
        return {**cond, "crossattn": longer}
    return torch.cat([cond, empty.repeat(times, 1).expand(len(cond), -1, -1)], 1)


def combine(x_out: Tensor, images: Sequence[Sequence[tuple[int, float]]], batch: int, scale: float) -> Tensor:
    """Guidance with ``AND``: uncond + Σ parts weight · scale · (cond − uncond). x_out (rows,4,H,W) -> (B,4,H,W)."""
    uncond = x_out[-batch:]
    guided = uncond.clone()
    for image, parts in enumerate(images):
        for row, weight in parts:
            guided[image] += (x_out[row] - uncond[image]) * (weight * scale)
    return guided
