"""Isolated regions beside Forge's ControlNets: what is isolated in the network is in the nets too, also in tiles and on reForge."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch
from forge_cases import snapshot
from forge_controlnet_double import ControlNet, ReforgeNet
from forge_double import Engine, Interrupted, Processing, WebUI
from forge_networks import Network
from isolation_cases import plan_of
from shapes import Launches
from torch import nn

from lib_regional.hosts.registry import find_host
from lib_regional.methods import open_session
from tests.hosts.forge.test_control_in_tiles import TILE, tiled
from tests.support.half import CASES, runs_here

APART = {"isolate_until": 1}
OWN_TYPE = [case for case in CASES if case.autocast is None and runs_here(case)]
"""Forge computes without autocast."""
KINDS = pytest.mark.parametrize("kind", [ControlNet, ReforgeNet], ids=["forge", "reforge"])


class Norm(nn.GroupNorm):
    """In the type of its input, as Forge's layers that cast their weights."""


class Encoder(nn.Module):
    """Two transformers on two grids behind a picture, with norms and strided convolutions."""

    @torch.inference_mode()
    def __init__(self, seed=5):
        super().__init__()
        own = Network(seed)
        torch.manual_seed(seed)
        self.input_blocks, self.middle_block, self.down, self.time = own.input_blocks, own.middle_block, own.down, own.time
        convs = [nn.Conv2d(inputs, 8, 3, stride, 1) for inputs, stride in ((3, 1), (8, 2), (8, 2), (8, 2))]
        self.input_hint_block = nn.Sequential(*(layer for conv in convs for layer in (conv, nn.SiLU())))
        self.in_layers = nn.Sequential(Norm(4, 8), nn.SiLU(), nn.Conv2d(8, 8, 3, padding=1))
        self.norm, self.zero, self.seen = Norm(2, 8), nn.Conv2d(8, 8, 1), []
        self.eval().requires_grad_(False)

    def forward(self, x, hint, timesteps, context, y=None):
        x, context, hint = (one.to(self.zero.weight) for one in (x, context, hint))
        h = self.input_blocks[0][0](x) + self.input_hint_block(hint)
        h = h + self.in_layers(h) + self.time(timesteps[:, None].to(h) / 1000)[:, :, None, None]
        h = self.input_blocks[1][1](self.norm(self.input_blocks[1][0](h)), context, {"block": ("input", 1)})
        low = self.middle_block[1](self.down(h), context, {"block": ("middle", 0)})
        made = self.zero(h + nn.functional.interpolate(low, h.shape[-2:]))
        self.seen.append(made)
        return [made]


def net_of(kind=ControlNet, start=64, dtype=torch.float32):
    """A net whose one picture serves all rows; see `picture`."""
    net = kind()
    with torch.inference_mode():
        net.control_model = Encoder().to(dtype)
    net.cond_hint = net.picture = picture(start)
    return net


def picture(start=64):
    """One control picture, another one from column ``start`` on."""
    made, other = torch.rand(2, 1, 3, 80, 64, generator=torch.Generator().manual_seed(1))
    return torch.cat([made[..., :start], other[..., start:]], -1)


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, Engine(Network()))


def regions_of(*texts):
    boxes = [[at / len(texts), 0, (at + 1) / len(texts), 1] for at in range(len(texts))]
    return [{"box": box, "prompt": text, "feather": 0} for box, text in zip(boxes, texts, strict=True)]


HALVES, OTHER = regions_of("a red hat", "snow"), regions_of("a red hat", "a blue square")


def placed(net):
    def install(p):
        patcher = p.webui.engine.forge_objects.unet.clone()
        patcher.controlnet_linked_list = net
        p.webui.engine.forge_objects.unet = patcher

    return install


def sampled(webui, net, regions, options=None, steps=1, install=None, prompt="main"):
    """The latent, and the net's last residuals (2, 8, 10, 8)."""
    p, install = Processing(webui, [prompt], ["bad"]), install or placed(net)
    if regions is None:
        p.before_sampling[:] = [install]
        return p.sample(steps), net.control_model.seen[-1]
    given = {"regions": regions, "options": {"attention_couple": options or {}}}
    plan = plan_of("attention_couple", given, p.prompts, p.negatives, (64, 80), 4)
    host = find_host(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass, install]
    with open_session(host, plan):
        return p.sample(steps), net.control_model.seen[-1]


def change(one, other):
    """Largest change in the left half and in the right."""
    found = (one.double() - other.double()).abs()
    return float(found[..., :4].max()), float(found[..., 4:].max())


