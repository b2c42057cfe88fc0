"""The result of a generation (the WebUI's ``Processed``)."""

from __future__ import annotations

import json

from PIL import Image

from .infotext import VERSION, create_infotext
from .processing import StableDiffusionProcessing


class Processed:
    """The result of a generation: pictures, their infotexts, and the parameters that were used."""

    def __init__(
        self,
        p: StableDiffusionProcessing,
        images_list: list[Image.Image],
        seed: int = -1,
        info: str = "",
        subseed: int | None = None,
        all_prompts: list[str] | None = None,
        all_negative_prompts: list[str] | None = None,
        all_seeds: list[int] | None = None,
        all_subseeds: list[int] | None = None,
        index_of_first_image: int = 0,
        infotexts: list[str] | None = None,
        comments: str = "",
    ) -> None:
        self.images = images_list
        self.prompt, self.negative_prompt = p.main_prompt, p.main_negative_prompt
        self.all_prompts = all_prompts or p.all_prompts or [self.prompt]
        self.all_negative_prompts = all_negative_prompts or p.all_negative_prompts or [self.negative_prompt]
        self.all_seeds = all_seeds or p.all_seeds or [seed]
        self.all_subseeds = all_subseeds or p.all_subseeds or [subseed or -1]
        self.seed, self.subseed, self.subseed_strength = self.all_seeds[0], self.all_subseeds[0], p.subseed_strength
        self.info, self.comments = info, comments
        self.infotexts = infotexts or [info] * len(images_list)
        self.index_of_first_image = index_of_first_image
        self.width, self.height, self.steps, self.cfg_scale = p.width, p.height, p.steps, p.cfg_scale
        self.sampler_name, self.batch_size = p.sampler_name, p.batch_size
        self.sd_model_name, self.sd_model_hash = p.sd_model_name, p.sd_model_hash
        self.denoising_strength = getattr(p, "denoising_strength", None)
        self.extra_generation_params = p.extra_generation_params or {}
        self.styles = p.styles
        self.clip_skip = p.model.clip_skip
        self.job_timestamp = p.host.state.job_timestamp
        self.extra_images: list[Image.Image] = []
        self.images_list = images_list

    def js(self) -> str:
        """The parameters as JSON, under the WebUI's keys: the ``info`` of the API's response."""
        fields = {
            "prompt": self.all_prompts[0],
            "all_prompts": self.all_prompts,
            "negative_prompt": self.all_negative_prompts[0],
            "all_negative_prompts": self.all_negative_prompts,
            "seed": self.seed,
            "all_seeds": self.all_seeds,
            "subseed": self.subseed,
            "all_subseeds": self.all_subseeds,
            "subseed_strength": self.subseed_strength,
            "width": self.width,
            "height": self.height,
            "sampler_name": self.sampler_name,
            "cfg_scale": self.cfg_scale,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "restore_faces": False,
            "face_restoration_model": None,
            "sd_model_name": self.sd_model_name,
            "sd_model_hash": self.sd_model_hash,
            "sd_vae_name": None,
            "sd_vae_hash": None,
            "seed_resize_from_w": -1,
            "seed_resize_from_h": -1,
            "denoising_strength": self.denoising_strength,
            "extra_generation_params": self.extra_generation_params,
            "index_of_first_image": self.index_of_first_image,
            "infotexts": self.infotexts,
            "styles": self.styles,
            "job_timestamp": self.job_timestamp,
            "clip_skip": self.clip_skip,
            "is_using_inpainting_conditioning": False,
            "version": VERSION,
        }
        return json.dumps(fields, default=lambda value: None)

    def infotext(self, p: StableDiffusionProcessing, index: int) -> str:
        """The infotext of one image."""
        return create_infotext(p, self.all_prompts, self.all_seeds, self.all_subseeds, index=index)
