"""Generations."""

from lib_regional.standalone.model.stable_diffusion import CELL as opt_f
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
    "fix_seed",
    "get_fixed_seed",
    "opt_C",
    "opt_f",
    "process_images",
    "program_version",
]

opt_C = 4
get_fixed_seed = fixed_seed


def fix_seed(p: StableDiffusionProcessing) -> None:
    """Replace random seeds by numbers."""
    p.seed, p.subseed = fixed_seed(p.seed), fixed_seed(p.subseed)


def program_version() -> str:
    """What stands under Version in infotexts."""
    return VERSION
