"""Every parser of users' text takes linear time: twice the text takes at most 2.5 times the process time."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from lib_regional.api.preview import preview_png
from lib_regional.request.errors import RegionalError
from lib_regional.request.importers import FORMATS, Source, import_text
from lib_regional.request.infotext import find_in_text
from lib_regional.request.layout.grid import Grid, cell_values, grid_of
from lib_regional.request.layout.mask_codecs import check_mask
from lib_regional.request.parameters import parse_picture_text
from lib_regional.request.prompt.lora_scope import scope_tags
from lib_regional.request.prompt.lora_tags import raw_tags, split_tags, without_tags
from lib_regional.request.prompt.region_prompts import plan_texts
from lib_regional.request.prompt.schedules import parse_emphasis, prompt_schedule
from lib_regional.request.prompt.splitting import joined, split_and, split_prompt
from lib_regional.request.settings import Settings
from lib_regional.standalone.pipeline.extra_networks import parse_prompt
from lib_regional.standalone.pipeline.infotext import parse_generation_parameters
from lib_regional.standalone.server.api.faults import without_paths
from lib_regional.webui.extensions import templates

MOST = 2.5
SHORT, LONGEST = 2_000, 300_000
QUICK = 0.006
"""Seconds below which a short text is beyond doubt: a quadratic scan of it takes more."""

HEADS = ("", "a:", "<a:", '"', "a\nSteps: 1, Sampler: b, Size: 8x8, ", "divisions=1:1 positions=0:0 weights=")
PIECES = (
    *("(", "[", "{", "<", "<a:", "a", "1", " ", ":", "|", ",", ";", '"', "\\", "\n", "/", ")", "]", ">", "="),
    *(
        "a BREAK ",
        "a AND ",
        "a:1 AND ",
        "(a",
        "[a:",
        "[a|",
        "\\(",
        "((a)",
        "{a:",
        "__",
        'ab: "',
        "ab:",
        "<lora:",
        "<lora:a:1>",
        "1,",
        "0*1,",
    ),
    *(
        "divisions=",
        "positions=",
        "Steps: 1, ",
        "a ADDCOL ",
        "ADDBASE ",
        "Negative prompt:\n",
        "<!-- -->",
        "-/",
        "(a:1.2)",
        "(a [b) c]",
        ", ",
    ),
)
TAILS = ("x", ":0.5]", "\nSteps: 1, Sampler: b, Size: 8x8, RP Active: True, forge_couple: True, Latent Couple: x")
TWO = Settings.parse({"enabled": True, "text_from": "break", "regions": [{"box": [0, 0, 1, 1]}] * 2})
OWN = Settings.parse({"enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "a"}] * 2})


def _found_template(text: str) -> object:
    return templates._finder()(text)


def importer(name: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        options = {
            "ratios": text,
            "base_ratios": text,
            "divisions": text,
            "positions": text,
            "weights": text,
            "common": "{ }",
            "separator": ";",
        }
        return FORMATS[name](Source(options, text, text))

    return read


PARSERS: dict[str, Callable[[str], object]] = {
    "a pasted text": import_text,
    "a pasted text as prompts by lines": lambda text: import_text(text, "forge_couple"),
    "a payload": lambda text: import_text(
        json.dumps({"prompt": text, "alwayson_scripts": {"Regional Prompter": {"args": [True, False, text]}}})
    ),
    **{f"importer {name}": importer(name) for name in FORMATS},
    "a picture's text": parse_picture_text,
    "settings in a picture's text": lambda text: find_in_text(f"{text}\n{text}Regional: {text}"),
    "the host's infotext": parse_generation_parameters,
    "split at keys": lambda text: joined(split_prompt(text, "break")),
    "split at lines": lambda text: joined(split_prompt(text, "lines")),
    "split at AND": split_and,
    "LoRA tags": lambda text: (split_tags(text), without_tags(text), raw_tags(text)),
    "tags of a host's prompt": parse_prompt,
    "scope of tags": lambda text: scope_tags(TWO, text),
    "texts of regions": lambda text: (plan_texts(OWN, text, text), plan_texts(TWO, text, text)),
    "emphasis": parse_emphasis,
    "schedule": lambda text: prompt_schedule(text, 20, 10),
    "ratios": Grid,
    "ratios for keys": lambda text: grid_of(["ADDCOL", "BREAK"], text),
    "base ratios": lambda text: cell_values(["ADDCOL"], text, "1"),
    "mask text": check_mask,
    "settings": Settings.parse,
    "paths in messages": without_paths,
    "templates": _found_template,
}
"""Name -> what parses a text of a user."""


@pytest.fixture(autouse=True)
def host_options(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SimpleNamespace(opts=SimpleNamespace())
    monkeypatch.setitem(__import__("sys").modules, "modules", SimpleNamespace(shared=shared))
    monkeypatch.setitem(__import__("sys").modules, "modules.shared", shared)


def seconds(parse: Callable[[str], object], text: str, times: int = 1) -> float:
    """Least process time of some runs; what a parser refuses counts as well."""
    best = float("inf")
    gc.disable()
    try:
        for _ in range(times):
            start = time.process_time()
            with contextlib.suppress(RegionalError):
                parse(text)
            best = min(best, time.process_time() - start)
    finally:
        gc.enable()
    return best


def growth(parse: Callable[[str], object], make: Callable[[int], str]) -> float:
    """Factor of time for twice the text, at a length that can be measured; 1 for what is too quick to measure."""
    length = SHORT
    while seconds(parse, make(length), 3) < 0.005:
        length *= 2
        if length > LONGEST:
            return 1.0
    factors = (seconds(parse, make(2 * length), 5) / seconds(parse, make(length), 5) for _ in range(4))
    best = float("inf")
    for factor in factors:  # other programs take a part of the processor's caches: the least of a few is the parser's own
        best = min(best, factor)
        if best <= MOST:
            break
    return best


def longer(head: str, piece: str, tail: str) -> Callable[[int], str]:
    return lambda length: head + piece * (length // len(piece)) + tail


@pytest.mark.parametrize("name", PARSERS)
def test_twice_the_text_takes_at_most_two_and_a_half_times_as_long(name: str) -> None:
    parse = PARSERS[name]
    times = {parts: seconds(parse, longer(*parts)(SHORT)) for parts in itertools.product(HEADS, PIECES, TAILS)}
    slow = [parts for parts, taken in times.items() if taken > QUICK and seconds(parse, longer(*parts)(SHORT), 3) > QUICK]
    slowest = sorted(slow, key=lambda parts: times[parts], reverse=True)[:5]
    bad = {parts: factor for parts in slowest if (factor := growth(parse, longer(*parts))) > MOST}
    assert not bad, bad


@pytest.mark.parametrize(
    ("regions", "overlap", "side"), [(128, "blend", 1024), (64, "over", 1024), (2, "blend", 16384), (64, "over", 16384)], ids=str
)
def test_weight_maps_of_many_regions_and_of_huge_pictures_are_drawn_in_seconds(regions: int, overlap: str, side: int) -> None:
    boxes = [{"box": [0, 0, 1, 1], "prompt": "a", "priority": at} for at in range(regions)]
    layout = Settings.parse({"enabled": True, "overlap": overlap, "regions": boxes}).layout()
    start = time.process_time()
    assert preview_png(layout, side, side).startswith(b"\x89PNG")
    assert time.process_time() - start < 6
