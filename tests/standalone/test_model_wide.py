"""The wide model computes what the small one computes, in the widths of Stable Diffusion 1.5."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from safetensors.torch import load_file  # noqa: E402

from lib_regional.standalone import model as files  # noqa: E402
from lib_regional.standalone.model import wide  # noqa: E402

LIMIT = 2e-3
"""Relative to the largest value; the shipped weights and the scaled queries are in half precision."""
SD15 = {
    "unet": {"block_out_channels": [320, 640, 640], "cross_attention_dim": 768, "attention_head_dim": 8},
    "vae": {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "down_block_types": ["DownEncoderBlock2D"] * 4,
            "up_block_types": ["UpDecoderBlock2D"] * 4, "norm_num_groups": 32},
    "text_encoder": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
                     "projection_dim": 768},
}  # fmt: skip
"""SD 1.5's configuration but for the UNet's depth, which programs read from the weights."""


def load(path: Path, config: Path):
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_single_file(str(path), config=str(config), local_files_only=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return load(files.install(tmp_path_factory.mktemp("small")), files.DIFFUSERS)


@pytest.fixture(scope="module")
def wide_file(tmp_path_factory) -> Path:
    return files.install_wide(tmp_path_factory.mktemp("wide"))


@pytest.fixture(scope="module")
def big(wide_file):
    config = wide_file.parent / "config"
    shutil.copytree(files.DIFFUSERS, config)
    for part, changes in SD15.items():
        path = config / part / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return load(wide_file, config)


def assert_same(one, other) -> None:
    assert one.shape == other.shape
    assert float((one - other).abs().max()) <= LIMIT * float(one.abs().max())


def test_widths_are_those_that_programs_look_for(wide_file: Path) -> None:
    weights = load_file(wide_file)
    unet = "model.diffusion_model."
    assert weights[f"{unet}input_blocks.0.0.weight"].shape == (320, 4, 3, 3)
    assert weights[f"{unet}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"].shape == (320, 768)
    assert weights[files.TABLE].shape == (49408, 768)
    assert weights["first_stage_model.decoder.up.0.block.2.conv2.weight"].shape == (128, 128, 3, 3)
    assert all(bool(value.isfinite().all()) for value in weights.values())
    assert not wide_file.with_suffix(".yaml").exists()


@torch.no_grad()
def test_unet_predicts_the_same(small, big) -> None:
    generator = torch.Generator().manual_seed(1)
    x, context = torch.randn(2, 4, 16, 24, generator=generator), torch.randn(2, 77, 64, generator=generator)
    times = torch.tensor([901, 5])
    assert_same(small.unet(x, times, context).sample, big.unet(x, times, context.repeat_interleave(12, -1)).sample)


@torch.no_grad()
def test_text_model_gives_copies_also_before_its_last_layer(small, big) -> None:
    ids = small.tokenizer(["a red circle on grass", ""], padding="max_length", return_tensors="pt").input_ids
    one = small.text_encoder(ids, output_hidden_states=True)
    other = big.text_encoder(ids, output_hidden_states=True)
    assert_same(one.last_hidden_state.repeat_interleave(12, -1), other.last_hidden_state)
    assert_same(one.hidden_states[-2].repeat_interleave(12, -1), other.hidden_states[-2])


@torch.no_grad()
def test_autoencoder_encodes_and_decodes_the_same(small, big) -> None:
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2)) * 2 - 1
    latent = small.vae.encode(image).latent_dist.mean
    assert_same(latent, big.vae.encode(image).latent_dist.mean)
    assert_same(small.vae.decode(latent).sample, big.vae.decode(latent).sample)


@pytest.fixture(scope="module")
def wide_star(tmp_path_factory) -> dict:
    return load_file(next(path for path in files.install_loras(tmp_path_factory.mktemp("loras"), wide=True) if path.stem == "star-wide"))


@pytest.mark.parametrize("layer", [
    "lora_unet_input_blocks_1_0_in_layers_2", "lora_unet_output_blocks_2_1_transformer_blocks_0_attn1_to_q",
    "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k", "lora_unet_input_blocks_3_1_transformer_blocks_0_attn2_to_out_0",
    "lora_unet_input_blocks_1_1_transformer_blocks_0_ff_net_0_proj", "lora_te_text_model_encoder_layers_1_self_attn_q_proj",
    "lora_te_text_model_encoder_layers_0_self_attn_out_proj", "lora_te_text_model_encoder_layers_1_mlp_fc2",
])  # fmt: skip
def test_a_loras_change_widens_like_the_weight_it_changes(wide_star: dict, layer: str) -> None:
    """up·down of the wide file = the small file's up·down, widened as a weight of that layer is."""
    one = load_file(files.LORAS / "star.safetensors")
    is_unet = layer.startswith("lora_unet_")
    rule = (wide.unet_widening if is_unet else wide.text_widening)(layer.removeprefix("lora_unet_").removeprefix("lora_te_"))
    target = layer if is_unet else wide.last_layers(layer)
    assert_same(wide.widened(change(one, layer), rule), change(wide_star, target))
    assert change(one, layer).abs().max() > 0


def change(weights: dict, layer: str):
    up, down = (weights[f"{layer}.lora_{end}.weight"].float() for end in ("up", "down"))
    return torch.einsum("or...,ri...->oi...", up.flatten(1), down)


def test_another_kind_of_lora_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="hada_w1_a"):
        wide.wide_lora({"lora_unet_input_blocks_1_1_proj_in.hada_w1_a": torch.zeros(1)})


def test_loras_of_the_small_model_are_written_as_they_are(tmp_path: Path) -> None:
    written = files.install_loras(tmp_path)
    assert [path.name for path in written] == sorted(path.name for path in files.LORAS.glob("*.safetensors"))
    assert all(load_file(path).keys() == load_file(files.LORAS / path.name).keys() for path in written)
