"""A tiled wrapper on the double of Forge: each tile has the regions of its own place."""

import pytest
import torch
from forge_cases import FULL, HALVES, hooked, session, snapshot
from forge_double import Engine, Processing, WebUI
from forge_networks import Network

from lib_regional.hosts.forge.tiles import coordinates, places_of
from lib_regional.request.errors import RegionalError
from lib_regional.request.layout.regions import Layout, Region
from lib_regional.request.layout.shapes import Box
from lib_regional.request.layout.windows import Tile, Window
from lib_regional.tensors.masks.pyramid import Pyramid, reduce_weights

TILE, HEIGHT, WIDTH = (6, 8), 10, 8
TOPS = (0, 4)


class Tiled:
    """Behaviour of MultiDiffusion Integrated: tiles of 6 rows that overlap, several in a call, mean where they do.

    Of the conditions it repeats the texts, cuts what has the latent's size, and passes the rest on; its buffer is its own state.
    """

    def __init__(self, together=2):
        self.together, self.buffer, self.seen = together, None, []

    def __call__(self, apply_model, arguments):
        x, c = arguments["input"], arguments["c"]
        self.buffer, count = torch.zeros_like(x), torch.zeros_like(x)
        for start in range(0, len(TOPS), self.together):
            tops = TOPS[start : start + self.together]
            tiles = torch.cat([x[:, :, top : top + TILE[0]] for top in tops])
            rest = {key: value for key, value in c.items() if key != "c_crossattn"}
            if "control" in c:
                rest["control"] = {"middle": [torch.cat([r[:, :, top : top + TILE[0]] for top in tops]) for r in c["control"]["middle"]]}
            out = apply_model(tiles, arguments["timestep"].repeat(len(tops)), c_crossattn=c["c_crossattn"].repeat(len(tops), 1, 1), **rest)
            for top, piece in zip(tops, out.chunk(len(tops)), strict=True):
                self.buffer[:, :, top : top + TILE[0]] += piece
                count[:, :, top : top + TILE[0]] += 1
        return self.buffer / count


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, Engine(Network()))


def tile(webui, wrapper, flag=True):
    def install(_):
        patcher = webui.engine.forge_objects.unet.clone()
        patcher.set_model_unet_function_wrapper(wrapper)
        if flag:
            patcher.model_options["tiled_diffusion"] = True
        webui.engine.forge_objects.unet = patcher

    return install


def sampled(webui, regions, prompts=("other",), wrapper=None, steps=2, **more):
    p = Processing(webui, list(prompts), ["bad"] * len(prompts))
    install = tile(webui, wrapper or Tiled())
    if not regions:
        p.before_sampling[:] = [install]
        return p.sample(steps)
    with session(webui, p, regions, **more):
        p.before_sampling.insert(0, install)
        return p.sample(steps)


@pytest.mark.parametrize("together", [1, 2])
def test_a_whole_canvas_region_is_the_plain_prompt(webui, together):
    region = sampled(webui, [{**FULL, "prompt": "a thing"}], ("other", "more"), Tiled(together))
    torch.testing.assert_close(region, sampled(webui, [], ("a thing", "a thing"), Tiled(together)))


def test_tiles_know_their_place(webui):
    """What is asked for below the first tile does not act in it."""
    lower = {"box": [0, 0.6, 1, 1], "base_share": 0, "feather": 0}
    one, other = (sampled(webui, [{**lower, "prompt": text}], steps=1) for text in ("ring", "star"))
    assert torch.equal(one[:, :, :4], other[:, :, :4]) and not torch.allclose(one[:, :, 6:], other[:, :, 6:])


def test_every_tile_is_announced_by_itself(webui):
    seen = []
    p = Processing(webui, ["a", "b"], ["bad", "bad"])

    def look(call):
        if call.site.name.startswith("input"):
            seen.append((len(call.model.rows), len(call.x), call.model.latent, call.model.tile))

    with hooked(webui, p, cross_attention=look):
        p.before_sampling.insert(0, tile(webui, Tiled()))
        p.sample(1)
    assert seen == [(4, 4, TILE, Tile((HEIGHT, WIDTH), Window(top, 0, top + TILE[0], TILE[1]))) for top in TOPS]


