"""Splitting a prompt for regions and joining texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.request.errors import SettingsError
from lib_regional.request.prompt.splitting import SPLIT_MODES, PromptParts, join_texts, joined, split_and, split_prompt

SPLITS = [
    pytest.param("a BREAK b BREAK c", "break", None, None, ("a", "b", "c"), id="break"),
    pytest.param("a ADDCOL b ADDROW c AND d", "break", None, None, ("a", "b", "c", "d"), id="every key separates"),
    pytest.param("c ADDCOMM b ADDBASE x BREAK y", "break", "c", "b", ("x", "y"), id="common and base"),
    pytest.param("b ADDBASE x ADDCOL y", "break", None, "b", ("x", "y"), id="base alone"),
    pytest.param("c ADDCOMM x", "break", "c", None, ("x",), id="common alone"),
    pytest.param("ADDCOMM ADDBASE BREAK", "break", "", "", ("", ""), id="keys alone"),
    pytest.param("GRAND break And BREAKER a_AND", "break", None, None, ("GRAND break And BREAKER a_AND",), id="no keys"),
    pytest.param("a,BREAK,b", "break", None, None, ("a,", ",b"), id="commas at the key"),
    pytest.param("a\nBREAK\nb", "break", None, None, ("a", "b"), id="keys on lines of their own"),
    pytest.param("a <lora:AND:1> BREAK b <lora:x BREAK y:1>", "break", None, None, ("a <lora:AND:1>", "b <lora:x BREAK y:1>"), id="tags"),
    pytest.param("1 < 2 AND 3 > 2", "and", None, None, ("1 < 2", "3 > 2"), id="angle brackets that are no tag"),
    pytest.param("", "break", None, None, ("",), id="empty"),
    pytest.param("a\nb\r\nc", "lines", None, None, ("a", "b", "c"), id="lines"),
    pytest.param("a\n\nb\n \n\n", "lines", None, None, ("a", "", "b"), id="blank lines"),
    pytest.param("a BREAK x AND y\nb", "lines", None, None, ("a BREAK x AND y", "b"), id="only lines separate lines"),
    pytest.param("c ADDCOMM b ADDBASE\nx\ny", "lines", "c", "b", ("x", "y"), id="lines after a key"),
    pytest.param("c ADDCOMM x\ny", "lines", "c", None, ("x", "y"), id="first line behind the key"),
    pytest.param("", "lines", None, None, ("",), id="no lines"),
    pytest.param("a AND b", "and", None, None, ("a", "b"), id="and"),
    pytest.param("a BREAK b AND c\nd", "and", None, None, ("a BREAK b", "c\nd"), id="only and separates"),
    pytest.param("c ADDCOMM b ADDBASE x AND y", "and", "c", "b", ("x", "y"), id="and with common and base"),
]


@pytest.mark.parametrize(("text", "mode", "common", "base", "regions"), SPLITS)
def test_split(text: str, mode: str, common: str | None, base: str | None, regions: tuple[str, ...]) -> None:
    parts = split_prompt(text, mode)
    assert (parts.common, parts.base, parts.regions) == (common, base, regions)
    assert len(parts.keys) + 1 == len(parts.weights) == len(regions)


def test_keys_and_weights() -> None:
    assert split_prompt("c ADDCOMM a ADDCOL b ADDROW c BREAK d AND e", "break").keys == ("ADDCOL", "ADDROW", "BREAK", "AND")
    parts = split_prompt("a AND b:0.5 AND c : 2 AND (d:1.2) AND e:-1", "and")
    assert parts.regions == ("a", "b", "c", "(d:1.2)", "e")
    assert parts.weights == (1.0, 0.5, 2.0, 1.0, -1.0)


BAD = [
    pytest.param("a ADDCOMM b ADDCOMM c", id="common twice"),
    pytest.param("a ADDBASE b ADDBASE c", id="base twice"),
    pytest.param("a ADDBASE b ADDCOMM c", id="base before common"),
    pytest.param("a BREAK b ADDBASE c", id="base between regions"),
]


@pytest.mark.parametrize("text", BAD)
def test_keys_in_disorder(text: str) -> None:
    with pytest.raises(SettingsError, match="at most one ADDCOMM, then at most one ADDBASE"):
        split_prompt(text, "break")


def test_unknown_mode() -> None:
    with pytest.raises(SettingsError, match="mode must be one of break, lines, and"):
        split_prompt("a", "words")


JOINS = [
    pytest.param(("a", "b"), "a, b", id="two"),
    pytest.param(("a,", ", b"), "a, b", id="commas at the seam"),
    pytest.param(("a , ", None, "", " ,", "b"), "a, b", id="nothing between"),
    pytest.param((), "", id="none"),
    pytest.param((None, ""), "", id="empty"),
    pytest.param((" a, ",), " a, ", id="one stays as it is"),
    pytest.param(("a BREAK", "b"), "a BREAK b", id="after BREAK"),
    pytest.param(("a", "BREAK b"), "a BREAK b", id="before BREAK"),
    pytest.param(("a AND", "b"), "a AND b", id="after AND"),
    pytest.param(("a", "ANDES"), "a, ANDES", id="a word that begins like a key"),
    pytest.param(("a\n", "b"), "a, b", id="newline at the seam"),
]


@pytest.mark.parametrize(("parts", "text"), JOINS)
def test_join(parts: tuple[str | None, ...], text: str) -> None:
    assert join_texts(*parts) == text


def test_joined_has_all_parts_and_no_keys() -> None:
    assert joined(split_prompt("c ADDCOMM b ADDBASE x BREAK y AND z", "break")) == "c, b, x, y, z"
    assert joined(PromptParts(None, None, ("a", ""))) == "a"


ANDS = [
    pytest.param("a", (("a", 1.0),), id="one"),
    pytest.param("a AND b:0.5", (("a", 1.0), ("b", 0.5)), id="weight"),
    pytest.param("a :2. AND b: -.5", (("a", 2.0), ("b", -0.5)), id="numbers"),
    pytest.param("GRAND AND LANDAU", (("GRAND", 1.0), ("LANDAU", 1.0)), id="words with and"),
    pytest.param("[a:b:0.5] AND (c:1.2)", (("[a:b:0.5]", 1.0), ("(c:1.2)", 1.0)), id="brackets"),
    pytest.param("AND", (("", 1.0), ("", 1.0)), id="and alone"),
    pytest.param("a: AND b:x", (("a:", 1.0), ("b:x", 1.0)), id="no number"),
]


@pytest.mark.parametrize(("text", "parts"), ANDS)
def test_split_and(text: str, parts: tuple[tuple[str, float], ...]) -> None:
    assert split_and(text) == parts


words = st.text(alphabet="abc ,.", max_size=8).map(str.strip).filter(lambda text: text.strip(" ,"))


@given(st.lists(words, min_size=1, max_size=6), st.sampled_from(["BREAK", "ADDCOL", "ADDROW", "AND"]), words | st.none(), words | st.none())
def test_written_parts_come_back(regions: list[str], key: str, common: str | None, base: str | None) -> None:
    text = f" {key} ".join(regions)
    text = f"{base} ADDBASE {text}" if base is not None else text
    text = f"{common} ADDCOMM {text}" if common is not None else text
    parts = split_prompt(text, "break")
    assert (parts.common, parts.base, parts.regions) == (common, base, tuple(regions))


@given(st.lists(words, min_size=1, max_size=6))
def test_lines_come_back(regions: list[str]) -> None:
    assert split_prompt("\n".join(regions), "lines").regions == tuple(regions)


@given(st.text(alphabet="aADCOLMBSERWNK:.1<>\n ", max_size=60), st.sampled_from(SPLIT_MODES))
def test_any_prompt_is_split_or_refused(text: str, mode: str) -> None:
    try:
        parts = split_prompt(text, mode)
    except SettingsError as error:
        assert error.problems[0].field == "prompt"
    else:
        assert len(parts.regions) == len(parts.keys) + 1


@given(st.lists(st.text(alphabet="ab ,", max_size=6), max_size=5))
def test_joining_is_the_same_in_any_grouping(parts: list[str]) -> None:
    whole = join_texts(*parts)
    assert join_texts(join_texts(*parts[:2]), *parts[2:]) == whole
    assert ",," not in whole or any(",," in part for part in parts)
