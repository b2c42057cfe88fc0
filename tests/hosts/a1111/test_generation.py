"""Attention couple on the genuine ldm UNet, from the script's argument to the latent: relations that hold for any weights."""

import copy
import re
from types import SimpleNamespace

import pytest
import torch
from ldm.modules.attention import CrossAttention
from webui import OPTIMISERS, Denoiser, Processing, WebUI, checkpoint, plain_forward

from lib_regional.request.attention_maps import AttentionMaps
from lib_regional.request.errors import RegionalError
from lib_regional.webui import driver

MODEL = checkpoint()
FULL = {"box": [0, 0, 1, 1], "base_share": 0.0, "feather": 0.0}
LEFT, RIGHT = ({"box": box, "base_share": 0.0, "feather": 0.0} for box in ([0, 0, 0.5, 1], [0.5, 0, 1, 1]))


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, MODEL)


def generate(p, *regions, **more):
    """The latent after two steps with these regions; without regions the host alone."""
    argument = {"enabled": True, "regions": list(regions), **more} if regions else None
    driver.begin(p, argument)
    driver.begin_batch(p)
    return p.sample(steps=2)


def assert_close(a, b):
    torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_one_region_over_the_whole_canvas_is_the_plain_prompt(webui, monkeypatch, optimiser):
    monkeypatch.setattr(CrossAttention, "forward", OPTIMISERS[optimiser])
    plain = generate(Processing(webui, ["a red hat"]))
    assert_close(generate(Processing(webui, ["something else"]), {**FULL, "prompt": "a red hat"}), plain)


def test_one_text_everywhere_is_the_plain_prompt(webui):
    regions = [{**LEFT, "prompt": "main"}, {**RIGHT, "prompt": "main"}]
    assert_close(generate(Processing(webui), *regions), generate(Processing(webui)))


def test_two_texts_are_another_picture(webui):
    regions = [{**LEFT, "prompt": "one"}, {**RIGHT, "prompt": "two"}]
    assert (generate(Processing(webui), *regions) - generate(Processing(webui))).abs().max() > 1e-3


def test_a_schedule_switches_where_the_hosts_own_does(webui):
    text = "[a:b:0.25] c"
    assert_close(generate(Processing(webui), {**FULL, "prompt": text}), generate(Processing(webui, [text])))


def test_the_order_of_regions_is_no_matter(webui):
    regions = [{**LEFT, "prompt": "one"}, {**RIGHT, "prompt": "two"}]
    assert_close(generate(Processing(webui), *regions), generate(Processing(webui), *reversed(regions)))


def test_cond_and_uncond_apart_are_the_same_as_together(webui, monkeypatch):
    regions = [{**LEFT, "prompt": "one", "negative": "x"}, {**RIGHT, "prompt": "two"}]
    together = generate(Processing(webui), *regions)
    monkeypatch.setattr(
        Denoiser, "_chunks", lambda self, x, contexts, _: torch.cat([self.unet(a, b) for a, b in zip(x.split(1), contexts.split(1))])
    )
    assert_close(generate(Processing(webui), *regions), together)


def test_hypernetworks_act_on_the_regions_texts_too(webui, monkeypatch):
    monkeypatch.setattr(CrossAttention, "forward", plain_forward)
    webui.shared.loaded_hypernetworks.append(SimpleNamespace(keys=lambda t: t * 0.5, values=lambda t: t + 0.25))
    assert_close(generate(Processing(webui, ["else"]), {**FULL, "prompt": "a red hat"}), generate(Processing(webui, ["a red hat"])))


def test_and_keeps_its_parts(webui):
    """Base share 1: the regions have no say, and a prompt with AND is what it is without them."""
    p = Processing(webui, ["a AND b:0.5", "c"], ["n", "m"])
    assert_close(generate(p, {**FULL, "base_share": 1.0, "prompt": "x"}), generate(Processing(webui, ["a AND b:0.5", "c"], ["n", "m"])))


