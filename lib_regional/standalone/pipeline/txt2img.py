"""txt2img: generation from noise, with the hires pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..faults import RequestError
from ..model.stable_diffusion import CELL
from ..sampling.conditioning import MulticondLearnedConditioning
from ..sampling.samplers import find_sampler, split_name
from . import extra_networks
from .pictures import JUST_RESIZE, LATENT_UPSCALERS, PIXEL_UPSCALERS, resize_image, to_pil, to_tensor
from .processing import StableDiffusionProcessing, _for_each

SAME = (None, "", "Use same sampler", "Use same scheduler")
"""What the hires pass has of the first one's: its sampler, its schedule."""


@dataclass(repr=False)
class StableDiffusionProcessingTxt2Img(StableDiffusionProcessing):
    """txt2img's parameters under the WebUI's names."""

    enable_hr: bool = False
    denoising_strength: float = 0.75
    firstphase_width: int = 0
    firstphase_height: int = 0
    hr_scale: float = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int = 0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: Any = ""
    hr_negative_prompt: Any = ""
    force_task_id: str | None = None

    hr_upscale_to_x: int = field(default=0, init=False)
    hr_upscale_to_y: int = field(default=0, init=False)
    truncate_x: int = field(default=0, init=False)
    truncate_y: int = field(default=0, init=False)
    latent_scale_mode: dict[str, Any] | None = field(default=None, init=False)
    all_hr_prompts: list[str] = field(default_factory=list, init=False)
    all_hr_negative_prompts: list[str] = field(default_factory=list, init=False)
    hr_prompts: list[str] = field(default_factory=list, init=False)
    hr_negative_prompts: list[str] = field(default_factory=list, init=False)
    hr_extra_network_data: extra_networks.NetworkData = field(default_factory=dict, init=False)
    hr_c: MulticondLearnedConditioning | None = field(default=None, init=False)
    hr_uc: Any = field(default=None, init=False)

    def calculate_target_resolution(self) -> None:
        """Size of the hires pass in pixels, and the cells that are cut off when the wanted shape is another."""
        assert self.extra_generation_params is not None
        x, y = self.hr_resize_x, self.hr_resize_y
        self.truncate_x = self.truncate_y = 0
        if x == 0 and y == 0:
            self.extra_generation_params["Hires upscale"] = self.hr_scale
            x, y = int(self.width * self.hr_scale), int(self.height * self.hr_scale)
        else:
            self.extra_generation_params["Hires resize"] = f"{x}x{y}"
            x, y = self._resized(x, y)
        self.hr_upscale_to_x, self.hr_upscale_to_y = x // CELL * CELL, y // CELL * CELL

    def _resized(self, x: int, y: int) -> tuple[int, int]:
        if y == 0:
            return x, x * self.height // self.width
        if x == 0:
            return y * self.width // self.height, y
        wide = self.width * y < self.height * x
        full = (x, x * self.height // self.width) if wide else (y * self.width // self.height, y)
        self.truncate_x, self.truncate_y = (full[0] - x) // CELL, (full[1] - y) // CELL
        return full

    def init(self, all_prompts: Sequence[str], all_seeds: Sequence[int], all_subseeds: Sequence[int]) -> None:
        """Prepare the hires pass."""
        if not self.enable_hr:
            return
        assert self.extra_generation_params is not None
        upscaler = self.hr_upscaler or "Latent"
        self.latent_scale_mode = LATENT_UPSCALERS.get(upscaler)
        if self.latent_scale_mode is None and upscaler not in PIXEL_UPSCALERS:
            raise RequestError(f'Upscaler "{upscaler}" is not one of: {", ".join([*LATENT_UPSCALERS, *PIXEL_UPSCALERS])}.')
        self.calculate_target_resolution()
        name, schedule = self._hires_sampler()
        self.extra_generation_params.update(
            {
                "Denoising strength": self.denoising_strength,
                "Hires sampler": name if name != self.sampler_name else None,
                "Hires schedule type": schedule if schedule != self.scheduler else None,
                "Hires prompt": _other(self.hr_prompt, self.prompt),
                "Hires negative prompt": _other(self.hr_negative_prompt, self.negative_prompt),
                "Hires steps": self.hr_second_pass_steps or None,
                "Hires upscaler": upscaler,
            }
        )
        state = self.host.state
        if not state.processing_has_refined_job_count:
            state.job_count = (self.n_iter if state.job_count == -1 else state.job_count) * 2
            state.processing_has_refined_job_count = True

    def _hires_sampler(self) -> tuple[str, str]:
        name = self.sampler_name if self.hr_sampler_name in SAME else self.hr_sampler_name
        schedule = self.scheduler if self.hr_scheduler in SAME else self.hr_scheduler
        return split_name(name, schedule)

    def setup_prompts(self) -> None:
        """One prompt of each kind for every image; an empty hires prompt is the main one."""
        super().setup_prompts()
        count = len(self.all_prompts)
        self.all_hr_prompts = _for_each(self.hr_prompt, count) if self.hr_prompt else list(self.all_prompts)
        self.all_hr_negative_prompts = (
            _for_each(self.hr_negative_prompt, count) if self.hr_negative_prompt else list(self.all_negative_prompts)
        )

    def parse_extra_network_prompts(self) -> None:
        """Take tags out of the prompts; the hires prompts have their own."""
        super().parse_extra_network_prompts()
        part = slice(self.iteration * self.batch_size, (self.iteration + 1) * self.batch_size)
        self.hr_prompts, self.hr_extra_network_data = extra_networks.parse_prompts(self.all_hr_prompts[part])
        self.hr_negative_prompts = self.all_hr_negative_prompts[part]

    def setup_conds(self) -> None:
        """Encode for the first pass; the hires pass encodes when it begins."""
        super().setup_conds()
        self.hr_c = self.hr_uc = None

    def model_calls(self, steps: int, hires: bool = False) -> int:
        """See `StableDiffusionProcessing.model_calls`; the hires pass may have a sampler of its own."""
        return find_sampler(self._hires_sampler()[0]).total_steps(steps) if hires else super().model_calls(steps)

    def calculate_hr_conds(self) -> None:
        """Encode for the hires pass."""
        if self.hr_c is None:
            steps = self.model_calls(self.hr_second_pass_steps or self.steps, hires=True)
            size = (self.hr_upscale_to_x, self.hr_upscale_to_y)
            self.hr_uc, self.hr_c = self.encoded(self.hr_prompts, self.hr_negative_prompts, steps, size)

    def get_conds(self) -> tuple[Any, Any]:
        """See `StableDiffusionProcessing.get_conds`."""
        return (self.hr_c, self.hr_uc) if self.is_hr_pass else super().get_conds()

    def sample(
        self,
        conditioning: Any,
        unconditional_conditioning: Any,
        seeds: Sequence[int],
        subseeds: Sequence[int],
        subseed_strength: float,
        prompts: Sequence[str],
    ) -> Tensor:
        """Latents (B,4,H,W) of a batch, of the hires size if that pass is on."""
        self.sampler = self.make_sampler()
        assert self.rng is not None
        x = self.rng.next()
        self.before_sampling(x=x, noise=x, c=conditioning, uc=unconditional_conditioning)
        samples = self.sampler.sample(self, x, conditioning, unconditional_conditioning)
        if not self.enable_hr or self.host.state.interrupted:
            return samples
        self.is_hr_pass = True
        try:
            return self.sample_hr_pass(samples)
        finally:
            self.is_hr_pass = False

    def sample_hr_pass(self, samples: Tensor) -> Tensor:
        """First-pass latents (B,4,H,W) -> latents of the hires size."""
        samples = self._cut(self._upscaled(samples))
        self.host.state.nextjob()
        self.rng = self.noise_for(samples.shape[1:])
        noise = self.rng.next()
        self.activate_networks(self.hr_extra_network_data)
        self.calculate_hr_conds()
        if self.scripts is not None:
            self.scripts.before_hr(self)
        self.before_sampling(x=samples, noise=noise, c=self.hr_c, uc=self.hr_uc)
        self.sampler = self.make_sampler(*self._hires_sampler())
        steps = self.hr_second_pass_steps or self.steps
        return self.sampler.sample_img2img(self, samples, noise, self.hr_c, self.hr_uc, steps=steps)

    def _upscaled(self, samples: Tensor) -> Tensor:
        width, height = self.hr_upscale_to_x, self.hr_upscale_to_y
        if self.latent_scale_mode is not None:
            return torch.nn.functional.interpolate(samples, size=(height // CELL, width // CELL), **self.latent_scale_mode)
        pictures = [to_pil((image + 1) / 2) for image in self.model.decode(samples)]
        larger = [resize_image(JUST_RESIZE, picture, width, height, self.hr_upscaler) for picture in pictures]
        return self.model.encode_images(torch.stack([to_tensor(picture) for picture in larger]) * 2 - 1)

    def _cut(self, samples: Tensor) -> Tensor:
        top, left = self.truncate_y // 2, self.truncate_x // 2
        bottom, right = samples.shape[2] - (self.truncate_y + 1) // 2, samples.shape[3] - (self.truncate_x + 1) // 2
        return samples[:, :, top:bottom, left:right]

    def close(self) -> None:
        """See `StableDiffusionProcessing.close`."""
        super().close()
        self.hr_c = self.hr_uc = None


def _other(text: Any, main: Any) -> Any:
    return text if text and text != main and not isinstance(text, list) else None
