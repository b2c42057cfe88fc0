"""A region's reference picture against the host's own IP-Adapter, in one running host; skipped where it has none with files for SD 1.5.

Genuine files do as well as those of ``python -m tests.support.random_sd15 models``, which also says where hosts look for the image encoder.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from client import HALVES, difference, regional
from PIL import Image

ADAPTERS = {"linear": "ip-adapter_sd15", "plus": "ip-adapter-plus_sd15"}
MODULES = ("CLIP-ViT-H (IPAdapter)", "ip-adapter_clip_h", "ip-adapter_clip_sd15")
"""The image encoder's name on Forge and Forge Neo, and its two in sd-webui-controlnet."""
FOLDER, SCRIPT = "tests/acceptance/host_ip_adapter", "host's ip-adapter"
"""With it a host takes the official code's picture of none for "plus" adapters, and Forge Neo's IP-Adapter runs at all."""
SMALL = {"width": 64, "height": 64, "steps": 2, "sampler_name": "Euler", "cfg_scale": 7, "negative_prompt": "blurry"}
"""A network of SD 1.5's size takes its time on a CPU."""
SAME = 1


def picture(seed=0):
    """Patches of colours as a data URL, in the size that the encoder reads: hosts scale pictures differently."""
    levels = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.kron(levels, np.ones((32, 32, 1), np.uint8))).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def referring(kind, image=None, box=(0, 0, 1, 1), **reference):
    """A region without a text that has a reference."""
    return {
        "box": list(box),
        "base_share": 0,
        "feather": 0,
        "reference": {"image": image or picture(), "model": ADAPTERS[kind], **reference},
    }


@pytest.fixture(scope="module")
def own(webui):
    """Kind of adapter and fields of the unit -> the request's arguments of the host's own IP-Adapter."""
    if "controlnet" not in scripts_of(webui):
        pytest.skip("this host has no ControlNet, and so no IP-Adapter")
    module = next((name for name in webui.get("/controlnet/module_list")["module_list"] if name in MODULES), None)
    if module is None:
        pytest.skip(f"this host has no image encoder of these names: {', '.join(MODULES)}")
    there = {name.split(" [")[0]: name for name in webui.get("/controlnet/model_list")["model_list"]}
    missing = [name for name in ADAPTERS.values() if name not in there]
    if missing:
        pytest.skip(f"this host has no {' and no '.join(missing)}")
    answer = webui.post("/sdapi/v1/txt2img", webui.request(regional([referring("linear")]), **{**SMALL, "steps": 1}))
    if answer.status_code >= 400 and ("CLIP vision" in answer.text or "for another model" in answer.text):
        pytest.skip(answer.text[:300])
    assert answer.status_code == 200, answer.text[:2000]
    unit = {"enabled": True, "module": module, "weight": 1.0, "save_detected_map": False}
    return lambda *units: {"ControlNet": [
        {**unit, "model": there[ADAPTERS[kind]], "image": fields.pop("image", picture()), **fields} for kind, fields in units
    ]}  # fmt: skip


def counts_late(webui):
    """Whether the host's units take a step for the one before it."""
    return MODULES[0] not in webui.get("/controlnet/module_list")["module_list"]


def scripts_of(webui):
    return {name.lower() for name in webui.get("/sdapi/v1/scripts")["txt2img"]}


@pytest.fixture(scope="module")
def bare(webui, own):
    """The picture without a reference."""
    return webui.make(**SMALL)


@pytest.fixture(scope="module")
def linear(webui, own, bare):
    """The picture with the host's own unit over all of it."""
    made = webui.make(scripts=own(("linear", {})), **SMALL)
    if difference(made, bare) == 0:
        pytest.skip(f"this host's own IP-Adapter does nothing (its log says why; for Forge Neo link {FOLDER} into extensions/)")
    return made


CASES = [
    pytest.param("linear", {"weight": 0.5}, {"batch_size": 2}, {}, id="half a weight, batch of 2"),
    pytest.param("linear", {}, {"steps": 6}, {"start": 0.3, "end": 0.62}, id="some steps"),
    pytest.param("plus", {}, {"cfg_scale": 1}, {}, id="plus, not guided"),
]
"""Adapter, its weight, the request, its steps. Forge counts a step by its noise level, Regional by its number: of six, the third and the
fourth lie within these bounds in both (0.4 and 0.6; 0.33 and 0.5). sd-webui-controlnet reads AUTOMATIC1111's number of a step, which from
the second on is that of the one before."""


def test_over_the_whole_canvas_it_is_the_hosts_own(webui, linear, bare):
    made = webui.make(regional([referring("linear")]), **SMALL)
    assert difference(made, linear) <= SAME
    assert difference(made, bare) > 20


