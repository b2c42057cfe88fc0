"""Generations."""

from typing import Any

from torch import Tensor

from lib_regional.standalone.model.stable_diffusion import CELL as opt_f
from lib_regional.standalone.model.stable_diffusion import StandaloneModel
from lib_regional.standalone.pipeline.generate import process_images
from lib_regional.standalone.pipeline.img2img import StableDiffusionProcessingImg2Img
from lib_regional.standalone.pipeline.infotext import VERSION, create_infotext
from lib_regional.standalone.pipeline.processed import Processed
from lib_regional.standalone.pipeline.processing import StableDiffusionProcessing, fixed_seed
from lib_regional.standalone.pipeline.txt2img import StableDiffusionProcessingTxt2Img

__all__ = [
    "Processed",
    "StableDiffusionProcessing",
    "StableDiffusionProcessingImg2Img",
    "StableDiffusionProcessingTxt2Img",
    "create_infotext",
    "decode_latent_batch",
    "fix_seed",
    "get_fixed_seed",
    "opt_C",
    "opt_f",
    "process_images",
    "program_version",
]

opt_C = 4
get_fixed_seed = fixed_seed


def decode_latent_batch(model: StandaloneModel, batch: Tensor, target_device: Any = None, check_for_nans: bool = False) -> list[Tensor]:
    """Latents (B, C, h, w) -> pictures (3, H, W) in -1..1. Raises RuntimeError for latents that are not finite, if they are checked."""
    if check_for_nans and not bool(batch.isfinite().all()):
        raise RuntimeError("The model produced NaN or infinite values; no picture was made.")
    return list(model.decode(batch).to(target_device))


def fix_seed(p: StableDiffusionProcessing) -> None:
    """Replace random seeds by numbers."""
    p.seed, p.subseed = fixed_seed(p.seed), fixed_seed(p.subseed)


def program_version() -> str:
    """What stands under Version in infotexts."""
    return VERSION
