"""The installer by itself: all or nothing, three lifetimes, networks that follow one another."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import nn

from lib_regional.engine.calls import ModelCall, Row, StepInfo, UNetRow
from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.installing.installer import HookInstaller
from lib_regional.hosts.installing.running import Running
from lib_regional.request.errors import RegionalError

CALL = ModelCall((Row(0, "cond"), Row(0, "uncond")), StepInfo(0, 1), (4, 6))


class Transformer(nn.Module):
    """One attention over x (B, 8, h, w), whose layers stand under the names of a UNet's."""

    def __init__(self):
        super().__init__()
        attention = nn.ModuleDict({"to_q": nn.Linear(8, 8)})
        self.transformer_blocks = nn.ModuleList([nn.ModuleDict({"attn2": attention})])

    def forward(self, x):
        return self.transformer_blocks[0]["attn2"]["to_q"](x.flatten(2).mT)


def network():
    return nn.ModuleDict({"input": nn.Sequential(Transformer())})


class Installer(HookInstaller):
    """Notes what is in force; ``fails`` at the attention."""

    def __init__(self, hooks, fails=False):
        super().__init__(hooks)
        self.fails, self.log, self.force = fails, [], []

    @contextmanager
    def noted(self, what):
        self.log.append(what)
        self.force.append(what)
        try:
            yield
        finally:
            self.force.remove(what)

    def on_network(self, network):
        yield self.noted("network")

    def on_attention(self, site, layer, hook):
        if self.fails:
            raise RegionalError("not this layer")
        if hook is not None:
            yield self.noted(site.name)


LAYER = "input.0.transformer_blocks.0.attn2.to_q"
HOOKS = Hooks(cross_attention=lambda call: None, layers={LAYER: lambda call: None}, renew=lambda: None)


def tables(module):
    return [(name, dict(m._forward_hooks), dict(m._forward_pre_hooks)) for name, m in module.named_modules()]


def test_everything_is_installed_and_undone():
    unet, installer = network(), Installer(HOOKS)
    before = tables(unet)
    installer.install(unet)
    assert installer.force == ["network", "input.0.transformer_blocks.0.attn2"] and tables(unet) != before and installer.network is unet
    installer.close()
    installer.close()
    assert installer.force == [] and tables(unet) == before and installer.network is None


def test_a_patch_that_cannot_be_installed_takes_back_those_before_it():
    unet, installer = network(), Installer(HOOKS, fails=True)
    before = tables(unet)
    with pytest.raises(RegionalError, match="not this layer"):
        installer.install(unet, "weights")
    assert installer.log == ["network"] and installer.force == [] and tables(unet) == before and installer.network is None
    installer.fails = False
    assert installer.follow(unet, "others") and installer.network is unet


def test_a_network_is_hooked_once_and_makes_room_for_the_next():
    first, second, installer = network(), network(), Installer(HOOKS)
    before = tables(first)
    installer.install(first, 1)
    installer.install(first, 1)
    assert not installer.follow(first, 1) and installer.log.count("network") == 1
    assert installer.follow(second, 2) and installer.network is second
    assert tables(first) == before and installer.force == ["network", "input.0.transformer_blocks.0.attn2"]


def test_hooks_that_cannot_be_renewed_do_not_follow_other_weights():
    unet, installer = network(), Installer(Hooks(cross_attention=lambda call: None))
    installer.install(unet, 1)
    with pytest.raises(RegionalError, match="weights changed during sampling"):
        installer.follow(unet, 2)


def test_the_first_prediction_of_each_network_is_checked():
    installer = Installer(Hooks(cross_attention=lambda call: None, renew=lambda: None))
    installer.install(network(), 1)
    installer.hooks.cross_attention(None)
    installer.check()
    installer.follow(network(), 2)
    with pytest.raises(RegionalError, match="cross-attention"):
        installer.check()


def test_norms_and_convolutions_are_hooked_in_steps_that_isolate_alone():
    asked, calls = [], [replace(CALL, step=StepInfo(index, 4)) for index in range(4)]
    hooks = Hooks(spatial=lambda call: asked.append((call.name, call.model.step.index)), isolates=lambda step: step.index < 2)
    first, second = (nn.ModuleDict({"conv": nn.Conv2d(4, 4, 3)}) for _ in range(2))
    installer, before = Installer(hooks), dict(vars(first["conv"]))
    installer.install(first, 1)
    for call in calls:
        with installer.running.during(call):
            assert ("forward" in vars(first["conv"])) == (call.step.index < 2)
            first["conv"](torch.zeros(1, 4, 4, 4))
    assert asked == [("conv", 0), ("conv", 1)] and vars(first["conv"]) == before
    installer.running.begin(calls[0])
    installer.install(second, 2)
    assert vars(first["conv"]) == before, "another network samples"
    installer.running.begin(calls[0])
    assert "forward" in vars(second["conv"])
    installer.close()
    assert "forward" not in vars(second["conv"])


@pytest.mark.parametrize("scope", ["pass", "call"])
def test_patches_of_a_pass_or_a_call_are_replaced_and_closed_with_the_rest(scope):
    installer = Installer(HOOKS)
    installer.install(network())
    installer.replace(scope, [installer.noted("one"), installer.noted("two")])
    installer.replace(scope, iter([installer.noted("three")]))
    assert installer.force[2:] == ["three"]
    installer.replace(scope)
    assert installer.force[2:] == []
    installer.replace(scope, [installer.noted("four")])
    installer.close()
    assert installer.force == []


def test_one_patch_that_does_not_leave_keeps_none_of_the_others():
    @contextmanager
    def stuck():
        yield
        raise ZeroDivisionError

    installer = Installer(HOOKS)
    installer.install(network())
    installer.replace("pass", [stuck()])
    with pytest.raises(ZeroDivisionError):
        installer.close()
    assert installer.force == []


def test_layers_are_called_within_an_announced_call_alone():
    unet, seen = network(), []
    installer = Installer(Hooks(layers={LAYER: seen.append}))
    installer.install(unet)
    x = torch.randn(2, 8, 4, 6)
    unet["input"](x)
    assert not seen
    with installer.running.during(CALL):
        unet["input"](x)
    assert [(call.name, call.grid, call.model) for call in seen] == [(LAYER, (4, 6), CALL)]
    unet["input"](x)
    assert len(seen) == 1


# ---------------------------------------------------------------- the running call


def test_a_nested_call_has_its_own_rows_and_grids_and_leaves_the_outer_ones():
    running = Running()
    running.begin(CALL)
    running.grids["one"] = (4, 6)
    rows = [UNetRow(1, tag="a"), UNetRow(1, tag="b"), UNetRow(0)]
    with pytest.raises(ZeroDivisionError), running.nested(rows, (2, 3)):
        assert running.now is not None and running.now.rows == (CALL.rows[1], CALL.rows[1], CALL.rows[0])
        assert (running.now.tags, running.now.latent, running.made, running.grids) == (("a", "b", None), (2, 3), (rows, 2), {})
        raise ZeroDivisionError
    assert running.now is CALL and running.grids == {"one": (4, 6)} and running.made is None


@pytest.mark.parametrize("name", ["x", "hidden_states"])
def test_grids_are_read_from_the_first_argument_however_it_is_named(name):
    running = Running()
    hook = running.grid_hook("one")
    hook(nn.Identity(), (), {name: torch.zeros(1, 2, 5, 7), "context": torch.zeros(1)})
    assert running.grids == {"one": (5, 7)}
    hook(nn.Identity(), (torch.zeros(1, 2, 3, 4),), {})
    assert running.grids == {"one": (3, 4)}
