"""What a run keeps, goes on from, and writes."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from measure import Marks, Place, figures
from report import details, overview, put_block, sheet
from results import OtherResults, Results, Row, digest, in_turns
from suite import KINDS, SAMPLING, TABLE, VARIANTS, cases, payload, sampling_text, singles

from run import PAGE, check_page, layouts_of, make_rows, page_of, write_page

HERE = {"host": "test", "checkpoint": "a"}
EULER = sampling_text(SAMPLING)
GREY = np.full((128, 128, 3), 128, np.uint8)
FIRST = [case for case in cases() if case.number < 2]


def row_of(case, variant="rag", right=(True, False), seconds=2.0):
    places = tuple(Place(one, True, False, 0, 0) for one in right)
    request = digest(payload(case, variant))
    return Row(variant, EULER, case.kind, case.number, case.seed, request, seconds, Marks(places, 0, (1.5,)))


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "kept", HERE)


def test_rows_come_back_as_they_were(results, tmp_path):
    row = row_of(FIRST[0])
    results.add(row, GREY)
    again = Results(tmp_path / "kept", HERE)
    assert list(again.rows.values()) == [row]
    assert again.picture(row).size == (128, 128)


def test_half_a_line_is_made_again(results, tmp_path):
    results.add(row_of(FIRST[0]), GREY)
    with results.path.open("a") as file:
        file.write('{"variant": "rag", "samp')
    again = Results(tmp_path / "kept", HERE)
    assert len(again.rows) == 1
    again.add(row_of(FIRST[1]), GREY)
    assert len(Results(tmp_path / "kept", HERE).rows) == 2


def test_results_of_another_checkpoint_are_refused_by_name(results, tmp_path):
    with pytest.raises(OtherResults, match=r"checkpoint.*'a'.*'b'.*--results"):
        Results(tmp_path / "kept", {**HERE, "checkpoint": "b"})


def test_a_line_that_is_no_row_is_named(results, tmp_path):
    results.path.write_text(results.path.read_text() + '{"variant": "rag"}\n')
    with pytest.raises(OtherResults, match="line 2"):
        Results(tmp_path / "kept", HERE)


def test_a_picture_counts_as_made_by_its_own_request_alone(results):
    row = row_of(FIRST[0])
    results.add(row, GREY)
    assert results.has(row.key, row.request)
    assert not results.has(row.key, "another request")
    assert not results.has(replace(row, seed=1).key, row.request)


def test_a_stopped_run_is_even_over_layouts_and_variants():
    tasks = list(in_turns(cases(), TABLE, list(singles(144))))
    assert len({(case.kind, case.number, variant) for case, variant in tasks}) == len(tasks) == 248 * len(TABLE) + 144
    half = [(case.kind, variant) for case, variant in tasks[: len(tasks) // 5] if case.kind != "single"]
    counts = Counter(half)
    assert set(counts) == {(kind, variant) for kind in KINDS for variant in TABLE}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_second_start_makes_what_is_missing(results, monkeypatch):
    asked = []

    class Host:
        def __enter__(self):
            return lambda request: asked.append(request) or np.full((request["height"], request["width"], 3), 128, np.uint8)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr("run.served", lambda urls: Host())
    tasks = list(in_turns(FIRST[:2], ["plain", "rag"], []))
    make_rows(tasks[:1], results, SAMPLING, [])
    make_rows(tasks, results, SAMPLING, [])
    assert asked == [payload(case, variant) for case, variant in tasks]
    make_rows(tasks[:1], results, {**SAMPLING, "steps": 4}, [])
    assert len(asked) == 5 and asked[-1]["steps"] == 4


def test_the_sample_takes_as_many_of_every_kind():
    assert Counter(case.kind for case in layouts_of(3, [])) == dict.fromkeys(KINDS, 3)
    assert Counter(case.kind for case in layouts_of(None, ["quadrants=5"])) == {"quadrants": 5}
    assert len(layouts_of(None, [])) == 248
    with pytest.raises(SystemExit, match="4 columns"):
        layouts_of(None, ["4 columns=2"])


def test_the_table_says_how_many_pictures_a_cell_has(results):
    for case in FIRST:
        results.add(row_of(case, "plain", (False, False), 2.0), GREY)
        if case.kind == "2 rows" and case.number:
            continue
        results.add(row_of(case, "rag", (True, case.number == 0), 3.0), GREY)
    text = overview(results, EULER, ["plain", "rag", "sequential"])
    heads, _, plain, rag = text.splitlines()
    assert "2 columns (2)" in heads and "2 rows (1–2)" in heads
    assert "0% / 0%" in plain and plain.endswith("| 1.00 |")
    assert "75% / 50%" in rag and "100% / 100%" in rag and rag.endswith("| 1.50 |")
    lines = details(results, EULER, ["plain", "rag"]).splitlines()
    assert len(lines) == 2 + 2 * len(KINDS)
    assert any(line.startswith("| 2 rows | rag | 1 | 100% ± 0% |") for line in lines)


def test_figures_of_marks():
    right, wrong = Place(True, True, False, 0, 0), Place(False, False, True, 1, 2)
    f = figures([Marks((right, wrong), 1, (2.0,)), Marks((right, right), 0, (4.0,))])
    assert (f.pictures, f.places, f.placed, f.complete, f.missing, f.leak, f.extra, f.straddling, f.seam) == (
        2,
        4,
        0.75,
        0.5,
        *[0.25] * 3,
        0.5,
        3,
    )


def test_blocks_of_the_page_are_written_and_the_rest_is_left(results, tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "images").mkdir()
    empty = "".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in ("details", "coherence"))
    page.write_text(f"By hand.\n\n<!-- overview -->\nstale\n<!-- /overview -->\n\nMore.\n\n{empty}")
    for case in FIRST[::2]:
        results.add(row_of(case, "plain", [True] * len(case.wishes)), np.zeros((case.size[1], case.size[0], 3), np.uint8))
    write_page(page, results, SAMPLING, ["plain"])
    text = page.read_text()
    assert text.startswith("By hand.") and "More." in text and "stale" not in text
    assert text.count("| plain |") == 2 + len(KINDS)
    assert (tmp_path / "images" / "page.png").exists()
    with pytest.raises(ValueError, match='one block "LCM'):
        put_block(page, "LCM, 4 steps, CFG 1.5", "")


def test_a_page_without_a_block_is_named_before_anything_is_made(tmp_path):
    page = tmp_path / "page.md"
    with pytest.raises(SystemExit, match=r"page\.md must have the lines .*overview.*details.*coherence"):
        check_page(page, SAMPLING)
    page.write_text("<!-- Euler a, 4 steps, CFG 1.5 -->\n<!-- /Euler a, 4 steps, CFG 1.5 -->\n")
    check_page(page, {**SAMPLING, "steps": 4, "cfg_scale": 1.5})
    with pytest.raises(SystemExit, match="8 steps"):
        check_page(page, {**SAMPLING, "steps": 8})


def test_a_choice_of_methods_does_not_write_the_projects_own_page(tmp_path):
    assert page_of(None, TABLE, SAMPLING) == PAGE
    assert page_of(None, ["rag"], SAMPLING) is None and page_of(None, TABLE, {**SAMPLING, "steps": 4}) is None
    assert page_of(tmp_path, ["rag"], SAMPLING) == tmp_path


def test_a_sheet_has_a_line_per_variant_and_leaves_gaps(results):
    results.add(row_of(FIRST[0]), GREY)
    picture = sheet(results, EULER, ["plain", "rag"], FIRST[:1], label=100)
    assert picture.size == (100 + 132, 2 * 132)
    assert picture.getpixel((150, 60)) == (255, 255, 255) and picture.getpixel((150, 200)) == (128, 128, 128)


def test_every_row_of_the_table_is_a_variant():
    assert set(TABLE) - {"plain"} <= set(VARIANTS)
    for variant in TABLE[1:]:
        settings = payload(FIRST[0], variant)["alwayson_scripts"]["Regional"]["args"][0]
        assert settings["method"] == VARIANTS[variant].method
