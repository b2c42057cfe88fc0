"""One region again: the detail pass and sequential inpainting, through the host's own img2img, and repainting."""

import base64

import numpy as np
import pytest
from client import HALVES, Made, difference, regional
from test_contract import read_back
from test_relations import SAME

TEXTS = ("a red circle on grass", "a blue square on snow")
REGIONS = [{**half, "prompt": text, "feather": 0} for half, text in zip(HALVES, TEXTS, strict=True)]
ALL = {"detail": {"enabled": True, "denoise": 0.6}}
RIGHT = [REGIONS[0], {**REGIONS[1], "detail": {"denoise": 0.6}}]


def split_at(picture: np.ndarray) -> int:
    """First column of the right half as the pass makes it anew: grown by 4 % of its shorter side."""
    height, width = picture.shape[:2]
    return width // 2 - round(0.04 * min(width // 2, height))


def changed(one: Made, other: Made) -> tuple[int, float]:
    """(largest difference left of what the right half's pass may change, mean difference in it)."""
    difference = abs(one.pixels[0] - other.pixels[0])
    at = split_at(difference)
    return int(difference[:, :at].max()), float(difference[:, at:].mean())


@pytest.fixture(scope="module")
def base(webui):
    return webui.make(regional(REGIONS))


def test_a_detail_pass_leaves_every_byte_outside_its_mask(webui, base):
    outside, inside = changed(webui.make(regional(RIGHT)), base)
    assert outside == 0 and inside > 0.2


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple", "multidiffusion", "sequential"])
def test_picture_to_infotext_to_picture(webui, method):
    first = webui.make(regional(REGIONS, method=method, options=ALL))
    assert difference(webui.make(read_back(webui, first)), first) <= SAME


def test_sequential_is_the_plain_picture_but_for_its_regions(webui):
    plain = webui.make()
    made = webui.make(regional(REGIONS[1:], method="sequential"))
    outside, inside = changed(made, plain)
    assert outside == 0 and inside > 2
    assert difference(webui.make(regional([{**REGIONS[1], "detail": False}], method="sequential")), plain) == 0


def test_each_picture_of_a_batch_is_the_single_one(webui):
    pictures = webui.make(regional(RIGHT), batch_size=2).pixels[-2:]
    single = webui.make(regional(RIGHT), seed=webui.common["seed"] + 1).pixels[0]
    assert abs(pictures[1] - single).max() <= SAME


def test_a_hires_picture_is_detailed_after_its_second_pass(webui):
    hires = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.5, "hr_second_pass_steps": 4,
             "hr_additional_modules": ["Use same choices"]}  # fmt: skip
    outside, inside = changed(webui.make(regional(RIGHT), **hires), webui.make(regional(REGIONS), **hires))
    assert outside == 0 and inside > 0.2


def test_an_interrupt_leaves_nothing_behind(webui, plain):
    webui.interrupted(regional(REGIONS, options=ALL), steps=100)
    assert difference(webui.make(), plain) == 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (regional([{**REGIONS[0], "detail": {"denoise": 2}}]), "denoise must be 1 or less"),
        (regional(REGIONS, options={"detail": {"mask_feather": -1}}), "mask_feather must be 0 or more"),
        (regional([{**REGIONS[0], "prompt": "a <lora:nowhere:1>"}], method="sequential"), "nowhere"),
    ],
)
def test_bad_input_is_refused(webui, settings, text):
    assert text in webui.refused(settings)


OTHER = [REGIONS[0], {**REGIONS[1], "prompt": "a yellow triangle on grass"}]


def repainting(asked, source=True, **options):
    return regional(asked, method="repaint", options={"repaint": {**({"source": regional(REGIONS)} if source else {}), **options}})


def kept(picture: np.ndarray) -> int:
    """Columns left of the right half, grown by one latent cell."""
    return picture.shape[1] // 2 - 8


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "DDIM"])
def test_repainting_keeps_every_byte_outside(webui, sampler):
    before = webui.make(regional(REGIONS), sampler_name=sampler).pixels[0]
    made = webui.make(repainting(OTHER), sampler_name=sampler).pixels[0]
    at = kept(before)
    assert (made[:, :at] == before[:, :at]).all() and abs(made - before)[:, at:].mean() > 2


def test_a_region_that_asks_for_what_it_had_is_the_picture_again(webui, base):
    assert difference(webui.make(repainting(REGIONS, regions=[1])), base) <= SAME


def test_repainting_comes_back_from_the_infotext(webui):
    first = webui.make(repainting(OTHER))
    assert difference(webui.make(read_back(webui, first)), first) <= SAME


def test_a_given_picture_keeps_every_byte_outside(webui, base):
    given = {"init_images": ["data:image/png;base64," + base64.b64encode(base.pngs[0]).decode()], "denoising_strength": 1.0}
    made, before = webui.make(repainting(OTHER, source=False, regions=[1]), "img2img", **given).pixels[0], base.pixels[0]
    at = kept(before)
    assert (made[:, :at] == before[:, :at]).all() and abs(made - before)[:, at:].mean() > 2


def test_repainting_without_a_picture_is_refused(webui):
    assert "options.repaint.source" in webui.refused(repainting(OTHER, source=False))
