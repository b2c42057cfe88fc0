"""Folders of models: what is refused and why, and that nothing half-loaded or downloaded is used."""

import json
import shutil
import sys
from contextlib import nullcontext

import picture_models
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from lib_regional.request.errors import RegionalError
from lib_regional.sources.models import loading
from lib_regional.sources.models.depth import nearness
from lib_regional.sources.models.folders import find_models
from lib_regional.sources.models.loading import PictureModels


@pytest.fixture
def root(tmp_path):
    picture_models.dpt(tmp_path / "owner" / "dpt")
    return tmp_path


def test_folders_of_owners_are_looked_into_and_the_first_root_wins(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(root / "owner", other / "owner")
    picture_models.dpt(other / "second")
    found = find_models([root, other, other / "nowhere"])
    assert [(one.name, one.folder.is_relative_to(root)) for one in found] == [("owner/dpt", True), ("second", False)]


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ("{", "cannot be read"), ("[]", "names no model type"), ('{"model_type": 3}', "names no model type"),
        ('{"model_type": "llama"}', 'names the model type "llama"'), ('{"model_type": "sam"}', "no .safetensors file"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why(tmp_path, config, fault):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.json").write_text(config)
    (tmp_path / "one" / "pytorch_model.bin").write_bytes(b"never read")
    models = PictureModels(lambda: [tmp_path])
    (row,) = models.listed()["models"]
    assert not row["usable"] and fault in row["fault"]
    with pytest.raises(RegionalError, match='model "one" cannot be used'):
        models.choose("sam", "one")


def test_a_missing_model_names_the_repository_and_the_place(tmp_path):
    with pytest.raises(
        RegionalError,
        match=f"facebook/sam-vit-base from Hugging Face, into {tmp_path.parent.name}/{tmp_path.name}/sam-vit-base. Nothing is",
    ):
        PictureModels(lambda: [tmp_path]).choose("sam")


def test_without_transformers_every_kind_says_so(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    models = PictureModels(lambda: [root])
    assert all("package transformers is missing" in row["missing"] for row in models.listed()["kinds"])
    with pytest.raises(RegionalError, match="transformers is missing"):
        models.choose("depth")


def spoil_weights(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop("head.head.0.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_weights_that_nothing_reads_may_be_missing(root):
    """As in the published files of DPT: the first stage of its fusion has no residual."""
    file = root / "owner" / "dpt" / "model.safetensors"
    models, picture = PictureModels(lambda: [root]), Image.new("RGB", (32, 32), "red")
    whole = nearness(models, models.choose("depth"), picture)
    weights = load_file(file)
    kept = {key: value for key, value in weights.items() if "layers.0.residual_layer1" not in key}
    assert len(kept) < len(weights)
    save_file(kept, file, {"format": "pt"})
    assert torch.equal(nearness(models, models.choose("depth"), picture), whole)


class OldTransformers:
    """``from_pretrained`` of transformers 4.30: position ids are among the weights, and missing in what later ones have saved."""

    def __init__(self, own, missing):
        self.own, self.missing = own, missing

    def from_pretrained(self, *args, **kwargs):
        model, report = self.own.from_pretrained(*args, **kwargs)
        return model, {**report, "missing_keys": [*report["missing_keys"], self.missing]}


@pytest.mark.parametrize(
    ("missing", "says"), [("embeddings.position_ids", None), ("embeddings.position_embeddings", "1 weights are missing")]
)
def test_position_ids_are_no_weights(root, monkeypatch, missing, says):
    model_class = loading.model_class
    monkeypatch.setattr(loading, "model_class", lambda name: OldTransformers(model_class(name), missing))
    models = PictureModels(lambda: [root])
    with nullcontext() if says is None else pytest.raises(RegionalError, match=says), models.opened(models.choose("depth")) as opened:
        assert not opened.model.training


def spoil_shape(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 24}))


def spoil_file(folder):
    (folder / "model.safetensors").write_bytes(b"no weights")


@pytest.mark.parametrize(
    ("spoil", "says"), [(spoil_weights, "head.head.0.weight"), (spoil_shape, "cannot be loaded"), (spoil_file, "cannot be loaded")]
)
def test_weights_that_do_not_fit_are_refused(root, spoil, says):
    spoil(root / "owner" / "dpt")
    models = PictureModels(lambda: [root])
    with pytest.raises(RegionalError, match=f'"owner/dpt" .*{says}'):
        with models.opened(models.choose("depth")):
            raise AssertionError("it was opened")


def test_missing_files_of_the_processor_are_named(root):
    (root / "owner" / "dpt" / "preprocessor_config.json").unlink()
    models = PictureModels(lambda: [root])
    with models.opened(models.choose("depth")) as opened, pytest.raises(RegionalError, match="preprocessor_config.json"):
        opened.processor("AutoImageProcessor")


def test_the_device_is_held_while_the_model_is_open_and_given_back(root):
    events = []

    class Held:
        def __init__(self, size):
            events.append(size > 1000)

        def __enter__(self):
            events.append("held")
            return torch.device("cpu")

        def __exit__(self, *_):
            events.append("free")

    models = PictureModels(lambda: [root], Held)
    with models.opened(models.choose("depth")) as opened:
        assert events == [True, "held"] and not any(weight.is_meta for weight in opened.model.parameters())
    assert all(weight.is_meta for weight in opened.model.parameters()), "it is unloaded"
    with pytest.raises(RegionalError, match="ran out of memory"):
        with models.opened(models.choose("depth")):
            raise RuntimeError("CUDA out of memory")
    assert events == [True, "held", "free"] * 2
