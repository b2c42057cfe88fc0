"""ControlNets under a tiled wrapper: each tile has its own regions' texts and its part of a unit's mask."""

import pytest
import torch
from forge_cases import FULL, hooked, session
from forge_controlnet_double import ControlNet, in_tiles
from forge_double import Engine, Processing, WebUI
from forge_networks import Network

from lib_regional.request.layout.windows import Tile, Window

TILE, HEIGHT, WIDTH = (6, 8), 10, 8
TOPS = (0, 4)
UPPER, LOWER = slice(0, 4), slice(6, 10)
"""Rows that only the first tile has, and rows that only the second has."""


class Tiled:
    """Behaviour of MultiDiffusion Integrated beside a ControlNet (fact 21 of its double)."""

    def __init__(self, together):
        self.together = together

    def __call__(self, apply_model, arguments):
        x, c = arguments["input"], arguments["c"]
        total, count = torch.zeros_like(x), torch.zeros_like(x)
        for start in range(0, len(TOPS), self.together):
            tops = TOPS[start : start + self.together]
            tiles, times = torch.cat([x[:, :, top : top + TILE[0]] for top in tops]), arguments["timestep"].repeat(len(tops))
            entries = {**c, "c_crossattn": c["c_crossattn"].repeat(len(tops), 1, 1)}
            if "control" in c:
                entries["control"] = in_tiles(c["control_model"], tiles, times, entries, tops, len(x))
            for top, piece in zip(tops, apply_model(tiles, times, **entries).chunk(len(tops)), strict=True):
                total[:, :, top : top + TILE[0]] += piece
                count[:, :, top : top + TILE[0]] += 1
        return total / count


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, Engine(Network()))


@pytest.fixture
def nets():
    first = ControlNet(None, 5)
    return [first, ControlNet(first, 6)]


def tiled(webui, net, together):
    """What the host's extensions do before every sampling."""

    def install(_):
        patcher = webui.engine.forge_objects.unet.clone()
        patcher.set_model_unet_function_wrapper(Tiled(together))
        patcher.model_options["tiled_diffusion"] = True
        patcher.controlnet_linked_list = net
        webui.engine.forge_objects.unet = patcher

    return install


def sampled(webui, nets, regions, prompts=("other",), together=1, steps=2):
    p = Processing(webui, list(prompts), ["bad"] * len(prompts))
    install = tiled(webui, nets[-1] if nets else None, together)
    if not regions:
        p.before_sampling[:] = [install]
        return p.sample(steps)
    with session(webui, p, regions):
        p.before_sampling.insert(0, install)
        return p.sample(steps)


@pytest.mark.parametrize("together", [1, 2])
def test_a_region_over_the_whole_canvas_is_the_plain_prompt_with_the_nets(webui, nets, together):
    region = sampled(webui, nets, [{**FULL, "prompt": "a thing"}], ("other", "more"), together)
    expected = sampled(webui, nets, [], ("a thing", "a thing"), together)
    torch.testing.assert_close(region, expected)
    assert (expected - sampled(webui, [], [], ("a thing", "a thing"), together)).abs().max() > 1e-2


@pytest.mark.parametrize("together", [1, 2])
def test_a_mask_is_the_whole_pictures_and_each_tile_has_its_part(webui, nets, together):
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[:, :, 8:] = 1
    for net in nets:
        net.advanced_mask_weighting = mask
    masked = sampled(webui, nets, [{**FULL, "prompt": "a thing"}], together=together, steps=1)
    without = sampled(webui, [], [{**FULL, "prompt": "a thing"}], together=together, steps=1)
    torch.testing.assert_close(masked[:, :, UPPER], without[:, :, UPPER])
    assert (masked - without)[:, :, LOWER].abs().max() > 1e-2
    assert all(net.advanced_mask_weighting is mask and "get_control" not in vars(net) for net in nets)


@pytest.mark.parametrize("together", [1, 2])
def test_the_nets_own_attention_knows_the_tile(webui, nets, together):
    seen, p = [], Processing(webui, ["a", "b"], ["bad", "bad"])

    def look(call):
        if call.site.controlnet:
            seen.append((call.site.name.split(".")[1], len(call.x), call.grid, call.model.tile))

    with hooked(webui, p, cross_attention=look):
        p.before_sampling.insert(0, tiled(webui, nets[-1], together))
        p.sample(1)
    tiles = [Tile((HEIGHT, WIDTH), Window(top, 0, top + TILE[0], TILE[1])) for top in TOPS]
    assert {one[1:] for one in seen[2:]} == {(4, TILE, one) for one in tiles}
    assert [one[3] for one in seen[:2]] == [None, None], "the host's own call on the whole picture, before the wrapper's"
