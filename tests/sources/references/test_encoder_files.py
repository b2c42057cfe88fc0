"""Image encoders that are one file: the same as the folder that they were taken from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from lib_regional.request.errors import RegionalError
from lib_regional.sources.models import encoder_files
from lib_regional.sources.models.loading import PictureModels
from lib_regional.sources.references.vision import encoded, encoder_for

transformers = pytest.importorskip("transformers")

SMALL = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "hidden_act": "gelu", "patch_size": 4,
    "image_size": 20, "projection_dim": 24,
}  # fmt: skip
PUBLISHED = {
    "ViT-H/14": {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "projection_dim": 1024},
    "ViT-bigG/14": {"hidden_size": 1664, "intermediate_size": 8192, "num_hidden_layers": 48, "projection_dim": 1280},
}


def network(config):
    return transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**config))


@pytest.fixture
def roots(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """A root with the encoder as a folder, and a folder with it as a file."""
    monkeypatch.setitem(encoder_files.HEADS, 32, (4, "gelu"))
    torch.manual_seed(0)
    network(SMALL).save_pretrained(tmp_path / "regional" / "image_encoder")
    files = tmp_path / "ControlNetPreprocessor"
    files.mkdir()
    shutil.copy(tmp_path / "regional" / "image_encoder" / "model.safetensors", files / "CLIP-small.safetensors")
    return tmp_path / "regional", files


def models_in(files: Path) -> PictureModels:
    return PictureModels(files=lambda: [files])


@pytest.mark.parametrize("resamples", [False, True], ids=["embeddings", "hidden states"])
def test_a_file_encodes_as_its_folder_does(roots, resamples):
    folder, files = PictureModels(lambda: [roots[0]]), models_in(roots[1])
    picture = Image.effect_noise((40, 30), 80).convert("RGB")
    width = 32 if resamples else 24
    one, other = (encoded(models, encoder_for(models, resamples, width), picture, resamples) for models in (folder, files))
    assert torch.equal(one, other) and float(one.std()) > 0


@pytest.mark.parametrize("name", ["clip_h.pth", "pytorch_model.bin"])
def test_a_pickle_of_weights_is_the_same_encoder(roots, tmp_path, name):
    """As sd-webui-controlnet keeps its own (``annotator/downloads/clip_vision/clip_h.pth``)."""
    weights = load_file(roots[1] / "CLIP-small.safetensors")
    (tmp_path / "clip_vision").mkdir()
    torch.save({**weights, "vision_model.embeddings.position_ids": torch.arange(26)[None]}, tmp_path / "clip_vision" / name)
    models, picture = models_in(tmp_path / "clip_vision"), Image.effect_noise((40, 30), 80).convert("RGB")
    assert [(one.name, one.fault) for one in models.found()] == [(name, "")]
    one, other = (encoded(each, encoder_for(each, False, 24), picture, False) for each in (models, models_in(roots[1])))
    torch.testing.assert_close(one, other)


class Runs:
    """What a pickle would run."""

    def __reduce__(self):
        return print, ("run",)


def test_pickles_that_would_run_something_or_are_no_weights_are_named(roots, capsys):
    files = roots[1]
    torch.save({"vision_model.embeddings.class_embedding": Runs()}, files / "clip_h.pth")
    torch.save([1, 2], files / "clip_list.pth")
    (files / "clip_g.pth").write_bytes(b"nothing")
    (files / "other.pth").write_bytes(b"nothing")
    faults = {one.name: one.fault for one in models_in(files).found()}
    assert sorted(faults) == ["CLIP-small.safetensors", "clip_g.pth", "clip_h.pth"]
    assert "cannot be read" in faults["clip_h.pth"] and "cannot be read" in faults["clip_g.pth"] and capsys.readouterr().out == ""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_config_of_a_published_encoder_is_read_from_its_shapes(name):
    heads, activation = encoder_files.HEADS[PUBLISHED[name]["hidden_size"]]
    config = {**PUBLISHED[name], "num_attention_heads": heads, "hidden_act": activation, "patch_size": 14, "image_size": 224}
    with torch.device("meta"):
        shapes = {key: list(tensor.shape) for key, tensor in network(config).state_dict().items()}
    assert encoder_files.config_of(shapes) == config


def test_files_of_other_kinds_are_left_out_and_damaged_ones_named(roots):
    files = roots[1]
    save_file({"control_model.x": torch.zeros(1)}, files / "control.safetensors")
    (files / "CLIP-damaged.safetensors").write_bytes(b"nothing")
    (files / "noise.safetensors").write_bytes(b"nothing")
    wide = network({**SMALL, "hidden_size": 64})
    save_file({key: tensor.contiguous() for key, tensor in wide.state_dict().items()}, files / "wide.safetensors")
    found = {one.name: one.fault for one in models_in(files).found()}
    assert sorted(found) == ["CLIP-damaged.safetensors", "CLIP-small.safetensors", "wide.safetensors"]
    assert "cannot be read" in found["CLIP-damaged.safetensors"] and found["CLIP-small.safetensors"] == ""
    assert "64 numbers" in found["wide.safetensors"] and "1280" in found["wide.safetensors"]


def test_an_incomplete_file_is_an_error_that_names_what_is_missing(roots):
    file = roots[1] / "CLIP-small.safetensors"
    weights = load_file(file)
    save_file({key: tensor for key, tensor in weights.items() if "layers.1.mlp.fc2" not in key}, file)
    models = models_in(roots[1])
    with pytest.raises(RegionalError, match=r"incomplete: 2 weights are missing.*layers\.1\.mlp\.fc2"):
        encoded(models, encoder_for(models, False, 24), Image.new("RGB", (20, 20)), False)


@pytest.mark.parametrize("lost", ["visual_projection.weight", "vision_model.embeddings.patch_embedding.weight"])
def test_a_file_without_a_part_has_a_fault(roots, lost):
    file = roots[1] / "CLIP-small.safetensors"
    save_file({key: tensor for key, tensor in load_file(file).items() if key != lost}, file)
    (found,) = models_in(roots[1]).found()
    assert "not those of a CLIP vision model" in found.fault


def test_folders_come_before_files(roots):
    models = PictureModels(lambda: [roots[0]], files=lambda: [roots[1]])
    assert [one.name for one in models.found()] == ["image_encoder", "CLIP-small.safetensors"]
    assert models.listed()["kinds"][-1]["models"] == ["image_encoder", "CLIP-small.safetensors"]
