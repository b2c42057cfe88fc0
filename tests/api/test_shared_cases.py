"""The cases that the browser's model is tested with hold for the server too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib_regional.api.palette import region_colour
from lib_regional.request.errors import SettingsError
from lib_regional.request.layout.grid import Grid
from lib_regional.request.prompt.splitting import joined, split_prompt

CASES = json.loads((Path(__file__).parents[1] / "js" / "cases.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES["split"], ids=lambda case: f"{case['mode']} {case['text']!r}")
def test_split(case):
    if case.get("error"):
        with pytest.raises(SettingsError):
            split_prompt(case["text"], case["mode"])
        return
    parts = split_prompt(case["text"], case["mode"])
    expected = dict(case["parts"])
    assert joined(parts) == expected.pop("joined")
    assert {name: list(value) if isinstance(value := getattr(parts, name), tuple) else value for name in expected} == expected


@pytest.mark.parametrize("case", CASES["grid"], ids=lambda case: f"{case['direction']} {case['ratios']!r}")
def test_grid(case):
    if case.get("error"):
        with pytest.raises(SettingsError):
            Grid(case["ratios"], case["direction"])
        return
    boxes = Grid(case["ratios"], case["direction"]).boxes()
    assert [[box.x0, box.y0, box.x1, box.y1] for box in boxes] == [pytest.approx(box, abs=1e-4) for box in case["boxes"]]


def test_palette():
    assert [list(region_colour(index)) for index in range(len(CASES["palette"]))] == CASES["palette"]