@pytest.mark.parametrize(("kind", "weight", "request_", "span"), CASES)
def test_and_so_it_is(webui, own, linear, kind, weight, request_, span):
    request = {**SMALL, **request_}
    late = 1 / request["steps"] if counts_late(webui) else 0
    unit = {"guidance_start": span["start"] - late, "guidance_end": span["end"] - late} if span else {}
    expected = webui.make(scripts=own((kind, {**weight, **unit})), **request)
    steps = {"steps": [span["start"], span["end"]]} if span else {}
    made = webui.make(regional([referring(kind, **weight, **steps)]), **request)
    assert difference(made, expected) <= SAME


def test_plus_under_guidance(webui, own, linear, bare):
    """With the official code's picture of none: Forge and Forge Neo give the negative row that of black, not of what is 0 after norming."""
    if SCRIPT not in scripts_of(webui):
        pytest.skip(f"link {FOLDER} into this host's extensions/ for it")
    made = webui.make(regional([referring("plus")]), **SMALL)
    assert difference(made, webui.make(scripts=own(("plus", {})), **SMALL)) <= SAME
    assert difference(made, bare) > 20


@pytest.mark.parametrize("method", ["latent_couple", "multidiffusion", "latent_composite"])
def test_so_it_is_with_methods_that_call_the_network(webui, linear, method):
    made = webui.make(regional([referring("linear")], method=method), **SMALL)
    assert difference(made, linear) <= SAME


def test_beside_the_hosts_own_it_is_a_second_unit(webui, own, linear):
    both = webui.make(scripts=own(("linear", {}), ("plus", {"image": picture(1)})), **{**SMALL, "cfg_scale": 1})
    made = webui.make(regional([referring("plus", picture(1))]), scripts=own(("linear", {})), **{**SMALL, "cfg_scale": 1})
    assert difference(made, both) <= SAME


def test_without_strength_it_is_no_reference_exactly(webui, own, bare):
    halves = [{**HALVES[side], "prompt": text} for side, text in enumerate(("a blue square", "a green ring"))]
    none = webui.make(regional(halves), **SMALL)
    held = [{**region, "reference": {"image": picture(), "model": ADAPTERS["linear"], "weight": 0}} for region in halves]
    assert difference(webui.make(regional(held), **SMALL), none) == 0
    assert difference(webui.make(regional([referring("linear", weight=0)]), **SMALL), bare) == 0


@pytest.fixture(scope="module")
def latents(webui, own):
    """A request whose pictures are linear in the latents, cell by cell, so that no decoder spreads what changes."""
    request = {**SMALL, "width": 128, "steps": 1, "cfg_scale": 2}
    decoder = webui.linear_decoder(**request)
    if decoder is None:
        pytest.skip("this host has no linear decoder")
    return {**request, "override_settings": decoder}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"options": {"attention_couple": {"isolate_until": 1}}}, ("a ring", "a ring"), id="attention couple"),
        pytest.param({"method": "latent_couple"}, ("", ""), id="latent couple"),
    ],
)
def test_in_the_right_half_it_changes_the_left_twenty_times_less(webui, latents, settings, words):
    """In one step, where the regions are made by themselves. What the host's decoder adds is its own."""
    regions = [{**HALVES[side], "prompt": text, "feather": 0} for side, text in enumerate(words)]
    without = webui.make(regional(regions, **settings), **latents)
    right = {**regions[1], "reference": {"image": picture(), "model": ADAPTERS["linear"]}}
    change = np.abs(webui.make(regional([regions[0], right], **settings), **latents).pixels[0] - without.pixels[0])
    left, right = change[:, :8].mean(), change[:, 8:].mean()
    assert right > 10 and right > 20 * left, f"{left:.2f} and {right:.2f} levels"


WRONG = [
    pytest.param("ip-adapter_none", "There is no IP-Adapter", id="none of this name"),
    pytest.param("ip-adapter_wrong-model", "it is for another model", id="another model"),
    pytest.param("ip-adapter-faceid_wrong", "only IP-Adapter and IP-Adapter-plus files are read", id="another kind"),
    pytest.param("ip-adapter_wrong-damaged", "the file is damaged", id="damaged"),
    pytest.param("control_wrong", "it is no IP-Adapter", id="a ControlNet"),
]


@pytest.mark.parametrize(("name", "reason"), WRONG)
def test_a_wrong_file_is_refused_by_name(webui, own, name, reason):
    region = {**referring("linear"), "reference": {"image": picture(), "model": name}}
    message = webui.refused(regional([{**HALVES[0], "prompt": "a"}, {**region, **HALVES[1]}]), **SMALL)
    if name != "ip-adapter_none" and "There is no IP-Adapter" in message:
        pytest.skip(f"this host has no file {name} to refuse")
    assert name in message and reason in message and "Region 2" in message
    assert webui.get("/sdapi/v1/progress?skip_current_image=true")["state"]["sampling_step"] == 0


def test_afterwards_all_is_as_before(webui, own, linear, bare):
    webui.make(regional([referring("plus")]), **SMALL)
    assert webui.make(**SMALL).pngs == bare.pngs
    assert webui.make(scripts=own(("linear", {})), **SMALL).pngs == linear.pngs
