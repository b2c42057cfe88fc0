"""Rows become requests: tables, templates, keys, seeds, and what is said of rows that are none."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lib_regional.batch.jobs.plan import Plan, cost, make_plan
from lib_regional.batch.jobs.requests import Recipe, key_of, regional_of
from lib_regional.batch.jobs.tables import read_table
from lib_regional.batch.jobs.templates import fill
from lib_regional.request.errors import RegionalError, SettingsError

REGIONS = [{"box": [0, 0, 0.5, 1], "prompt": "a red circle"}]
REQUEST = {
    "prompt": "grass",
    "width": 128,
    "height": 64,
    "steps": 20,
    "seed": 3,
    "alwayson_scripts": {"Regional": {"args": [{"enabled": True, "version": 2, "regions": REGIONS}]}},
}
TEMPLATE = {
    "prompt": "a {colour} hat, {{day|night}}",
    "width": "{width}",
    "seed": "{seed}",
    "alwayson_scripts": {"regional": {"args": [{"enabled": True, "version": 2, "regions": [{"box": "{box}", "prompt": "{colour}"}]}]}},
}
ROW = {"colour": "red", "width": "128", "seed": "7", "box": "0, 0, 0.5, 1"}


def planned(rows: list[Any], folder: Path, recipe: Recipe | None = None) -> Plan:
    return make_plan(enumerate(rows, 1), recipe or Recipe(), folder)


def jobs(plan: Plan) -> list[dict[str, Any]]:
    return [dict(job.request) for job in plan.read()]


def test_the_three_kinds_of_tables_give_the_same_jobs(tmp_path: Path) -> None:
    rows = [{"prompt": "a, b", "width": 64, "height": 64, "steps": 2, "seed": 5, "regional": {"enabled": True, "regions": REGIONS}}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        writer.writerow([json.dumps(v) if isinstance(v, dict) else v for v in rows[0].values()])
    names = ["t.jsonl", "t.csv"]
    if importlib.util.find_spec("pyarrow"):
        import pyarrow as pa
        import pyarrow.parquet as parquet

        parquet.write_table(pa.Table.from_pylist([{**rows[0], "regional": json.dumps(rows[0]["regional"])}]), tmp_path / "t.parquet")
        names.append("t.parquet")
    keys = [[job.key for job in make_plan(read_table(tmp_path / name), Recipe(), tmp_path).jobs] for name in names]
    assert all(found == keys[0] for found in keys) and len(keys[0]) == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.txt", "", "must be a file .jsonl"),
        ("none.csv", None, "There is no file"),
        ("t.csv", "a,a\n1,2\n", "name every column once"),
        ("t.csv", "", "name every column once"),
    ],
    ids=["kind", "missing", "column twice", "empty"],
)
def test_what_is_no_table(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(RegionalError, match=said):
        list(read_table(tmp_path / name))


def test_a_template_is_filled_by_type() -> None:
    filled = fill(TEMPLATE, ROW)
    assert filled["prompt"] == "a red hat, {day|night}"
    region = filled["alwayson_scripts"]["regional"]["args"][0]["regions"][0]
    assert (filled["width"], filled["seed"], region["box"], region["prompt"]) == (128, 7, [0, 0, 0.5, 1], "red")


@pytest.mark.parametrize("cell", ["7", "true", "[1]"])
def test_a_prompt_stays_text(cell: str) -> None:
    assert fill({"prompt": "{a}"}, {"a": cell}) == {"prompt": cell}


def test_a_template_of_settings_takes_the_requests_fields_from_columns() -> None:
    template = {"enabled": True, "regions": [{"box": "{box}", "prompt": "{colour}"}]}
    job = Recipe(template, {"steps": 8}).job(1, {**ROW, "prompt": "grass", "name": "hat"}, Counter())
    assert regional_of(job.request) == {"enabled": True, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "red"}]}
    fields = {name: job.request[name] for name in ("prompt", "width", "seed", "steps")}
    assert fields == {"prompt": "grass", "width": 128, "seed": 7, "steps": 8}
    assert job.name == "hat"


OUTSIDE = {"enabled": True, "regions": [{"box": [0, 0, 1.5, 1], "prompt": "x"}]}
BAD_ROWS = [
    pytest.param({**REQUEST, "width": "wide"}, "width", "whole number", id="width"),
    pytest.param({**REQUEST, "steps": 0}, "steps", "1 or more", id="steps"),
    pytest.param({**REQUEST, "prompt": 7}, "prompt", "a text", id="prompt"),
    pytest.param({**REQUEST, "route": "txt2video"}, "route", "txt2img or img2img", id="route"),
    pytest.param({**REQUEST, "alwayson_scripts": []}, "alwayson_scripts", "an object", id="scripts"),
    pytest.param(
        {**REQUEST, "regional": {"enabled": True, "regions": [{"box": [0, 0, 1.5, 1], "prompt": "x"}]}},
        "regions[0].box[2]",
        "1 or less",
        id="box",
    ),
    pytest.param({**REQUEST, "regional": {"enabled": True, "grid": {"ratios": "1,1"}, "regions": REGIONS}}, "regions[0]", "", id="grid"),
    pytest.param({"request": "[]"}, "request", "a JSON object", id="request"),
]


@pytest.mark.parametrize(("row", "field", "allowed"), BAD_ROWS)
def test_a_bad_row_is_named_before_anything_begins(tmp_path: Path, row: dict[str, Any], field: str, allowed: str) -> None:
    plan = planned([REQUEST, row], tmp_path)
    problem = plan.problems[0]
    assert (problem.where, problem.field) == ("Row 2", field) and allowed in problem.message
    assert problem.message.startswith("Row 2: ") and len(plan.jobs) == 1
    with pytest.raises(SettingsError, match="Row 2: "):
        plan.check()


def test_columns_that_act_on_nothing_are_named() -> None:
    assert Recipe(TEMPLATE).unused({**ROW, "name": "x", "steps": "9", "note": ""}) == ["steps", "note"]
    assert Recipe({"enabled": True, "regions": ["{box}"]}).unused({**ROW, "steps": "9"}) == ["colour"]
    assert Recipe().unused(ROW) == []


def test_a_missing_column_is_named_with_the_columns_that_are_there(tmp_path: Path) -> None:
    plan = planned([{"colour": "red", "width": "64", "seed": "1"}], tmp_path, Recipe(TEMPLATE))
    [problem] = plan.problems
    assert problem.where == "Row 1" and problem.field.endswith("regions[0].box")
    assert "'box'" in problem.message and "colour, width, seed" in problem.message


def test_lines_that_are_no_json_have_their_number(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"prompt": "a", "seed": 1}\n\n{"prompt": \n[1]\n')
    plan = make_plan(read_table(tmp_path / "t.jsonl"), Recipe(), tmp_path)
    assert [problem.where for problem in plan.problems] == ["Row 3", "Row 4"] and len(plan.jobs) == 1


def test_a_key_follows_from_the_request_alone(tmp_path: Path) -> None:
    turned = dict(reversed(list(REQUEST.items())))
    first, again, other = (planned([row], tmp_path).jobs[0].key for row in (REQUEST, {**turned, "name": "x"}, {**REQUEST, "seed": 4}))
    assert first == again != other
    assert key_of("txt2img", REQUEST) == first != key_of("img2img", REQUEST)


def test_equal_rows_are_one_job_and_equal_rows_without_a_seed_are_different_pictures(tmp_path: Path) -> None:
    unseeded = {name: value for name, value in REQUEST.items() if name != "seed"}
    plan = planned([REQUEST, REQUEST, unseeded, {**unseeded, "seed": -1}], tmp_path)
    seeds = [request["seed"] for request in jobs(plan)]
    assert (plan.repeated, len(plan.jobs)) == (1, 3) and len(set(seeds)) == 3 and min(seeds) >= 0
    assert [request["seed"] for request in jobs(planned([REQUEST, REQUEST, unseeded, {**unseeded, "seed": -1}], tmp_path))] == seeds


def test_candidates_are_asked_for_where_a_request_has_regions(tmp_path: Path) -> None:
    plain = {"prompt": "a", "seed": 1}
    found = jobs(planned([REQUEST, plain], tmp_path, Recipe(candidates=3)))
    assert regional_of(found[0])["options"]["scores"] == {"candidates": 3} and found[1] == plain
    assert regional_of(REQUEST) == {"enabled": True, "version": 2, "regions": REGIONS}


def test_pictures_to_start_from_go_to_img2img(tmp_path: Path) -> None:
    plan = planned([{**REQUEST, "init_images": ["x"]}], tmp_path)
    assert [job.route for job in plan.read()] == ["img2img"]


def test_the_cost_counts_pixels_steps_candidates_and_methods(tmp_path: Path) -> None:
    big = {"prompt": "a", "width": 1024, "height": 1024, "steps": 40, "seed": 1, "batch_size": 2}
    whole = cost(planned([big], tmp_path).read())
    assert (whole.jobs, whole.pictures, whole.work) == (1, 2, pytest.approx(2 * 4 * 2))
    couple = {**big, "regional": {"enabled": True, "method": "latent_couple", "regions": [{"box": [0, 0, 1, 1], "prompt": "x"}, *REGIONS]}}
    assert cost(planned([couple], tmp_path).read()).work > 1.4 * whole.work
    best = {**couple, "regional": {**couple["regional"], "options": {"scores": {"candidates": 4}}}}
    tried = cost(planned([best], tmp_path).read())
    assert tried.work == pytest.approx(4 * cost(planned([couple], tmp_path).read()).work) and tried.pictures == 2
    assert "hours at 2 s" in whole.text(2.0, 1)
