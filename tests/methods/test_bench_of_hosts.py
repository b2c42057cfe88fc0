"""The bench of whole requests in turns: what it sends, what it computes, and that it does not time an extension that does nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from lib_regional.request.settings import Settings

_spec = importlib.util.spec_from_file_location("bench_of_hosts", Path(__file__).parents[1] / "bench" / "host.py")
assert _spec is not None and _spec.loader is not None
host = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(host)


def test_requests_are_ones_that_the_extension_reads() -> None:
    made = host.requests_with(["a", "b"], 128)
    assert list(made) == ["plain", "two regions", "two regions with a LoRA each", "the same, separate: nothing"]
    assert "alwayson_scripts" not in made["plain"] and list(host.requests_with(["a"], 128)) == ["plain", "two regions"]
    for name in list(made)[1:]:
        settings = Settings.parse(made[name]["alwayson_scripts"]["Regional"]["args"][0])
        assert (
            settings.enabled
            and [("lora" in region.prompt) for region in settings.layout().regions] == ["LoRA" in name or "same" in name] * 2
        )
    assert settings.option_of("attention_couple")("separate") == "nothing"


def test_each_round_is_compared_with_its_own_plain_request(monkeypatch: pytest.MonkeyPatch) -> None:
    now, seconds, sent = [0.0], {"plain": 2.0, "other": 3.0}, []
    monkeypatch.setattr(host.time, "perf_counter", lambda: now[0])

    def send(body: dict[str, str]) -> dict[str, list[str]]:
        sent.append(body["is"])
        now[0] += seconds[body["is"]] * len(sent)
        return {"images": [body["is"]]}

    times = host.in_turns(send, {name: {"is": name} for name in seconds}, 2)
    assert sent == ["plain", "other", "other", "plain", "plain", "other"] and times == {"plain": [8.0, 10.0], "other": [9.0, 18.0]}
    assert host.ratios(times) == {"plain": (1.0, 1.0), "other": (pytest.approx((9 / 8 + 1.8) / 2), 1.8)}


def test_an_extension_that_does_nothing_is_not_timed() -> None:
    with pytest.raises(RuntimeError, match="two regions: the picture is the plain one"):
        host.in_turns(lambda _: {"images": ["same"]}, host.requests_with([], 128), 1)