def test_every_image_of_a_batch_has_its_own_texts(webui):
    split = {"text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}}
    both = generate(Processing(webui, ["a BREAK b", "c BREAK c"], ["n", "n"]), {}, {}, **split)
    plain = generate(Processing(webui, ["d", "c, c"], ["n", "n"]), {"box": [0, 0, 1, 1], "prompt": "c", "base_share": 0.0, "feather": 0.05})
    assert_close(both[1], plain[1])
    assert (both[0] - plain[0]).abs().max() > 1e-3


def test_disabled_and_afterwards_are_the_host_alone(webui):
    plain = generate(Processing(webui))
    generate(Processing(webui), {**FULL, "prompt": "x"})
    assert torch.equal(generate(Processing(webui)), plain)


def test_a_copied_or_reused_p_samples_itself(webui):
    region, p = {**FULL, "prompt": "x"}, Processing(webui)
    first = generate(p, region)
    assert_close(generate(p, region), first)
    assert_close(generate(copy.copy(p), region), first)
    assert not any(webui.callbacks.lists.values())


def test_a_replaced_unet_is_an_error_and_no_picture(webui):
    webui.sd_unet.current_unet = object()
    with pytest.raises(RegionalError, match="TensorRT"):
        generate(Processing(webui), {**FULL, "prompt": "x"})
    webui.sd_unet.current_unet = None
    assert torch.equal(generate(Processing(webui)), generate(Processing(webui)))


def test_a_checkpoint_that_changes_is_followed(webui):
    """Refiner: from the second step on another checkpoint, with its own text encoder."""
    region, other = {**FULL, "prompt": "a red hat"}, checkpoint("two.safetensors", width=24, seed=1)

    def refined(p, *regions):
        webui.load(MODEL)
        driver.begin(p, {"enabled": True, "regions": list(regions)} if regions else None)
        driver.begin_batch(p)
        return p.sample(steps=3, switch=(1, other))

    assert_close(refined(Processing(webui, ["something else"]), region), refined(Processing(webui, ["a red hat"])))
    webui.load(MODEL)


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_attention_maps_are_kept_and_change_nothing(webui, method, monkeypatch):
    monkeypatch.setattr("lib_regional.webui.recording.word_positions", lambda host: lambda text: [1, 2])
    regions, maps = [{**LEFT, "prompt": "one"}, {**RIGHT, "prompt": "two"}], AttentionMaps()
    before, p = generate(Processing(webui), *regions, method=method), Processing(webui)
    driver.begin(p, {"enabled": True, "regions": regions, "method": method, "attention_maps": "mine"}, maps)
    driver.begin_batch(p)
    assert torch.equal(p.sample(steps=2), before)
    assert [[one.region for one in image] for image in maps.of("mine")] == [[0, 1]]
    assert all(0 < one.peak <= 1 and len(one.levels) == one.grid[0] * one.grid[1] for one in maps.of("mine")[0])
    assert "attention_maps" not in str(p.extra_generation_params)


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_regions_are_scored_and_the_picture_is_the_same(webui, method, monkeypatch):
    regions = [{**LEFT, "prompt": "one"}, {**RIGHT, "prompt": "two"}]
    off, unscored = Processing(webui), {"scores": {"enabled": False}}
    driver.begin(off, {"enabled": True, "regions": regions, "method": method, "options": unscored})
    driver.begin_batch(off)
    before = off.sample(steps=4)
    monkeypatch.setattr("lib_regional.webui.recording.word_places", lambda host: lambda text: [(text, (1, 2))])
    p = Processing(webui)
    driver.begin(p, {"enabled": True, "regions": regions, "method": method})
    driver.begin_batch(p)
    assert torch.equal(p.sample(steps=4), before)
    value = p.extra_generation_params["Regional score"]
    assert re.fullmatch(r"[01]\.\d\d \(1: [01]\.\d\d, 2: [01]\.\d\d\)", value(p=p, index=0, position_in_batch=0, iteration=0))
    driver.forget(p)
    assert "Regional score" not in p.extra_generation_params
