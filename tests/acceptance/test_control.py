"""ControlNet units in regions, and regions in a host's tiles; skipped where the host has no such script or no ControlNet for its model.

For the small model: ``python -m tests.support.small_controlnet models/ControlNet/regional-control.safetensors``, before the host starts.
On AUTOMATIC1111 sd-webui-controlnet takes that file with the folder `a1111_small_control` beside it in `extensions/`.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from client import FULL, HALVES, LATENT, difference, regional
from PIL import Image
from test_relations import SAME

from lib_regional.standalone.train.data.outlines import line_picture
from lib_regional.standalone.train.data.scene import Scene, Thing
from lib_regional.standalone.train.measures.evaluate import find_objects

RING = "a blue ring"
ISOLATED = {"attention_couple": {"isolate_until": 0.2}}
"""What new layouts have."""
APART = {"attention_couple": {"isolate_until": 1}}


def picture(seed=0, wide=1, right=None):
    """Squares of eight colours as a data URL, ``wide`` times as wide as high; the right half by another seed where one is given."""
    cells, others = (np.random.default_rng(one).integers(0, 2, (8, 8 * wide, 3)) * 255 for one in (seed, seed if right is None else right))
    cells[:, 4 * wide :] = others[:, 4 * wide :]
    buffer = io.BytesIO()
    Image.fromarray(np.kron(cells, np.ones((16, 16, 1))).astype(np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def control(webui, request):
    """Fields of units, one for each unit -> the request's arguments of ControlNet."""
    scripts = {name.lower() for name in webui.get("/sdapi/v1/scripts")["txt2img"]}
    if "controlnet" not in scripts:
        pytest.skip("this host has no ControlNet")
    wanted = request.config.getoption("--webui-controlnet", default="regional-control")
    model = next((name for name in webui.get("/controlnet/model_list")["model_list"] if name.startswith(wanted)), None)
    if model is None:
        pytest.skip(f"this host has no ControlNet model {wanted}")
    none = next((name for name in webui.get("/controlnet/module_list")["module_list"] if name.lower() == "none"), "None")
    unit = {"enabled": True, "module": none, "model": model, "image": picture(), "save_detected_map": False}
    return lambda *units: {"ControlNet": [{**unit, **fields} for fields in units]}


@pytest.fixture(scope="module")
def controlled(webui, control):
    """The plain picture with a unit, which is another than without it."""
    made = webui.make(prompt=RING, scripts=control({}))
    assert difference(made, webui.make(prompt=RING)) > 10 * SAME
    return made


def half(side, text, **more):
    return {**HALVES[side], "prompt": text, "feather": 0, **more}


