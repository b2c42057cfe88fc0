"""The layouts that come along are valid, fill the picture and are drawn differently."""

from __future__ import annotations

import json

import pytest

from lib_regional.request.layout.builtin import BUILTIN
from lib_regional.request.presets import check_name
from lib_regional.request.settings import Settings


def test_there_are_a_dozen():
    assert len(BUILTIN) >= 12
    assert len({json.dumps(settings) for settings in BUILTIN.values()}) == len(BUILTIN)


@pytest.mark.parametrize("name", BUILTIN)
def test_a_layout_is_valid(name):
    settings = Settings.parse({"enabled": True, **BUILTIN[name]})
    regions = settings.layout().regions
    assert len(regions) >= 2 and all(region.name and not region.prompt for region in regions)
    boxes = [region.shape.bounds for region in regions]
    sides = min(box.x0 for box in boxes), min(box.y0 for box in boxes), max(box.x1 for box in boxes), max(box.y1 for box in boxes)
    assert sides == (0, 0, 1, 1)


def test_names_could_be_presets_but_for_their_signs():
    assert [name for name in BUILTIN if not any(sign in name for sign in ",×") and check_name(name) != name] == []
