"""Reference pictures on the standalone host: from the request to the picture and its parameters, and what is refused before sampling."""

from __future__ import annotations

import json
from types import SimpleNamespace

import ip_adapter_files as files
import numpy as np
import pytest

from lib_regional.engine.references import CrossLayer
from lib_regional.hosts.installing.sites import cross_layers
from lib_regional.request.infotext import find_in_text
from lib_regional.webui import options
from tests.support.generations import pictures_of

LEFT, RIGHT = {"box": [0, 0, 0.5, 1], "feather": 0}, {"box": [0.5, 0, 1, 1], "feather": 0, "prompt": "b"}
SHARP = {"method": "latent_couple"}


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """An encoder, an adapter for the model, and one for another."""
    root, layers = tmp_path_factory.mktemp("models"), cross_layers(model.unet)
    files.vision(root / "regional" / "encoder")
    files.save(root / "ControlNet" / "ip-adapter_own.safetensors", files.linear(64), files.attention(layers))
    other = [CrossLayer("x", 320, 768)] * 16
    files.save(root / "ControlNet" / "ip-adapter_sd15.safetensors", files.linear(768), files.attention(other))
    return root


@pytest.fixture(autouse=True)
def folders(folder, monkeypatch):
    monkeypatch.setattr(options, "encoder_folders", lambda: [folder / "regional"])
    monkeypatch.setattr(options, "adapter_folders", lambda: [folder / "regional", folder / "ControlNet"])


def referring(**more):
    return {**LEFT, "prompt": "a", "reference": {"image": files.picture_url(), **more}}


def test_it_changes_its_region_and_comes_back_from_the_parameters(make, post):
    (none,) = make({"regions": [{**LEFT, "prompt": "a"}, RIGHT], **SHARP})
    answer = post({"regions": [referring(weight=1.5), RIGHT], **SHARP})
    (made,) = pictures_of(answer)
    change = np.abs(made - none)
    assert change[:, :40].mean() > 2 * change[:, 56:].mean() > 0
    found = find_in_text(json.loads(answer.json()["info"])["infotexts"][0])
    assert found is not None and found.regions[0].reference is not None and found.regions[0].reference.weight == 1.5
    (again,) = make({key: value for key, value in found.to_json().items() if key != "enabled"})
    assert np.array_equal(again, made)


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_weight_0_is_no_reference(make, method):
    regions = [{**LEFT, "prompt": "a"}, RIGHT]
    given = make({"regions": [{**referring(weight=0)}, RIGHT], "method": method}) + make(
        {"regions": [referring(steps=[0.99, 1]), RIGHT], "method": method}
    )
    (none,) = make({"regions": regions, "method": method})
    assert all(np.array_equal(one, none) for one in given)


def test_hires_passes_and_batches_have_it(make):
    hires = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.7, "batch_size": 2}
    made, none = (make({"regions": [region, RIGHT]}, **hires) for region in (referring(), {**LEFT, "prompt": "a"}))
    assert len(made) == 2 and all(np.abs(a - b).mean() > 1 for a, b in zip(made, none, strict=True))


REFUSED = [
    pytest.param(
        {"model": "ip-adapter_sd15"}, "regions[0].reference.model", "contexts of 768 numbers (SD1.x), this model", id="another model"
    ),
    pytest.param(
        {"model": "nobody"}, "regions[0].reference.model", 'There is no IP-Adapter "nobody"; there are ip-adapter_own', id="missing"
    ),
    pytest.param(
        {"image": "data:image/png;base64,AAAA"}, "regions[0].reference.image", "the reference picture cannot be used", id="picture"
    ),
    pytest.param({"weight": 9}, "regions[0].reference", "weight must be 2 or less", id="weight"),
]


@pytest.mark.parametrize(("given", "field", "says"), REFUSED)
def test_what_cannot_be_used_is_named_before_sampling(make, post, served, given, field, says):
    (before,) = make()
    calls = []
    counting = served[1].model.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        answer = post({"regions": [referring(**given), RIGHT]})
    finally:
        counting.remove()
    assert answer.status_code == 422 and says in answer.text.replace('\\"', '"') and field in answer.text and not calls
    assert np.array_equal(make()[0], before)


def test_methods_without_it_say_so(post):
    answer = post({"regions": [referring()], "method": "sequential"})
    assert answer.status_code == 422 and "reference must be null with the method sequential" in answer.text


def test_the_folders_are_the_hosts(monkeypatch):
    monkeypatch.undo()
    names = [folder.as_posix() for folder in options.adapter_folders()]
    assert [name.rpartition("/models/")[2] for name in names[:2]] == ["regional", "ControlNet"]
    assert names[-2].endswith("/sd-webui-controlnet/models") and options.SHIPPED in options.encoder_folders()
    files = [folder.as_posix() for folder in options.encoder_file_folders()]
    assert [name.rpartition("/models/")[2] for name in files[:2]] == ["ControlNetPreprocessor", "clip_vision"]
    assert files[2].endswith("/sd-webui-controlnet/annotator/downloads/clip_vision") and len(files) == 3


def test_with_a_data_folder_extensions_lie_there(monkeypatch, tmp_path):
    monkeypatch.undo()
    from modules import paths

    monkeypatch.setattr(paths, "extensions_dir", str(tmp_path / "extensions"), raising=False)
    folder = tmp_path / "extensions" / "sd-webui-controlnet"
    assert folder / "models" in options.adapter_folders()
    assert folder / "annotator" / "downloads" / "clip_vision" in options.encoder_file_folders()


def test_a_folder_of_preprocessors_named_in_controlnets_settings(monkeypatch, tmp_path):
    monkeypatch.undo()
    from modules import shared

    monkeypatch.setattr(shared, "opts", SimpleNamespace(control_net_modules_path=str(tmp_path)))
    assert options.encoder_file_folders()[2:] == [tmp_path / "clip_vision"]
