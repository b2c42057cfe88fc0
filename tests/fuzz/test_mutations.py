"""Seeded mutations of good inputs, and drawn ones: whatever comes in, everything gives a result or an error of ours, within its limits."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib_regional.api.strict_json import parse_body
from lib_regional.request.errors import RegionalError
from lib_regional.request.importers import import_text
from lib_regional.request.settings import Settings
from tests.fuzz.__main__ import main
from tests.fuzz.inputs import SETTINGS
from tests.fuzz.runner import Found, Fuzzer

CASES = int(os.environ.get("REGIONAL_FUZZ_CASES", "20000"))
SEED = int(os.environ.get("REGIONAL_FUZZ_SEED", "18"))
PARTS = 4


@pytest.fixture(scope="module")
def fuzzer() -> Iterator[Fuzzer]:
    yield Fuzzer(SEED)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(PARTS))
def test_everything_answers_every_mutation(fuzzer: Fuzzer, part: int) -> None:
    found = Found()
    for number in range(part * CASES // PARTS, (part + 1) * CASES // PARTS):
        fuzzer.run(number, found)
    assert not found.faults, "\n".join(found.faults[:5])
    assert sum(found.read.values()) + sum(found.refused.values()) == CASES // PARTS
    assert all(found.read[name] and (found.refused[name] or name == "infotexts") for name in fuzzer.groups)


def test_a_case_is_the_same_whenever_it_runs_and_faults_are_named(fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fuzzer.case(7)[2] == Fuzzer(SEED).case(7)[2] != fuzzer.case(8)[2]
    monkeypatch.setattr(fuzzer, "case", lambda _: ("ratios", lambda text: text.nothing, "1,2"))
    found = Found()
    fuzzer.run(3, found)
    assert "case 3 (ratios): AttributeError" in found.faults[0] and "'1,2'" in found.faults[0]


def test_a_run_that_was_stopped_goes_on(tmp_path, capsys) -> None:
    state = tmp_path / "state.json"
    assert main(["--cases", "20", "--state", str(state)]) == 0
    assert main(["--cases", "30", "--state", str(state)]) == 0
    whole = capsys.readouterr().out.splitlines()[-1]
    assert main(["--cases", "30"]) == 0
    assert "| all | 30 |" in whole and capsys.readouterr().out.splitlines()[-1].rpartition("| ")[0].startswith(whole[:10])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*SETTINGS, "box", "mask", "prompt", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(JSON)
def test_settings_of_any_kind_are_read_or_refused(value: object) -> None:
    try:
        assert Settings.parse(Settings.parse(value).to_json())
    except RegionalError as error:
        assert str(error)


@settings(max_examples=100)
@given(st.text(max_size=60), st.binary(max_size=40))
def test_texts_of_any_letters_are_read_or_refused(text: str, raw: bytes) -> None:
    for read, given_ in ((import_text, text), (parse_body, raw)):
        try:
            read(given_)  # type: ignore[arg-type]
        except RegionalError as error:
            assert str(error)