@KINDS
@pytest.mark.parametrize("limit", [99, 1], ids=["together", "apart"])
def test_nothing_of_a_region_reaches_another_by_the_net(webui, kind, limit):
    """Neither of its text nor of its half of the picture; and so not in the latents over the steps, to the bit."""
    webui.limit = limit
    for options, reaches in ((APART, False), ({}, True)):
        before, after = sampled(webui, net_of(kind), HALVES, options, 2), sampled(webui, net_of(kind, 32), OTHER, options, 2)
        for one, other in zip(before, after, strict=True):
            left, right = change(one, other)
            assert (left > 0) == reaches and right > 1e-3


@pytest.mark.half
@pytest.mark.parametrize("case", OWN_TYPE, ids=lambda case: case.name)
def test_and_in_half_precision(monkeypatch, case):
    with torch.inference_mode():
        webui = WebUI(monkeypatch, Engine(Network().to(case.dtype)))
    _, before = sampled(webui, net_of(dtype=case.dtype), HALVES, APART)
    _, after = sampled(webui, net_of(start=32, dtype=case.dtype), OTHER, APART)
    left, right = change(before, after)
    assert left == 0 and right > 1e-3 and before.dtype == case.dtype and torch.isfinite(before).all()


@KINDS
@pytest.mark.parametrize("options", [{}, APART, {"isolate_until": 0.25, "local_until": 0.5}], ids=str)
def test_a_region_over_the_whole_canvas_is_the_plain_prompt_with_the_net(webui, kind, options):
    made, _ = sampled(webui, net_of(kind), regions_of("a thing"), options, 2)
    torch.testing.assert_close(made, sampled(webui, net_of(kind), None, steps=2, prompt="a thing")[0])


@pytest.mark.parametrize("together", [1, 2])
def test_in_tiles_each_has_its_own_parts(webui, together):
    """Three regions above each other, tiles of 6 rows from the rows 0 and 4: the second region is below the first, and above the third."""
    edges = (0, 0.4, 0.6, 1)

    def regions(second):
        texts = ("a red hat", second, "a tree")
        return [{"box": [0, top, 1, end], "prompt": text, "feather": 0} for top, end, text in zip(edges, edges[1:], texts, strict=False)]

    found = {}
    for options in (APART, {}):
        for text in ("snow", "rain"):
            net = net_of()
            sampled(webui, net, regions(text), options, install=tiled(webui, net, together))
            found[options == APART, text] = net.control_model.seen[-2:]
    for apart in (True, False):
        first, second = ((one - other).abs() for one, other in zip(found[apart, "snow"], found[apart, "rain"], strict=True))
        assert first.shape[-2:] == TILE and min(first[:, :, 4:].max(), second[:, :, :2].max()) > 1e-3
        assert all((one.max() > 1e-5) == (not apart) for one in (first[:, :, :4], second[:, :, 2:])), "to rounding: no boxes"


def test_behind_the_steps_that_isolate_it_launches_what_it_does_without(webui):
    counts = []

    def count(*_):
        counts.append(Launches().__enter__())

    def counted(*_):
        counts[-1].__exit__(None, None, None)

    for options in ({"isolate_until": 0.5}, {}):
        net = net_of()
        net.control_model.register_forward_pre_hook(count)
        net.control_model.register_forward_hook(counted)
        sampled(webui, net, HALVES, options, 4)
    launches = [one.all.total() for one in counts]
    assert launches[2:4] == launches[6:8] and launches[6] < launches[1] < 1.7 * launches[6], launches


@KINDS
@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt, Interrupted, torch.cuda.OutOfMemoryError], ids=str)
@pytest.mark.parametrize("place", ["input_hint_block.2", "input_blocks.1.1.transformer_blocks.0.attn1.to_out", "norm"])
def test_nothing_stays_on_the_net_however_sampling_ends(webui, kind, fault, place):
    net, inside = net_of(kind), []
    encoder = net.control_model

    def fail(*_):
        inside.append("forward" in vars(encoder.norm))
        if fault is not None and len(inside) > 1:
            raise fault

    encoder.get_submodule(place).register_forward_hook(fail)

    def state():
        kept = [{k: v for k, v in vars(module).items() if k != "seen"} for module in encoder.modules()]
        return snapshot(webui), [{k: dict(v) if isinstance(v, dict) else v for k, v in one.items()} for one in kept]

    before = state()
    with suppress(BaseException if fault is KeyboardInterrupt else fault or ()):
        sampled(webui, net, HALVES, APART, 3)
    assert state() == before and "get_control" not in vars(net) and all(inside) and len(inside) > 1
