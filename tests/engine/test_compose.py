"""Two sets of hooks composed by step: every field of `Hooks` is tried, so that a new slot cannot be lost."""

from __future__ import annotations

from dataclasses import fields, make_dataclass

import pytest
import torch

from lib_regional.engine import compose as hook_slots
from lib_regional.engine.calls import AttentionCall, DenoiserCall, LayerCall, ModelCall, Row, Site, SpatialCall, StepInfo, UNetCall
from lib_regional.engine.compose import SLOTS, switched
from lib_regional.engine.hooks import Hooks
from lib_regional.tensors.lora.deltas import LayerKind

FIELDS = [one.name for one in fields(Hooks)]
ZERO = torch.zeros(1, 1, 4)


def early(step):
    return step.index < 2


def model(index):
    return ModelCall((Row(0, "cond"),), StepInfo(index, 4), (2, 2))


def attention(index):
    return (AttentionCall(Site("a", "self"), (2, 2), model(index), ZERO, ZERO, 1, 1.0, *[lambda x: x] * 4),)


def layer(index):
    return (LayerCall("layer", (2, 2), model(index), ZERO, ZERO),)


def spatial(index):
    return (SpatialCall("layer", model(index), ZERO, LayerKind("group_norm"), (1, 1), lambda x: x, lambda y: None),)


STEPPED = {
    "cross_attention": attention,
    "self_attention": attention,
    "projected_self_attention": attention,
    "joint": lambda index: (model(index), (2, 2)),
    "vector": lambda index: (model(index), ZERO),
    "token_attributes": lambda index: (model(index), (2, 2)),
    "layers": layer,
    "spatial": spatial,
    "unet": lambda index: (UNetCall(model(index), ZERO, lambda rows: ZERO, lambda: ZERO),),
    "denoiser": lambda index: (DenoiserCall(ZERO, StepInfo(index, 4), 1.0, 0.5, lambda: "as it is"),),
}
"""Slot -> the arguments of its call at a step."""
WHOLE = {"renew": (), "close": (), "infotext_fields": (), "finish": (ZERO,), "isolates": (StepInfo(0, 4),)}
"""Slot -> the arguments of its call outside of steps."""


def with_slot(name, hook):
    return Hooks(**{name: {"layer": hook} if name == "layers" else hook})


def slot_of(hooks, name):
    found = getattr(hooks, name)
    return found.get("layer") if name == "layers" else found


def test_every_field_of_hooks_is_tried_here():
    assert {*STEPPED, *WHOLE, "method"} == set(FIELDS) == set(SLOTS)


def test_a_field_without_a_row_is_an_error_when_hooks_are_composed(monkeypatch):
    wider = make_dataclass("Hooks", [("newcomer", object, None)], bases=(Hooks,), frozen=True)
    monkeypatch.setattr(hook_slots, "Hooks", wider)
    with pytest.raises(TypeError, match="newcomer"):
        switched(early, wider(), wider())


@pytest.mark.parametrize("name", STEPPED)
@pytest.mark.parametrize("who", ["first", "second"])
def test_a_slot_of_either_set_acts_at_its_own_steps_alone(name, who):
    mine, nothing = with_slot(name, lambda *args: ("asked", args)), Hooks()
    both = switched(early, *((mine, nothing) if who == "first" else (nothing, mine)))
    left = "as it is" if name == "denoiser" else None
    for index in range(4):
        args = STEPPED[name](index)
        assert slot_of(both, name)(*args) == (("asked", args) if (index < 2) == (who == "first") else left)


@pytest.mark.parametrize("name", STEPPED)
def test_slots_of_both_sets_change_over(name):
    both = switched(early, with_slot(name, lambda *args: "first"), with_slot(name, lambda *args: "second"))
    assert [slot_of(both, name)(*STEPPED[name](index)) for index in range(4)] == ["first", "first", "second", "second"]


def test_a_slot_that_neither_has_stays_empty():
    both = switched(early, Hooks(), Hooks())
    assert all(getattr(both, name) == getattr(Hooks(), name) for name in FIELDS)


@pytest.mark.parametrize("name", ["renew", "close"])
def test_both_sets_are_renewed_and_closed(name):
    called = []
    getattr(switched(early, *(with_slot(name, lambda n=n: called.append(n)) for n in (1, 2))), name)()
    assert called == [1, 2]
    getattr(switched(early, Hooks(), with_slot(name, lambda: called.append(3))), name)()
    assert called == [1, 2, 3]


def test_both_sets_say_what_the_infotext_shall_say():
    both = switched(early, Hooks(infotext_fields=lambda: {"a": "1"}), Hooks(infotext_fields=lambda: {"b": "2"}))
    assert both.infotext_fields() == {"a": "1", "b": "2"}


def test_the_pictures_pass_through_both_sets():
    def adding(n):
        return lambda latents: lambda pictures: pictures * 10 + latents + n

    both = switched(early, Hooks(finish=adding(1)), Hooks(finish=adding(2)))
    assert torch.equal(both.finish(ZERO)(ZERO), ZERO + 12)
    assert switched(early, Hooks(finish=lambda latents: None), Hooks()).finish(ZERO) is None


def test_two_sets_isolate_where_either_does_and_may_where_one_leaves_it_open():
    at = [Hooks(isolates=lambda step, n=n: step.index == n) for n in (1, 2)]
    both, alone = switched(early, *at).isolates, switched(early, at[0], Hooks()).isolates
    assert [both(StepInfo(index, 4)) for index in range(4)] == [False, True, True, False]
    assert [alone(StepInfo(index, 4)) for index in range(4)] == [False, True, False, False], "the second has nothing to isolate"
    assert switched(early, at[0], Hooks(spatial=lambda call: None)).isolates is None


def test_the_methods_name_is_kept():
    assert switched(early, Hooks(method="one"), Hooks()).method == "one"
