"""Editor → API JSON → infotext → editor: nothing changes on the way, whatever the layout."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lib_regional.request.infotext import from_infotext, to_infotext
from lib_regional.request.settings import Settings
from lib_regional.standalone.pipeline.infotext import assemble, parse_generation_parameters
from lib_regional.ui.panel import Pasted
from tests.request.test_settings_drawn import settings_json

NODE = shutil.which("node") or shutil.which("nodejs")
SCRIPT = Path(__file__).parents[1] / "js" / "round_trip.js"
OTHERS = {"Steps": 20, "Sampler": "Euler a", "CFG scale": 7.0, "Size": "512x512"}


def through_panel(texts: list[str]) -> list[str]:
    """What panels write that were given ``texts``; they must write the same once they have read it."""
    assert NODE is not None
    done = subprocess.run([NODE, str(SCRIPT)], input=json.dumps(texts), capture_output=True, text=True, check=True, encoding="utf-8")
    answer = json.loads(done.stdout)
    assert answer["again"] == answer["states"]
    return answer["states"]


def meaning(data: object) -> Settings:
    """Settings without options of methods of which none is given: nothing at all says the same."""
    parsed = Settings.parse(data)
    return replace(parsed, options={method: options for method, options in parsed.options.items() if options})


@pytest.mark.skipif(NODE is None, reason="node is not on PATH")
@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.lists(settings_json(), min_size=12, max_size=12))
def test_layouts_come_back_as_they_were(cases):
    drawn = through_panel([json.dumps(case) for case in cases])
    for case, text in zip(cases, drawn, strict=True):
        assert meaning(text) == meaning(case), "panel → API"
    enabled = [text for text in drawn if json.loads(text)["enabled"]]
    infotexts = [assemble("a cat", "bad", {**OTHERS, **to_infotext(Settings.parse(text))}) for text in enabled]
    boxes = [Pasted("Regional", from_infotext)(parse_generation_parameters(infotext)) for infotext in infotexts]
    for before, after in zip(enabled, through_panel(boxes), strict=True):
        assert meaning(after) == meaning(before), "infotext → panel"
        assert json.loads(after) == json.loads(json.dumps(json.loads(before))), "the very same JSON"
