"""Lets a stock Forge or Forge Neo load the small model (`regional-small.safetensors`): a folder to link into `extensions/` for a test run.

They know a model by its widths. This adds a line to its table of them, with this project's configuration folder in place of SD 1.5's,
and textual inversions of the width of this text encoder. No file of the host is changed; without it, they load the wide model.
"""

import sys
from pathlib import Path

from backend import loader
from backend.diffusion_engine.sd15 import StableDiffusion
from huggingface_guess import model_list

sys.path.append(str(Path(__file__).resolve().parents[4]))

from lib_regional.standalone.model import DIFFUSERS

WIDTH = 64


class RegionalSmall(model_list.SD15):
    """The small model's widths and heads, as `diffusers/unet/config.json` has them."""

    huggingface_repo = str(DIFFUSERS)
    unet_config = {**model_list.SD15.unet_config, "context_dim": WIDTH, "model_channels": WIDTH}
    unet_extra_config = {"num_heads": 2, "num_head_channels": -1}


class SmallStableDiffusion(StableDiffusion):
    matched_guesses = [RegionalSmall]

    def __init__(self, estimated_config, huggingface_components):
        super().__init__(estimated_config, huggingface_components)
        embeddings = self.text_processing_engine.embeddings
        embeddings.expected_shape = WIDTH
        embeddings.load_textual_inversion_embeddings()


model_list.models.insert(0, RegionalSmall)
loader.possible_models = [SmallStableDiffusion, *loader.possible_models]  # a list in Forge, a tuple in Forge Neo
