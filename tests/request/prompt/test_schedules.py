"""Prompt schedules and emphasis as AUTOMATIC1111's WebUI reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.request.prompt.schedules import BREAK, parse_emphasis, prompt_schedule

TEN = [
    pytest.param("test", [(10, "test")], id="plain"),
    pytest.param("", [(10, "")], id="empty"),
    pytest.param("a [b:3]", [(3, "a "), (10, "a b")], id="add at a step"),
    pytest.param("a [b: 3]", [(3, "a "), (10, "a b")], id="blank before the number"),
    pytest.param("a [b:3 ]", [(3, "a "), (10, "a b")], id="blank behind the number"),
    pytest.param("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")], id="emphasis inside"),
    pytest.param("[(a:2):3]", [(3, ""), (10, "(a:2)")], id="weight inside"),
    pytest.param("([a:b:3]:1.2)", [(3, "(a:1.2)"), (10, "(b:1.2)")], id="inside a weight"),
    pytest.param("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")], id="replace at a step"),
    pytest.param("[a:b:0.5]", [(5, "a"), (10, "b")], id="replace at a share"),
    pytest.param("[a::0.5]", [(5, "a"), (10, "")], id="remove"),
    pytest.param("[:b:0.5]", [(5, ""), (10, "b")], id="add with a colon in front"),
    pytest.param("a [b:.5] c", [(5, "a  c"), (10, "a b c")], id="share without zero"),
    pytest.param("[a:b:1.0]", [(10, "a")], id="to the end"),
    pytest.param("[a:b:1]", [(1, "a"), (10, "b")], id="one is a step"),
    pytest.param("[a:b:0]", [(10, "b")], id="from the start"),
    pytest.param("[a:b:-3]", [(10, "b")], id="negative step"),
    pytest.param("[a:b:25]", [(10, "a")], id="after the end"),
    pytest.param("[a:b:1e9]", [(10, "a")], id="long after the end"),
    pytest.param("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")], id="nested"),
    pytest.param("a [unbalanced", [(10, "a [unbalanced")], id="unbalanced"),
    pytest.param("a [{b|d{:.5] c", [(10, "a [{b|d{:.5] c")], id="bar and colon in one bracket"),
    pytest.param("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")], id="rubbish in front"),
    pytest.param("[a:b]", [(10, "[a:b]")], id="no number"),
    pytest.param("[a:b:c:3]", [(10, "[a:b:c:3]")], id="too many colons"),
    pytest.param(r"a \[b:3\]", [(10, r"a \[b:3\]")], id="escaped brackets"),
    pytest.param(r"[a\:x:3]", [(3, ""), (10, r"a\:x")], id="escaped colon"),
    pytest.param("a | b [c:3]", [(10, "a | b [c:3]")], id="bar outside"),
    pytest.param("a [b:3]\\", [(10, "a [b:3]\\")], id="backslash at the end"),
    pytest.param("[" * 500 + "a" + "]" * 500, [(10, "[" * 500 + "a" + "]" * 500)], id="too deep"),
    pytest.param("<lora:x:0.5> [a:b:5]", [(5, "<lora:x:0.5> a"), (10, "<lora:x:0.5> b")], id="beside a tag"),
]


@pytest.mark.parametrize(("text", "schedule"), TEN)
def test_ten_steps(text: str, schedule: list[tuple[int, str]]) -> None:
    assert list(prompt_schedule(text, 10)) == schedule


ALTERNATING = [
    pytest.param("[a|(b:1.1)]", ["a", "(b:1.1)", "a", "(b:1.1)"], id="two"),
    pytest.param("[fe|]male", ["female", "male", "female", "male"], id="nothing"),
    pytest.param("[fe|||]male", ["female", "male", "male", "male"], id="nothing thrice"),
    pytest.param("[a|[b|c]]", ["a", "c", "a", "c"], id="nested"),
    pytest.param("[a|b] [c:d:2]", ["a c", "b c", "a d", "b d"], id="with a schedule"),
]


@pytest.mark.parametrize(("text", "texts"), ALTERNATING)
def test_alternating(text: str, texts: list[str]) -> None:
    assert prompt_schedule(text, 4) == tuple(enumerate(texts, 1))


HIRES = [
    pytest.param("a [b:.5] c", [(10, "a b c")], id="share of the first pass"),
    pytest.param("a [b:1.5] c", [(5, "a  c"), (10, "a b c")], id="share of the second pass"),
    pytest.param("[a:b:13]", [(3, "a"), (10, "b")], id="step of the second pass"),
    pytest.param("[a:b:7]", [(10, "b")], id="step of the first pass"),
]


@pytest.mark.parametrize(("text", "schedule"), HIRES)
def test_hires_pass(text: str, schedule: list[tuple[int, str]]) -> None:
    assert list(prompt_schedule(text, 10, 10)) == schedule


EMPHASIS = [
    pytest.param("normal text", [("normal text", 1.0)], id="plain"),
    pytest.param("", [("", 1.0)], id="empty"),
    pytest.param("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)], id="brackets"),
    pytest.param("(unbalanced", [("unbalanced", 1.1)], id="never closed"),
    pytest.param(r"\(literal\]", [("(literal]", 1.0)], id="escaped"),
    pytest.param("(unnecessary)(parens)", [("unnecessaryparens", 1.1)], id="neighbours of one weight"),
    pytest.param("a (b:1.5)", [("a ", 1.0), ("b", 1.5)], id="weight"),
    pytest.param("(b : 1.5 )", [("b ", 1.5)], id="blanks around the weight"),
    pytest.param("(b:-0.5)", [("b", -0.5)], id="negative weight"),
    pytest.param("[b]", [("b", 1 / 1.1)], id="square"),
    pytest.param("b:1.5)", [("b:1.5)", 1.0)], id="weight without a bracket"),
    pytest.param("(b:1.2.3)", [("b:1.2.3", 1.1)], id="no number"),
    pytest.param("a) b]", [("a) b]", 1.0)], id="never opened"),
    pytest.param("a\\", [("a", 1.0)], id="backslash at the end"),
    pytest.param("a BREAK b", [("a", 1.0), BREAK, ("b", 1.0)], id="break"),
    pytest.param("BREAK", [("", 1.0), BREAK, ("", 1.0)], id="break alone"),
    pytest.param("aBREAK", [("aBREAK", 1.0)], id="no break"),
    pytest.param("(a BREAK b:1.2)", [("a", 1.2), BREAK, ("b", 1.2)], id="break in brackets"),
    pytest.param("a BREAK BREAK b", [("a", 1.0), BREAK, ("", 1.0), BREAK, ("b", 1.0)], id="two breaks"),
    pytest.param("(a:-1) BREAK", [("a", -1.0), ("", 1.0), BREAK, ("", 1.0)], id="weight of a break"),
]


@pytest.mark.parametrize(("text", "pieces"), EMPHASIS)
def test_emphasis(text: str, pieces: list[tuple[str, float]]) -> None:
    result = parse_emphasis(text)
    assert [piece for piece, _ in result] == [piece for piece, _ in pieces]
    assert [weight for _, weight in result] == pytest.approx([weight for _, weight in pieces])


def test_nested_emphasis() -> None:
    result = parse_emphasis("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).")
    assert [piece for piece, _ in result] == ["a ", "house", " ", "on", " a ", "hill", ", sun, ", "sky", "."]
    assert [weight for _, weight in result] == pytest.approx([1, 1.573, 1.1, 1, 1.1, 0.55, 1.1, 1.4641, 1.1])


syntax = st.lists(st.sampled_from(["[", "]", "(", ")", ":", "|", "a", " b", "0.5", "3", "\\", "\\(", "BREAK"]), max_size=25).map("".join)


@given(syntax, st.integers(1, 20), st.none() | st.integers(1, 20))
def test_any_text_has_a_schedule(text: str, steps: int, hires: int | None) -> None:
    schedule = prompt_schedule(text, steps, hires)
    ends = [end for end, _ in schedule]
    assert ends == sorted(set(ends))
    assert (ends[0] >= 1, ends[-1]) == (True, hires or steps)


@given(syntax)
def test_any_text_has_an_emphasis(text: str) -> None:
    pieces = parse_emphasis(text)
    assert pieces
    kept = "".join(piece for piece, _ in pieces)
    assert len(kept) <= len(text)
    assert sum(piece == BREAK for piece in pieces) <= text.count("BREAK")


@given(st.text(alphabet="ab ,.", max_size=20))
def test_text_without_syntax_stays(text: str) -> None:
    assert prompt_schedule(text, 20) == ((20, text),)
    assert parse_emphasis(text) == ((text, 1.0),)
