"""A generation's parameters and state (the WebUI's ``p``), shared by txt2img and img2img."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image
from torch import Tensor

from ..binding import BoundHost, current
from ..controlnet.control import Prepared
from ..model.stable_diffusion import CELL, StandaloneModel
from ..sampling.conditioning import (
    MulticondLearnedConditioning,
    SdConditioning,
    get_learned_conditioning,
    get_multicond_learned_conditioning,
)
from ..sampling.noise import ImageNoise
from ..sampling.run import Sampler
from ..sampling.samplers import find_sampler, split_name
from . import extra_networks
from .pictures import Crop

if TYPE_CHECKING:
    from ..scripts.runner import ScriptRunner


def fixed_seed(seed: Any) -> int:
    """The seed itself, or a random one for -1, None and an empty text."""
    if seed in (None, "", -1, "-1"):
        return random.randrange(4294967294)
    return int(seed)


@dataclass(repr=False)
class StableDiffusionProcessing:
    """The parameters of a generation under the WebUI's names. ``prompt`` and ``seed`` may be lists, one entry per image."""

    sd_model: StandaloneModel | None = None
    outpath_samples: str | None = None
    outpath_grids: str | None = None
    prompt: Any = ""
    prompt_for_display: str | None = None
    negative_prompt: Any = ""
    styles: list[str] | None = None
    seed: Any = -1
    subseed: Any = -1
    subseed_strength: float = 0
    seed_resize_from_h: int = -1
    seed_resize_from_w: int = -1
    seed_enable_extras: bool = True
    sampler_name: str | None = None
    scheduler: str | None = None
    batch_size: int = 1
    n_iter: int = 1
    steps: int = 50
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    restore_faces: bool | None = None
    tiling: bool | None = None
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    extra_generation_params: dict[str, Any] | None = None
    overlay_images: list[Image.Image] | None = None
    eta: float | None = None
    do_not_reload_embeddings: bool = False
    denoising_strength: float | None = None
    ddim_discretize: str | None = None
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    override_settings: dict[str, Any] | None = None
    override_settings_restore_afterwards: bool = True
    sampler_index: int | None = None
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None
    token_merging_ratio: float = 0
    token_merging_ratio_hr: float = 0
    disable_extra_networks: bool = False

    is_hr_pass: bool = field(default=False, init=False)
    enable_hr: bool = field(default=False, init=False)
    iteration: int = field(default=0, init=False)
    batch_index: int = field(default=0, init=False)
    c: MulticondLearnedConditioning | None = field(default=None, init=False)
    uc: Any = field(default=None, init=False)
    rng: ImageNoise | None = field(default=None, init=False)
    sampler: Sampler | None = field(default=None, init=False)
    mask: Tensor | None = field(default=None, init=False)
    nmask: Tensor | None = field(default=None, init=False)
    paste_to: Crop | None = field(default=None, init=False)
    mask_for_overlay: Image.Image | None = field(default=None, init=False)
    color_corrections: list[Any] | None = field(default=None, init=False)
    is_api: bool = field(default=False, init=False)
    user: str | None = field(default=None, init=False)
    controls: tuple[Prepared, ...] = field(default=(), init=False)
    scripts_setup_complete: bool = field(default=False, init=False)
    all_prompts: list[str] = field(default_factory=list, init=False)
    all_negative_prompts: list[str] = field(default_factory=list, init=False)
    all_seeds: list[int] = field(default_factory=list, init=False)
    all_subseeds: list[int] = field(default_factory=list, init=False)
    prompts: list[str] = field(default_factory=list, init=False)
    negative_prompts: list[str] = field(default_factory=list, init=False)
    seeds: list[int] = field(default_factory=list, init=False)
    subseeds: list[int] = field(default_factory=list, init=False)
    extra_network_data: extra_networks.NetworkData = field(default_factory=dict, init=False)
    main_prompt: str = field(default="", init=False)
    main_negative_prompt: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.host: BoundHost = current()
        self.sd_model = self.sd_model or self.host.model
        self.styles = list(self.styles or [])
        self.extra_generation_params = dict(self.extra_generation_params or {})
        self.override_settings = dict(self.override_settings or {})
        self._scripts: ScriptRunner | None = None
        self._script_args: Sequence[Any] | None = None
        self._set_sampler()

    def _set_sampler(self) -> None:
        self.sampler_name, self.scheduler = split_name(self.sampler_name, self.scheduler)

    @property
    def scripts(self) -> ScriptRunner | None:
        """The runner of this tab's scripts."""
        return self._scripts

    @scripts.setter
    def scripts(self, value: ScriptRunner | None) -> None:
        self._scripts = value
        self._setup_scripts()

    @property
    def script_args(self) -> Sequence[Any] | None:
        """Arguments of all scripts; each script has its slice."""
        return self._script_args

    @script_args.setter
    def script_args(self, value: Sequence[Any] | None) -> None:
        self._script_args = value
        self._setup_scripts()

    def _setup_scripts(self) -> None:
        if self._scripts is not None and self._script_args is not None and not self.scripts_setup_complete:
            self.scripts_setup_complete = True
            self._scripts.setup_scripts(self)

    @property
    def model(self) -> StandaloneModel:
        """The model; set from the host where none was given."""
        assert self.sd_model is not None
        return self.sd_model

    @property
    def schedule_in_infotext(self) -> str | None:
        """The schedule's label; None for a sampler that has only its own."""
        return None if find_sampler(self.sampler_name or "Euler").timesteps else self.scheduler

    @property
    def sd_model_name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def sd_model_hash(self) -> str:
        """The model's short hash."""
        return self.model.hash

    def setup_prompts(self) -> None:
        """One prompt and one negative for every image."""
        count = self.batch_size * self.n_iter
        if isinstance(self.prompt, list):
            count = len(self.prompt)
        self.all_prompts = _for_each(self.prompt, count)
        self.all_negative_prompts = _for_each(self.negative_prompt, count)
        if len(self.all_prompts) != len(self.all_negative_prompts):
            raise RuntimeError(f"{len(self.all_prompts)} prompts, but {len(self.all_negative_prompts)} negative prompts were given.")
        self.main_prompt, self.main_negative_prompt = self.all_prompts[0], self.all_negative_prompts[0]

    def setup_seeds(self) -> None:
        """One seed for every image: ``seed``, ``seed + 1``, …; only the variation moves when there is one."""
        count = len(self.all_prompts)
        self.all_seeds = _seeds(self.seed, count, moving=self.subseed_strength == 0)
        self.all_subseeds = _seeds(self.subseed, count, moving=True)
        self.seed, self.subseed = self.all_seeds[0], self.all_subseeds[0]

    def setup_batch(self, number: int) -> None:
        """Take over prompts and seeds of one batch, and its noise."""
        part = slice(number * self.batch_size, (number + 1) * self.batch_size)
        self.iteration = number
        self.prompts, self.negative_prompts = self.all_prompts[part], self.all_negative_prompts[part]
        self.seeds, self.subseeds = self.all_seeds[part], self.all_subseeds[part]
        self.rng = self.noise_for((self.model.latent_channels, self.height // CELL, self.width // CELL))

    def restore_prompts(self, number: int) -> None:
        """Restore the batch's prompts as requested, with tags: the infotext shows these, whatever scripts encoded instead."""
        part = slice(number * self.batch_size, (number + 1) * self.batch_size)
        self.prompts, self.negative_prompts = self.all_prompts[part], self.all_negative_prompts[part]

    def noise_for(self, shape: Sequence[int]) -> ImageNoise:
        """Noise of the batch's seeds from the start; ``shape`` is (C, H, W) in cells."""
        return ImageNoise(shape, self.seeds, self.subseeds, self.subseed_strength, self.host.options.randn_source)

    def seed_noise(self, shape: Sequence[int], seed: int) -> Tensor:
        """The initial noise (C, H, W) of a picture of ``seed`` without variation."""
        return ImageNoise(shape, [seed], source=self.host.options.randn_source).next()[0]

    def parse_extra_network_prompts(self) -> None:
        """Take ``<…:…>`` tags out of the prompts."""
        self.prompts, self.extra_network_data = extra_networks.parse_prompts(self.prompts)

    def activate_networks(self, found: extra_networks.NetworkData) -> None:
        """Activate the LoRAs of a pass on the whole picture, and log which tags have no effect."""
        extra_networks.warn(found)
        self.model.loras.activate(() if self.disable_extra_networks else extra_networks.loras(found))

    def note_loras(self) -> None:
        """Write the hashes of all LoRAs used, by prompts or scripts, for the infotext."""
        assert self.extra_generation_params is not None
        used = self.model.loras.used
        if used:
            self.extra_generation_params["Lora hashes"] = ", ".join(f"{name}: {short}" for name, short in used.items())

    def model_calls(self, steps: int, hires: bool = False) -> int:
        """Calls of the model in ``steps`` steps, as the WebUI counts them for prompt schedules: two a step with second-order samplers."""
        return find_sampler(self.sampler_name or "Euler").total_steps(steps)

    def setup_conds(self) -> None:
        """Encode the batch's prompts, negatives first."""
        steps = self.model_calls(self.steps)
        self.uc, self.c = self.encoded(self.prompts, self.negative_prompts, steps, (self.width, self.height))

    def encoded(
        self, prompts: Sequence[str], negatives: Sequence[str], steps: int, size: tuple[int, int]
    ) -> tuple[Any, MulticondLearnedConditioning]:
        """(uncond, cond) of some prompts over ``steps`` model calls; ``size`` is (width, height)."""
        positive = SdConditioning(prompts, width=size[0], height=size[1])
        negative = SdConditioning(negatives, is_negative_prompt=True, width=size[0], height=size[1])
        uncond = get_learned_conditioning(self.model, negative, steps)
        return uncond, get_multicond_learned_conditioning(self.model, positive, steps)

    def get_conds(self) -> tuple[Any, Any]:
        """(cond, uncond) of the running pass."""
        return self.c, self.uc

    def make_sampler(self, name: str | None = None, schedule: str | None = None) -> Sampler:
        """A fresh sampler by label."""
        label, kind = split_name(name or self.sampler_name, schedule or self.scheduler)
        return Sampler(find_sampler(label), kind, self.model)

    def before_sampling(self, **kwargs: Any) -> None:
        """Call the scripts' ``process_before_every_sampling`` at the start of a pass."""
        if self.scripts is not None:
            self.scripts.process_before_every_sampling(self, **kwargs)

    def init(self, all_prompts: Sequence[str], all_seeds: Sequence[int], all_subseeds: Sequence[int]) -> None:
        """Prepare what all batches share."""

    def sample(
        self,
        conditioning: Any,
        unconditional_conditioning: Any,
        seeds: Sequence[int],
        subseeds: Sequence[int],
        subseed_strength: float,
        prompts: Sequence[str],
    ) -> Tensor:
        """Latents (B,4,H,W) of a batch."""
        raise NotImplementedError

    def close(self) -> None:
        """Release everything large."""
        self.sampler = self.c = self.uc = self.rng = None

    def txt2img_image_conditioning(self, x: Tensor, width: int | None = None, height: int | None = None) -> Tensor:
        """Zeros (B,5,1,1): no model here has image conditioning."""
        return x.new_zeros(x.shape[0], 5, 1, 1)


def _for_each(text: Any, count: int) -> list[str]:
    return [str(entry) for entry in text] if isinstance(text, list) else [str(text)] * count


def _seeds(seed: Any, count: int, *, moving: bool) -> list[int]:
    if isinstance(seed, list):
        return [fixed_seed(entry) for entry in seed]
    first = fixed_seed(seed)
    return [first + index * moving for index in range(count)]
