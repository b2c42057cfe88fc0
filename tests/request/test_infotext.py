"""Settings in the parameters text of a picture."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.request.errors import SettingsError
from lib_regional.request.infotext import find_in_text, from_infotext, to_infotext
from lib_regional.request.settings import Settings

SETTINGS = Settings.parse({"enabled": True, "regions": [{"box": [0, 0, 0.5, 1], "prompt": 'a "red" hat, (b:1.2)\nBREAK c\\'}]})


def quoted(text: str) -> str:
    """As AUTOMATIC1111's WebUI writes a value."""
    return json.dumps(text, ensure_ascii=False) if any(sign in text for sign in ",:\n") else text


def parameters(settings: Settings, prompt: str = "a cat", negative: str = "b") -> str:
    fields = {"Steps": "20", "Sampler": "Euler a", "CFG scale": "7", "Size": "512x512", **to_infotext(settings), "Version": "v1.10.1"}
    line = ", ".join(f"{key}: {quoted(value)}" for key, value in fields.items())
    return f"{prompt}\nNegative prompt: {negative}\n{line}"


def test_the_name_of_attention_maps_leaves_no_trace() -> None:
    assert to_infotext(replace(SETTINGS, attention_maps="mine")) == to_infotext(SETTINGS)


def test_off_leaves_no_trace() -> None:
    assert to_infotext(Settings(enabled=False)) == {}
    assert find_in_text(parameters(Settings(enabled=False))) is None


def test_compact_and_complete() -> None:
    fields = to_infotext(SETTINGS)
    assert list(fields) == ["Regional"]
    assert fields["Regional"].startswith('{"version":4,"enabled":true,"method":"attention_couple","regions":[{"box":[0,0,0.5,1],')
    assert "\n" not in fields["Regional"]
    assert from_infotext(fields) == SETTINGS


def test_value_with_the_quotes_of_the_host() -> None:
    assert from_infotext({"Regional": quoted(to_infotext(SETTINGS)["Regional"])}) == SETTINGS


@pytest.mark.parametrize("fields", [{}, {"Steps": "20"}, {"Regional": ""}, {"Regional Prompter": "x"}], ids=str)
def test_nothing_there(fields: dict[str, str]) -> None:
    assert from_infotext(fields) is None


@pytest.mark.parametrize("text", ["{", "True", '{"version":9,"enabled":true}', '"x"', "[1]"], ids=str)
def test_damaged(text: str) -> None:
    with pytest.raises(SettingsError):
        from_infotext({"Regional": text})


NOTHING = [
    pytest.param("", id="empty"),
    pytest.param("a cat", id="prompt alone"),
    pytest.param("a cat, Regional: x", id="in the prompt alone"),
    pytest.param("Regional: {}, Steps: 20, Seed: 1\nSteps: 20, Sampler: Euler, Seed: 1", id="in the prompt"),
    pytest.param('a\nSteps: 20, Sampler: Euler, Note: "x, Regional: {}"', id="in another value"),
]


@pytest.mark.parametrize("text", NOTHING)
def test_nothing_in_the_text(text: str) -> None:
    assert find_in_text(text) is None


def test_found_in_a_whole_text() -> None:
    assert find_in_text(parameters(SETTINGS, "Regional: x, y: z, w: v\nlines", "more, Regional: 3")) == SETTINGS
    assert find_in_text(parameters(SETTINGS, "", "") + "\n") == SETTINGS


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(texts, texts, st.text(alphabet='a,:"\\\n{}', max_size=20))
def test_any_text_survives(prompt: str, name: str, common: str) -> None:
    settings = Settings.parse({"enabled": True, "common": common, "regions": [{"box": [0, 0, 1, 1], "prompt": prompt, "name": name}]})
    assert find_in_text(parameters(settings)) == settings


def test_a_large_mask_survives() -> None:
    runs = ",".join(f"{value}*{value + 1}" for value in range(255)) + "," + ",".join(["7"] * (512 * 512 - 255 * 256 // 2))
    settings = Settings.parse({"enabled": True, "regions": [{"mask": f"rle:512x512:{runs}"}]})
    assert find_in_text(parameters(settings)) == settings
