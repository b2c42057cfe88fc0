"""The files that hosts' own IP-Adapters are compared with have the published files' names and shapes."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors.torch import save_file

from lib_regional.hosts.installing.sites import cross_layers
from lib_regional.sources.references.adapters import look_at
from tests.support import random_sd15


@pytest.fixture(scope="module")
def unet():
    with torch.device("meta"):
        return UNet2DConditionModel(cross_attention_dim=random_sd15.CONTEXT, attention_head_dim=8)


def test_the_unet_is_sd15s(unet):
    given = {random_sd15.UNET_PREFIX + name: torch.empty(shape, device="meta") for name, shape in random_sd15.unet_shapes().items()}
    found = {name: tuple(one.shape) for name, one in convert_ldm_unet_checkpoint(given, dict(unet.config)).items()}
    assert found == {name: tuple(one.shape) for name, one in unet.state_dict().items()}


@pytest.mark.parametrize("plus", [False, True], ids=["linear", "plus"])
def test_an_adapter_fits_the_unet_and_the_encoder(unet, tmp_path, plus):
    path = tmp_path / "ip-adapter.safetensors"
    save_file(random_sd15.adapter(plus), path)
    found = look_at(path)
    assert found.misfit(cross_layers(unet)) == ""
    assert (found.resamples, found.encoder_width) == (plus, random_sd15.VISION["hidden_size" if plus else "projection_dim"])


def test_random_layers_keep_the_size_of_what_they_are_given():
    weights = random_sd15.random_weights({"a.weight": (512, 512), "a.bias": (512,), "b.norm1.weight": (512,)}, 1)
    out = torch.nn.functional.linear(torch.randn(64, 512), weights["a.weight"].float(), weights["a.bias"].float())
    assert 0.9 < out.std() < 1.1 and bool((weights["b.norm1.weight"] == 1).all())
