"""What stays of a session, however it ends: nothing, asked of every adapter's double."""

from __future__ import annotations

import pytest
import torch
from slots import NEUTRAL, slot

from lib_regional.engine.hooks import Hooks
from lib_regional.engine.session import Session
from lib_regional.request.errors import RegionalError


class Broken(Exception):
    """A fault of nobody's."""


FAULTS = [None, Broken, RegionalError, KeyboardInterrupt, torch.cuda.OutOfMemoryError, "interrupt"]
ENDS = [(name, fault) for name in NEUTRAL for fault in (FAULTS if name in ("cross_attention", "denoiser") else (None, Broken))]
"""Every fault at two slots, one at each of the others."""


@pytest.mark.parametrize(("name", "fault"), ENDS, ids=[f"{name}-{fault}" for name, fault in ENDS])
def test_nothing_is_left_behind_however_it_ends(with_vectors, name, fault):
    """The fault comes at the second step, beside hooks of other slots."""
    double = with_vectors
    kind = double.interrupt if fault == "interrupt" else fault
    plain, before, raised = double.sample(), double.state(), None

    def hook(call, *more):
        if kind is not None and (call if name in ("vector", "denoiser") else call.model).step.index == 1:
            raise kind("as asked")
        return call.out(call.to_q(call.x)) if name.endswith("attention") else NEUTRAL[name](call, *more)

    hooks = {**slot(double, "layers", NEUTRAL["layers"]), "unet": NEUTRAL["unet"], **slot(double, name, hook)}
    closed = []
    try:
        with Session(double.host, Hooks(**hooks, close=lambda: closed.append(1))):
            assert double.state() != before
            double.sample()
    except BaseException as error:
        raised = error
    assert (raised is None and kind in (None, double.interrupt)) or type(raised) is kind
    assert double.state() == before and double.patched_denoisers() == [] and closed == [1]
    assert torch.equal(double.sample(), plain)


@pytest.mark.parametrize("fault", [None, Broken], ids=str)
def test_a_patch_that_was_there_before_is_called_and_kept(double, fault):
    called, layer = [], double.cross()[0][1]
    take_off = double.put_on_top(layer, called)
    theirs, before = double.current(layer), double.state()

    def hook(call):
        if fault is not None:
            raise fault

    try:
        with double.under(cross_attention=hook):
            double.sample(1)
    except Broken:
        assert fault is Broken
    assert double.current(layer) is theirs and double.state() == before and bool(called) == (fault is None)
    take_off()


@pytest.mark.parametrize("fault", [None, Broken, KeyboardInterrupt], ids=str)
def test_a_patch_put_on_top_meanwhile_stays_and_ours_is_empty(double, fault):
    called, seen, layer = [], [], double.cross()[0][1]
    plain, before = double.sample(1), double.state()

    def hook(call):
        seen.append(call.site.name)
        if fault is not None and len(seen) > len(double.cross()):
            raise fault

    try:
        with double.under(cross_attention=hook):
            take_off = double.put_on_top(layer, called)
            theirs = double.current(layer)
            double.sample(1)
            assert len(called) == 1 and len(seen) == len(double.cross())
            double.sample(1)
    except (Broken, KeyboardInterrupt) as error:
        assert type(error) is fault
    times, asked = len(called), len(seen)
    assert double.current(layer) is theirs
    assert torch.equal(double.sample(1), plain) and len(called) == times + 1 and len(seen) == asked
    take_off()
    assert torch.equal(double.sample(1), plain) and len(called) == times + 1 and len(seen) == asked
    assert double.state() == before


def test_sessions_follow_one_another(double):
    before = double.state()
    for _ in range(3):
        seen = []
        with double.under(cross_attention=seen.append):
            double.sample(1)
        assert len(seen) == len(double.cross())
    assert double.state() == before


def test_somebody_elses_calls_are_left_alone(double):
    seen, expected = [], double.others()

    def look(*call):
        seen.append(call)

    hooks = {"cross_attention": look, "self_attention": look, "spatial": look, "unet": look, "denoiser": look}
    with double.under(**hooks, **slot(double, "layers", look)):
        assert torch.equal(double.others(), expected)
    assert not seen


def test_other_weights_in_the_same_network_renew(double):
    renewed, seen = [], []
    with double.under(cross_attention=seen.append, renew=lambda: renewed.append(len(seen))):
        double.sample(2)
        before = len(seen)
        assert not renewed
        double.change_weights()
        double.sample(2)
    assert renewed == [before] and len(seen) == 2 * before


def test_a_method_that_cannot_renew_stops_the_picture(double):
    before = double.state()
    with pytest.raises(RegionalError, match="weights changed during sampling"), double.under(cross_attention=lambda call: None):
        double.sample(1)
        double.change_weights()
        double.sample(1)
    assert double.state()[:2] == before[:2] and double.patched_denoisers() == []
