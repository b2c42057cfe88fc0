"""The base and region texts of one picture."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.request.errors import SettingsError
from lib_regional.request.prompt.region_prompts import ImageTexts, plan_texts
from lib_regional.request.settings import Settings

HALVES = {"ratios": "1,1"}


def planned(prompt: str, negative: str = "n", **settings: Any) -> ImageTexts:
    return plan_texts(Settings.parse({"enabled": True, "grid": HALVES, **settings}), prompt, negative)


OWN: list[dict[str, Any]] = [{"prompt": "a", "negative": "x"}, {"prompt": "b"}]


def test_texts_of_the_regions() -> None:
    texts = planned("p BREAK q", regions=OWN, common="c")
    assert texts == ImageTexts("p BREAK q", "n", ("c, a", "c, b"), ("n, x", None), (1.0, 1.0))


def test_own_base() -> None:
    texts = planned("p", regions=OWN, base={"prompt": "P", "negative": ""})
    assert (texts.base, texts.negative, texts.region_negatives) == ("P", "", ("x", None))
    assert planned("p", regions=OWN, base={"prompt": ""}).base == ""


JOINED = [
    pytest.param("p", {}, ("c, a, p", "c, b, p"), id="main prompt"),
    pytest.param("p <lora:x:1>", {}, ("c, a, p", "c, b, p"), id="its LoRAs act on the whole picture already"),
    pytest.param("p AND q:0.5", {}, ("c, a, p, q", "c, b, p, q"), id="AND is a comma"),
    pytest.param("", {}, ("c, a", "c, b"), id="empty"),
    pytest.param("p", {"base": {"joined": True, "prompt": "P"}}, ("c, a, P", "c, b, P"), id="own base"),
    pytest.param("x BREAK y", {"text_from": "break"}, ("c, x, a", "c, y, b"), id="split, without a base"),
    pytest.param("p ADDBASE x BREAK y", {"text_from": "break"}, ("c, x, a, p", "c, y, b, p"), id="split, with a base"),
]


@pytest.mark.parametrize(("prompt", "settings", "regions"), JOINED)
def test_the_base_joins_every_region(prompt: str, settings: dict[str, Any], regions: tuple[str, ...]) -> None:
    texts = planned(prompt, regions=OWN, common="c", **{"base": {"joined": True}, **settings})
    assert texts.regions == regions
    given = {"enabled": True, "grid": HALVES, "regions": OWN, "base": {"joined": True}}
    assert Settings.parse(given).to_json()["base"] == {"joined": True}
    assert "base" not in Settings.parse({**given, "base": {"joined": False}}).to_json()


SPLIT = [
    pytest.param("break", "a BREAK b", "a, b", ("a", "b"), id="break"),
    pytest.param("break", "c ADDCOMM a BREAK b", "c, a, b", ("c, a", "c, b"), id="common"),
    pytest.param("break", "p ADDBASE a ADDCOL b", "p", ("a", "b"), id="base"),
    pytest.param("break", "c ADDCOMM p ADDBASE a AND b", "c, p", ("c, a", "c, b"), id="common and base"),
    pytest.param("break", "ADDBASE a BREAK b", "", ("a", "b"), id="empty base"),
    pytest.param("lines", "a\nb\n", "a, b", ("a", "b"), id="lines"),
    pytest.param("and", "a AND b", "a, b", ("a", "b"), id="and"),
]


@pytest.mark.parametrize(("mode", "prompt", "base", "regions"), SPLIT)
def test_texts_from_the_prompt(mode: str, prompt: str, base: str, regions: tuple[str, ...]) -> None:
    texts = planned(prompt, text_from=mode)
    assert (texts.base, texts.negative, texts.regions, texts.region_negatives) == (base, "n", regions, (None, None))


def test_settings_add_to_the_prompt() -> None:
    texts = planned("c ADDCOMM a BREAK b", text_from="break", common="d", regions=OWN, base={"prompt": "P"})
    assert (texts.base, texts.regions) == ("P", ("c, d, a, a", "c, d, b, b"))
    assert texts.region_negatives == ("n, x", None)


def test_weights_behind_and() -> None:
    texts = planned("a :2 AND b:0.5", text_from="and")
    assert (texts.regions, texts.weights) == (("a", "b"), (2.0, 0.5))
    with pytest.raises(SettingsError, match="weight behind AND part 2 of the prompt must be 0 or more, got -1"):
        planned("a AND b:-1", text_from="and")


NEGATIVES = [
    pytest.param("n", {}, "n", (None, None), id="one for all"),
    pytest.param("", {}, "", (None, None), id="none"),
    pytest.param("x BREAK y", {}, "x, y", ("x", "y"), id="one each"),
    pytest.param("c ADDCOMM x BREAK y", {}, "c, x, y", ("c, x", "c, y"), id="one each and a common one"),
    pytest.param("m ADDBASE x BREAK m", {}, "m", ("x", None), id="the same as the main one"),
    pytest.param("x BREAK y", {"base": {"negative": "N"}}, "N", ("x", "y"), id="one each and an own main one"),
    pytest.param("x BREAK y", {"regions": OWN}, "x, y", ("x, x", "y"), id="one each and own ones"),
    pytest.param("n", {"base": {"negative": "N"}, "regions": OWN}, "N", ("N, x", None), id="one for all and own ones"),
]


@pytest.mark.parametrize(("negative", "settings", "main", "negatives"), NEGATIVES)
def test_negatives_from_the_prompt(negative: str, settings: dict[str, Any], main: str, negatives: tuple[str | None, ...]) -> None:
    texts = planned("a BREAK b", negative, text_from="break", **settings)
    assert (texts.negative, texts.region_negatives) == (main, negatives)


MISMATCHES = [
    pytest.param("a", "n", 'text_from "break" splits the prompt into 1 part, but there are 2 regions.', id="fewer prompts"),
    pytest.param("a BREAK b BREAK c", "n", "splits the prompt into 3 parts, but there are 2 regions.", id="more prompts"),
    pytest.param("a BREAK b", "x BREAK y BREAK z", "splits the negative prompt into 3 parts, but there are 2 regions.", id="negatives"),
]


@pytest.mark.parametrize(("prompt", "negative", "text"), MISMATCHES)
def test_numbers_that_do_not_fit(prompt: str, negative: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        planned(prompt, negative, text_from="break")
    assert text in str(caught.value)
    assert caught.value.problems[0].field == "text_from"


def test_one_region_alone() -> None:
    with pytest.raises(SettingsError, match="2 parts, but there is 1 region"):
        planned("a AND b", text_from="and", grid={"ratios": "1"})


def test_regions_that_are_off_take_their_part() -> None:
    texts = planned("a BREAK b", text_from="break", regions=[{"enabled": False}, {}])
    assert texts.regions == ("a", "b")


prompts = st.text(alphabet="abc (:1.2)[]|\\", max_size=15)


@given(st.lists(prompts, min_size=2, max_size=2), prompts, prompts)
def test_own_texts_pass_untouched(own: list[str], prompt: str, negative: str) -> None:
    """Without common text a region's prompt is encoded as it was written, and so is the host's."""
    texts = planned(prompt, negative, regions=[{"prompt": text} for text in own])
    assert texts == ImageTexts(prompt, negative, tuple(text if text.strip() else "" for text in own), (None, None), (1.0, 1.0))
