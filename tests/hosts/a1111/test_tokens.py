"""Merged or tiled tokens in self-attention under AUTOMATIC1111: what they carry reaches the layers, regions' LoRAs find their place."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from a1111_hooks import hooked, rebuilt, snapshot
from moved_tokens import GRIDS, HYPERTILE, MOVED, blocks_of, merge_of, merging, tiles_of, tiling
from network_doubles import a1111_networks, random_network, with_loras
from webui import OPTIMISERS, Interrupted, Processing, WebUI, checkpoint

from lib_regional.webui import driver

MODEL = checkpoint()
UNET = MODEL.model.diffusion_model
ATTENTION = "input_blocks.1.1.transformer_blocks.0.attn1"
NAMES = [f"{ATTENTION}.{end}" for end in ("to_q", "to_k", "to_v", "to_out.0")]
FULL = {"box": [0, 0, 1, 1], "base_share": 0.0, "feather": 0.0}
HALVES = [{**FULL, "box": [0, 0, 0.5, 1]}, {**FULL, "box": [0.5, 0, 1, 1]}]
KINDS = {"one": "lora", "two": "lokr"}
METHODS = ["attention_couple", "latent_couple", "mask_conditioning"]


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, MODEL)


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    assert not any(m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m) or HYPERTILE in vars(m) for m in UNET.modules())


def places(model, grid):
    """Row of the batch and flat place of every token."""
    tokens = torch.arange(grid[0] * grid[1]).float().expand(len(model.rows), -1)
    return torch.stack([torch.arange(len(model.rows)).float()[:, None].expand_as(tokens), tokens], -1)


def moved(kind, values):
    """What becomes of values (B, h·w, n)."""
    return merge_of(*values.shape[:2]) @ values if kind == "merging" else tiles_of(values)


# ---------------------------------------------------------------- the adapter


@pytest.mark.parametrize("kind", MOVED)
def test_layers_are_given_what_became_of_the_tokens(webui, kind):
    p, seen = Processing(webui, ["a", "b"], ["n", "m"]), {}
    with MOVED[kind](UNET):
        plain = p.sample()
        with hooked(webui, p, token_attributes=places, layers={name: lambda call: seen.update({call.name: call}) for name in NAMES}):
            assert torch.equal(p.sample(), plain)
    for name in NAMES:
        call = seen[name]
        assert call.grid == (10, 8) and call.x.shape[:2] == call.token_attributes.shape[:2] and call.x.shape[2] == 32
        torch.testing.assert_close(call.token_attributes, moved(kind, places(call.model, call.grid)))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("kind", MOVED)
def test_carrying_changes_nothing_under_any_optimiser(webui, monkeypatch, kind, optimiser):
    monkeypatch.setattr(type(UNET.get_submodule(ATTENTION)), "forward", OPTIMISERS[optimiser])
    p, asked = Processing(webui), []
    with MOVED[kind](UNET):
        plain = p.sample()
        with hooked(webui, p, token_attributes=lambda *call: asked.append(call) or places(*call), self_attention=lambda call: None):
            assert torch.equal(p.sample(), plain)
    assert len(asked) == 7 and {grid for _, grid in asked} == set(GRIDS.values())


@pytest.mark.parametrize("kind", MOVED)
def test_self_attention_is_asked_with_the_tokens_that_run(webui, kind):
    p, seen = Processing(webui), []
    with MOVED[kind](UNET):
        plain = p.sample()
        with hooked(webui, p, token_attributes=places, self_attention=lambda call: seen.append(call) or rebuilt(call)):
            torch.testing.assert_close(p.sample(), plain, atol=1e-5, rtol=1e-4)
    assert {call.grid for call in seen} == set(GRIDS.values()) and len(seen) == 7
    for call in seen:
        torch.testing.assert_close(call.token_attributes, moved(kind, places(call.model, call.grid)))
        assert call.x.shape[:2] == call.token_attributes.shape[:2]


@pytest.mark.parametrize(
    "switch", [lambda unet: merging(torch.nn.Module()), lambda unet: tiling(unet, enabled=False)], ids=["plain", "idle"]
)
def test_tokens_that_stay_carry_nothing(webui, switch):
    p, seen = Processing(webui), []
    with switch(UNET), hooked(webui, p, token_attributes=lambda *_: pytest.fail("asked"), self_attention=seen.append):
        p.sample()
    assert len(seen) == 7 and not any(call.token_attributes is not None for call in seen)


def test_merged_and_tiled_at_once(webui):
    """Hypertile's wrapper is below the block: it tiles what is merged."""
    p, seen = Processing(webui), []
    GRIDS[60], GRIDS[16] = (10, 6), (4, 4)
    try:
        with merging(UNET), tiling(UNET), hooked(webui, p, token_attributes=places, layers={NAMES[0]: seen.append}):
            p.sample()
    finally:
        del GRIDS[60], GRIDS[16]
    torch.testing.assert_close(
        seen[0].token_attributes.sum((0, 1)), (merge_of(2, 80) @ places(seen[0].model, (10, 8))).sum((0, 1)), atol=1e-2, rtol=1e-5
    )
    assert seen[0].token_attributes.shape == (4, 30, 2)


