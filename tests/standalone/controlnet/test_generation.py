"""ControlNet units in generations of the standalone host, alone and in regions, and what is left of them afterwards."""

from __future__ import annotations

import base64
import io
import json
import threading

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file

from lib_regional.standalone import binding
from lib_regional.standalone.controlnet.files import load
from lib_regional.standalone.controlnet.script import FIELDS, UNITS
from lib_regional.standalone.model import CHECKPOINT, LORAS
from lib_regional.standalone.model.checkpoints import CheckpointError
from lib_regional.standalone.server.app import create
from tests.support.generations import REQUEST, encoded, pictures_of
from tests.support.small_controlnet import controlnet

LOCAL = "http://127.0.0.1"
WIDE = {"width": 128, "height": 64, "sampler_name": "Euler"}
LEFT, RIGHT = {"box": [0, 0, 0.5, 1], "prompt": "a", "feather": 0}, {"box": [0.5, 0, 1, 1], "prompt": "b", "feather": 0}


def picture(seed=0, other=None, start=64):
    """Squares of eight colours, 128 × 64; from column ``start`` on those of another seed."""
    made = [np.kron(np.random.default_rng(one).integers(0, 2, (8, 16, 3)) * 255, np.ones((8, 8, 1))) for one in (seed, other or seed)]
    return encoded(np.concatenate([made[0][:, :start], made[1][:, start:]], 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("ControlNet")
    save_file(controlnet(0.8), made / "regional-control.safetensors")
    (made / "more").mkdir()
    save_file(controlnet(0.8, seed=5), made / "more" / "other.safetensors")
    return made


@pytest.fixture(scope="module")
def served(model, folder, tmp_path_factory):
    before = model.control_files.folders
    app, host = create(model=model, output=tmp_path_factory.mktemp("output"), controlnets=folder)
    binding.bind(host)
    yield TestClient(app, LOCAL, raise_server_exceptions=False), host
    binding.unbind(host)
    model.control_files.folders = before


@pytest.fixture
def ask(served):
    """The answer to a request with units and regions."""
    client, host = served
    binding.bind(host)

    def asked(*units, regional=None, route="txt2img", **request):
        scripts = {"ControlNet": {"args": [{"model": "regional-control", **unit} for unit in units]}} if units else {}
        if regional is not None:
            scripts["Regional"] = {"args": [{"enabled": True, **regional}]}
        return client.post(f"/sdapi/v1/{route}", json={**REQUEST, **WIDE, "alwayson_scripts": scripts, **request})

    return asked


@pytest.fixture
def make(ask):
    return lambda *units, **request: pictures_of(ask(*units, **request))


@pytest.fixture
def latent(served):
    """The sampled latents of a request, (B, C, h, w)."""
    _, host = served
    binding.bind(host)

    def sampled(*units, regional=None, is_img2img=False, **request):
        p = host.processing(is_img2img, **{**REQUEST, **WIDE, "do_not_save_samples": True, "do_not_save_grid": True, **request})
        for title, given in (
            ("ControlNet", [{"model": "regional-control", **unit} for unit in units]),
            ("Regional", [regional] if regional else []),
        ):
            script = host.script(title, is_img2img)
            p.script_args[script.args_from : script.args_from + len(given)] = [{"enabled": True, **one} for one in given]
        found, decode = [], host.model.decode
        host.model.decode = lambda samples: found.append(samples) or decode(samples)
        try:
            host.run(p)
        finally:
            del host.model.decode
        return found[0]

    return sampled


UNIT = {"image": picture()}


def test_the_routes(served):
    client, _ = served
    assert client.get("/controlnet/model_list").json() == {"model_list": ["other", "regional-control", "regional-outlines"]}
    assert client.get("/controlnet/module_list").json()["module_list"][0] == "none"
    assert client.get("/controlnet/settings").json() == {"control_net_unit_count": UNITS}
    assert "controlnet" in client.get("/sdapi/v1/scripts").json()["txt2img"]


def test_a_unit_changes_the_picture_and_leaves_nothing(make, served):
    model, (plain,) = served[1].model, make()
    before = dict(vars(model))
    (made,) = make(UNIT)
    assert abs(made - plain).mean() > 1
    assert (make()[0] == plain).all() and (make({**UNIT, "weight": 0})[0] == plain).all()
    assert (make({**UNIT, "enabled": False})[0] == plain).all() and (make(UNIT)[0] == made).all()
    assert {name: id(value) for name, value in vars(model).items()} == {name: id(value) for name, value in before.items()}


def test_a_unit_of_some_steps(latent):
    """Three steps: from the first on, the last alone, none."""
    plain, whole = latent(), latent(UNIT)
    last, none = latent({**UNIT, "guidance_start": 0.5}), latent({**UNIT, "guidance_start": 0.9})
    assert torch.equal(none, plain) and not torch.equal(last, plain) and not torch.equal(last, whole)
    assert (last - plain).abs().mean() < (whole - plain).abs().mean()


def test_two_units(latent):
    one, other = UNIT, {"image": picture(3), "model": "other", "weight": 0.7}
    both = latent(one, other)
    assert not torch.equal(both, latent(one)) and not torch.equal(both, latent(other))
    torch.testing.assert_close(both, latent(other, one), atol=1e-4, rtol=1e-3)


def test_the_picture_of_img2img_where_a_unit_has_none(latent):
    image = picture(2)
    given = {"is_img2img": True, "denoising_strength": 0.8}
    from lib_regional.sources.picture import open_drawn

    own = open_drawn(image)
    assert torch.equal(latent({}, init_images=[own], **given), latent({"image": image}, init_images=[own], **given))
    mask = Image.new("L", (128, 64))
    mask.paste(255, (0, 0, 48, 48))
    part = {"init_images": [own], "mask": mask, "inpaint_full_res": True, "inpaint_full_res_padding": 0, "mask_blur": 0, **given}
    made = latent({}, **part)
    assert torch.equal(made, latent({"image": image}, **part))
    assert torch.equal(made, latent({"image": picture(2, 7, 96)}, **part)), "the part that is inpainted ends before"
    assert not torch.equal(made, latent({"image": picture(2, 7, 80)}, **part))


def test_one_picture_for_each_of_a_batch(latent):
    from lib_regional.sources.picture import open_drawn

    pair = [open_drawn(picture(seed)) for seed in (1, 2)]
    given = {"is_img2img": True, "denoising_strength": 0.8, "batch_size": 2}
    both = latent({}, init_images=pair, **given)
    for at in (0, 1):
        alone = latent({"image": picture(at + 1)}, init_images=pair, **given)
        torch.testing.assert_close(both[at], alone[at], atol=1e-4, rtol=1e-3)
        assert not torch.allclose(both[1 - at], alone[1 - at], atol=1e-2)


def halves(*numbers, method="attention_couple", **options):
    regions = [{**region, "controlnet": number} for region, number in zip((LEFT, RIGHT), numbers, strict=True)]
    return {"method": method, "regions": regions, "options": {method: options}}


def change(one, other):
    difference = (one - other).abs()
    return float(difference[..., :8].mean()), float(difference[..., 8:].mean())


APART = [
    ("attention_couple", {"isolate_until": 1}),
    ("multidiffusion", {"soft_from": 1}),
    ("latent_composite", {"alone": 1}),
    ("rag", {"bind": 1}),
]


@pytest.mark.parametrize(("method", "options"), APART, ids=[name for name, _ in APART])
def test_in_a_region_it_acts_there_alone(latent, method, options):
    regional = halves(None, 0, method=method, **options)
    left, right = change(latent(UNIT, regional=regional), latent(regional=halves(None, None, method=method, **options)))
    assert right > 0.02 and left <= 1e-5


@pytest.mark.parametrize(("method", "options"), APART, ids=[name for name, _ in APART])
def test_each_part_sees_its_part_of_the_control_picture(latent, method, options):
    """A unit on the whole canvas, another picture in its right half."""
    regional = halves(None, None, method=method, **options)
    made = [latent({"image": image}, regional=regional) for image in (picture(), picture(0, 9))]
    left, right = change(*made)
    assert right > 0.02 and left <= 1e-5


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple", "multidiffusion", "latent_composite", "rag", "mask_conditioning"])
def test_over_the_whole_canvas_it_is_the_plain_prompt_with_the_unit(latent, method):
    regional = {"method": method, "regions": [{"box": [0, 0, 1, 1], "prompt": "main", "feather": 0, "controlnet": 0}]}
    torch.testing.assert_close(latent(UNIT, regional=regional), latent(UNIT), atol=2e-3, rtol=1e-2)


def test_an_edit_beside_a_unit(make):
    """Of a unit on the whole canvas: the same source on both sides of the edit, the rest kept."""
    source = {"regions": [LEFT, RIGHT]}
    regional = {"method": "mrgd", "regions": [LEFT, {**RIGHT, "prompt": "c"}], "options": {"mrgd": {"source": source}}}
    (made,), (before,) = make(UNIT, regional=regional), make(UNIT, regional={"method": "mrgd", "regions": [LEFT, RIGHT]})
    left, right = abs(made - before)[:, :48].mean(), abs(made - before)[:, 80:].mean()
    assert right > 2 * left and right > 1


def test_hires(make):
    hires = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.6, "hr_second_pass_steps": 2}
    plain, both = make(**hires)[0], make(UNIT, **hires)[0]
    first, second = (make({**UNIT, "hr_option": option}, **hires)[0] for option in ("Low res only", "High res only"))
    assert both.shape == (96, 192, 3)
    assert len({one.tobytes() for one in (plain, both, first, second)}) == 4


def test_the_parameters(ask):
    answer = ask({**UNIT, "weight": 0.5}).json()
    assert 'ControlNet 0: "Module: none, Model: regional-control, Weight: 0.5' in answer["info"].replace("\\\\\\", "").replace("\\", "")


BAD = [
    ({"model": "canny"}, 'unit 0: model must be the name of a ControlNet model (other, regional-control, regional-outlines), got "canny"'),
    ({"image": None}, "ControlNet unit 0: image must be a picture: txt2img has none to take instead"),
    ({"weight": 7}, "ControlNet unit 0: weight must be a number from 0 to 2, got 7"),
    ({"module": "canny"}, "module must be one of none, invert"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), BAD, ids=lambda value: str(value)[:30])
def test_what_is_wrong_is_refused_before_sampling(ask, make, served, fields, message):
    model, calls = served[1].model, []
    (plain,) = make()
    model.call_listeners.append(calls.append)
    try:
        answer = ask({**UNIT, **fields}, regional=halves(None, 0))
    finally:
        model.call_listeners.remove(calls.append)
    assert answer.status_code == 422 and message in answer.text.replace("\\", "") and not calls
    assert (make()[0] == plain).all() and model.controlnets == ()


def test_a_region_that_names_a_unit_that_is_off(ask):
    answer = ask({**UNIT, "enabled": False}, regional=halves(None, 0))
    assert answer.status_code == 422 and "Region 2" in answer.text and "there is none" in answer.text


def test_a_method_whose_regions_are_pictures_of_their_own_has_no_units_in_regions(ask, make):
    """Inner pictures of the host are made without its other scripts: a unit in a region would be passed over in silence."""
    answer = ask(UNIT, regional=halves(None, 0, method="sequential"))
    assert answer.status_code == 422 and "controlnet must be null with the method sequential" in answer.text
    assert make(UNIT, regional=halves(None, None, method="sequential"))


def test_an_interrupt_leaves_nothing(ask, make, served):
    host = served[1]
    (plain,) = make()
    host.model.call_listeners.append(lambda call: call.step.index == 1 and host.state.interrupt())
    try:
        assert ask(UNIT).status_code == 200
    finally:
        host.model.call_listeners.clear()
    assert host.model.controlnets == () and (make()[0] == plain).all()


def test_an_error_in_a_step_leaves_nothing(ask, make, served):
    host = served[1]
    (plain,) = make()

    def fail(call):
        raise RuntimeError("in a step")

    host.model.call_listeners.append(fail)
    try:
        assert ask(UNIT, regional=halves(None, 0)).status_code == 500
    finally:
        host.model.call_listeners.clear()
    assert host.model.controlnets == () and (make()[0] == plain).all()


def test_two_generations_in_a_row_wait_for_each_other(make):
    """Units of one do not act in the other."""
    (plain,), (with_unit,) = make(), make(UNIT)
    made = {}
    threads = [threading.Thread(target=lambda at=at: made.update({at: make(*([UNIT] if at % 2 else []))[0]})) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((made[at] == (with_unit if at % 2 else plain)).all() for at in range(4))


# -------------------------------------------------------------------------------------------------------- files


def test_diffusers_layout_and_pickles_of_weights_are_the_same_network(model, tmp_path):
    weights = controlnet(0.8)
    first, second, third = (tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.pth"))
    save_file(weights, first)
    network = load(first, model.unet)
    save_file({name: value.half() for name, value in network.state_dict().items()}, second)
    beside = {f"model.diffusion_model.{name}": value for name, value in weights.items() if name.startswith("input_blocks")}
    torch.save({**{f"control_model.{name}": value for name, value in weights.items()}, **beside}, third)
    for path in (second, third):
        other = load(path, model.unet).state_dict()
        assert all(torch.equal(value, other[name]) for name, value in network.state_dict().items())


FILES = {
    "a-lora": lambda: load_file(next(iter(sorted(LORAS.glob("*.safetensors"))))),
    "a-checkpoint": lambda: load_file(CHECKPOINT),
    "half-a-net": lambda: {name: value for name, value in controlnet(0.8).items() if not name.startswith("middle")},
    "another-width": lambda: {**controlnet(0.8), "zero_convs.0.0.weight": torch.zeros(7, 7, 1, 1)},
    "union": lambda: {**controlnet(0.8), "task_embedding": torch.zeros(6, 64)},
    "a-shuffle-net": lambda: controlnet(0.8),
    "inpaint": lambda: controlnet(0.8),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_of_another_kind_are_named(model, tmp_path, name):
    path = tmp_path / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in FILES[name]().items()}, path)
    with pytest.raises(CheckpointError, match=f"{name}.safetensors"):
        load(path, model.unet)


@pytest.mark.parametrize("data", [b"", b"no weights", b"\x80\x04K\x01."])
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_damaged_files_are_named(model, tmp_path, ending, data):
    path = tmp_path / f"broken{ending}"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="broken"):
        load(path, model.unet)


def test_networks_of_earlier_generations_are_let_go(make, served):
    files = served[1].model.control_files
    make(UNIT, {"image": picture(3), "model": "other"})
    assert len(files._loaded) == 2
    make({**UNIT, "model": "other [a1b2c3d4]"})
    assert [path.name for path, _ in files._loaded] == ["other.safetensors"]


# -------------------------------------------------------------------------------------------------------- the page's controls


def test_parameters_fill_the_page(served, ask):
    client, host = served
    binding.bind(host)
    text = json.loads(ask({"enabled": False}, {**UNIT, "weight": 0.5, "control_mode": 1}).json()["info"])["infotexts"][0]
    params = client.post("/sdapi/v1/png-info", json={"image": encoded_with(text)}).json()["parameters"]
    script = host.script("ControlNet")
    places = {id(control): at for at, control in enumerate(script.controls)}
    fields = [(places[id(control)], read) for control, read in host.txt2img.infotext_fields if id(control) in places]
    filled = {at: value for at, read in fields if (value := read(params)) is not None}
    second = {name: filled.get(len(FIELDS) + at) for at, name in enumerate(FIELDS)}
    assert second == {
        "enabled": True, "image": None, "model": "regional-control", "module": "none", "weight": 0.5, "guidance_start": 0,
        "guidance_end": 1, "control_mode": "My prompt is more important", "resize_mode": "Crop and Resize",
    }  # fmt: skip
    assert min(filled) >= len(FIELDS) and max(filled) < 2 * len(FIELDS)


@pytest.mark.parametrize("unit", ["Model: away [a1b2c3d4], Weight: 1.0", "Module: canny, Model: regional-control", "Weight: x"])
def test_parameters_with_a_unit_that_cannot_be_made_here(served, ask, unit):
    """Refused by the API, unless the request has units of its own."""
    client, _ = served
    infotext = f'a red circle\nSteps: 2, Sampler: Euler, CFG scale: 5, Seed: 1, Size: 64x64, ControlNet 1: "{unit}"'
    answer = client.post("/sdapi/v1/txt2img", json={"infotext": infotext})
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        f"ControlNet 1 cannot be made here: {unit}. Models that are here: other, regional-control, regional-outlines."
    )
    with_units = pictures_of(ask(UNIT, infotext=infotext))
    assert np.array_equal(with_units, pictures_of(ask(UNIT)))


def encoded_with(text):
    """A picture with these parameters."""
    buffer, info = io.BytesIO(), PngInfo()
    info.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)
    return base64.b64encode(buffer.getvalue()).decode()


def test_the_pages_values_are_units(served, make):
    """As the page gives them: every control's value, in the order of the units."""
    _, host = served
    binding.bind(host)
    script = host.script("ControlNet")
    assert script.args_to - script.args_from == UNITS * len(FIELDS)
    p = host.processing(**{**REQUEST, **WIDE, "do_not_save_samples": True, "do_not_save_grid": True})
    args = host.default_args(False)
    at = script.args_from + len(FIELDS)
    args[at : at + 3] = [True, Image.fromarray(make()[0].astype(np.uint8)), "regional-control"]
    p.scripts_setup_complete, p.script_args = False, tuple(args)
    units = [unit for unit in p.script_args[script.args_from : script.args_to] if unit is not None]
    assert [unit["enabled"] for unit in units] == [False, True, False] and isinstance(p.script_args, tuple)
    made = np.asarray(host.run(p).images[0], np.int16)
    assert (made == make({"enabled": False}, {"image": encoded(make()[0])})[0]).all()
