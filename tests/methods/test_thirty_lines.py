"""The method of CONTRIBUTING.md, as it stands there: its row is registered, its module runs on the tiny UNet."""

from __future__ import annotations

import re

import pytest
from edited_modules import ROOT, run_edited

SCRIPT = """
import types
edit("lib_regional.request.methods.specs", "_ROWS = (", "_ROWS = (" + ROW + ",")
sys.path[:0] = ["tests/support"]
module = types.ModuleType("lib_regional.methods.hard_couple")
module.__package__ = "lib_regional.methods"
sys.modules[module.__name__] = module
exec(compile(MODULE, "CONTRIBUTING.md", "exec"), vars(module))
import torch
from isolation_cases import HALVES, alone, images, plain, plan_of, predict
from lib_regional.request.axes import AXES
from toy import rows, toy_model
model, x = toy_model(), images(rows(), 8, 16)
data = {"regions": [{**HALVES[0], "prompt": "a", "feather": 0}, {**HALVES[1], "prompt": "b", "negative": "n", "feather": 0}]}

def predicted(index=0, **option):
    plan = plan_of("hard_couple", {**data, "options": {"hard_couple": option}}, size=(128, 64))
    return predict(model, plan, x=x, index=index)

def apart(one, other):
    return float((one - other).abs().max())

found, base = predicted(), plain(model, ["main", "bad"], x, rows())
print(json.dumps({
    "left": apart(found[0][:, :, :8], alone(model, x[0], "a")[:, :, :8]),
    "right": apart(found[0][:, :, 8:], alone(model, x[0], "b")[:, :, 8:]),
    "negative, right": apart(found[1][:, :, 8:], alone(model, x[1], "bad, n")[:, :, 8:]),
    "negative, left": apart(found[1][:, :, :8], base[1][:, :, :8]),
    "after until": apart(predicted(5, until=0.5), base),
    "before until": apart(predicted(4, until=0.5), base),
    "axis": AXES["hard_couple.until"].name,
}))
"""


def blocks() -> tuple[str, str]:
    """(module, row) as they stand in CONTRIBUTING.md."""
    module, row = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    return module, row


@pytest.fixture(scope="module")
def found() -> dict[str, object]:
    module, row = blocks()
    return run_edited(f"MODULE, ROW = {module!r}, {row!r}\n{SCRIPT}")


def test_the_method_has_about_thirty_lines() -> None:
    lines = blocks()[0].split("def hard_couple")[1].splitlines()
    assert len([line for line in lines if line.strip()]) <= 30


@pytest.mark.parametrize("part", ["left", "right", "negative, right", "negative, left", "after until"])
def test_each_cell_is_predicted_by_the_largest_weight(found: dict[str, object], part: str) -> None:
    assert isinstance(found[part], float) and found[part] < 2e-5  # type: ignore[operator]


def test_the_option_acts_and_has_an_axis(found: dict[str, object]) -> None:
    assert found["before until"] > 1e-3  # type: ignore[operator]
    assert found["axis"] == "Hard couple: until"
