"""img2img: generation from pictures, with inpainting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..faults import RequestError
from ..model.stable_diffusion import CELL
from . import pictures
from .processing import StableDiffusionProcessing

FILL, ORIGINAL, LATENT_NOISE, LATENT_NOTHING = range(4)
"""The WebUI's values of ``inpainting_fill``."""


@dataclass(repr=False)
class StableDiffusionProcessingImg2Img(StableDiffusionProcessing):
    """img2img's parameters under the WebUI's names. ``mask`` is a picture: white is painted anew."""

    denoising_strength: float = 0.75
    init_images: list[Image.Image] | None = None
    resize_mode: int = 0
    image_cfg_scale: float | None = None
    mask: Any = None
    mask_blur_x: int = 4
    mask_blur_y: int = 4
    mask_blur: int | None = None
    mask_round: bool = True
    inpainting_fill: int = 0
    inpaint_full_res: bool = True
    inpaint_full_res_padding: int = 0
    inpainting_mask_invert: int = 0
    initial_noise_multiplier: float | None = None
    latent_mask: Image.Image | None = None
    force_task_id: str | None = None

    image_mask: Image.Image | None = field(default=None, init=False)
    init_latent: Tensor | None = field(default=None, init=False)
    image_conditioning: Tensor | None = field(default=None, init=False)
    init_img_hash: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.image_mask, self.mask = self.mask, None
        if self.mask_blur is not None:
            self.mask_blur_x = self.mask_blur_y = self.mask_blur
        if self.initial_noise_multiplier is None:
            self.initial_noise_multiplier = float(self.host.options.initial_noise_multiplier)

    def init(self, all_prompts: Sequence[str], all_seeds: Sequence[int], all_subseeds: Sequence[int]) -> None:
        """Encode the pictures and prepare the mask."""
        assert self.extra_generation_params is not None
        if not self.init_images:
            raise RequestError("img2img needs at least one picture in init_images.")
        if len(self.init_images) not in (1, self.batch_size):
            many, batch = len(self.init_images), self.batch_size
            raise RequestError(f"init_images must be one picture, or one for each of {batch} in a batch, got {many}.")
        self.extra_generation_params["Denoising strength"] = self.denoising_strength
        mask = self._prepare_mask()
        self.overlay_images = [] if mask is not None else None
        tensors = torch.stack([pictures.to_tensor(self._prepare(image, mask)) for image in self.init_images])
        if len(tensors) == 1:
            tensors = tensors.expand(self.batch_size, -1, -1, -1)
            self.overlay_images = self.overlay_images * self.batch_size if self.overlay_images else None
        self.init_latent = self.model.encode_images(tensors * 2 - 1)
        if self.resize_mode == pictures.LATENT:
            size = (self.height // CELL, self.width // CELL)
            self.init_latent = torch.nn.functional.interpolate(self.init_latent, size=size, mode="bilinear")
        if mask is not None:
            self._set_latent_mask(self.latent_mask or mask)

    def _prepare_mask(self) -> Image.Image | None:
        """The mask in the size of the generation; writes its treatment into the infotext fields."""
        if self.image_mask is None or not self.init_images:
            return None
        assert self.extra_generation_params is not None
        mask = pictures.binary_mask(self.image_mask)
        if mask.size != self.init_images[0].size:
            mask = mask.resize(self.init_images[0].size, Image.Resampling.LANCZOS)
        if self.inpainting_mask_invert:
            mask = ImageOps.invert(mask)
            self.extra_generation_params["Mask mode"] = "Inpaint not masked"
        mask = pictures.blurred(mask, self.mask_blur_x, self.mask_blur_y)
        self.extra_generation_params["Mask blur"] = self.mask_blur_x or None
        if self.inpainting_fill != ORIGINAL:
            self.extra_generation_params["Masked content"] = ("fill", "original", "latent noise", "latent nothing")[self.inpainting_fill]
        if not self.inpaint_full_res:
            mask = pictures.resize_image(self.resize_mode, mask, self.width, self.height)
            self.mask_for_overlay = mask.point(lambda value: min(255, value * 2))
            return mask
        self.extra_generation_params["Inpaint area"] = "Only masked"
        self.extra_generation_params["Masked area padding"] = self.inpaint_full_res_padding
        self.mask_for_overlay = mask
        self.paste_to = pictures.crop_region(mask, self.inpaint_full_res_padding, self.width, self.height)
        return pictures.resize_image(pictures.FILL, mask.crop(self.paste_to), self.width, self.height)

    def _prepare(self, image: Image.Image, mask: Image.Image | None) -> Image.Image:
        """One picture in the size of the generation, with the masked area filled by ``inpainting_fill``."""
        image = pictures.flatten(image, str(self.host.options.img2img_background_color))
        if self.paste_to is None and self.resize_mode != pictures.LATENT:
            image = pictures.resize_image(self.resize_mode, image, self.width, self.height)
        if mask is None:
            return image
        assert self.mask_for_overlay is not None and self.overlay_images is not None
        self.overlay_images.append(pictures.untouched(image, self.mask_for_overlay.resize(image.size)))
        if self.paste_to is not None:
            image = pictures.resize_image(pictures.FILL, image.crop(self.paste_to), self.width, self.height)
        return pictures.fill(image, self.latent_mask or mask) if self.inpainting_fill != ORIGINAL else image

    def _set_latent_mask(self, mask: Image.Image) -> None:
        assert self.init_latent is not None
        size = (self.init_latent.shape[3], self.init_latent.shape[2])
        array = np.asarray(mask.convert("L").resize(size), dtype=np.float32) / 255
        if self.mask_round:
            array = np.around(array)
        self.nmask = torch.from_numpy(np.ascontiguousarray(array)).to(self.init_latent)[None].expand(self.model.latent_channels, -1, -1)
        self.mask = 1 - self.nmask

    def _filled(self, latent: Tensor) -> Tensor:
        """The clean latents to start from, with noise or zeros under the mask where ``inpainting_fill`` is one of these."""
        if self.mask is None or self.nmask is None or self.inpainting_fill not in (LATENT_NOISE, LATENT_NOTHING):
            return latent
        kept: Tensor = latent * self.mask
        if self.inpainting_fill == LATENT_NOTHING:
            return kept
        noise = torch.stack([self.seed_noise(latent.shape[1:], seed) for seed in self.seeds])
        filled: Tensor = kept + noise.to(latent) * self.nmask
        return filled

    def sample(
        self,
        conditioning: Any,
        unconditional_conditioning: Any,
        seeds: Sequence[int],
        subseeds: Sequence[int],
        subseed_strength: float,
        prompts: Sequence[str],
    ) -> Tensor:
        """Latents (B,4,H,W) of a batch; outside the mask, those of the input picture."""
        assert self.rng is not None and self.init_latent is not None and self.extra_generation_params is not None
        noise = self.rng.next()
        multiplier = float(self.initial_noise_multiplier or 1.0)
        if multiplier != 1.0:
            self.extra_generation_params["Noise multiplier"] = multiplier
            noise = noise * multiplier
        latent = self._filled(self.init_latent[: len(self.seeds)])
        self.sampler = self.make_sampler()
        self.before_sampling(x=latent, noise=noise, c=conditioning, uc=unconditional_conditioning)
        samples = self.sampler.sample_img2img(self, latent, noise, conditioning, unconditional_conditioning)
        if self.mask is None or self.nmask is None:
            return samples
        blended: Tensor = samples * self.nmask + latent * self.mask
        return blended

    def close(self) -> None:
        """See `StableDiffusionProcessing.close`."""
        super().close()
        self.init_latent = self.mask = self.nmask = None
