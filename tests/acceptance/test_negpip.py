"""Negative weights in regions' texts beside the genuine NegPip; skipped on hosts without it."""

import pytest
from client import FULL, HALVES, difference, regional

SAME = 2
ON, OFF = {"scripts": {"NegPiP": [True]}}, {"scripts": {"NegPiP": [False]}}
TEXT = "a (red circle:-1.3) square on grass"
METHODS = ["attention_couple", "latent_couple", "multidiffusion", "latent_composite", "rag", "mask_conditioning"]


@pytest.fixture(scope="module")
def plain_text(webui):
    """The plain picture with a negative weight, by the extension itself."""
    if "negpip" not in {name.lower() for name in webui.get("/sdapi/v1/scripts")["txt2img"]}:
        pytest.skip("this host has no NegPip")
    return webui.make(prompt=TEXT, **ON)


@pytest.mark.parametrize("method", METHODS)
def test_a_region_over_the_whole_canvas_is_the_plain_prompt_with_it(webui, plain_text, method):
    without = webui.make(prompt=TEXT.replace("(red circle:-1.3)", ""), **OFF)
    assert difference(plain_text, without) > 10 * SAME
    made = webui.make(regional([{**FULL, "prompt": TEXT}], method=method), prompt="something else", **ON)
    assert difference(made, plain_text) <= SAME
    assert "NegPiP Active: True" in made.infotexts[0]


@pytest.mark.parametrize("method", METHODS[:2])
def test_the_main_prompts_and_the_negatives_negative_weights_act_too(webui, plain_text, method):
    half = regional([{**HALVES[0], "prompt": "a blue ring", "weight": 0}], method=method)
    assert difference(webui.make(half, prompt=TEXT, **ON), plain_text) <= SAME
    turned = {"prompt": "a blue ring", "negative_prompt": "(blue:-1), snow", **ON}
    whole = regional([{**FULL, "prompt": "a blue ring", "negative": "(blue:-1), snow"}], method=method)
    assert difference(webui.make(whole, prompt="x", **ON), webui.make(**turned)) <= SAME
    assert difference(webui.make(half, **turned), webui.make(**turned)) <= SAME


def test_it_acts_in_its_own_half(webui, plain_text):
    """In the one step, in which no half knows of the other but by the decoder."""

    def made(text):
        regions = [{**HALVES[0], "prompt": "a blue ring", "feather": 0}, {**HALVES[1], "prompt": text, "feather": 0}]
        return webui.make(regional(regions, method="latent_couple"), **ON, steps=1, sampler_name="Euler")

    with_it, without = (made(text).pixels[0] for text in (TEXT, TEXT.replace("(red circle:-1.3)", "")))
    change = abs(with_it - without).mean(axis=(0, 2))
    middle = len(change) // 2
    assert change[middle:].mean() > 2 * change[:middle].mean()


def test_a_batch_and_a_hires_pass(webui, plain_text):
    """Not a schedule: the extension's changes some steps before the host's."""
    request = {"batch_size": 2, "enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.6, "hr_upscaler": "Latent",
               "hr_additional_modules": ["Use same choices"], **ON}  # fmt: skip
    made = webui.make(regional([{**FULL, "prompt": TEXT}]), prompt="x", **request)
    assert difference(made, webui.make(prompt=TEXT, **request)) <= SAME


def test_without_it_a_negative_weight_is_the_hosts(webui, plain_text):
    made = webui.make(regional([{**FULL, "prompt": TEXT}]), prompt="x", **OFF)
    assert difference(made, webui.make(prompt=TEXT, **OFF)) <= SAME
    assert "NegPiP" not in made.infotexts[0]


def test_a_method_that_does_not_follow_it_says_so(webui, plain_text):
    message = webui.refused(regional([{**FULL, "prompt": TEXT}], method="sequential"), **ON)
    assert "NegPiP acts on the main prompt alone" in message


def test_afterwards_all_is_as_before(webui, plain_text, plain):
    webui.make(regional([{**FULL, "prompt": TEXT}]), **ON)
    assert webui.make().pngs == plain.pngs
    assert difference(webui.make(prompt=TEXT, **ON), plain_text) == 0
