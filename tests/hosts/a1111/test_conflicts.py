"""Other extensions' patches beside ours, in the shapes that they have: each works together with the regions or is refused at once.

The shapes (what is replaced where, and when in a generation), not the arithmetic, are those of ControlNet, its IP-Adapter, NegPip,
tiled diffusion and ADetailer.
"""

from types import SimpleNamespace

import pytest
import torch
from a1111_hooks import snapshot
from webui import Denoiser, Processing, WebUI, _merge, _project, _softly, context

from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.request.errors import RegionalError
from lib_regional.webui import driver
from tests.hosts.a1111.test_generation import FULL, LEFT, MODEL, RIGHT, assert_close, generate


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, MODEL)


@pytest.fixture
def layers(webui):
    """The cross-attention layers; their own ``forward`` comes back afterwards."""
    unet = webui.model.model.diffusion_model
    found = [module for name, module in unet.named_modules() if name.endswith(".attn2")]
    yield found
    for module in (*found, unet):
        vars(module).pop("forward", None)
        vars(module).pop("ipadapter_hacks", None)


TWO = ({**LEFT, "prompt": "one"}, {**RIGHT, "prompt": "two"})

# ---------------------------------------------------------------- IP-Adapter (of ControlNet)


def adapter_forward(self, x, context=None, **kwargs):
    """Its own attention, without hypernetworks, to whose result every function of ``ipadapter_hacks`` adds before the output projection."""
    own = x if context is None else context
    heads = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2).flatten(0, 1) for t in (self.to_q(x), self.to_k(own), self.to_v(own)))
    q, k, v = heads
    attended = _softly(q * self.scale, k, v)
    for f in self.ipadapter_hacks:
        attended = attended + f(self, x, q)
    return _merge(self, attended)


def picture_attention(strength=1.0):
    """Attention to a picture's four tokens, beside the text's."""

    def added(attn, x, q):
        keys, values = (torch.randn(q.shape[0], 4, q.shape[2], generator=torch.Generator().manual_seed(n)) for n in (1, 2))
        return _softly(q * attn.scale, keys, values) * strength

    return added


def adapt(layers, strength=1.0):
    for layer in layers:
        layer.ipadapter_hacks = [picture_attention(strength)]
        layer.forward = adapter_forward.__get__(layer, type(layer))


def test_a_pictures_attention_is_added_to_the_regions(webui, layers):
    """Whole-canvas region = the plain prompt with the adapter; two regions differ from both the one without it and the plain one."""
    without = generate(Processing(webui), *TWO)
    adapt(layers)
    plain = generate(Processing(webui, ["a red hat"]))
    assert_close(generate(Processing(webui, ["else"]), {**FULL, "prompt": "a red hat"}), plain)
    assert (generate(Processing(webui), *TWO) - without).abs().max() > 1e-2


def test_an_adapter_of_no_strength_changes_nothing(webui, layers):
    without = generate(Processing(webui), *TWO)
    adapt(layers, strength=0.0)
    assert_close(generate(Processing(webui), *TWO), without)


def test_the_adapter_stays_where_it_was(webui, layers):
    adapt(layers)
    before = snapshot(webui)
    generate(Processing(webui), *TWO)
    assert snapshot(webui) == before


# ---------------------------------------------------------------- NegPip and the like


def negative_tokens_forward(layer):
    """Closes over the layer, calls no original: keys as they are, the values of marked tokens turned round."""

    def forward(x, context=None, mask=None, value=None, additional_tokens=None, *args, **kwargs):
        q, k, v = _project(layer, x, context)
        return _merge(layer, _softly(q * layer.scale, k, torch.cat([v[:, :-2], -v[:, -2:]], 1)))

    return forward


def test_attention_of_another_kind_is_refused(webui, layers):
    for layer in layers:
        layer.forward = negative_tokens_forward(layer)
    before = snapshot(webui)
    with pytest.raises(RegionalError, match="test_conflicts.*own cross-attention"):
        generate(Processing(webui), *TWO)
    assert snapshot(webui) == before


def test_it_is_refused_to_methods_whose_regions_are_rows_of_their_own(webui, layers):
    """It would read their tokens as those of the host's text: a picture without the marked tokens' effect, in silence."""
    for layer in layers:
        layer.forward = negative_tokens_forward(layer)
    before = snapshot(webui)
    with pytest.raises(RegionalError, match="test_conflicts.*nothing of the regions' texts"):
        with A1111Host(webui.model).patched(Hooks(unet=lambda call: None)):
            pytest.fail("patched")
    assert snapshot(webui) == before


def test_attention_replaced_after_ours_is_found_out(webui, layers):
    """Put on during process_before_every_sampling, it lies on top and never asks us."""
    p = Processing(webui)

    def late(_):
        for layer in layers:
            layer.forward = negative_tokens_forward(layer)

    p.before_sampling.append(late)
    with pytest.raises(RegionalError, match="in place of Regional's"):
        generate(p, *TWO)
    assert webui.state.interrupted


def test_one_layer_replaced_after_ours_is_found_out(webui, layers):
    p = Processing(webui)
    p.before_sampling.append(lambda _: setattr(layers[3], "forward", negative_tokens_forward(layers[3])))
    with pytest.raises(RegionalError, match="in place of Regional's"):
        generate(p, *TWO)


def test_without_regions_they_are_none_of_our_business(webui, layers):
    for layer in layers:
        layer.forward = negative_tokens_forward(layer)
    plain = generate(Processing(webui))
    driver.begin(p := Processing(webui), {"enabled": False})
    assert torch.equal(p.sample(steps=2), plain)


# ---------------------------------------------------------------- ControlNet


