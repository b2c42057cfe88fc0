"""Hooks that no part of a model asks for end with an error after the first prediction, instead of being left out in silence."""

from contextlib import nullcontext

import pytest
import torch

from lib_regional.engine.calls import StepInfo
from lib_regional.engine.hooks import Hooks
from lib_regional.engine.unused_hooks import AskedHooks
from lib_regional.request.errors import RegionalError

SLOTS = ["cross_attention", "self_attention", "layers", "spatial", "unet"]


def slot(name, answer=lambda *args: None):
    return {name: {"layer": answer} if name == "layers" else answer}


@pytest.mark.parametrize("name", SLOTS)
def test_a_slot_that_is_never_asked_is_named(name):
    asked = AskedHooks(Hooks(**slot(name), method="some method"))
    with pytest.raises(RegionalError, match='"some method" changes .* in this model .Linear. asked for that'):
        asked.check(torch.nn.Linear(1, 1))
    asked.check(torch.nn.Linear(1, 1))


@pytest.mark.parametrize("name", SLOTS)
def test_a_slot_that_was_asked_passes_and_answers(name):
    asked = AskedHooks(Hooks(**slot(name, lambda call: ("answer", call))))
    found = getattr(asked.hooks, name)
    assert (found["layer"] if name == "layers" else found)("call") == ("answer", "call")
    asked.check(torch.nn.Linear(1, 1))


@pytest.mark.parametrize(("joint", "asks"), [(True, "joint"), (False, "cross_attention")])
def test_joint_attention_takes_the_place_of_cross_attention(joint, asks):
    both = Hooks(cross_attention=lambda call: None, joint=lambda model, grid: None)
    with pytest.raises(RegionalError):
        AskedHooks(both).check(torch.nn.Linear(1, 1), joint)
    asked = AskedHooks(both)
    getattr(asked.hooks, asks)(*[None] * (2 if joint else 1))
    asked.check(torch.nn.Linear(1, 1), joint)


@pytest.mark.parametrize("isolates", [True, False])
def test_what_isolates_is_missed_at_steps_that_isolate_alone(isolates):
    asked = AskedHooks(Hooks(self_attention=lambda call: None, spatial=lambda call: None, isolates=lambda step: isolates))
    assert asked.hooks.isolates(StepInfo(0, 4)) == isolates
    with pytest.raises(RegionalError, match="self-attention and norms and convolutions") if isolates else nullcontext():
        asked.check(torch.nn.Linear(1, 1))


def test_what_only_some_models_and_hosts_have_need_not_be_asked():
    hooks = Hooks(vector=lambda *_: None, token_attributes=lambda *_: None, denoiser=lambda call: call.run(), joint=lambda *_: None)
    AskedHooks(hooks).check(None)
