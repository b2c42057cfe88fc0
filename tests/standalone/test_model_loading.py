"""Checkpoint files: the kinds, their configurations, both file formats, and every refusal with its reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from lib_regional.standalone.model.checkpoints import CheckpointError, kind_of
from lib_regional.standalone.model.loading import CONFIGS, from_open_clip, load_model
from lib_regional.standalone.train.ldm_keys import autoencoder_weights, text_weights, unet_weights

UNET = "model.diffusion_model."
STEM = f"{UNET}input_blocks.0.0.weight"
SD1 = {STEM: (320, 4, 3, 3), "cond_stage_model.transformer.text_model.final_layer_norm.weight": (768,)}
SDXL = {
    STEM: (320, 4, 3, 3),
    "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight": (768,),
    "conditioner.embedders.1.model.ln_final.weight": (1280,),
}


@pytest.mark.parametrize(("shapes", "kind"), [(SD1, "sd1"), (SDXL, "sdxl")], ids=["sd1", "sdxl"])
def test_the_kind_is_known_by_its_keys(shapes, kind):
    assert kind_of(shapes) == kind


REFUSED = {
    "Stable Diffusion 2": {STEM: (320, 4, 3, 3), "cond_stage_model.model.ln_final.weight": (1024,)},
    "Stable Diffusion 3": {f"{UNET}joint_blocks.0.x_block.attn.qkv.weight": (1,)},
    "Flux": {f"{UNET}double_blocks.0.img_attn.qkv.weight": (1,)},
    "SDXL refiner": {STEM: (384, 4, 3, 3), "conditioner.embedders.0.model.ln_final.weight": (1280,)},
    "more than 4 channels": {**SD1, STEM: (320, 9, 3, 3)},
    "v-prediction": {**SDXL, "v_pred": (0,)},
    "LoRA": {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (4, 320)},
    "without text encoder": {STEM: (320, 4, 3, 3)},
    "diffusers layout": {"down_blocks.0.resnets.0.norm1.weight": (320,)},
    "no model that is known": {"something": (1,)},
}


@pytest.mark.parametrize(("kind", "shapes"), REFUSED.items(), ids=REFUSED)
def test_other_kinds_are_refused_by_name(kind, shapes):
    with pytest.raises(CheckpointError, match=f"^big.safetensors .*{kind}.*Stable Diffusion 1 and Stable Diffusion XL"):
        kind_of(shapes, "big.safetensors")


# ---------------------------------------------------------------- the two configurations, without weights


def meta(kind: str, part: str):
    """An empty network of a configuration."""
    folder = CONFIGS / kind / part
    with torch.device("meta"):
        if part == "text_encoder":
            return CLIPTextModel(CLIPTextConfig.from_pretrained(folder))
        if part == "text_encoder_2":
            return CLIPTextModelWithProjection(CLIPTextConfig.from_pretrained(folder))
        cls = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[part]
        return cls.from_config(cls.load_config(folder))


PUBLISHED = {
    ("sd1", "unet"): 859_520_964,
    ("sd1", "vae"): 83_653_863,
    ("sd1", "text_encoder"): 123_060_480,
    ("sdxl", "unet"): 2_567_463_684,
    ("sdxl", "vae"): 83_653_863,
    ("sdxl", "text_encoder"): 123_060_480,
    ("sdxl", "text_encoder_2"): 694_659_840,
}
"""Numbers of weights of the published models."""


@pytest.mark.parametrize(("part", "count"), PUBLISHED.items(), ids=map("/".join, PUBLISHED))
def test_the_configurations_have_as_many_weights_as_the_published_models(part, count):
    assert sum(weight.numel() for weight in meta(*part).parameters()) == count


def test_original_keys_of_stable_diffusion_1_fill_its_unet():
    unet = meta("sd1", "unet")
    original = unet_weights(unet.state_dict(), 2, (True, True, True, False))
    for key, shape in {
        "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
        "middle_block.1.proj_in.weight": (1280, 1280, 1, 1),
        "output_blocks.5.2.conv.weight": (1280, 1280, 3, 3),
        "output_blocks.11.1.transformer_blocks.0.ff.net.2.weight": (320, 1280),
        "out.2.weight": (4, 320, 3, 3),
    }.items():
        assert tuple(original[UNET + key].shape) == shape
    filled = convert_ldm_unet_checkpoint(dict(original), dict(unet.config))
    assert {k: v.shape for k, v in filled.items()} == {k: v.shape for k, v in unet.state_dict().items()}


def open_clip_weights(encoder: CLIPTextModelWithProjection) -> dict[str, torch.Tensor]:
    """A transformers text model under OpenCLIP's names, written out naively."""
    state = encoder.state_dict()
    out = {
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "text_projection": state["text_projection.weight"].T,
        "logit_scale": torch.zeros(()),
        "ln_final.weight": state["text_model.final_layer_norm.weight"],
        "ln_final.bias": state["text_model.final_layer_norm.bias"],
    }
    for number in range(encoder.config.num_hidden_layers):
        old, new = f"text_model.encoder.layers.{number}.", f"transformer.resblocks.{number}."
        for kind in ("weight", "bias"):
            out[f"{new}attn.in_proj_{kind}"] = torch.cat([state[f"{old}self_attn.{n}_proj.{kind}"] for n in "qkv"])
            out[f"{new}attn.out_proj.{kind}"] = state[f"{old}self_attn.out_proj.{kind}"]
            for theirs, ours in (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")):
                out[f"{new}{theirs}.{kind}"] = state[f"{old}{ours}.{kind}"]
    return out


def test_open_clip_weights_find_their_places():
    config = CLIPTextConfig(hidden_size=24, intermediate_size=48, projection_dim=20, num_hidden_layers=2, num_attention_heads=2)
    encoder = CLIPTextModelWithProjection(config)
    filled = from_open_clip(open_clip_weights(encoder))
    state = {key: value for key, value in encoder.state_dict().items() if not key.endswith("position_ids")}
    assert filled.keys() == state.keys() and all(torch.equal(filled[key], state[key]) for key in state)


def test_open_clip_names_fit_the_second_encoder_of_sdxl():
    encoder = meta("sdxl", "text_encoder_2")
    filled = from_open_clip({k: v.to("meta") for k, v in open_clip_weights(encoder).items()})
    assert {k: v.shape for k, v in filled.items()} == {k: v.shape for k, v in encoder.state_dict().items()}


# ---------------------------------------------------------------- files


@pytest.fixture(scope="module")
def weights(model) -> dict[str, torch.Tensor]:
    parts = (
        unet_weights(model.unet.state_dict(), 1, (True, True, False)),
        autoencoder_weights(model.vae.state_dict(), 4),
        text_weights(model.text_encoder.state_dict()),
    )
    return {key: value.contiguous() for part in parts for key, value in part.items()}


@pytest.fixture
def folder(model, tmp_path) -> Path:
    """A folder with a configuration beside ``tiny.safetensors`` and ``tiny.ckpt``."""
    own = tmp_path / "tiny.config"
    for part, config in {"unet": model.unet.config, "vae": model.vae.config, "text_encoder": model.text_encoder.config.to_dict()}.items():
        (own / part).mkdir(parents=True)
        (own / part / "config.json").write_text(json.dumps(dict(config), default=str))
    shutil.copytree(CONFIGS / "sd1" / "scheduler", own / "scheduler")
    return tmp_path


def same_outputs(loaded, model) -> None:
    x, t = torch.randn(2, 4, 8, 8), torch.tensor([17.0, 500.5])
    context = torch.stack([cond.crossattn for cond in loaded.encode(["a (red:1.2) circle", ""])])
    with torch.no_grad():
        torch.testing.assert_close(context, torch.stack([c.crossattn for c in model.encode(["a (red:1.2) circle", ""])]))
        torch.testing.assert_close(loaded.predict_noise(x, t, context), model.predict_noise(x, t, context), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(loaded.decode(x), model.decode(x), atol=1e-4, rtol=1e-4)


def test_a_safetensors_file_is_the_same_model(folder, weights, model):
    save_file(weights, folder / "tiny.safetensors")
    loaded = load_model(folder / "tiny.safetensors", "cpu")
    assert (loaded.kind, loaded.name, loaded.path) == ("sd1", "tiny", folder / "tiny.safetensors") and len(loaded.hash) == 10
    same_outputs(loaded, model)


def test_a_ckpt_file_in_half_precision_is_the_same_model(folder, weights, model):
    torch.save({"state_dict": {key: value.half() for key, value in weights.items()}, "epoch": 3}, folder / "tiny.ckpt")
    loaded = load_model(folder / "tiny.ckpt", "cpu")
    assert loaded.dtype == torch.float32 and next(loaded.unet.parameters()).dtype == torch.float32
    x, t, context = torch.randn(1, 4, 8, 8), torch.tensor([300.0]), model.encode(["x"])[0].crossattn[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded.predict_noise(x, t, context), model.predict_noise(x, t, context), atol=2e-2, rtol=2e-2)


class Attack:
    """Would run code while a pickle is read."""

    def __reduce__(self):
        return (Path.touch, (Path("attacked"),))


def test_code_in_a_ckpt_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": torch.zeros(1)}, "callback": Attack()}, "bad.ckpt")
    with pytest.raises(CheckpointError, match="running code from a checkpoint is refused"):
        load_model(Path("bad.ckpt"), "cpu")
    assert not Path("attacked").exists()


def test_a_missing_part_is_named(folder, weights):
    save_file({k: v for k, v in weights.items() if "middle_block.0.in_layers.0" not in k}, folder / "tiny.safetensors")
    with pytest.raises(CheckpointError, match="tiny.safetensors does not fit the configuration tiny.config .*unet lacks mid_block"):
        load_model(folder / "tiny.safetensors", "cpu")
    save_file({k: v for k, v in weights.items() if not k.startswith("first_stage_model.")}, folder / "tiny.safetensors")
    with pytest.raises(CheckpointError, match="tiny.safetensors does not fit"):
        load_model(folder / "tiny.safetensors", "cpu")
    save_file({k: v for k, v in weights.items() if "layers.1.mlp" not in k}, folder / "tiny.safetensors")
    with pytest.raises(CheckpointError, match="text encoder lacks text_model.encoder.layers.1.mlp"):
        load_model(folder / "tiny.safetensors", "cpu")


def test_another_size_than_the_configuration_is_an_error(tmp_path, weights):
    save_file(weights, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="other.safetensors does not fit the configuration sd1"):
        load_model(tmp_path / "other.safetensors", "cpu")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.safetensors", b"", "not a readable safetensors"),
        ("x.safetensors", b"PK\x03\x04 not weights", "not a readable safetensors"),
        ("x.ckpt", b"", "not a readable checkpoint|refused"),
        ("x.ckpt", b"hello", "not a readable checkpoint|refused"),
        ("x.gguf", b"GGUF", "must be a .safetensors or .ckpt file"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path / name, "cpu")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="There is no checkpoint file .*nowhere.safetensors"):
        load_model(tmp_path / "nowhere.safetensors", "cpu")
