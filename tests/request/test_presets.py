"""Presets on disk: names, errors, and that a file is never half written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.request.errors import RegionalError
from lib_regional.request.presets import PresetError, PresetExistsError, PresetMissingError, PresetNameError, PresetStore, check_name
from lib_regional.request.settings import Settings

SETTINGS = Settings.parse({"enabled": True, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "ein roter Hut – 帽子"}]})
OTHER = Settings(enabled=True, common="x")


@pytest.fixture
def store(tmp_path: Path) -> PresetStore:
    return PresetStore(tmp_path / "presets")


def test_life_of_a_preset(store: PresetStore) -> None:
    assert store.names() == ()
    store.save("Two halves", SETTINGS)
    store.save("a third", OTHER)
    assert store.names() == ("a third", "Two halves")
    assert store.load("Two halves") == SETTINGS
    store.save("a third", SETTINGS)
    assert store.load("a third") == SETTINGS
    store.rename("a third", "Ünïcode 帽子 1.5")
    assert store.names() == ("Two halves", "Ünïcode 帽子 1.5")
    store.delete("Two halves")
    assert store.names() == ("Ünïcode 帽子 1.5",)


def test_files_are_plain_json(store: PresetStore) -> None:
    store.save("a", SETTINGS)
    assert [path.name for path in store.folder.iterdir()] == ["a.json"]
    assert json.loads((store.folder / "a.json").read_text(encoding="utf-8")) == SETTINGS.to_json()


BAD_NAMES = [
    pytest.param("", "empty", id="empty"),
    pytest.param("   ", "empty", id="blank"),
    pytest.param("../a", "not", id="up"),
    pytest.param("a/b", 'not "/"', id="slash"),
    pytest.param("a\\b", "not", id="backslash"),
    pytest.param("/etc/passwd", 'not "/"', id="absolute"),
    pytest.param("C:a", 'not ":"', id="drive"),
    pytest.param("a:stream", 'not ":"', id="stream"),
    pytest.param("..", "begin or end", id="dots"),
    pytest.param(".hidden", "begin or end", id="hidden"),
    pytest.param("a.", "begin or end", id="dot at the end"),
    pytest.param(" a", "begin or end", id="blank at the start"),
    pytest.param("a ", "begin or end", id="blank at the end"),
    pytest.param("a\x00", "not", id="nul"),
    pytest.param("a\nb", "not", id="newline"),
    pytest.param("a\u202eb", "not", id="direction mark"),
    pytest.param("a*", 'not "*"', id="star"),
    pytest.param("\ud800", "not", id="lone surrogate"),
    pytest.param("con", "Windows reserves", id="con"),
    pytest.param("NUL.txt", "Windows reserves", id="nul.txt"),
    pytest.param("Com1", "Windows reserves", id="com1"),
    pytest.param("x" * 81, "too long", id="long"),
    pytest.param("帽" * 81, "too long", id="long in another script"),
    pytest.param("𠮷" * 79, "too long", id="many bytes"),
    pytest.param(None, "must be a text", id="null"),
    pytest.param(3, "must be a text", id="number"),
]


@pytest.mark.parametrize(("name", "text"), BAD_NAMES)
def test_bad_names(store: PresetStore, name: str, text: str) -> None:
    calls = [lambda: store.save(name, SETTINGS), lambda: store.load(name), lambda: store.delete(name), lambda: store.rename(name, "b")]
    for call in calls:
        with pytest.raises(PresetNameError, match=text) as caught:
            call()
        str(caught.value).encode()
    assert not store.folder.exists()


@pytest.mark.parametrize("name", ["a", "A-1_b.c d", "x" * 80, "ñ", "帽子", "console", "हिन्दी", "1"])
def test_good_names(store: PresetStore, name: str) -> None:
    store.save(name, SETTINGS)
    assert store.names() == (name,)


def test_composed_and_decomposed_letters_are_one_name(store: PresetStore) -> None:
    store.save("u\u0308ber", SETTINGS)
    assert store.names() == ("\u00fcber",)
    assert store.load("\u00fcber") == SETTINGS


def test_missing(store: PresetStore) -> None:
    store.save("a", SETTINGS)
    for call in (lambda: store.load("b"), lambda: store.delete("b"), lambda: store.rename("b", "c")):
        with pytest.raises(PresetMissingError, match='There is no preset "b"; there are: a.'):
            call()


def test_overwriting_can_be_refused(store: PresetStore) -> None:
    store.save("a", SETTINGS, overwrite=False)
    store.save("b", OTHER)
    with pytest.raises(PresetExistsError, match='There is a preset "a" already'):
        store.save("a", OTHER, overwrite=False)
    with pytest.raises(PresetExistsError):
        store.rename("b", "a")
    assert (store.load("a"), store.load("b")) == (SETTINGS, OTHER)
    store.rename("a", "a")
    assert store.names() == ("a", "b")


DAMAGED = [
    pytest.param(b"{", True, id="broken json"),
    pytest.param(b"\xff\xfe", True, id="not utf-8"),
    pytest.param(b'{"enabled": true, "x": 1}', True, id="unknown key"),
    pytest.param(b'{"version": 99, "enabled": true}', True, id="newer version"),
    pytest.param(b"", True, id="empty"),
    pytest.param(b"null\n", True, id="null"),
    pytest.param(b"[" * 100_000, True, id="nested"),
    pytest.param(b'\xef\xbb\xbf{"enabled": true}', False, id="byte order mark"),
]


@pytest.mark.parametrize(("content", "bad"), DAMAGED)
def test_damaged_files(store: PresetStore, content: bytes, bad: bool) -> None:
    store.folder.mkdir()
    (store.folder / "a.json").write_bytes(content)
    if bad:
        with pytest.raises(PresetError, match='Preset "a" cannot be read: '):
            store.load("a")
    else:
        assert isinstance(store.load("a"), Settings)


def test_other_files_are_passed_over(store: PresetStore) -> None:
    store.save("a", SETTINGS)
    for name in (".hidden.json", "notes.txt", "b.json.tmp", "con.json"):
        (store.folder / name).write_text("{}", encoding="utf-8")
    (store.folder / "folder.json").mkdir()
    assert store.names() == ("a",)


def test_a_failed_write_leaves_the_old_preset(store: PresetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save("a", SETTINGS)

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device", str(store.folder))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(PresetError) as caught:
        store.save("a", OTHER)
    assert str(caught.value) == 'Preset "a" cannot be saved: No space left on device.'
    assert store.load("a") == SETTINGS
    assert [path.name for path in store.folder.iterdir()] == ["a.json"]


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "presets").write_text("", encoding="utf-8")
    store = PresetStore(tmp_path / "presets")
    for call in (store.names, lambda: store.save("a", SETTINGS)):
        with pytest.raises(PresetError, match="cannot be"):
            call()


def test_errors_are_for_users() -> None:
    kinds = {PresetError, PresetNameError, PresetMissingError, PresetExistsError}
    assert all(issubclass(kind, RegionalError) for kind in kinds)
    assert PresetMissingError("x").to_dict() == {"error": "PresetMissingError", "detail": "x", "problems": []}


@given(st.text(max_size=90))
def test_a_good_name_is_one_file_in_the_folder(name: str) -> None:
    try:
        kept = check_name(name)
    except PresetNameError:
        return
    path = Path("folder") / f"{kept}.json"
    assert path.parent == Path("folder") and path.stem == kept
    assert check_name(kept) == kept
    assert len(path.name.encode()) <= 255