def changed(one, other):
    """Mean change of the left half and of the right, away from the border."""
    change = abs(one.pixels[0] - other.pixels[0]).mean((0, 2))
    width = len(change)
    return change[: width * 3 // 8].mean(), change[width * 5 // 8 :].mean()


@pytest.mark.parametrize("number", [None, 0], ids=["everywhere", "in the region"])
@pytest.mark.parametrize("options", [{}, ISOLATED], ids=["", "isolated"])
def test_over_the_whole_canvas_it_is_the_plain_prompt_with_the_unit(webui, control, controlled, options, number):
    settings = regional([{**FULL, "prompt": RING, "controlnet": number}], options=options)
    assert difference(webui.make(settings, prompt="x", scripts=control({})), controlled) <= SAME


@pytest.mark.parametrize("method", ["latent_couple", "multidiffusion", "latent_composite", "mask_conditioning"])
def test_and_so_it_is_with_methods_that_call_the_network(webui, control, controlled, method):
    settings = regional([{**FULL, "prompt": RING, "controlnet": 0}], method=method)
    answer = webui.post("/sdapi/v1/txt2img", webui.request(settings, prompt="x", scripts=control({})))
    if answer.status_code >= 400:  # AUTOMATIC1111
        assert "ControlNet does so" in answer.text
        return
    assert difference(webui.make(settings, prompt="x", scripts=control({})), controlled) <= SAME


UNITS = [
    pytest.param({"weight": 0.5, "guidance_start": 0.2, "guidance_end": 0.7}, {}, id="half a weight, some steps"),
    pytest.param({"control_mode": "My prompt is more important"}, {}, id="mode"),
    pytest.param({}, {"batch_size": 2}, id="batch"),
    pytest.param({}, {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.6, "hr_upscaler": LATENT,
                      "hr_additional_modules": ["Use same choices"]}, id="hires"),
]  # fmt: skip


@pytest.mark.parametrize(("unit", "request_"), UNITS)
def test_the_units_own_settings_hold(webui, control, controlled, unit, request_):
    expected = webui.make(prompt=RING, scripts=control(unit), **request_)
    made = webui.make(
        regional([{**FULL, "prompt": RING, "controlnet": 0}], options=ISOLATED), prompt="x", scripts=control(unit), **request_
    )
    assert difference(made, expected) <= SAME
    if "weight" in unit:
        assert difference(made, controlled) > SAME and difference(made, webui.make(prompt=RING)) > SAME


def test_two_halves_that_name_one_unit_have_it_everywhere(webui, control, controlled):
    """Their shares of the canvas add up, also where borders are soft."""
    soft = [{**HALVES[side], "prompt": text} for side, text in enumerate(("a blue square", RING))]
    named = regional([{**region, "controlnet": 0} for region in soft], options=ISOLATED)
    made = webui.make(named, scripts=control({}))
    assert difference(made, webui.make(regional(soft, options=ISOLATED), scripts=control({}))) <= SAME


def test_it_acts_inside_its_region_alone(webui, control, controlled):
    """Regions that are made by themselves: what is left outside is the decoder's, whose norms see the whole picture."""
    regions = [half(0, "a blue square"), half(1, RING)]
    without = webui.make(regional(regions, options=APART))
    for side in (0, 1):
        own = [{**region, "controlnet": 0 if at == side else None} for at, region in enumerate(regions)]
        change = changed(webui.make(regional(own, options=APART), scripts=control({})), without)
        assert change[side] > 5 * change[1 - side] and change[side] > 5


PIECES = {"multidiffusion": {"soft_from": 1}, "latent_composite": {"alone": 1}, "rag": {"bind": 1}}
"""Methods that predict regions on windows of their own, all steps long."""


@pytest.mark.parametrize("method", PIECES)
def test_windows_see_their_part_of_the_control_picture(webui, control, method):
    """Two halves; another picture for the unit on the whole canvas from the middle on, and the unit in the right half alone."""

    def make(seed=None, number=None):
        regions = [half(0, "a blue square"), half(1, RING, controlnet=number)]
        settings = regional(regions, method=method, options={method: PIECES[method]})
        scripts = {} if seed is None else control({"image": picture(0, 1, seed)})
        answer = webui.post("/sdapi/v1/txt2img", webui.request(settings, scripts=scripts))
        if answer.status_code >= 400:  # AUTOMATIC1111
            assert "ControlNet does so" in answer.text
            pytest.skip("this host's ControlNet runs the UNet in its own way")
        return webui.make(settings, scripts=scripts)

    for one, other in ((make(0), make(9)), (make(), make(0, 0))):
        left, right = changed(one, other)
        assert right > 5 * left and right > 5


def test_two_units_in_two_regions(webui, control, controlled):
    """Each half is as with its own unit alone, whatever the other half's does."""
    regions = [half(0, "a blue square", controlnet=1), half(1, RING, controlnet=0)]
    made = [
        webui.make(regional(regions, options=APART), scripts=control({}, {"image": picture(seed)}))
        for seed in (1, 2)
    ]  # fmt: skip
    left, right = changed(*made)
    assert left > 10 * right and left > 1


def test_nothing_reaches_the_other_half_through_the_net(webui, control, controlled):
    """A unit on the whole canvas: its network is isolated with the UNet. By the host's decoder of one cell at a time."""
    cheap = webui.linear_decoder()
    if cheap is None:
        pytest.skip("this host has no linear decoder")

    def make(text, until):
        options = {"attention_couple": {"isolate_until": until}}
        settings = regional([half(0, "a blue square"), half(1, text)], options=options)
        return webui.make(settings, scripts=control({}), override_settings=cheap)

    for until, most in ((1, 0), (0, None)):
        left, right = changed(make(RING, until), make("snow", until))
        assert right > 5 and (left > 1 if most is None else left <= most)


OUTLINED = [((82, 40), ("purple", "ring")), ((88, 84), ("red", "square"))]
"""Middles of outlines in the right half, and what its text asks for."""


@pytest.mark.parametrize(("place", "wish"), OUTLINED, ids=["ring", "square"])
def test_an_outline_is_followed_in_its_region(webui, control, place, wish):
    """By the small model's own net, which other hosts have as a file (``lib_regional/standalone/model/controlnets``)."""
    model = next((name for name in webui.get("/controlnet/model_list")["model_list"] if name.startswith("regional-outlines")), None)
    if model is None:
        pytest.skip("this host has no regional-outlines")
    things = tuple(Thing(wish[1], "red", x, place[1], 25) for x in (place[0] - 44, place[0]))
    buffer = io.BytesIO()
    Image.fromarray(line_picture(Scene(128, 128, ("sand",), things))).save(buffer, "PNG")
    unit = {"model": model, "image": "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()}
    regions = [half(0, "a green triangle on grass"), half(1, f"a {wish[0]} {wish[1]} on grass", controlnet=0)]
    options = {"attention_couple": {"isolate_until": 0.3}}
    found = find_objects(webui.make(regional(regions, options=options), scripts=control(unit), steps=16).pixels[0].astype(np.uint8))
    right = [one for one in found if one.matches(*wish)]
    assert right and np.hypot(right[0].centroid[0] - place[0], right[0].centroid[1] - place[1]) < 8, found
    assert any(one.matches("green", "triangle") for one in found), "the outline in the left half is not the unit's there"


INNER = {
    "detail pass": {"options": {"detail": {"enabled": True, "scale": 2}}},
    "sequential": {"method": "sequential"},
    "candidates": {"options": {"scores": {"candidates": 2}}},
    "repaint": {"method": "repaint", "options": {"repaint": {"source": regional([half(0, "a blue square"), half(1, "snow")])}}},
    "collage": {"method": "collage"},
}


@pytest.mark.parametrize("name", INNER)
def test_pictures_within_a_picture_are_made_beside_a_unit(webui, control, plain, name):
    """Those are of other sizes than the control picture, and made without the host's other scripts."""
    regions = [half(0, "a blue square"), half(1, RING, **({"picture": picture(4)} if name == "collage" else {}))]
    settings = regional(regions, **INNER[name])
    answer = webui.post("/sdapi/v1/txt2img", webui.request(settings, scripts=control({})))
    if answer.status_code >= 400 and name == "collage":  # AUTOMATIC1111
        assert "ControlNet does so" in answer.text
        return
    made = webui.make(settings, scripts=control({}))
    assert difference(made, webui.make(regional(regions, **INNER[name]))) > SAME
    assert webui.make().pngs == plain.pngs


@pytest.mark.parametrize("number", [1, 2, 7])
def test_a_unit_that_is_off_is_named(webui, control, number):
    message = webui.refused(regional([half(0, "a"), half(1, "b", controlnet=number)]), scripts=control({}, {"enabled": False}))
    assert "Region 2" in message and f"switched on (0), got {number}" in message
    assert "there is none" in webui.refused(regional([half(0, "a", controlnet=0)]), scripts=control({"enabled": False}))


def test_afterwards_all_is_as_before(webui, control, controlled, plain):
    webui.make(regional([half(0, "a", controlnet=0), half(1, "b")], options=ISOLATED), scripts=control({}))
    assert webui.make().pngs == plain.pngs
    assert webui.make(prompt=RING, scripts=control({})).pngs == controlled.pngs


# -------------------------------------------------------------------------------------------------------- in the host's tiles


@pytest.fixture(scope="module")
def tiles(webui):
    """A request in tiles of the picture's height: method, tiles at once -> its arguments. Forge Neo has tiles in img2img alone."""
    scripts = webui.get("/sdapi/v1/scripts")
    route = next((name for name in ("txt2img", "img2img") if "multidiffusion integrated" in map(str.lower, scripts[name])), None)
    if route is None:
        pytest.skip("this host has no MultiDiffusion Integrated")
    side = webui.common["height"]
    start = {"route": route, "init_images": [picture(3, 2)], "denoising_strength": 0.9} if route == "img2img" else {}

    def request(method="MultiDiffusion", at_once=1, **more):
        arguments = [True, method, side, side, side // 2, at_once]
        return {**start, "width": 2 * side, "steps": 6, "scripts": {"MultiDiffusion Integrated": arguments, **more}}

    return request


WAYS = [("MultiDiffusion", 1), ("MultiDiffusion", 4), ("Mixture of Diffusers", 4)]


@pytest.mark.parametrize(("method", "at_once"), WAYS)
def test_in_tiles_a_region_over_the_whole_canvas_is_the_plain_prompt(webui, tiles, method, at_once):
    request = tiles(method, at_once)
    expected = webui.make(prompt=RING, **request)
    assert difference(webui.make(regional([{**FULL, "prompt": RING}], options=ISOLATED), prompt="x", **request), expected) <= SAME
    assert difference(expected, webui.make(prompt=RING, **{**request, "scripts": {}})) > 10 * SAME


def test_in_tiles_regions_made_by_themselves_do_not_reach_each_other(webui, tiles, plain):
    """The border runs through the middle one of the tiles. What is left is the decoder's: the latents of the other half are equal."""

    def change(until):
        options = {"attention_couple": {"isolate_until": until}}
        left, right = changed(
            *(webui.make(regional([half(0, "a blue square"), half(1, text)], options=options), **tiles()) for text in (RING, "snow"))
        )
        return left / right

    assert change(1) < 0.2 and change(1) < 0.75 * change(0)
    assert webui.make().pngs == plain.pngs


@pytest.mark.parametrize("at_once", [1, 4])
def test_in_tiles_with_a_unit(webui, tiles, control, at_once):
    request = tiles(at_once=at_once, **control({}))
    expected = webui.make(prompt=RING, **request)
    settings = regional([{**FULL, "prompt": RING, "controlnet": 0}], options=ISOLATED)
    assert difference(webui.make(settings, prompt="x", **request), expected) <= SAME
    assert difference(expected, webui.make(prompt=RING, **tiles(at_once=at_once))) > 10 * SAME


@pytest.mark.parametrize("at_once", [1, 4])
def test_in_tiles_a_unit_acts_inside_its_region_alone(webui, tiles, control, at_once):
    """Each tile has its part of the region's mask."""
    without = webui.make(regional([half(0, "a blue square"), half(1, RING)], options=APART), **tiles(at_once=at_once))
    settings = regional([half(0, "a blue square"), half(1, RING, controlnet=0)], options=APART)
    left, right = changed(webui.make(settings, **tiles(at_once=at_once, **control({}))), without)
    assert right > 5 * left and right > 5
