"""The estimate of what a picture costs against what the methods really have the UNet predict."""

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from isolation_cases import FULL, HALVES, TWO, images, plan_of, predict
from toy import rows, toy_model

from lib_regional.request.cost import estimate

TRAINED = 8  # the toy's own size
QUADRANTS = [{"box": [x / 2, y / 2, (x + 1) / 2, (y + 1) / 2], "prompt": f"{x}{y}"} for y in (0, 1) for x in (0, 1)]
ODD = [
    {"box": [0.1, 0.05, 0.55, 0.7], "prompt": "a", "negative": "n"},
    {"ellipse": [0.5, 0.3, 0.95, 0.9], "prompt": "b", "base_share": 0.2},
]
SCALES = [{**TWO[0], "cfg_scale": 3.0}, {**TWO[1], "negative": "n"}]


@pytest.fixture(scope="module")
def model():
    return toy_model()


def work(shapes):
    """GFLOP of SD1.5's UNet for rows of these shapes, counted by torch (tests/request/test_cost.py)."""
    return sum(n * (3.0 + 0.1655 * h * w + 7.3e-6 * (h * w) ** 2) for n, _, h, w in shapes)


def predicted(model, plan, height, width):
    """Work of one step with the plan ÷ that of a plain step: the shapes that reach the UNet are all that counts.

    Its layers run only where hooks in them are asked whether they acted.
    """
    shapes, own = [], model.unet.forward
    runs = plan.settings.method in ("latent_composite", "rag")

    def counted(sample, *rest, **more):
        shapes.append(sample.shape)
        return own(sample, *rest, **more) if runs else UNet2DConditionOutput(torch.zeros_like(sample))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.unet, "forward", counted)
        predict(model, plan, x=images(rows(), height, width))
    return work(shapes) / work([(2, 4, height, width)])


CASES = [
    pytest.param("latent_couple", {}, id="full"),
    pytest.param("latent_couple", {"mode": "crop", "halo": 0, "soft_from": 0}, id="crop"),
    pytest.param("latent_couple", {"mode": "crop", "halo": 0, "soft_from": 1}, id="crop, sharp"),
    pytest.param("latent_couple", {"mode": "crop", "halo": 5, "soft_from": 0}, id="crop with a halo"),
    pytest.param("multidiffusion", {"bootstrap": 0, "soft_from": 0}, id="multidiffusion"),
    pytest.param("multidiffusion", {"bootstrap": 1, "soft_from": 0}, id="multidiffusion, bootstrapping"),
    pytest.param("multidiffusion", {"bootstrap": 0, "crop": "window", "overlap": 0.25, "soft_from": 1}, id="windows"),
    pytest.param("multidiffusion", {"bootstrap": 0, "total": 0.3, "total_from": 0, "soft_from": 0}, id="total"),
    pytest.param("latent_composite", {"alone": 1}, id="composite, alone"),
    pytest.param("latent_composite", {"alone": 0, "after": "latent_couple"}, id="composite, afterwards"),
    pytest.param("rag", {"bind": 1}, id="RAG, bound"),
    pytest.param("mask_conditioning", {}, id="masks"),
    pytest.param("mask_conditioning", {"base_strength": 1}, id="masks over the base"),
]
LAYOUTS = {
    "halves": TWO,
    "quadrants": QUADRANTS,
    "odd": ODD,
    "whole": [{**FULL, "prompt": "a"}],
    "one half": [{**HALVES[0], "prompt": "a"}],
}


@pytest.mark.parametrize(("method", "options"), CASES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_estimate_is_what_is_predicted(model, method, options, layout):
    """Roughly: the estimate knows rectangles, the methods know which cells a soft border really reaches."""
    height, width = 32, 48
    plan = plan_of(method, {"regions": LAYOUTS[layout], "options": {method: options}}, size=(8 * width, 8 * height))
    estimated = estimate(plan.settings, plan.size, plan.first.texts[0], TRAINED).ratio
    assert estimated == pytest.approx(predicted(model, plan, height, width), rel=0.15)


@pytest.mark.parametrize("method", ["latent_couple", "mask_conditioning"])
def test_scales_and_negatives_of_regions_are_in_it(model, method):
    plan = plan_of(method, {"regions": SCALES}, size=(128, 128))
    estimated = estimate(plan.settings, plan.size, plan.first.texts[0], TRAINED).ratio
    assert estimated == pytest.approx(predicted(model, plan, 16, 16), rel=0.01) and estimated == pytest.approx(2.0)


def test_without_overlap_masks_with_strengths_are_latent_couple(model):
    """So their figures of placing are the same."""
    layouts = ([*QUADRANTS], [{**r, "feather": 0.2} for r in ODD[:1]])
    for regions in layouts:
        made = [predict(model, plan_of(m, {"regions": regions}), x=images(rows(), 16, 16)) for m in ("latent_couple", "mask_conditioning")]
        torch.testing.assert_close(*made, atol=2e-5, rtol=1e-4)
