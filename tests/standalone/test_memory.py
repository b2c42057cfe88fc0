"""What a generation needed of memory goes back to the system before the next one begins."""

from __future__ import annotations

import platform

import pytest
import torch

from lib_regional.standalone import generations, memory
from lib_regional.standalone.generations import Line
from tests.fuzz.runner import memory as resident

PIECES, KEPT = 4000, 40


def test_memory_is_given_back_after_each_generation_however_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(generations, "give_memory_back", lambda: seen.append("given back"))

    def fail(_: object) -> None:
        seen.append("failing")
        raise MemoryError("as asked")

    line = Line()
    assert line.add(lambda _: seen.append("running") or 7).result() == 7
    with pytest.raises(MemoryError, match="as asked"):
        line.add(fail).result()
    line.stop()
    assert seen == ["running", "given back", "failing", "given back"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_pieces_between_what_is_kept_go_back_to_the_system() -> None:
    pieces = [torch.ones(25_000) for _ in range(PIECES)]  # 100 kB each, which glibc takes from its own store
    kept = pieces[:: PIECES // KEPT]
    full = resident()[0]
    del pieces
    assert memory.give_memory_back() and len(kept) == KEPT
    assert full - resident()[0] > 0.8 * (PIECES - KEPT) * 100_000


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_trim", lambda: None)
    assert memory.give_memory_back() is False