def test_tiles_that_come_while_sampling_are_followed(webui):
    """Hypertile for the hires pass alone hangs its wrapper over what is there by then."""
    p, seen = Processing(webui), []
    with hooked(webui, p, token_attributes=places, layers={NAMES[0]: seen.append}):
        p.sample()
        attn = UNET.get_submodule(ATTENTION)
        inner, params = attn.forward, SimpleNamespace(forward=attn.forward, enabled=True)
        setattr(attn, HYPERTILE, params)
        attn.forward = lambda *args, **kwargs: tiles_back(params.forward(tiles_of(args[0]), *args[1:], **kwargs))
        p.sample()
        attn.forward = inner
        delattr(attn, HYPERTILE)
    assert seen[0].token_attributes is None and seen[0].x.shape[:2] == (2, 80)
    torch.testing.assert_close(seen[1].token_attributes, tiles_of(places(seen[1].model, (10, 8))))


def tiles_back(y):
    from moved_tokens import untiled

    return untiled(y, 80)


@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt, Interrupted, torch.cuda.OutOfMemoryError], ids=str)
@pytest.mark.parametrize("kind", MOVED)
def test_nothing_stays_behind(webui, kind, fault):
    p = Processing(webui)

    def answer(call):
        if fault is not None and call.model.step.index == 1:
            raise fault("asked for")

    with MOVED[kind](UNET):
        plain, before = p.sample(2), snapshot(webui)
        params = [dict(vars(getattr(block.attn1, HYPERTILE))) for block in blocks_of(UNET) if kind == "tiling"]
        try:
            with hooked(webui, p, token_attributes=places, layers={NAMES[0]: answer}, self_attention=lambda call: None):
                p.sample(2)
        except BaseException as error:
            assert type(error) is fault
        assert snapshot(webui) == before
        assert params == [dict(vars(getattr(block.attn1, HYPERTILE))) for block in blocks_of(UNET) if kind == "tiling"]
        assert torch.equal(p.sample(2), plain)


# ---------------------------------------------------------------- LoRAs of regions


class Rig:
    """The host with two LoRAs, its tokens merged or tiled."""

    def __init__(self, monkeypatch, kind):
        self.webui, self.moves = WebUI(monkeypatch, MODEL), MOVED[kind]
        self.files = {name: (lora, random_network(UNET, lora, seed)) for seed, (name, lora) in enumerate(KINDS.items())}
        a1111_networks(monkeypatch, UNET, self.files)

    def merged(self, prompt, **strengths):
        """The latent of a plain prompt with LoRAs merged into the whole UNet."""
        unet = with_loras(UNET, *((*self.files[name], strength) for name, strength in strengths.items()))
        self.webui.load(SimpleNamespace(**{**vars(MODEL), "model": SimpleNamespace(diffusion_model=unet, conditioning_key="crossattn")}))
        try:
            with self.moves(unet):
                return Processing(self.webui, [prompt], ["bad"]).sample(steps=2)
        finally:
            self.webui.load(MODEL)

    def regions(self, *regions, **more):
        """The latent with regions."""
        p = Processing(self.webui, ["else"], ["bad"])
        driver.begin(p, {"enabled": True, "regions": list(regions), **more})
        driver.begin_batch(p)
        with self.moves(UNET):
            return p.sample(steps=2)


@pytest.fixture(params=MOVED)
def rig(request, monkeypatch):
    return Rig(monkeypatch, request.param)


def assert_close(a, b):
    torch.testing.assert_close(a, b, atol=5e-4, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_region_over_everything_is_the_lora_merged(rig, method):
    made = rig.regions({**FULL, "prompt": "hat<lora:one:0.8><lora:two:-0.5>"}, method=method)
    merged = rig.merged("hat", one=0.8, two=-0.5)
    assert_close(made, merged)
    assert (merged - rig.merged("hat")).abs().max() > 0.005


@pytest.mark.parametrize("method", METHODS)
def test_halves_with_one_lora_are_one_region_with_it(rig, method):
    made = rig.regions(*({**half, "prompt": "hat<lora:two:0.8>"} for half in HALVES), method=method)
    assert_close(made, rig.merged("hat", two=0.8))


def test_regions_kept_apart_see_nothing_of_the_others_lora(rig):
    """No tokens of two halves are merged into one here; layers without a place are left out, as they act by shares of the canvas."""
    for _, layers in rig.files.values():
        for name in [name for name in layers if "emb" in name]:
            del layers[name]
    right = {**HALVES[1], "prompt": "dog<lora:two:0.5>"}
    for level, apart in (("all", True), ("nothing", False)):
        options = {"options": {"attention_couple": {"separate": level, "separate_until": 1.0}}}
        a, b = (rig.regions({**HALVES[0], "prompt": f"hat<lora:one:{strength}>"}, right, **options) for strength in (0.8, 0.3))
        half = a.shape[-1] // 2
        assert (a[..., :half] - b[..., :half]).abs().max() > 1e-2
        assert bool((a[..., half:] - b[..., half:]).abs().max() < 1e-4) is apart
