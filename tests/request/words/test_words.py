"""Words as a shape: what is read, what is refused and with which words, and what the parameters of a picture bring back."""

from __future__ import annotations

import json

import jsonschema
import pytest

from lib_regional.request.edit.pairing import read_source
from lib_regional.request.edit.repaint import source_of
from lib_regional.request.errors import SettingsError
from lib_regional.request.infotext import FOUND_KEY, find_in_text, found_text, from_infotext, to_infotext
from lib_regional.request.prompt.region_prompts import plan_texts
from lib_regional.request.settings import Settings, json_schema
from lib_regional.request.words.search import occurrences, prompt_words

MASK, OTHER = "rle:2x1:0*1,255*1", "rle:2x1:255*1,0*1"


def settings(*shapes: object, **more: object) -> Settings:
    return Settings.parse({"enabled": True, "regions": [{"words": shape, "prompt": "red"} for shape in shapes], **more})


def problems(call) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        call()
    return {problem.field: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    "shape", ["hat", {"text": "hat"}, {"text": "big hat", "threshold": 0.6, "exclusive": True, "probe": 0.5, "found": MASK}]
)
def test_words_are_their_json_again_and_fit_the_schema(shape):
    made = settings(shape)
    whole = {"text": shape} if isinstance(shape, str) else shape
    assert made.to_json()["regions"][0]["words"] == whole
    assert Settings.parse(made.to_json()) == made
    jsonschema.validate(made.to_json(), json_schema())
    jsonschema.validate({"enabled": True, "regions": [{"words": shape}]}, json_schema())


@pytest.mark.parametrize(
    ("shape", "field"),
    [
        (7, "words"), ("", "words.text"), ("…!", "words.text"), ({}, "words.text"), ({"text": "a" * 201}, "words.text"),
        ({"text": "a", "threshold": 2}, "words.threshold"), ({"text": "a", "exclusive": 1}, "words.exclusive"),
        ({"text": "a", "probe": 0}, "words.probe"), ({"text": "a", "found": "x"}, "words.found"),
        ({"text": "a", "word": "x"}, "words.word"),
    ],
)  # fmt: skip
def test_what_is_no_words_is_refused_by_name(shape, field):
    assert f"regions[0].{field}" in problems(lambda: settings(shape))


def test_words_do_not_stand_in_combinations():
    combined = {"combined": {"op": "invert", "of": [{"words": "hat"}]}}
    assert "regions[0].combined.of[0]" in problems(lambda: Settings.parse({"enabled": True, "regions": [combined]}))


@pytest.mark.parametrize(
    "base",
    ["a hat", "A (Hat:1.3), x", "a [cat:hat:0.5]", "a [cat|hat]", "sky AND a hat:0.5", "a BREAK hat", "a hat<lora:x:1>", "a ((h)at)"],
)
def test_words_are_found_in_prompts_of_any_syntax(base):
    assert plan_texts(settings("hat"), base, "").regions == ("red",)


@pytest.mark.parametrize(("base", "there"), [("a cat (b:1.2) BREAK c", "a, cat, b, c"), ("", "none"), ("that hats", "that, hats")])
def test_words_that_are_not_in_the_prompt_are_named_with_what_is_there(base, there):
    message = problems(lambda: plan_texts(settings("hat"), base, ""))["regions[0].words.text"]
    assert message == f'Region 1 ("red"): words must be words of the base prompt, which has {there}; got "hat".'


def test_words_with_a_mask_and_regions_that_are_off_are_not_searched():
    assert plan_texts(settings({"text": "hat", "found": MASK}), "a cat", "").base == "a cat"
    off = Settings.parse({"enabled": True, "regions": [{"words": "hat", "enabled": False}, {"box": [0, 0, 1, 1]}]})
    assert plan_texts(off, "a cat", "").base == "a cat"


def test_a_phrase_is_found_however_it_is_cut():
    words = ["a", "blue", "eyed", "cat", "blue", "cat"]
    assert list(occurrences(words, "blue-eyed Cat")) == [range(1, 4)]
    assert list(occurrences(words, "blue")) == [range(1, 2), range(4, 5)]
    assert list(occurrences(["1", "2"], "12")) == [range(2)] and not list(occurrences(words, "blue dog"))
    assert prompt_words("[a:b:0.5] c AND d:0.5") == [["a", "c"], ["b", "c"], ["d"]]


@pytest.mark.parametrize("method", ["multidiffusion", "latent_composite", "rag", "sequential", "mrgd", "p2p", "repaint", "collage"])
def test_methods_that_do_not_find_words_refuse_them_by_name(method):
    found = problems(settings("hat", method=method).check_method)
    assert method in found["regions[0].words"] and "attention_couple, latent_couple, mask_conditioning" in found["regions[0].words"]
    settings({"text": "hat", "found": MASK}, method=method).check_method()


def test_a_seed_would_have_to_be_there_before_the_mask():
    seeded = Settings.parse({"enabled": True, "regions": [{"words": "hat", "seed": 3}]})
    assert "regions[0].seed" in problems(seeded.check_method)


def test_sources_of_edits_need_the_masks():
    source = settings("hat").to_json()
    repaint = settings({"text": "hat", "found": MASK}, method="repaint", options={"repaint": {"source": source}})
    assert "options.repaint.source.regions[0].words.found" in problems(lambda: source_of(repaint))
    assert "options.mrgd.source.regions[0].words.found" in problems(lambda: read_source(settings("hat"), {"regions": source["regions"]}))
    read_source(settings("hat"), {"regions": settings({"text": "hat", "found": MASK}).to_json()["regions"]})


def test_a_picture_brings_its_masks_back():
    two = settings("hat", {"text": "bag", "threshold": 0.5})
    fields = {**to_infotext(two), FOUND_KEY: found_text({1: OTHER, 0: MASK})}
    assert fields[FOUND_KEY] == f"1 {MASK}; 2 {OTHER}"
    back = from_infotext(fields)
    assert back is not None and [region.shape.found for region in back.regions] == [MASK, OTHER]
    line = f'Steps: 2, Size: 64x64, Regional: {json.dumps(fields["Regional"])}, {FOUND_KEY}: "{fields[FOUND_KEY]}"'
    assert find_in_text(f"a hat\n{line}") == back
    assert from_infotext({**fields, FOUND_KEY: f"2 {OTHER}; 2 {MASK}; 9 {MASK}"}).regions[1].shape.found == OTHER


def test_damaged_masks_are_an_error():
    assert FOUND_KEY in next(iter(problems(lambda: from_infotext({**to_infotext(settings("hat")), FOUND_KEY: "1 rle:2x1:7"}))))
