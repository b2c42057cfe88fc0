"""Benchmarks: what each method is asked for, the evaluators' folders, the figures, and a whole run on a double of a WebUI."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lib_regional.batch import __main__ as command_line
from lib_regional.batch.benchmarks import methods
from lib_regional.batch.benchmarks.detectors import Analytic, largest_area
from lib_regional.batch.benchmarks.evaluators import coco_form, picture_path
from lib_regional.batch.benchmarks.figures import Seen, iou, summed, table
from lib_regional.batch.benchmarks.sets import OWN_COUNTS, Layoutset, own_layouts, own_table
from lib_regional.batch.jobs.requests import regional_of
from lib_regional.batch.layouts.boxes import BoxLayout, Part
from lib_regional.batch.layouts.formats import read_layouts
from lib_regional.request.errors import RegionalError
from lib_regional.request.importers import import_text
from lib_regional.request.methods.specs import METHODS
from lib_regional.request.settings import Settings
from lib_regional.sources.channels import palette_masks
from lib_regional.standalone.train.data.drawing import draw
from lib_regional.standalone.train.data.scene import Scene, Thing
from tests.support.fake_webui import Answer, FakeWebui, answer_of

LAYOUT = BoxLayout(
    "7", "two things", (Part("a cat", (0, 0, 0.5, 0.5), "cat"), Part("a dog", (0.5, 0.25, 1, 1), "dog")), extra={"background": "grass"}
)
SIZE = (128, 64)


HALVES = replace(LAYOUT, parts=(Part("a cat", (0, 0, 0.5, 1), "cat"), Part("a dog", (0.5, 0, 1, 1), "dog")))


def asked(method: str, layout: BoxLayout = LAYOUT) -> dict[str, Any]:
    return methods.request(layout, method, SIZE, {"steps": 4})


def imported(method: str, layout: BoxLayout = LAYOUT) -> Settings:
    """The request of another tool as this extension reads that tool's requests."""
    return import_text(json.dumps(asked(method, layout)), method, read_masks=palette_masks, size=SIZE).settings


def test_the_plain_request_has_the_caption_alone() -> None:
    assert asked("plain") == {"prompt": "two things", "negative_prompt": "", "width": 128, "height": 64, "steps": 4}


@pytest.mark.parametrize("method", METHODS)
def test_own_methods_get_the_boxes(method: str) -> None:
    settings = Settings.parse(regional_of(asked(method)))
    assert settings.method == method and settings.base.prompt == "grass"
    assert [(region.prompt, region.shape.bounds) for region in settings.layout().regions] == [
        (part.text, type(region.shape.bounds)(*part.box)) for region, part in zip(settings.layout().regions, LAYOUT.parts, strict=True)
    ]


def test_forge_couple_is_asked_for_the_same_boxes() -> None:
    settings = imported("forge_couple")
    found = [(region.prompt, region.shape.to_json()["box"]) for region in settings.layout().regions]
    assert found == [("grass", [0, 0, 1, 1]), ("a cat", [0, 0, 0.5, 0.5]), ("a dog", [0.5, 0.25, 1, 1])]
    assert [region.weight for region in settings.regions] == [0.5, 1, 1]


def test_regional_prompter_is_asked_for_the_same_areas() -> None:
    settings = imported("regional_prompter")
    assert [region.prompt for region in settings.regions] == ["a cat", "a dog"] and settings.base.prompt == "grass"
    for region, part in zip(settings.regions, LAYOUT.parts, strict=True):
        mask = Image.open(io.BytesIO(base64.b64decode(region.shape.data.partition(",")[2])))
        [box] = largest_area(np.asarray(mask.convert("L")) > 127)
        assert box == pytest.approx(part.box, abs=0.02)


@pytest.mark.parametrize("method", ["forge_couple", "regional_prompter"])
def test_other_tools_get_no_text_for_the_rest_where_boxes_leave_none(method: str) -> None:
    settings = imported(method, HALVES)
    assert [(region.prompt, region.weight) for region in settings.regions] == [("a cat", 1), ("a dog", 1)]
    assert "grass" not in json.dumps(asked(method, HALVES))


def test_the_own_set_has_the_form_of_7bench(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(own_table())
    own = own_layouts()
    read = [layout for _, layout in read_layouts(tmp_path / "own.csv", "7bench")]
    assert len(own) == len(read) == sum(OWN_COUNTS.values()) and own == own_layouts()
    assert [layout.prompt for layout in own] == [layout.prompt for layout in read if isinstance(layout, BoxLayout)]
    assert len({layout.name for layout in own}) == len(own)
    assert own[0].parts[0].text == f"a {own[0].parts[0].label} on {own[0].extra['background']}"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [((0, 0, 1, 1), (0, 0, 1, 1), 1),
     ((0, 0, 0.5, 1), (0.5, 0, 1, 1), 0), ((0, 0, 1, 1), (0, 0, 0.5, 1), 0.5), ((0, 0, 0.5, 0.5), (0.25, 0, 0.75, 0.5), 1 / 3)],
    ids=["same", "apart", "half", "shifted"],
)  # fmt: skip
def test_intersection_over_union(one: Any, other: Any, expected: float) -> None:
    assert iou(one, other) == pytest.approx(expected)


def picture(*things: Thing) -> np.ndarray:
    return draw(Scene(128, 128, ("grass",), things))


def test_the_analytic_detector_finds_what_is_drawn() -> None:
    things = Thing("circle", "red", 32, 64, 24), Thing("square", "blue", 96, 64, 24)
    found = Analytic()(picture(*things), ["red circle", "blue square", "red ring"])
    assert [len(boxes) for boxes in found] == [1, 1, 0]
    assert iou(found[0][0], ((32 - 24) / 128, (64 - 24) / 128, (32 + 24) / 128, (64 + 24) / 128)) > 0.85