def test_residuals_follow_their_tile(webui):
    controls = []
    webui.engine.unet.control = lambda rows: {"middle": [torch.arange(rows).float()[:, None, None, None].expand(rows, 8, HEIGHT, WIDTH)]}
    wrapper = Tiled()

    def watching(apply_model, call):
        def look(x, t, **c):
            controls.append(c.get("control"))
            return apply_model(x, t, **c)

        return wrapper(look, call)

    region = sampled(webui, [{**FULL, "prompt": "a thing"}], wrapper=watching)
    torch.testing.assert_close(region, sampled(webui, [], ("a thing",)))


@pytest.mark.parametrize("method", ["latent_couple", "multidiffusion"])
def test_methods_that_predict_the_whole_are_refused(webui, method):
    with pytest.raises(RegionalError, match=f'"{method}".*MultiDiffusion Integrated.*attention_couple'):
        sampled(webui, [{**FULL, "prompt": "a"}], method=method)


def test_tiles_that_are_no_pieces_of_the_picture_are_refused(webui):
    def turned(apply_model, arguments):
        return apply_model(arguments["input"].flip(-1), arguments["timestep"], **arguments["c"]).flip(-1)

    with pytest.raises(RegionalError, match="tiles that Regional cannot follow"):
        sampled(webui, [{**FULL, "prompt": "a"}], wrapper=turned)


def test_nothing_is_left(webui):
    before = snapshot(webui)
    sampled(webui, HALVES)
    webui.engine.reset()
    assert snapshot(webui) == before


def test_places_beyond_what_half_precision_counts(webui):
    x = torch.zeros(1, 4, 3, 300, dtype=torch.bfloat16)
    corner = coordinates(x)[:, :, 1:, 257:]
    arguments = {"input": x, "timestep": torch.zeros(1), "c": {}, "cond_or_uncond": [0]}
    assert corner[0, :, 0, 0].tolist() == [0, 1, 4, 1]
    assert places_of(lambda run, call: run(call["input"][:, :, 1:, 257:], None), arguments) == [[(1, 257)]]


def test_maps_of_a_piece_are_pieces_of_the_maps():
    pyramid = Pyramid(Layout((Region(Box(0, 0, 0.5, 1)), Region(Box(0.25, 0.5, 1, 1)))))
    whole = pyramid.at((0, 1), (12, 16), (12, 16))
    piece = pyramid.at((0, 1), (8, 8), (4, 4), tile=Tile((12, 16), Window(4, 6, 12, 14)))
    cut = type(whole)(*(maps[..., 4:12, 6:14] for maps in (whole.regions, whole.base, whole.share)))
    for cut_out, naive in zip(vars(piece).values(), vars(reduce_weights(cut, (4, 4))).values(), strict=True):
        torch.testing.assert_close(cut_out, naive)


def test_a_wrapper_that_somebody_set_on_top_stays_and_ours_is_silent(webui):
    p, called, seen = Processing(webui), [], []

    def patch(params):
        options = webui.engine.forge_objects.unet.model_options
        if not called:
            found = options["model_function_wrapper"]
            options["model_function_wrapper"] = lambda apply, arguments: called.append(1) or found(apply, arguments)

    with hooked(webui, p, cross_attention=lambda call: seen.append(call.model.tile)):
        p.before_sampling.append(tile(webui, Tiled()))
        webui.callbacks.on_cfg_denoiser(patch)
        p.sample(1)
        options = webui.engine.forge_objects.unet.model_options
    assert called and all(piece is not None for piece in seen)
    calls = []

    def apply(x, *args, **kwargs):
        calls.append(len(x))
        return x

    x = torch.randn(1, 4, HEIGHT, WIDTH)
    c = {"c_crossattn": torch.zeros(1, 77, 16)}
    options["model_function_wrapper"](apply, {"input": x, "timestep": torch.ones(1), "c": c})
    assert calls == [2], "both tiles in one call, as the wrapper itself runs them"
