"""Layouts from elsewhere, on rows in the form in which their authors publish them, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib_regional.batch import __main__ as command_line
from lib_regional.batch.jobs.plan import make_plan
from lib_regional.batch.jobs.requests import Recipe, regional_of
from lib_regional.batch.layouts.boxes import BoxLayout
from lib_regional.batch.layouts.coco import Choice, read_coco
from lib_regional.batch.layouts.formats import EXPORTS, FORMATS, read_layouts, rows_of
from lib_regional.request.errors import SettingsError
from tests.support.fake_webui import FakeWebui

BENCH = """id,category,prompt,obj1,bbox1,obj2,bbox2,obj3,bbox3,obj4,bbox4
000,object_binding,A rose,rose,"175,108,347,430",,,,,,
185,attribute_binding,"A large tree, a green frog",tree,"24,55,260,477",frog,"284,409,360,482",,,,
"""
SAM = {
    "file_name": "sa_12.jpg", "width": "1500", "height": "1000", "global_caption": "A cat on a sofa.",
    "bbox_list": "[[150, 100, 750, 900], [0.0, 500, 1501, 1000]]", "region_captions": "['a cat', 'a sofa']",
    "detail_region_captions": "['a grey cat with a long tail', 'a red sofa']",
}  # fmt: skip
GLIGEN = {
    "ckpt": "checkpoint_generation_text.pth", "prompt": "a teddy bear sitting next to a bird", "phrases": ["a teddy bear", "a bird"],
    "locations": [[0.0, 0.09, 0.33, 0.76], [0.55, 0.11, 1.0, 0.8]], "alpha_type": [0.3, 0.0, 0.7],
    "save_folder_name": "generation_box_text",
}  # fmt: skip
DIFFUSION = {
    "num_obj": 2, "obj_class_name": ["__image__", "bird", "grass"],
    "obj_bbox": [[0, 0, 1, 1], [0.5, 0.25, 0.75, 0.5], [0.0, 0.39791667461395264, 1.0, 1.0]],
}  # fmt: skip
INSTANCE = {
    "caption": "a robin and a dog in a stream", "width": 512, "height": 256,
    "annos": [{"bbox": [0, 64, 128, 128], "mask": [], "category_name": "", "caption": "a yellow American robin"}],
}  # fmt: skip
CREATI = {"global_caption": "A man by the sea.", "region_caption_list": ["the sea"], "region_bboxes_list": [[0.0, 0.3, 1.0, 0.9]]}
LMD = """Caption: A realistic scene of a green car
Objects: [('a green car', [21, 281, 211, 159]), ('a bird', [296, 42, 143, 100])]
Background prompt: A realistic landscape scene
Negative prompt: None
"""
OMOST = """Here is the canvas:
```python
# Initialize the canvas
canvas = Canvas()

canvas.set_global_description(
    description='A fierce battle.',
    detailed_descriptions=['In this intense scene, warriors fight.'],
    tags='battle, warriors',
    HTML_web_color_name='darkslategray',
)

canvas.add_local_description(
    location='on the left', offset='no offset', area='a large horizontal area', distance_to_viewer=5.0,
    description='A group of warriors.', detailed_descriptions=['Clad in armor.'], tags='warriors, armor',
    atmosphere='Determined.', style='Dynamic.', quality_meta='High resolution.', HTML_web_color_name='darkgoldenrod',
)

canvas.add_local_description(
    location='in the centre', offset='slightly to the upper', area='a small square area', distance_to_viewer=7.0,
    description='A dragon.', detailed_descriptions=[], tags='dragon', atmosphere='', style='', quality_meta='',
    HTML_web_color_name='firebrick',
)
```"""
COCO = {
    "images": [{"id": 9, "file_name": "000000000009.jpg", "width": 640, "height": 480},
               {"id": 7, "file_name": "000000000007.jpg", "width": 10, "height": 10}],
    "categories": [{"supercategory": "person", "id": 1, "name": "person"}, {"id": 3, "name": "car"}],
    "annotations": [
        {"id": 1, "image_id": 9, "category_id": 1, "bbox": [64.0, 48.0, 320.0, 240.0], "area": 5000, "iscrowd": 0},
        {"id": 2, "image_id": 9, "category_id": 3, "bbox": [0, 0, 6.4, 4.8], "area": 3, "iscrowd": 0},
        {"id": 3, "image_id": 9, "category_id": 1, "bbox": [0, 0, 640, 480], "iscrowd": 1},
    ],
}  # fmt: skip
CAPTIONS = {"annotations": [{"image_id": 9, "id": 1, "caption": "A man by a car. "}, {"image_id": 9, "id": 2, "caption": "Another."}]}


def saved(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(path: Path, form: str, captions: Path | None = None) -> list[BoxLayout]:
    found = [layout for _, layout in read_layouts(path, form, captions)]
    assert all(isinstance(layout, BoxLayout) for layout in found), found
    return [layout for layout in found if isinstance(layout, BoxLayout)]


CASES = [
    ("7bench", "a.csv", BENCH, 1, "185", "A large tree, a green frog", ["tree", "frog"], (24 / 512, 55 / 512, 260 / 512, 477 / 512)),
    ("layoutsam", "a.jsonl", SAM, 0, "sa_12", "A cat on a sofa.", ["a grey cat with a long tail", "a red sofa"], (0.1, 0.1, 0.5, 0.9)),
    ("gligen", "a.json", GLIGEN, 0, "generation_box_text", "a teddy bear sitting next to a bird", ["a teddy bear", "a bird"],
     (0.0, 0.09, 0.33, 0.76)),
    ("layoutdiffusion", "a.json", [DIFFUSION], 0, "1", "bird, grass", ["bird", "grass"], (0.5, 0.25, 0.75, 0.5)),
    ("instancediffusion", "a.json", INSTANCE, 0, "1", "a robin and a dog in a stream", ["a yellow American robin"], (0, 0.25, 0.25, 0.75)),
    ("creatilayout", "a.jsonl", CREATI, 0, "1", "A man by the sea.", ["the sea"], (0.0, 0.3, 1.0, 0.9)),
    ("lmd", "a.txt", LMD, 0, "1", "A realistic scene of a green car", ["a green car", "a bird"],
     (21 / 512, 281 / 512, 232 / 512, 440 / 512)),
    ("omost", "a.txt", OMOST, 0, "1", "A fierce battle, battle, warriors", ["A dragon, dragon", "A group of warriors, warriors, armor"],
     (20 / 90, 10 / 90, 70 / 90, 60 / 90)),
]  # fmt: skip


@pytest.mark.parametrize(("form", "file", "content", "at", "name", "prompt", "texts", "box"), CASES, ids=[case[0] for case in CASES])
def test_a_published_row(
    tmp_path: Path, form: str, file: str, content: Any, at: int, name: str, prompt: str, texts: list[str], box: tuple[float, ...]
) -> None:
    layout = read(saved(tmp_path, file, content), form)[at]
    assert (layout.name, layout.prompt, [part.text for part in layout.parts]) == (name, prompt, texts)
    assert layout.parts[0].box == pytest.approx(box)
    plan = make_plan(rows_of(read_layouts(tmp_path / file, form), (256, 128)), Recipe(), tmp_path)
    job = list(plan.read())[at]
    settings = job.settings
    assert settings is not None and [region.prompt for region in settings.regions] == texts
    assert (job.request["prompt"], job.size, job.name) == (prompt, (256, 128), name)


def test_every_format_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(FORMATS)


def test_layoutsam_boxes_that_reach_over_the_edge_by_rounding_are_cut(tmp_path: Path) -> None:
    assert read(saved(tmp_path, "a.jsonl", SAM), "layoutsam")[0].parts[1].box == (0.0, 0.5, 1.0, 1.0)


def test_the_left_warriors_are_cut_at_the_canvas(tmp_path: Path) -> None:
    assert read(saved(tmp_path, "a.txt", OMOST), "omost")[0].parts[1].box == pytest.approx((0, 15 / 90, 60 / 90, 75 / 90))


def test_coco_with_captions(tmp_path: Path) -> None:
    instances, captions = saved(tmp_path, "i.json", COCO), saved(tmp_path, "c.json", CAPTIONS)
    [layout] = read(instances, "coco", captions)
    assert (layout.name, layout.prompt, layout.extra) == (
        "000000000009",
        "A man by a car.",
        {"image_id": 9, "file_name": "000000000009.jpg"},
    )
    assert [(part.text, part.box) for part in layout.parts] == [("person", (0.1, 0.1, 0.6, 0.6)), ("car", (0, 0, 0.01, 0.01))]
    assert [layout.prompt for layout in read(instances, "coco")] == ["person, car"]
    [(_, chosen)] = read_coco(instances, captions, Choice(smallest=0.02))
    assert isinstance(chosen, BoxLayout) and [part.text for part in chosen.parts] == ["person"]
    assert list(read_coco(instances, captions, Choice(0.02, fewest=3, most=8))) == []


BAD = [
    ("7bench", {"id": "0", "prompt": "x", "obj1": "a", "bbox1": "0,0,600,10"}, "bbox1"),
    ("7bench", {"id": "0", "prompt": "x", "obj1": "a"}, "obj1"),
    ("7bench", {"prompt": "x", "obj1": "a", "bbox1": "0,0,6,10"}, "id"),
    ("gligen", {"prompt": "x", "phrases": ["a", "b"], "locations": [[0, 0, 1, 1]]}, "locations"),
    ("gligen", {"prompt": "x", "phrases": ["a"], "locations": [[0.5, 0, 0.5, 1]]}, "locations[0]"),
    ("gligen", {"phrases": ["a"], "locations": [[0, 0, 1, 1]]}, "prompt"),
    ("layoutdiffusion", {"obj_class_name": "bird"}, "obj_class_name"),
    ("layoutsam", {**SAM, "bbox_list": "__import__('os')"}, "bbox_list"),
    ("layoutsam", {**SAM, "region_captions": "['a cat']"}, "bbox_list"),
    ("layoutsam", {name: value for name, value in SAM.items() if name != "width"}, "width"),
    ("instancediffusion", {"caption": "x", "annos": [1]}, "annos"),
    ("instancediffusion", {"caption": "x", "annos": [{"bbox": [0, 0, 1024, 10], "caption": "a"}]}, "annos[0].bbox"),
    ("creatilayout", [], ""),
]


@pytest.mark.parametrize(("form", "row", "field"), BAD, ids=[f"{form} {field}" for form, _, field in BAD])
def test_what_is_wrong_with_a_row_is_named_with_its_number(tmp_path: Path, form: str, row: Any, field: str) -> None:
    good = next(case[2] for case in CASES if case[0] == form)
    rows = [good[0] if isinstance(good, list) else good, row] if form != "7bench" else [row]
    plan = make_plan(rows_of(read_layouts(saved(tmp_path, "a.json", rows), form), (64, 64)), Recipe(), tmp_path)
    [problem] = plan.problems
    assert (problem.where, problem.field) == (f"Row {len(rows)}", field) and problem.message.startswith(f"Row {len(rows)}: ")


@pytest.mark.parametrize(
    ("form", "text", "field"),
    [
        ("lmd", "Objects: nonsense", "Objects"),
        ("lmd", "Objects: [('a', [0, 0, 900, 10])]\nBackground prompt: b", "Objects[0]"),
        ("omost", "hello there", "canvas"),
        ("omost", "canvas.set_global_description(description=open('x').read())", "canvas"),
        ("omost", OMOST.replace("'on the left'", "'xyzzy'"), "location"),
        ("omost", OMOST.replace("5.0", "-1"), "distance_to_viewer"),
    ],
    ids=["no list", "outside", "no canvas", "code", "place", "distance"],
)
def test_texts_that_are_no_layouts(tmp_path: Path, form: str, text: str, field: str) -> None:
    [(_, found)] = read_layouts(saved(tmp_path, "a.txt", text), form)
    assert isinstance(found, SettingsError) and found.problems[0].field == field


def test_text_is_not_executed(tmp_path: Path) -> None:
    code = f"canvas.set_global_description(description='a')\nopen({str(tmp_path / 'made')!r}, 'w')\n"
    list(read_layouts(saved(tmp_path, "a.txt", code + OMOST), "omost"))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("form", EXPORTS)
def test_exported_layouts_are_read_back(tmp_path: Path, form: str) -> None:
    table = saved(tmp_path, "a.csv", BENCH)
    options = ["--format", "7bench", "--size", "256x256", "--export", form, "--no-parquet"]
    assert command_line.main(["batch", str(table), "--out", str(tmp_path / "out"), *options, "--webui-url", "http://127.0.0.1:9"]) == 0
    first, second = read(tmp_path / "out" / "layouts.json", form), read(table, "7bench")
    for back, layout in zip(first, second, strict=True):
        assert (back.name, back.prompt, [part.text for part in back.parts]) == (layout.name, layout.prompt, [p.text for p in layout.parts])
        for part, wanted in zip(back.parts, layout.parts, strict=True):
            assert part.box == pytest.approx(wanted.box, abs=1e-4)


def test_a_benchmarks_table_becomes_pictures(tmp_path: Path) -> None:
    table = saved(tmp_path, "a.csv", BENCH)
    with FakeWebui() as webui:
        options = ["--format", "7bench", "--method", "rag", "--set", "steps=8", "--webui-url", webui.url, "--no-parquet"]
        assert command_line.main(["batch", str(table), "--out", str(tmp_path / "out"), *options]) == 0
        asked = sorted(webui.asked, key=lambda request: len(request["prompt"]))
    assert asked[0]["steps"] == 8 and regional_of(asked[0])["method"] == "rag"
    assert sorted(path.name[:10] for path in (tmp_path / "out" / "pictures").iterdir()) == ["000001_000", "000002_185"]
