"""Lets a stock Forge or Forge Neo load the small model (`regional-small.safetensors`), and the same in SDXL's form
(`python -m tests.support.small_xl …`): a folder to link into `extensions/` for a test run.

They know a model by its widths. This adds lines to their table of them, with this project's configuration folders in place of SD 1.5's
and SDXL's, and textual inversions of the width of this text encoder. No file of the host is changed; without it, they load the wide model.
"""

import sys
import tempfile
from pathlib import Path

from backend import loader
from backend.diffusion_engine.sd15 import StableDiffusion
from backend.diffusion_engine.sdxl import StableDiffusionXL
from huggingface_guess import model_list

sys.path.append(str(Path(__file__).resolve().parents[4]))

from lib_regional.standalone.model import DIFFUSERS
from tests.support.small_xl import SIZES, WIDTH, write_config

HEADS = {"num_heads": 2, "num_head_channels": -1}
CONFIG = tempfile.TemporaryDirectory("-regional-xl")


class RegionalSmall(model_list.SD15):
    """The small model's widths and heads, as `diffusers/unet/config.json` has them."""

    huggingface_repo = str(DIFFUSERS)
    unet_config = {**model_list.SD15.unet_config, "context_dim": WIDTH, "model_channels": WIDTH}
    unet_extra_config = HEADS


class RegionalSmallXL(model_list.SDXL):
    """The same in SDXL's form; its latents are the small model's."""

    huggingface_repo = str(write_config(Path(CONFIG.name)))
    unet_config = {
        "model_channels": WIDTH,
        "use_linear_in_transformer": True,
        "context_dim": 2 * WIDTH,
        "adm_in_channels": WIDTH + SIZES,
        "use_temporal_attention": False,
    }
    unet_extra_config = HEADS
    latent_format = model_list.SD15.latent_format


class SmallStableDiffusion(StableDiffusion):
    matched_guesses = [RegionalSmall]

    def __init__(self, estimated_config, huggingface_components):
        super().__init__(estimated_config, huggingface_components)
        embeddings = self.text_processing_engine.embeddings
        embeddings.expected_shape = WIDTH
        embeddings.load_textual_inversion_embeddings()


class SmallStableDiffusionXL(StableDiffusionXL):
    matched_guesses = [RegionalSmallXL]


model_list.models[:0] = [RegionalSmall, RegionalSmallXL]
loader.possible_models = [SmallStableDiffusion, SmallStableDiffusionXL, *loader.possible_models]  # a list in Forge, a tuple in Forge Neo
