"""Where words stand for a host, and how maps are kept."""

from __future__ import annotations

import base64

import pytest
import torch

from lib_regional.request.attention_maps import AttentionMaps, RegionMap
from lib_regional.tensors.guidance.tokens import Token
from lib_regional.webui import attention_maps


def test_words_without_punctuation_and_marks():
    class Host:
        def tokens(self, text):
            return [Token(1, "red", 0), Token(2, ",", 1), Token(3, "cir", 2), Token(4, "cle", 2)]

    assert sorted(attention_maps.word_positions(Host())("red, circle")) == [1, 3, 4]


def test_a_host_that_only_counts(monkeypatch):
    monkeypatch.setattr(attention_maps, "count_tokens", lambda texts: [(77, 150)])
    places = attention_maps.word_positions(object())("long")
    assert places == [*range(1, 76), 78, 79]


@pytest.mark.parametrize(("count", "places"), [(0, []), (1, [1]), (75, list(range(1, 76))), (76, [*range(1, 76), 78])])
def test_chunks_have_marks_at_both_ends(count, places):
    assert attention_maps.token_places(count) == places


def test_levels_are_shares_of_the_peak():
    maps = {(1, 2): torch.tensor([[0.0, 0.1], [0.2, 0.05]]), (0, 0): torch.zeros(1, 1)}
    first, second = attention_maps.kept_maps(maps, 2)
    assert first == (RegionMap(0, (1, 1), 0.0, b"\0"),)
    assert second[0].region == 2 and second[0].grid == (2, 2) and second[0].peak == pytest.approx(0.2)
    assert list(second[0].levels) == [0, 128, 255, 64]
    assert base64.b64decode(second[0].to_json()["levels"]) == second[0].levels


def test_the_oldest_names_go():
    kept, one = AttentionMaps(kept=2), (RegionMap(0, (1, 1), 1.0, b"\1"),)
    kept.begin("a")
    kept.add("a", [one])
    kept.add("a", [one])
    assert kept.of("a") == [one, one]
    kept.begin("a")
    assert kept.of("a") == []
    kept.begin("b")
    kept.begin("c")
    kept.add("a", [one])
    assert kept.of("a") is None and kept.of("b") == [] and kept.of("never") is None
