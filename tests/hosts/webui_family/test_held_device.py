"""The device for a model beside the checkpoint: under the host's lock, with memory made free by the host's own means."""

import sys
import threading
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace

import pytest
import torch

from lib_regional.hosts.webui_family.held_device import held_device


@pytest.fixture
def host(monkeypatch):
    """A host whose device is no CPU, and the list of what is asked of it."""
    events = []

    def module(name, **parts):
        found = ModuleType(name)
        vars(found).update(parts)
        monkeypatch.setitem(sys.modules, name, found)
        return found

    for name in ("modules", "backend", "ldm_patched", "ldm_patched.modules"):
        module(name)
    for name in ("modules.call_queue", "modules.lowvram", "backend.memory_management", "ldm_patched.modules.model_management"):
        monkeypatch.setitem(sys.modules, name, None)
    options = SimpleNamespace(lowvram=False, medvram=False)
    modules = sys.modules["modules"]
    modules.shared = module("modules.shared", cmd_opts=options)
    modules.devices = module("modules.devices", device="meta", torch_gc=lambda: events.append("gc"))
    return SimpleNamespace(module=module, events=events, options=options)


def test_the_lock_of_generations_is_held(host):
    lock = threading.Lock()
    host.module("modules.call_queue", queue_lock=lock)
    with held_device(5) as device:
        assert device == torch.device("meta") and lock.locked()
    assert not lock.locked() and host.events == ["gc"]


def test_memory_is_given_back_after_an_error(host):
    host.module("modules.call_queue", queue_lock=nullcontext())
    with pytest.raises(ValueError, match="inside"), held_device(5):
        raise ValueError("inside")
    assert host.events == ["gc"]


@pytest.mark.parametrize("name", ["backend.memory_management", "ldm_patched.modules.model_management"])
def test_forges_memory_manager_makes_room(host, name):
    host.module(name, free_memory=lambda size, device: host.events.append((size, device)))
    with held_device(5):
        assert host.events == [(1024**3 + 5, torch.device("meta"))]


@pytest.mark.parametrize(("option", "sent"), [("medvram", ["sent"]), ("lowvram", ["sent"]), ("", [])])
def test_a_checkpoint_that_moves_is_moved_away(host, option, sent):
    host.module("modules.lowvram", send_everything_to_cpu=lambda: host.events.append("sent"))
    setattr(host.options, option or "other", True)
    with held_device(5):
        assert host.events == sent
