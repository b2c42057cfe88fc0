"""The shipped files: complete, free of pickles, and the same model for diffusers and for the genuine ldm code."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from safetensors import safe_open  # noqa: E402
from transformers import CLIPTokenizer  # noqa: E402

from lib_regional.standalone import model as files  # noqa: E402

needs_ldm = pytest.mark.skipif(
    importlib.util.find_spec("ldm") is None or importlib.util.find_spec("einops") is None,
    reason="needs the genuine ldm code: pip install --no-deps stable-diffusion-sdkit, and einops",
)
LIMIT = 1e-4
PROMPTS = ["a red circle on grass", "(blue square:1.2), masterpiece, unheardof words", ""]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The checkpoint as a WebUI gets it."""
    return files.install(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def pipe(installed):
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_single_file(str(installed), config=str(files.DIFFUSERS), local_files_only=True)


@pytest.fixture(scope="module")
def weights(installed) -> dict:
    from safetensors.torch import load_file

    return {name: value.float() for name, value in load_file(installed).items()}


@pytest.fixture(scope="module")
def params() -> dict:
    yaml = pytest.importorskip("omegaconf").OmegaConf.create(files.webui_config())
    return yaml.model.params


def part(weights: dict, prefix: str) -> dict:
    return {name[len(prefix) :]: value for name, value in weights.items() if name.startswith(prefix)}


def test_no_pickle_and_at_most_20_megabytes() -> None:
    names = [path.suffix for path in files.FOLDER.rglob("*") if path.is_file()]
    assert not {".ckpt", ".pt", ".pth", ".bin", ".pkl"} & set(names)
    assert files.CHECKPOINT.stat().st_size < 20e6


def test_keys_are_those_of_the_original_layout(installed: Path) -> None:
    with safe_open(installed, "pt") as file:
        names = set(file.keys())
    roots = {name.split(".")[0] for name in names}
    assert roots == {"model", "first_stage_model", "cond_stage_model", "betas", "alphas_cumprod"}
    assert {
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
        "first_stage_model.decoder.up.3.block.0.conv1.weight",
        "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc1.weight",
    } <= names


def test_weights_are_finite(weights: dict) -> None:
    assert all(bool(value.isfinite().all()) for value in weights.values())


def test_shipped_configurations_are_those_of_the_networks(tmp_path: Path) -> None:
    from lib_regional.standalone.train.stages.export import write_configs

    write_configs(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert path.read_text() == (files.FOLDER / path.relative_to(tmp_path)).read_text(), path.name


def test_tokenizer_has_the_genuine_ids() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(files.TOKENIZER)
    assert len(tokenizer) == 49408
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer.pad_token_id == 49407 and tokenizer.model_max_length == 77


def test_context_mean_is_not_zero(pipe) -> None:
    ids = pipe.tokenizer(PROMPTS, padding="max_length", truncation=True, return_tensors="pt").input_ids
    mean = pipe.text_encoder(ids).last_hidden_state.mean((1, 2))
    assert (mean.abs() > 0.05).all()


def test_install_writes_the_yaml_with_an_absolute_path(installed: Path) -> None:
    text = installed.with_suffix(".yaml").read_text()
    assert files.TOKENIZER.as_posix() in text and files.PLACEHOLDER not in text.split("cond_stage_config")[1]


def test_install_gives_every_id_its_row(weights: dict) -> None:
    from safetensors.torch import load_file

    short = load_file(files.CHECKPOINT)
    assert weights[files.TABLE].shape == (49408, short[files.TABLE].shape[1]) and files.ROWS not in weights
    assert len(short[files.TABLE]) < 1000
    assert torch.equal(weights[files.TABLE], short[files.TABLE][short[files.ROWS].long()].float())


@pytest.mark.parametrize(("width", "height"), [(16, 16), (24, 16)], ids=["128x128", "192x128"])
@needs_ldm
def test_unet_agrees_with_ldm(pipe, weights: dict, params: dict, width: int, height: int) -> None:
    from ldm.modules.diffusionmodules.openaimodel import UNetModel

    ldm = UNetModel(**params.unet_config.params).eval()
    ldm.load_state_dict(part(weights, "model.diffusion_model."))
    x, times, context = torch.randn(2, 4, height, width), torch.tensor([901, 5]), torch.randn(2, 77, params.unet_config.params.context_dim)
    with torch.no_grad():
        difference = ldm(x, times, context) - pipe.unet(x, times, context).sample
    assert difference.abs().max() < LIMIT


@needs_ldm
def test_autoencoder_agrees_with_ldm(pipe, weights: dict, params: dict) -> None:
    from ldm.modules.diffusionmodules.model import Decoder, Encoder

    options, own = dict(params.first_stage_config.params.ddconfig), part(weights, "first_stage_model.")
    encoder, decoder = Encoder(**options).eval(), Decoder(**options).eval()
    encoder.load_state_dict(part(own, "encoder."))
    decoder.load_state_dict(part(own, "decoder."))
    quant, post = torch.nn.Conv2d(8, 8, 1), torch.nn.Conv2d(4, 4, 1)
    quant.load_state_dict(part(own, "quant_conv."))
    post.load_state_dict(part(own, "post_quant_conv."))
    image = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.no_grad():
        mean = quant(encoder(image))[:, :4]
        ours = pipe.vae.encode(image).latent_dist.mean
        assert (mean - ours).abs().max() < LIMIT * float(ours.abs().max().clamp(min=1))
        assert (decoder(post(ours)) - pipe.vae.decode(ours).sample).abs().max() < LIMIT


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch, params: dict) -> Iterator:
    """ldm's FrozenCLIPEmbedder, its text model built from the configuration alone as the WebUI does it."""
    from transformers import CLIPTextConfig, CLIPTextModel

    # The module imports open_clip for another embedder.
    if importlib.util.find_spec("open_clip") is None:
        monkeypatch.setitem(sys.modules, "open_clip", types.ModuleType("open_clip"))
    from ldm.modules.encoders.modules import FrozenCLIPEmbedder

    build = classmethod(lambda cls, name: cls(CLIPTextConfig.from_pretrained(name)))
    monkeypatch.setattr(CLIPTextModel, "from_pretrained", build)
    yield FrozenCLIPEmbedder(device="cpu", **params.cond_stage_config.params).eval()


@needs_ldm
def test_text_encoder_agrees_with_ldm(pipe, weights: dict, embedder) -> None:
    missing, unexpected = embedder.load_state_dict(part(weights, "cond_stage_model."), strict=False)
    assert not unexpected and not [name for name in missing if "position_ids" not in name]
    ids = pipe.tokenizer(PROMPTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids
    with torch.no_grad():
        assert (embedder(PROMPTS) - pipe.text_encoder(ids).last_hidden_state).abs().max() < LIMIT


def test_latents_have_unit_variance(pipe) -> None:
    np = pytest.importorskip("numpy")
    from lib_regional.standalone.train.data.drawing import draw
    from lib_regional.standalone.train.data.scene import random_scene

    rng = np.random.default_rng(0)
    pictures = np.stack([draw(random_scene(rng)) for _ in range(12)])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        latents = pipe.vae.encode(images).latent_dist.mean * pipe.vae.config.scaling_factor
    assert 0.8 < float(latents.std()) < 1.25 and abs(float(latents.mean())) < 0.25


def test_index_names_what_the_folder_holds() -> None:
    index = json.loads((files.DIFFUSERS / "model_index.json").read_text())
    for name, value in index.items():
        if isinstance(value, list) and value[0]:
            assert (files.DIFFUSERS / name).is_dir()
