"""Warnings about prompts that are valid but cannot mean what they say."""

from __future__ import annotations

import pytest

from lib_regional.api.checks import validate
from lib_regional.request.settings import Settings

HALVES = [{"box": [0, 0, 0.5, 1]}, {"box": [0.5, 0, 1, 1]}]


def warnings(prompt: str, **settings: object) -> str:
    parsed = Settings.parse({"enabled": True, **settings})
    return "\n".join(validate(parsed, prompt, "", (192, 128))["warnings"])


@pytest.mark.parametrize("prompt", ["(a red circle BREAK a blue square:1.2)", "[a red circle ADDCOL a blue square:0.5]", "a) BREAK (b"])
def test_a_bracket_open_across_a_key_is_said_for_both_parts(prompt):
    found = warnings(prompt, text_from="break", regions=HALVES)
    assert found.count("open across a key") == 2


@pytest.mark.parametrize("prompt", ["(a:1.2) BREAK [b:c:0.5]", r"a \( BREAK b", "((a)) BREAK b"])
def test_brackets_of_one_part_are_not(prompt):
    assert "open across" not in warnings(prompt, text_from="break", regions=HALVES)


@pytest.mark.parametrize(
    ("prompt", "more"),
    [("a <lora:x:0.5>", {}), ("a", {"common": "<lora:x:1> b"}), ("a", {"base": {"prompt": "c <lora:x:1>"}})],
    ids=["main prompt", "common", "base"],
)
def test_a_lora_that_acts_twice_is_said(prompt, more):
    regions = [{**HALVES[0], "prompt": "a <lora:x:1>"}, {**HALVES[1], "prompt": "b <lora:y:1>"}]
    found = warnings(prompt, regions=regions, **more)
    assert found.count("acts twice") == 1 and '"x"' in found and "Region 1" in found


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("<lora:x:1:lbw=MIDD>", "lbw does nothing"),
        ("<lora:x:1:stop=10:start=2>", "stop and start do nothing"),
        ("<lyco:x:1: step =1-5>", "step does nothing"),
        ("<lora:x:te=1:unet=0.5:dyn=4>", ""),
        ("<hypernet:x:lbw=1>", ""),
        ("<lora:x=y=z:1>", ""),
    ],
)
def test_options_of_a_tag_that_do_nothing_in_a_region_are_named(tag, said):
    found = warnings("a", regions=[{**HALVES[0], "prompt": f"a {tag}"}, {**HALVES[1], "prompt": "b"}])
    assert (said in found and "te and unet and dyn" in found and tag in found) if said else "nothing" not in found


def test_a_blank_region_is_said_with_the_text_that_acts_there():
    found = warnings("a red circle on grass ADDCOL ", text_from="break", regions=HALVES)
    assert "Region 2 has no prompt: the background acts there" in found and "red circle" in found
