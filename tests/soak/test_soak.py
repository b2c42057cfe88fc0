"""A short soak, and that each kind of thing that a generation may leave behind is found."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from lib_regional.standalone.server.app import Served, serve
from tests.soak.__main__ import main
from tests.soak.kinds import KINDS, VARIANTS, Request
from tests.soak.runner import FEWEST, Asked, Found, Soak
from tests.support.random_model import random_model

SEED = 18


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(model=random_model(), output=tmp_path_factory.mktemp("soak")) as running:
        yield running


@pytest.fixture
def soak(served: Served) -> Soak:
    return Soak(Asked(served.url, served.host), SEED)


def cheapest(soak: Soak, kind: str) -> int:
    """The request of a kind that computes least, among the first ones."""
    bodies = {number: request.body for number in range(300) for name, request in [soak.request(number)] if name == kind}
    return min(
        bodies, key=lambda at: (bodies[at]["width"] * bodies[at]["height"] * bodies[at].get("batch_size", 1) * bodies[at]["steps"], at)
    )


def test_one_of_each_kind_leaves_nothing(soak: Soak) -> None:
    for kind in KINDS:
        soak.one(cheapest(soak, kind))
    assert soak.found.faults == [] and set(soak.found.done) == set(KINDS)


def always(soak: Soak, monkeypatch: pytest.MonkeyPatch, request: Request) -> None:
    monkeypatch.setattr(soak, "request", lambda _: ("plain", request))


PLAIN = Request({**VARIANTS["small"][1], "steps": 1}, same="small")


def test_another_picture_another_status_and_hooks_are_found(soak: Soak, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = next(module for module in soak._asked.host.model.unet.modules() if isinstance(module, torch.nn.Linear))
    always(soak, monkeypatch, PLAIN)
    soak.one(0)
    soak.one(1)
    assert soak.found.faults == [] and soak.found.same == 1
    always(soak, monkeypatch, replace(PLAIN, body={**PLAIN.body, "seed": 8}))
    soak.one(2)
    always(soak, monkeypatch, replace(PLAIN, body={**PLAIN.body, "width": 7}))
    hook = layer.register_forward_hook(lambda *_: None)
    try:
        soak.one(3)
    finally:
        hook.remove()
    changed, status, left = soak.found.faults
    assert "request 2 (plain): the picture is another one" in changed and "422 for 200" in status and "hooks are left: ['unet." in left


def test_a_webui_is_asked_by_its_address(served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    outside = Soak(Asked(served.url), SEED)
    asked = [outside.request(number) for number in range(300)]
    assert {name for name, _ in asked} == set(KINDS) - {"failing"} and all(request.inner is None for _, request in asked)
    for images in (["one"], ["another"]):
        answer = json.dumps({"images": images}).encode()
        assert not list(outside._faults(replace(PLAIN, route="img2img"), 200, answer)), "WebUIs encode with noise of no seed"
    assert len([fault for images in ("a", "b") for fault in outside._faults(PLAIN, 200, json.dumps({"images": images}).encode())]) == 1
    monkeypatch.setattr(Soak, "request", lambda *_: ("plain", PLAIN))
    level, filters = logging.getLogger("regional").level, list(warnings.filters)
    assert main(["--generations", "2", "--webui-url", served.url, "--pid", str(os.getpid())]) == 0
    table = capsys.readouterr().out
    assert "| plain | 2 |" in table and "to the byte | 1 |" in table and " MB |" in table
    assert main(["--generations", "1", "--webui-url", served.url]) == 0 and "not measured" in capsys.readouterr().out
    assert (logging.getLogger("regional").level, warnings.filters) == (level, filters), "what a soak silences is silent for its time"
    for wrong in (["--only", "nothing"], ["--pid", "1"], ["--webui-url", served.url, "--pid", str(2**30)]):
        with pytest.raises(SystemExit):
            main(wrong)
    assert "no process of this machine" in capsys.readouterr().err


def test_some_kinds_alone(served: Served) -> None:
    some = Soak(Asked(served.url), SEED, only=("plain", "disabled"))
    assert {some.request(number)[0] for number in range(50)} == {"plain", "disabled"}
    with pytest.raises(ValueError, match=r"kinds are plain, .* got failing$"):
        Soak(Asked(served.url), SEED, only=("failing",))


def test_memory_that_grows_is_found_in_runs_that_are_long_enough() -> None:
    flat, growing = [100] * FEWEST, [*range(100, 100 + FEWEST)]
    assert Found(sizes=[flat]).growth() == 1 and Found(sizes=[flat]).verdict() == []
    assert "memory grew" in Found(sizes=[flat, growing]).verdict()[0]
    assert Found(sizes=[growing[:-1], []]).growth() is None
    assert "| all | 0 |" in Found().table()


def test_a_run_that_was_stopped_goes_on(tmp_path, served: Served) -> None:
    file = tmp_path / "state.json"
    found = Found(first={"small": "another"}, faults=["x"], sizes=[[1, 2]], same=3)
    found.done["plain"] += 2
    found.save(file, SEED, 7)
    again, following = Found.restored(file, SEED)
    assert vars(again) == vars(found) and following == 7 and json.loads(file.read_text())["seed"] == SEED
    assert Soak(Asked(served.url, served.host), SEED, again).found.sizes == [[1, 2], []]
    with pytest.raises(ValueError, match="another seed"):
        Found.restored(file, SEED + 1)