def control_forward(unet, marker):
    """Runs the blocks itself with residuals of its own, after taking the marker off the contexts that it marked."""
    original = unet.forward

    def forward(x, timesteps=None, context=None, **kwargs):
        texts = context[:, 1:] if marker else context
        return original(x, timesteps, context=texts, **kwargs) + 0.1 * x

    forward.__module__ = "scripts.hook"
    return forward


def marked(p):
    """A marker token before every context, as ControlNet marks positive and negative rows."""
    inner = p.sample

    def sample(*args, **kwargs):
        positive, negative = p.conds()

        def mark(entries):
            return [entry._replace(cond=torch.cat([torch.full((1, entry.cond.shape[1]), 9.0), entry.cond])) for entry in entries]

        for image in positive.batch:
            for part in image:
                part.schedules = mark(part.schedules)
        p.conds = lambda: (positive, [mark(entries) for entries in negative])
        return inner(*args, **kwargs)

    p.sample = sample
    return p


@pytest.mark.parametrize("marker", [False, True], ids=["plain contexts", "marked contexts"])
def test_control_and_regions_act_together(webui, layers, marker):
    unet = webui.model.model.diffusion_model
    unet.forward = control_forward(unet, marker)

    def made(prompt, *regions):
        p = Processing(webui, [prompt])
        return generate(marked(p) if marker else p, *regions)

    plain = made("a red hat")
    assert_close(made("else", {**FULL, "prompt": "a red hat"}), plain)
    assert (made("else", *TWO) - plain).abs().max() > 1e-2


def test_methods_that_call_the_unet_are_refused_under_control(webui, layers):
    unet = webui.model.model.diffusion_model
    unet.forward = control_forward(unet, False)
    before = snapshot(webui)
    with (
        pytest.raises(RegionalError, match=r"scripts\.hook.*attention_couple"),
        A1111Host(webui.model).patched(Hooks(unet=lambda call: None)),
    ):
        raise AssertionError("must not be entered")
    assert snapshot(webui) == before


# ---------------------------------------------------------------- tiled diffusion


@pytest.mark.parametrize("batch", [1, 2], ids=["a tile at a time", "tiles in batches"])
def test_tiles_are_refused(webui, monkeypatch, batch):
    """The sampler's inner model is replaced: it cuts the latent and calls the UNet for tile after tile, or for several at once."""

    def tiled(self, rows, cond, uncond, images):
        positive, tiles = torch.cat([cond, uncond]), rows.split(5, 2)
        for start in range(0, len(tiles), batch):
            self.unet(torch.cat(tiles[start : start + batch]), torch.cat([positive] * batch))
        return rows

    monkeypatch.setattr(Denoiser, "_run", tiled)
    with pytest.raises(RegionalError, match="tiled one"):
        generate(Processing(webui), *TWO)


# ---------------------------------------------------------------- generations within a generation


def test_an_inner_generation_is_the_hosts_alone_unless_asked(webui):
    """ADetailer runs the sampler for another p between ours: with no argument of ours it is what it is without Regional."""
    p, plain, inner = Processing(webui), generate(Processing(webui, ["face"], width=32)), []
    regions = {**FULL, "prompt": "x"}
    expected = generate(Processing(webui, ["face"], width=32), regions)

    def detail(*regions):
        inner.append(generate(Processing(webui, ["face"], width=32), *regions))

    p.before_sampling[:] = [lambda _: detail(), lambda _: detail(regions)]
    outer = generate(p, *TWO)
    assert torch.equal(inner[0], plain)
    assert_close(inner[1], expected)
    assert_close(outer, generate(Processing(webui), *TWO))


def test_prompts_that_another_extension_expands_late_are_the_ones_used(webui):
    """Dynamic Prompts writes p.all_prompts in its process, the batch takes its prompts from there."""
    split = {"text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}}
    p = Processing(webui, ["{a|b} BREAK c"])
    driver.begin(p, {"enabled": True, "regions": [{}, {}], **split})
    p.prompts = p.all_prompts = ["a BREAK c"]
    driver.begin_batch(p)
    assert_close(p.sample(steps=2), generate(Processing(webui, ["a BREAK c"]), {}, {}, **split))


def test_prompts_expanded_to_a_wrong_number_stop_the_picture(webui):
    p = Processing(webui, ["a BREAK c"])
    driver.begin(p, {"enabled": True, "regions": [{}, {}], "text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}})
    p.prompts = p.all_prompts = ["only one"]
    driver.begin_batch(p)  # where the host would only log it
    with pytest.raises(RegionalError):
        p.sample(steps=2)


def test_contexts_changed_under_way_reach_only_the_base(webui):
    """cfg_denoiser callbacks may replace text_cond: the base follows, the regions keep their own texts."""

    def swapped(p, *regions):
        def swap(params):
            params.text_cond.copy_(torch.stack([context("other")]))

        webui.callbacks.on_cfg_denoiser(swap)
        try:
            return generate(p, *regions)
        finally:
            webui.callbacks.remove_callbacks_for_function(swap)

    assert_close(swapped(Processing(webui), {**FULL, "prompt": "a"}), generate(Processing(webui, ["a"])))
    half = {**LEFT, "prompt": "a"}
    assert_close(swapped(Processing(webui), half), generate(Processing(webui, ["other"]), half))


def test_an_adapter_that_knows_no_hypernetworks_adds_what_it_adds(webui, layers):
    """With no strength it must not take the hypernetworks off the regions either."""
    webui.shared.loaded_hypernetworks.append(SimpleNamespace(keys=lambda t: t * 0.5, values=lambda t: t + 0.25))
    without = generate(Processing(webui, negatives=[""]), {**FULL, "prompt": "a", "negative": "b"})
    adapt(layers, strength=0.0)
    assert_close(generate(Processing(webui, negatives=[""]), {**FULL, "prompt": "a", "negative": "b"}), without)
