"""Forge Neo's prompt parser: whichever arguments a version of it takes."""

import pytest
import torch
from forge_double import Engine, WebUI
from webui import get_learned_conditioning

from lib_regional.hosts.forge.adapter import ForgeHost


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("version", ["neo 2.26", "older"])
def test_the_option_for_old_schedules_is_passed_where_it_is_taken(monkeypatch, version, old):
    """Fact 1 of the double."""
    webui, passed = WebUI(monkeypatch, Engine()), []
    webui.shared.opts.use_old_scheduling = old

    def newest(model, prompts, steps, hires_steps=None):
        return get_learned_conditioning(model, prompts, steps, hires_steps)

    def older(model, prompts, steps, hires_steps=None, use_old_scheduling=False):
        passed.append(use_old_scheduling)
        return get_learned_conditioning(model, prompts, steps, hires_steps)

    monkeypatch.setattr("modules.prompt_parser.get_learned_conditioning", older if version == "older" else newest)
    (schedule,) = ForgeHost(webui.engine).encode(["a thing"], steps=3, negative=False, size=(64, 80))
    assert len(schedule) == 1 and isinstance(schedule[0][1].crossattn, torch.Tensor)
    assert passed == ([old] if version == "older" else [])
