"""The host's own img2img and decoder, as a generation that is running uses them.

The inner generation is a genuine one (``StableDiffusionProcessingImg2Img``, ``process_images``) without any script: it has the prompts,
LoRAs, seed and sampler that it is given, shows its progress on the host's bar, and stops when the host is asked to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...hosts.a1111.model import is_a1111
from ...request.errors import RegionalError
from ..extensions.controlnet_units import at_rest

_SAME = ("eta", "s_min_uncond", "s_churn", "s_tmax", "s_tmin", "s_noise", "ddim_discretize", "tiling", "scheduler")
"""What the inner generation takes over from the outer one, where the host knows it."""


@dataclass(frozen=True)
class Inpainting:
    """One picture to inpaint: RGB ``picture`` and L ``mask`` (white is made anew) of one size, whose sides the model can have."""

    picture: Image.Image
    mask: Image.Image
    prompt: str
    negative: str
    seed: int
    denoise: float
    steps: int
    cfg_scale: float
    job: str


def check() -> None:
    """Raise `RegionalError` on a host without an img2img that can be called."""
    try:
        from modules import processing
    except ImportError:
        processing = None
    missing = [
        name for name in ("StableDiffusionProcessingImg2Img", "process_images", "decode_latent_batch") if not hasattr(processing, name)
    ]
    if missing:
        raise RegionalError(f"This WebUI has no img2img that Regional can call (modules.processing lacks {', '.join(missing)}).")


def stopped() -> bool:
    """Whether somebody asked the host to end the generation, this batch of it, or what comes after this batch."""
    from modules import shared

    return any(getattr(shared.state, name, False) for name in ("interrupted", "skipped", "stopping_generation"))


def announce(count: int) -> None:
    """Add ``count`` inner generations to the host's progress bar."""
    from modules import shared

    if shared.state.job_count > 0:
        shared.state.job_count += count


def decoded(p: Any, samples: Any) -> Tensor:
    """What ``p.sample`` gave, latents or already decoded pictures, -> pictures (B, 3, H, W) in 0..1 on the CPU, by the host's decoder."""
    from modules import processing

    with _exact():
        if not getattr(samples, "already_decoded", False):
            samples = processing.decode_latent_batch(p.sd_model, samples, target_device=torch.device("cpu"), check_for_nans=True)
        return ((torch.stack(list(samples)).float() + 1) / 2).clamp(0, 1).cpu()


def device_of(p: Any) -> torch.device:
    """Where the host encodes pictures and samples."""
    from modules import devices

    found: torch.device = getattr(devices, "device", torch.device("cpu"))
    return found


def check_restart(p: Any) -> None:
    """Raise `RegionalError` where ``p`` cannot sample the same picture twice: other weights would be loaded when it does so again."""
    swaps = ("refiner_checkpoint", "hr_checkpoint_name")
    named = [name for name in swaps if getattr(p, name, None) not in (None, "", "None", "none", "Use same checkpoint")]
    if named:
        raise RegionalError(
            f"A picture can be made twice only with one checkpoint: {named[0]} must be empty, got {getattr(p, named[0])!r}."
        )
    first, second = getattr(p, "extra_network_data", None), getattr(p, "hr_extra_network_data", None)
    if getattr(p, "enable_hr", False) and _names(first) != _names(second):
        raise RegionalError(
            "A picture with a hires pass can be made twice only where the LoRAs of its hires prompt are those of its prompt."
        )


def _names(networks: Any) -> list[tuple[str, list[Any]]]:
    """Kinds and arguments of parsed tags, which are objects without equality."""
    return [(kind, [getattr(one, "items", one) for one in found]) for kind, found in sorted((networks or {}).items())]


def restart(p: Any) -> Callable[[], None]:
    """To be called before ``p`` samples; returns what makes it ready to sample once more from the same noise."""
    drawn = p.rng
    names = ("shape", "seeds", "subseeds", "subseed_strength", "seed_resize_from_h", "seed_resize_from_w", "source")
    given = {name: getattr(drawn, name) for name in names if hasattr(drawn, name)}

    def again() -> None:
        p.rng = type(drawn)(**given)
        clean = getattr(p.sd_model, "forge_objects_after_applying_lora", None)
        if clean is not None:  # Forge: the patches of other extensions are put in anew when sampling begins
            p.sd_model.forge_objects = clean.shallow_copy()

    return again


def inpainted(p: Any, asked: Inpainting) -> Image.Image | None:
    """The inpainted picture by the host of the generation ``p``; None where it was interrupted or skipped.

    Encoders sample the posterior from torch's global generator: it begins with the seed, and afterwards is what it was.
    """
    from modules import processing, shared

    q = _processing(p, asked, processing.StableDiffusionProcessingImg2Img)
    shared.state.job = asked.job
    try:
        with _exact(), _history_kept(), seeded(asked.seed), at_rest(p):
            result = processing.process_images(q)
    finally:
        q.close()
        _merging_as_before(p)
    if shared.state.interrupted or shared.state.skipped or not result.images:
        return None
    made: Image.Image = result.images[getattr(result, "index_of_first_image", 0)]
    return made.convert("RGB")


def _processing(p: Any, asked: Inpainting, kind: Any) -> Any:
    width, height = asked.picture.size
    same = {name: getattr(p, name) for name in _SAME if hasattr(p, name)}
    q = kind(
        sd_model=p.sd_model,
        outpath_samples=getattr(p, "outpath_samples", None),
        outpath_grids=getattr(p, "outpath_grids", None),
        prompt=asked.prompt,
        negative_prompt=asked.negative,
        styles=[],
        seed=asked.seed,
        sampler_name=p.sampler_name,
        steps=asked.steps,
        cfg_scale=asked.cfg_scale,
        width=width,
        height=height,
        restore_faces=False,
        do_not_save_samples=True,
        do_not_save_grid=True,
        override_settings={},
        init_images=[asked.picture],
        denoising_strength=asked.denoise,
        mask=asked.mask,
        mask_blur=0,
        inpainting_fill=1,  # what is there
        inpaint_full_res=False,
        **same,
    )
    for name in ("distilled_cfg_scale", "is_api", "user"):
        if hasattr(p, name):
            setattr(q, name, getattr(p, name))
    q.cached_c, q.cached_uc = [None, None], [None, None]  # hosts share these among all generations
    return q


def _exact() -> AbstractContextManager[Any]:
    """Without the autocast of sampling, as where the host itself calls these."""
    from modules import devices

    without: AbstractContextManager[Any] = devices.without_autocast() if hasattr(devices, "without_autocast") else nullcontext()
    return without


@contextmanager
def _history_kept() -> Iterator[None]:
    """The parameters of the last generation, which the host writes into a file, stay those of the outer one."""
    from modules import paths

    file = Path(paths.data_path) / "params.txt"
    before = file.read_bytes() if file.is_file() else None
    try:
        yield
    finally:
        if before is not None:
            file.write_bytes(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator begins with ``seed``, and afterwards is what it was: encoders sample the posterior from it."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _merging_as_before(p: Any) -> None:
    """AUTOMATIC1111 takes token merging away at the end of every generation, also of an inner one."""
    if is_a1111(p.sd_model) and hasattr(p, "get_token_merging_ratio"):
        from modules import sd_models

        sd_models.apply_token_merging(p.sd_model, p.get_token_merging_ratio())
