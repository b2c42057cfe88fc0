"""Ratio strings: worked cases, malformed strings, and what holds for every grid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.request.errors import SettingsError
from lib_regional.request.layout.grid import Grid, cell_values, flip_ratios, grid_of
from lib_regional.request.layout.regions import MAX_REGIONS
from lib_regional.request.layout.shapes import Box
from lib_regional.request.prompt.splitting import split_prompt

CASES = json.loads((Path(__file__).parents[1] / "vectors" / "regional_prompter.json").read_text(encoding="utf-8"))["cases"]
DIRECTIONS = st.sampled_from(["columns", "rows"])


def rounded(boxes: tuple[Box, ...]) -> list[list[float]]:
    return [[round(edge, 4) for edge in (box.x0, box.y0, box.x1, box.y1)] for box in boxes]


def keys_of(case: dict[str, Any]) -> tuple[str, ...]:
    """Keys between the regions, those of leading common and base parts left out."""
    keys = split_prompt(case["prompt"], "break").keys
    return keys[len(keys) - len(case["regions"]) + 1 :]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case['prompt']} | {case['ratios']} | {case['mode']}") for case in CASES])
def test_worked_cases(case: dict[str, Any]) -> None:
    direction = case["mode"].lower()
    grid = grid_of(keys_of(case), case["ratios"], direction)
    assert rounded(grid.boxes()) == [region["rect"] for region in case["regions"]]
    shares = [region["base_share"] for region in case["regions"] if "base_share" in region]
    if shares:
        assert list(cell_values(keys_of(case), case["base_ratios"], case["ratios"], direction)) == shares


@pytest.mark.parametrize("case", [pytest.param(case, id=case["prompt"]) for case in CASES if "ADDBASE" in case["prompt"]])
def test_worked_base_prompts(case: dict[str, Any]) -> None:
    parts = split_prompt(case["prompt"], "break")
    assert (parts.base, list(parts.regions)) == (case["base"], [region["prompt"] for region in case["regions"]])


GRIDS = [
    pytest.param("1", "columns", [[0, 0, 1, 1]], id="one cell"),
    pytest.param(" 1 , 3 ", "columns", [[0, 0, 0.25, 1], [0.25, 0, 1, 1]], id="blanks"),
    pytest.param(".5,1.5", "rows", [[0, 0, 1, 0.25], [0, 0.25, 1, 1]], id="decimals"),
    pytest.param("1;1", "columns", [[0, 0, 1, 0.5], [0, 0.5, 1, 1]], id="two rows"),
    pytest.param("1;3,1;1", "columns", [[0, 0, 1, 0.2], [0, 0.2, 1, 0.8], [0, 0.8, 1, 1]], id="a group with one cell"),
    pytest.param("2;1;1,1", "rows", [[0, 0, 2 / 3, 0.5], [0, 0.5, 2 / 3, 1], [2 / 3, 0, 1, 1]], id="groups as columns"),
    pytest.param("1;2;1", "rows", [[0, 0, 1, 0.6667], [0, 0.6667, 1, 1]], id="one group of rows"),
]


@pytest.mark.parametrize(("ratios", "direction", "boxes"), GRIDS)
def test_boxes(ratios: str, direction: str, boxes: list[list[float]]) -> None:
    assert rounded(Grid(ratios, direction).boxes()) == [[round(edge, 4) for edge in box] for box in boxes]


MALFORMED = [
    pytest.param("", "piece 1 (character 1)", "found nothing", id="empty"),
    pytest.param("  ", "piece 1 (character 1)", "found nothing", id="blank"),
    pytest.param("1,,1", "piece 2 (character 3)", "found nothing", id="double comma"),
    pytest.param("1,1,", "piece 3 (character 5)", "found nothing", id="comma at the end"),
    pytest.param(",1", "piece 1 (character 1)", "found nothing", id="comma at the start"),
    pytest.param("1,2;", "piece 3 (character 5)", "found nothing", id="semicolon at the end"),
    pytest.param("1,a", "piece 2 (character 3)", 'found "a"', id="letter"),
    pytest.param("1 1", "piece 1 (character 1)", 'found "1 1"', id="blank between"),
    pytest.param("1,-1", "piece 2 (character 3)", 'found "-1"', id="negative"),
    pytest.param("1,0", "piece 2 (character 3)", 'found "0"', id="zero"),
    pytest.param("nan", "piece 1 (character 1)", 'found "nan"', id="nan"),
    pytest.param("1,inf", "piece 2 (character 3)", 'found "inf"', id="infinite"),
    pytest.param("1e3,1", "piece 1 (character 1)", 'found "1e3"', id="exponent"),
    pytest.param("1:1", "piece 1 (character 1)", 'found "1:1"', id="colon"),
    pytest.param("1_0", "piece 1 (character 1)", 'found "1_0"', id="underscore"),
    pytest.param("١,1", "piece 1 (character 1)", 'found "١"', id="other digits"),
    pytest.param("9999999", "piece 1 (character 1)", "from 0.000001 to 1000000", id="too large"),
]


@pytest.mark.parametrize(("ratios", "place", "found"), MALFORMED)
@pytest.mark.parametrize("direction", ["columns", "rows"])
def test_malformed_ratios_name_the_piece(ratios: str, direction: str, place: str, found: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Grid(ratios, direction)
    assert place in str(caught.value) and found in str(caught.value)
    assert {problem.field for problem in caught.value.problems} == {"ratios"}


def test_every_malformed_piece_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Grid("a,1;b")
    assert ["piece 1" in str(caught.value), "piece 3" in str(caught.value)] == [True, True]


OTHERS = [
    pytest.param(1, "columns", "ratios must be a text", id="a number"),
    pytest.param("1,1", "Columns", 'direction must be "columns" or "rows"', id="direction in capitals"),
    pytest.param("1,1", None, "direction must be", id="no direction"),
    pytest.param(",".join("1" * 257), "columns", f"257 cells, at most {MAX_REGIONS}", id="too many cells"),
    pytest.param("1," * 2000, "columns", "at most 2000 characters", id="too long"),
]


@pytest.mark.parametrize(("ratios", "direction", "text"), OTHERS)
def test_other_bad_grids(ratios: Any, direction: Any, text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        Grid(ratios, direction)


STRUCTURES = [
    pytest.param(["BREAK"] * 3, "1,2", "columns", "1,2,2,2", id="short ratios repeat the last"),
    pytest.param([], "1,2,3", "columns", "1", id="long ratios are cut"),
    pytest.param(["BREAK"] * 2, "1,1,1;2,1", "columns", "1,1,1;2,1", id="breaks follow the ratios"),
    pytest.param(["BREAK"] * 3, "1,1,1;2,1", "columns", "1,1,1;2,1,1", id="one break more"),
    pytest.param(["AND"], "1,3", "rows", "1,3", id="and is like break"),
    pytest.param(["ADDCOL", "ADDROW"], "1,2,1;3,1", "columns", "1,2,1;3,1", id="columns then rows"),
    pytest.param(["ADDROW", "ADDCOL"], "1,2,1", "columns", "1,2;1,1,1", id="flat ratios in two directions"),
    pytest.param(["ADDCOL", "ADDCOL"], "1,2,1", "rows", "1;1,2;2,1;1", id="groups alone as columns"),
    pytest.param(["ADDROW"], "1;2,1;1", "rows", "2,2", id="first group only"),
]


@pytest.mark.parametrize(("keys", "ratios", "direction", "result"), STRUCTURES)
def test_structures(keys: list[str], ratios: str, direction: str, result: str) -> None:
    assert grid_of(keys, ratios, direction) == Grid(result, direction)


@pytest.mark.parametrize("keys", [["ADDBASE"], ["break"], ["x"]], ids=str)
def test_unknown_structure(keys: list[str]) -> None:
    with pytest.raises(SettingsError, match="structure must be one of"):
        grid_of(keys, "1,1")


def test_values_may_be_zero_and_name_their_own_field() -> None:
    assert cell_values(["BREAK"], "0", "1,1") == (0.0, 0.0)
    with pytest.raises(SettingsError) as caught:
        cell_values(["BREAK"], "0,x", "1,1")
    assert caught.value.problems[0].field == "values"


numbers = st.integers(1, 99).map(str) | st.floats(0.01, 99).map(lambda value: f"{value:.3f}").filter(lambda text: float(text) > 0)
groups = st.lists(st.lists(numbers, min_size=1, max_size=5), min_size=1, max_size=5)


def written(rows: list[list[str]], direction: str) -> str:
    out, within = (";", ",") if direction == "columns" else (",", ";")
    return out.join(within.join(row) for row in rows)


@given(groups, DIRECTIONS)
def test_cells_cover_the_picture_once(rows: list[list[str]], direction: str) -> None:
    boxes = Grid(written(rows, direction), direction).boxes()
    area = sum((box.x1 - box.x0) * (box.y1 - box.y0) for box in boxes)
    assert area == pytest.approx(1)
    assert {edge for box in boxes for edge in (box.x0, box.y0)} >= {0.0}
    assert max(box.x1 for box in boxes) == max(box.y1 for box in boxes) == 1.0


@given(groups, DIRECTIONS, st.integers(64, 2048))
def test_neighbours_share_borders_exactly(rows: list[list[str]], direction: str, size: int) -> None:
    boxes = Grid(written(rows, direction), direction).boxes()
    starts = {box.x0 for box in boxes} | {box.y0 for box in boxes}
    ends = {box.x1 for box in boxes} | {box.y1 for box in boxes}
    assert starts - {0.0} <= ends
    assert ends - {1.0} <= starts
    assert all(box.pixels(size, size) for box in boxes)


@given(groups)
def test_flip_turns_the_grid(rows: list[list[str]]) -> None:
    ratios = written(rows, "columns")
    assert flip_ratios(flip_ratios(ratios)) == ratios
    turned = Grid(flip_ratios(ratios), "rows").boxes() if ";" in ratios and "," in ratios else None
    if turned:
        assert [Box(box.y0, box.x0, box.y1, box.x1) for box in turned] == list(Grid(ratios, "columns").boxes())


@given(st.lists(st.sampled_from(["ADDCOL", "ADDROW", "BREAK", "AND"]), max_size=10), groups, DIRECTIONS)
def test_grid_of_gives_one_cell_per_part(keys: list[str], rows: list[list[str]], direction: str) -> None:
    ratios = written(rows, direction)
    grid = grid_of(keys, ratios, direction)
    assert len(grid.boxes()) == len(keys) + 1
    assert len(cell_values(keys, "0.2,0.3", ratios, direction)) == len(keys) + 1


@given(groups, DIRECTIONS)
def test_breaks_alone_give_the_grid_of_the_ratios(rows: list[list[str]], direction: str) -> None:
    grid = Grid(written(rows, direction), direction)
    again = grid_of(["BREAK"] * (len(grid.boxes()) - 1), grid.ratios, direction)
    assert rounded(again.boxes()) == rounded(grid.boxes())


@given(st.text(alphabet="0123456789.,; -ex", max_size=12), DIRECTIONS)
def test_any_text_is_a_grid_or_a_settings_error(text: str, direction: str) -> None:
    try:
        assert Grid(text, direction).boxes()
    except SettingsError as error:
        assert error.problems
