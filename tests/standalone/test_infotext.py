"""Infotexts: written and read in the WebUI's form."""

from __future__ import annotations

import pytest

from lib_regional.standalone.pipeline.infotext import assemble, parse_generation_parameters, quote, unquote

FROM_A_WEBUI = """a cat, (sitting:1.2) on a mat
second line, with: colon
Negative prompt: ugly,
blurry
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, Model hash: 6ce0161689, \
Model: v1-5-pruned, Denoising strength: 0.7, Hires upscale: 2, Lora hashes: "a: 1b, c: 2d", Version: v1.10.1"""


def test_a_webuis_infotext_is_read():
    got = parse_generation_parameters(FROM_A_WEBUI)
    want = {
        "Prompt": "a cat, (sitting:1.2) on a mat\nsecond line, with: colon",
        "Negative prompt": "ugly,\nblurry",
        "Steps": "20",
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "CFG scale": "7",
        "Seed": "965400086",
        "Size-1": "512",
        "Size-2": "768",
        "Denoising strength": "0.7",
        "Lora hashes": "a: 1b, c: 2d",
        "Version": "v1.10.1",
    }
    assert {key: got.get(key) for key in want} == want


@pytest.mark.parametrize(
    "value",
    ["plain", "a, b", "a: b", "two\nlines", 'a "quoted", word', "back\\slash, here", '{"enabled": true, "regions": [1, 2]}', "ü, 漢字: ok"],
)
def test_values_come_back(value):
    text = assemble("a prompt", "", {"Steps": 20, "Sampler": "Euler", "CFG scale": 7.0, "Regional": value, "Version": "x"})
    assert text.count("\n") == 1
    assert parse_generation_parameters(text)["Regional"] == value


def test_only_what_needs_it_is_quoted():
    assert quote("plain") == "plain" and quote(7) == 7 and quote("a,b") == '"a,b"'
    assert unquote('"a,b"') == "a,b" and unquote('"') == '"' and unquote('"broken') == '"broken'


def test_what_is_none_is_left_out():
    assert assemble("p", "n", {"Steps": 1, "Nothing": None, "Flag": "Flag"}) == "p\nNegative prompt: n\nSteps: 1, Flag"


@pytest.mark.parametrize("text", ["", "just a prompt", "a prompt with: colon, and comma"])
def test_a_text_without_parameters_is_a_prompt(text):
    assert parse_generation_parameters(text)["Prompt"] == text