def test_figures_are_means_over_phrases_and_pictures() -> None:
    base = {"method": "m", "layout": "1", "category": "c", "phrase": "p", "box": (0, 0, 1, 1)}
    seen = [
        Seen(**base, seed=1, score=0.8, iou=0.6, inside=True, placed=True),
        Seen(**base, seed=1, score=0.4, iou=0.0, inside=False, placed=False),
        Seen(**base, seed=2, iou=0.9, inside=True, placed=True),
    ]
    sums = summed(seen)
    assert sums == pytest.approx({"score": 0.6, "iou": 0.5, "hit": 2 / 3, "inside": 2 / 3, "placed": 2 / 3, "complete": 0.5})
    assert "| c | m | 2 | 3 | 0.60 | 0.50 | 67% | 67% | 67% | 50% |" in table(seen)
    assert "placed" not in table([Seen(**base, seed=1, score=0.5)])


def test_a_layout_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    bad = BoxLayout("..", "/../../x", LAYOUT.parts)
    with pytest.raises(RegionalError, match="leads out of"):
        picture_path(tmp_path, Layoutset("7bench", (bad,), SIZE, {}), "plain", bad, 1)


def test_coco_boxes_are_in_the_pictures_pixels() -> None:
    data = coco_form(Layoutset("coco", (LAYOUT,), (256, 128), {}))
    assert [box["bbox"] for box in data["annotations"]] == [[0, 0, 128, 64], [128, 32, 128, 96]]
    assert data["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}] and data["images"][0]["file_name"] == "7.png"


def drawn(request: dict[str, Any]) -> Answer:
    """Regional requests come out right, plain ones empty."""
    status, body = answer_of(request)
    regions = (regional_of(request) or {}).get("regions", [])
    things = []
    for region in regions:
        x0, y0, x1, y1 = region["box"]
        colour, shape = region["prompt"].split()[1:3]
        things.append(Thing(shape, colour, (x0 + x1) * 64, (y0 + y1) * 64, 20))
    buffer = io.BytesIO()
    Image.fromarray(picture(*things)).save(buffer, "PNG")
    return status, {**body, "images": [base64.b64encode(buffer.getvalue()).decode()]}


def run(*arguments: object) -> int:
    return command_line.main(["benchmark", *map(str, arguments), "--no-parquet"])


def test_the_own_set_from_beginning_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with FakeWebui(drawn) as webui:
        options = ("--methods", "plain", "attention_couple", "--limit", 3, "--seeds", 2, "--webui-url", webui.url, "--out", out)
        assert run("own", *options, "--no-report") == 0
        assert len(webui.asked) == 12 and {request["seed"] for request in webui.asked} == {1, 2}
        assert run("own", *options, "--no-report") == 0 and len(webui.asked) == 12
    text = (out / "results.md").read_text()
    assert text in capsys.readouterr().out
    plain, couple = (line.split(" | ") for line in text.splitlines() if line.startswith("| 2 columns"))
    assert (plain[2:4], plain[-2:]) == (["6", "12"], ["0%", "0% |"]) and couple[-2:] == ["100%", "100% |"]
    first = own_layouts()[0]
    for method in ("plain", "attention_couple"):
        folder = out / "evaluation" / f"7Bench-{method}" / f"{first.name}_{first.prompt}"
        assert sorted(path.name for path in folder.iterdir()) == ["1.jpg", "2.jpg"]
        assert Image.open(folder / "1.jpg").format == "JPEG"
    rows = list(csv.DictReader((out / "evaluation" / "own.csv").open()))
    assert [row["id"] for row in rows] == ["000", "001", "002"] and rows[0]["prompt"] == first.prompt
    assert len(list(csv.DictReader((out / "results.csv").open()))) == 24


def test_layouts_with_the_same_plain_request_share_its_picture(tmp_path: Path) -> None:
    header = "id,category,prompt,obj1,bbox1"
    (tmp_path / "7bench.csv").write_text(f'{header}\n000,a,A rose,rose,"0,0,256,512"\n001,b,A rose,rose,"256,0,512,512"\n')
    with FakeWebui() as webui:
        out = tmp_path / "out"
        assert (
            run("7bench", "--data", tmp_path / "7bench.csv", "--webui-url", webui.url, "--out", out, "--set", "steps=5", "--no-report") == 0
        )
        assert len(webui.asked) == 3 and all(request["steps"] == 5 for request in webui.asked)
    found = sorted(path.relative_to(out / "evaluation").as_posix() for path in (out / "evaluation").rglob("*.jpg"))
    assert found == [f"7Bench-{m}/{n}_A rose/1.jpg" for m, n in itertools.product(("attention_couple", "plain"), ("000", "001"))]
    assert "judged by the public evaluator" in (out / "results.md").read_text()


BAD = [
    (["7bench"], "--data must be the file of 7bench"),
    (["coco", "--data", "none.json"], "none.json"),
    (["own", "--seeds", "0"], "--seeds must be 1 or more"),
    (["own", "--clipseg", "none"], "--clipseg must be a folder"),
    (["own", "--grounding-dino", "none"], "--grounding-dino must be a folder"),
    (["own", "--methods", "forge_couple"], "has no script Forge Couple"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=[said for _, said in BAD])
def test_what_is_wrong_is_named_before_the_first_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with FakeWebui() as webui:
        assert run(*arguments, "--webui-url", webui.url, "--out", tmp_path / "out") == 1
        assert said in capsys.readouterr().err and not webui.asked
