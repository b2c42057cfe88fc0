"""Hires fix, img2img and inpainting: regions stay where they are, and neutral regions change nothing."""

import base64

import numpy as np
import pytest
from client import FULL, HALVES, difference, regional, wobble
from test_relations import METHODS, SAME

HIRES = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.7, "hr_second_pass_steps": 6,
         "hr_additional_modules": ["Use same choices"]}  # fmt: skip


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple", "latent_composite", "rag", "mask_conditioning"])
def test_hires_of_a_whole_canvas_region_is_the_plain_hires_picture(webui, method):
    """MultiDiffusion is left out: its second pass has more than one window."""
    region = webui.make(regional([{**FULL, "prompt": "a blue square"}], method=method), prompt="other", **HIRES)
    plain = webui.make(prompt="a blue square", **HIRES)
    assert region.pixels[0].shape[0] == round(webui.common["height"] * 1.5)
    assert difference(region, plain) <= SAME


def test_hires_keeps_the_regions(webui):
    rights = ("a blue square on snow", "a red circle on night")
    made = [
        webui.make(regional([{**HALVES[0], "prompt": "a red circle on grass", "feather": 0, "base_share": 0},
                             {**HALVES[1], "prompt": right, "feather": 0, "base_share": 0}]), **HIRES).pixels[0]
        for right in rights
    ]  # fmt: skip
    changed, middle = abs(made[0] - made[1]), made[0].shape[1] // 2
    assert changed[:, middle:].mean() > 1.4 * changed[:, :middle].mean()


@pytest.fixture(scope="module")
def init(plain):
    return "data:image/png;base64," + base64.b64encode(plain.pngs[0]).decode()


def test_img2img_of_a_whole_canvas_region_is_the_plain_img2img(webui, init):
    more = {"route": "img2img", "init_images": [init], "denoising_strength": 0.75}
    region = webui.make(regional([{**FULL, "prompt": "a blue square"}]), prompt="other", **more)
    assert difference(region, webui.make(prompt="a blue square", **more)) <= wobble(webui, None, prompt="a blue square", **more)


@pytest.mark.parametrize("method", METHODS[1:])
def test_so_it_is_with_every_method_in_img2img(webui, init, method):
    script = regional([{**FULL, "prompt": "a blue square"}], method=method)
    more = {"route": "img2img", "init_images": [init], "denoising_strength": 0.75, "prompt": "a blue square"}
    assert difference(webui.make(script, **{**more, "prompt": "other"}), webui.make(**more)) <= wobble(webui, None, **more)


def test_img2img_places_what_the_regions_say(webui, init):
    more = {"route": "img2img", "init_images": [init], "denoising_strength": 0.9}
    left = {**HALVES[0], "prompt": "a red circle on grass", "feather": 0, "base_share": 0}
    one, other = (webui.make(regional([left, {**HALVES[1], "prompt": right, "feather": 0, "base_share": 0}]), **more).pixels[0]
                  for right in ("a blue square on snow", "a red circle on night"))  # fmt: skip
    changed, middle = abs(one - other), one.shape[1] // 2
    assert changed[:, middle:].mean() > 1.4 * changed[:, :middle].mean()


@pytest.fixture(scope="module")
def masked(init, plain):
    """An inpainting request for the right half."""
    import io

    from PIL import Image

    mask = np.zeros((*plain.pixels[0].shape[:2],), np.uint8)
    mask[:, mask.shape[1] // 2 :] = 255
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return {"route": "img2img", "init_images": [init], "mask": base64.b64encode(buffer.getvalue()).decode(), "mask_blur": 0,
            "inpainting_fill": 1, "inpaint_full_res": False, "denoising_strength": 0.9}  # fmt: skip


def test_inpainting_leaves_what_is_not_masked(webui, masked, plain):
    made = webui.make(regional([{**HALVES[1], "prompt": "a blue square on snow"}]), **masked)
    changed = abs(made.pixels[0] - plain.pixels[0])
    middle = changed.shape[1] // 2
    assert changed[:, : middle - 8].max() <= SAME
    assert changed[:, middle:].mean() > 5


@pytest.mark.parametrize("only_masked", [False, True], ids=["whole picture", "only masked"])
@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_inpainting_with_a_whole_canvas_region_is_the_plain_inpainting(webui, masked, method, only_masked):
    more = {**masked, "prompt": "a blue square", "inpaint_full_res": only_masked, "inpaint_full_res_padding": 16}
    made = webui.make(regional([{**FULL, "prompt": "a blue square"}], method=method), **{**more, "prompt": "other"})
    assert difference(made, webui.make(**more)) <= wobble(webui, None, **more)
