"""Computed masks on a live WebUI: what they describe is what acts, and the picture brings them back."""

import json

import pytest
from client import FULL, HALVES, difference, regional

LEFT, RIGHT = HALVES
STRIPE = {"procedural": {"kind": "stripes", "count": 1}}
"""At 1:1 one period: the left half."""
TEXTS = ("a blue square on sand", "a green ring")


def two(left: dict, right: dict) -> dict:
    return regional([{**left, "prompt": TEXTS[0]}, {**right, "prompt": TEXTS[1]}])


def test_stripes_and_their_inverse_are_the_two_halves(webui):
    computed = webui.make(two(STRIPE, {"combined": {"op": "invert", "of": [STRIPE]}}))
    assert difference(computed, webui.make(two(LEFT, RIGHT))) <= 2


def test_a_picture_brings_its_computed_masks_back(webui):
    settings = two({"procedural": {"kind": "linear"}}, {"procedural": {"kind": "linear", "from": [1, 0.5], "to": [0, 0.5]}})
    first = webui.make(settings)
    info = webui.post("/regional/v1/import", {"text": first.infotexts[0]}).json()["settings"]
    assert [region["procedural"] for region in info["regions"]] == [region["procedural"] for region in settings["regions"]]
    assert webui.make(info).pngs == first.pngs


def test_a_union_that_covers_the_canvas_is_the_plain_prompt(webui):
    shape = {"combined": {"op": "union", "of": [STRIPE, {"combined": {"op": "grow", "amount": 0.05, "of": [{"box": RIGHT["box"]}]}}]}}
    region = webui.make(regional([{**shape, "prompt": TEXTS[0]}]), prompt="something else")
    assert difference(region, webui.make(regional([{**FULL, "prompt": TEXTS[0]}]), prompt="something else")) <= 2


@pytest.mark.parametrize(
    ("shape", "field"),
    [
        ({"procedural": {"kind": "fog"}}, "regions[0].procedural.kind"),
        ({"combined": {"op": "grow", "of": [STRIPE]}}, "regions[0].combined.amount"),
    ],
    ids=["kind", "amount"],
)
def test_a_mask_that_cannot_be_computed_is_refused_by_name(webui, shape, field):
    assert field in json.dumps(webui.refused(regional([{**shape, "prompt": "a"}])))
