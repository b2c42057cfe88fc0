"""A method is one module and one row, a region's field one declaration, a mask source one class and one row: toys show up everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from edited_modules import run_edited

from lib_regional.request import tables
from lib_regional.sources.rows import listed

ROOT = Path(__file__).resolve().parents[2]

FIELD = """
edit("lib_regional.request.layout.regions", '    enabled: bool = declared(',
     '    glow: float = declared(Number("How it glows.", 0.25), "Glow", "Glow of region (n:0.5)")\\n    enabled: bool = declared(')
from lib_regional.request.axes import AXES, with_axes
from lib_regional.request.settings import Settings, json_schema
from lib_regional.request.tables import region_table
asked = {"enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "a", "glow": 0.5}]}
settings = Settings.parse(asked)
try:
    Settings.parse({"enabled": True, "regions": [{"box": [0, 0, 1, 1], "glow": 2}]})
except Exception as error:
    message = str(error)
print(json.dumps({
    "value": settings.layout().regions[0].glow, "json": settings.to_json()["regions"][0]["glow"],
    "schema": json_schema()["properties"]["regions"]["items"]["properties"]["glow"], "axis": AXES["glow"].name,
    "varied": with_axes(asked, {"glow": "1:0.75"})["regions"][0]["glow"], "docs": region_table(), "message": message,
}))
"""

METHOD = """
import types
edit("lib_regional.request.methods.specs", "_ROWS = (",
     '_ROWS = (MethodSpec("toy", "Toy", prepare="toy:toy", work=lambda scene: 3 * scene.plain, '
     'options={"bounce": Number("How high.", 0.5)}, serves=frozenset({"seed"})),')
from lib_regional.request.axes import AXES
from lib_regional.request.cost import estimate
from lib_regional.request.settings import Settings, json_schema
from lib_regional.request.tables import tables
module = types.ModuleType("lib_regional.methods.toy")
module.toy = lambda plan, host: None
sys.modules["lib_regional.methods.toy"] = module
from lib_regional.methods import preparation
from lib_regional.ui.panel import mount_html
settings = Settings.parse({"enabled": True, "method": "toy", "options": {"toy": {"bounce": 1}}, "regions": [{"box": [0, 0, 1, 1]}]})
settings.check_method()
schema = json_schema()["properties"]
print(json.dumps({
    "choices": schema["method"]["enum"],
    "schema": schema["options"]["properties"]["toy"]["properties"]["bounce"],
    "cost": estimate(settings, (512, 512)).ratio,
    "axis": AXES["toy.bounce"].name, "method axis": AXES["method"].choices, "panel": "&quot;Toy&quot;" in mount_html("txt2img"),
    "prepare": preparation("toy") is module.toy, "docs": tables()["docs/methods.md"]["options toy"], "option": settings.option("bounce"),
}))
"""


SOURCE = '''
import base64, io, pathlib, types
edit("lib_regional.sources.rows", "SOURCES: Mapping[str, MaskSource] = {",
     "from toy_source import Toy\\n\\nSOURCES: Mapping[str, MaskSource] = {'toy': Toy(), ")
toy = """
from dataclasses import dataclass
import numpy as np
from lib_regional.sources.channels import FoundMask
@dataclass(frozen=True)
class Toy:
    label: str = "Toy…"
    help: str = "All of it"
    single: bool = True
    def masks(self, picture):
        return [FoundMask(np.full(picture.size[::-1], 255, np.uint8), "all")]
"""
module = types.ModuleType("toy_source")
sys.modules["toy_source"] = module
exec(toy, module.__dict__)
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from lib_regional.api.routes import add_routes
from lib_regional.request.presets import PresetStore
app = FastAPI()
add_routes(app, PresetStore(pathlib.Path("nowhere")))
client, file = TestClient(app), io.BytesIO()
Image.new("L", (8, 8), 255).save(file, "PNG")
dot = base64.b64encode(file.getvalue()).decode()
print(json.dumps({
    "listed": client.get("/regional/v1/masks").json()["sources"][0],
    "found": client.post("/regional/v1/masks", json={"picture": dot, "kind": "toy"}).json(),
    "refused": client.post("/regional/v1/masks", json={"picture": dot, "kind": "nobody"}).json(),
}))
'''


def test_a_field_of_a_region_is_one_declaration() -> None:
    found = run_edited(FIELD)
    assert (found["value"], found["json"], found["varied"]) == (0.5, 0.5, 0.75)
    schema = {"type": "number", "minimum": 0, "maximum": 1, "description": "How it glows.", "default": 0.25, "title": "Glow"}
    assert found["schema"] == schema
    assert found["axis"] == "Glow of region (n:0.5)"
    assert "| `glow` | `0.25` | **Glow.** How it glows. |" in str(found["docs"])
    assert found["message"] == "Region 1: glow must be 1 or less, got 2."


def test_a_method_is_one_row_and_one_module() -> None:
    found = run_edited(METHOD)
    assert "toy" in found["choices"] and "toy" in found["method axis"]  # type: ignore[operator]
    assert found["schema"] == {"type": "number", "minimum": 0, "maximum": 1, "description": "How high.", "default": 0.5}
    assert (found["axis"], found["cost"], found["option"]) == ("Toy: bounce", 3, 1)
    assert found["panel"] is True and found["prepare"] is True
    assert "| `bounce` | `0.5` | How high. |" in str(found["docs"])


def test_a_mask_source_is_one_class_and_one_row() -> None:
    found = run_edited(SOURCE)
    assert found["listed"] == {"name": "toy", "label": "Toy…", "help": "All of it", "single": True}
    assert [region["name"] for region in found["found"]["regions"]] == ["all"]  # type: ignore[index]
    assert "toy, colours" in str(found["refused"])


def test_every_mask_source_says_what_it_is_for() -> None:
    assert [row for row in listed() if not (row["label"] and row["help"])] == []


@pytest.mark.parametrize(("document", "parts"), tables.tables().items(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_documents_tables_are_those_of_the_declarations(document: str, parts: dict[str, str]) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    stale = [marker for marker, table in parts.items() if tables.renewed(text, marker, table) != text]
    assert not stale, f"{document}: {', '.join(stale)}; write them anew with: python -m lib_regional.request.tables"


def test_a_table_without_its_marker_is_put_at_the_end() -> None:
    assert tables.renewed("# A\n", "options toy", "| x |").endswith(
        "## Options toy\n\n<!-- options toy -->\n| x |\n<!-- /options toy -->\n"
    )
