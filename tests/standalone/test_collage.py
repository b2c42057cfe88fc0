"""Collage refine on the standalone host: strengths per cell against a plain img2img, kept pixels, and what is refused."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.generations import encoded

HALF = 96 // 2


def url(picture, kind="PNG", **save):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **save)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def drawing():
    return np.random.default_rng(7).integers(0, 256, (64, HALF, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(3).integers(0, 256, (64, 96, 3)).astype(np.int16)


def collage(*regions, **options):
    return {"method": "collage", "regions": list(regions), "options": {"collage": options}}


def left(drawing, **more):
    return {"box": [0, 0, 0.5, 1], "prompt": "a", "feather": 0, "picture": url(Image.fromarray(drawing)), **more}


def refine(make, picture, settings, strength=0.6, **request):
    return make(
        settings, "img2img", **{"init_images": [encoded(picture)], "denoising_strength": strength, "sampler_name": "Euler", **request}
    )


def test_one_strength_everywhere_is_plain_img2img_of_the_collage(make, picture, drawing):
    whole = picture.copy()
    whole[:, :HALF] = drawing
    (made,) = refine(make, picture, collage({**left(drawing, denoise=0.6), "prompt": ""}), steps=4)
    (plain,) = refine(make, whole, None, steps=4)
    assert abs(made - plain).max() <= 1


def test_in_txt2img_each_step_is_that_of_the_collage_noised(served, make, drawing):
    """A second, naive way: with Euler a held cell is ``collage + sigma · noise`` and a free one is not; strengths .5 and .25, 8 steps."""
    _, host = served
    seen = []
    host.callbacks.add(
        "cfg_denoiser", lambda params: seen.append((float(params.sigma.max()), params.x[0].clone())), script="probe", name=None
    )
    right = {"box": [0.5, 0, 1, 1], "prompt": "b", "denoise": 0.25, "feather": 0}
    settings = collage(left(drawing, denoise=0.5), right, colour="#808080")
    try:
        make(settings, sampler_name="Euler", steps=8)
    finally:
        host.callbacks.clear()
    levels = np.full((64, 96, 3), 128, np.uint8)
    levels[:, :HALF] = drawing
    clean = host.model.encode_images(torch.from_numpy(levels / np.float32(255)).permute(2, 0, 1)[None] * 2 - 1)
    noises = [(x - clean[0]) / sigma for sigma, x in seen]
    held = [[float((noise - noises[0])[..., part].abs().max()) < 0.05 for noise in noises] for part in (slice(0, 6), slice(6, 12))]
    assert held == [[at <= 4 for at in range(8)], [at <= 6 for at in range(8)]]


def test_steps_without_a_free_cell_call_no_network(served, make, drawing):
    _, host = served
    calls = []
    counting = host.model.unet.conv_in.register_forward_hook(lambda *_: calls.append(1))
    try:
        make(collage(left(drawing, denoise=0.25), outside=0.25, colour="#102030"), steps=8, sampler_name="Euler")
    finally:
        counting.remove()
    assert len(calls) == 3  # the first step, and the two with free cells


def test_strength_0_keeps_the_collages_pixels(make, picture, drawing):
    settings = collage(left(drawing, denoise=0))
    (made,) = refine(make, picture, settings)
    assert (made[:, :HALF] == drawing).all() and abs(made - picture)[:, HALF + 16 :].mean() > 2
    (made,) = make(collage(left(drawing, denoise=0), colour="#808080"))
    assert (made[:, :HALF] == drawing).all() and abs(made[:, HALF + 16 :] - 128).mean() > 2


def test_more_strength_is_further_from_the_picture(make, picture, drawing):
    far = [abs(refine(make, picture, collage(left(drawing, denoise=s)), steps=5)[0][:, :HALF] - drawing).mean() for s in (0.1, 0.5, 0.9)]
    assert far[0] < far[1] < far[2]


def test_the_picture_below_is_made_first_without_the_regions_that_have_pictures(make, drawing):
    region = {"box": [0.5, 0, 1, 1], "prompt": "b", "feather": 0, "denoise": 0}
    (below,) = make({"regions": [region | {"denoise": None}]})
    (made,) = make(collage(left(drawing), region))
    assert abs(made[:, HALF:] - below[:, HALF:]).max() <= 1 and abs(made - below)[:, : HALF - 16].max() > 8


@pytest.mark.parametrize("by", ["latent_couple", "latent_composite", "rag"])
def test_the_regions_prompts_act_by_each_method(make, picture, drawing, by):
    one, other = (refine(make, picture, collage(left(drawing) | {"prompt": text}, by=by))[0] for text in "ac")
    assert abs(one - other)[:, :HALF].max() > 2


@pytest.mark.parametrize("sampler", ["Euler a", "Heun", "DPM++ 2M", "DDIM"])
def test_every_kind_of_sampler_holds_what_is_not_free(make, picture, drawing, sampler):
    """A tiny strength frees the last step alone: the picture stays nearer to the collage than one of full strength."""
    near, far = (refine(make, picture, collage(left(drawing, denoise=s)), 0.9, steps=4, sampler_name=sampler)[0] for s in (0.02, 0.9))
    away = [abs(one[:, : HALF - 16] - drawing[:, : HALF - 16].astype(int)).mean() for one in (near, far)]
    assert away[0] < away[1]


def test_each_picture_of_a_batch_is_the_single_one_and_hires_works(make, drawing):
    settings = collage(left(drawing))
    for at, made in enumerate(make(settings, batch_size=2)[-2:]):
        assert abs(made - make(settings, seed=11 + at)[0]).max() <= 1
    hires = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.6}
    (made,) = make(collage(left(drawing, denoise=0)), **hires)
    large = np.asarray(Image.fromarray(drawing).resize((72, 96), Image.Resampling.LANCZOS), np.int16)
    assert made.shape == (96, 144, 3) and (made[:, :72] == large).all()


def test_the_infotext_brings_it_back(post, make, drawing):
    import json

    from lib_regional.request.infotext import find_in_text

    answer = post(collage(left(drawing, denoise=0.3), colour="#123456"))
    found = find_in_text(json.loads(answer.json()["info"])["infotexts"][0])
    assert found is not None and found.regions[0].denoise == 0.3
    assert (make(found.to_json())[0] == make(collage(left(drawing, denoise=0.3), colour="#123456"))[0]).all()


NO_PICTURE = "data:image/png;base64," + base64.b64encode(b"no picture at all").decode()

CUT_OFF = url(Image.effect_noise((64, 64), 50))[:3000]


@pytest.mark.parametrize(
    ("region", "options", "method", "texts"),
    [
        ({"picture": NO_PICTURE}, {}, "collage", ["regions[0].picture", "a picture as a data URL"]),
        ({"picture": "https://example.com/a.png"}, {}, "collage", ["regions[0].picture", "a picture as a data URL"]),
        ({"picture": CUT_OFF}, {}, "collage", ["regions[0].picture"]),
        ({"denoise": 1.5}, {}, "collage", ["regions[0].denoise", "1 or less", "1.5"]),
        ({"denoise": -0.1}, {}, "collage", ["regions[0].denoise", "0 or more"]),
        ({"fit": "middle"}, {}, "collage", ["regions[0].fit", "contain"]),
        ({}, {"outside": 2}, "collage", ["options.collage.outside", "1 or less"]),
        ({}, {"colour": "red"}, "collage", ["options.collage.colour", "#rrggbb"]),
        ({"picture": url(Image.new("RGB", (8, 8)))}, {}, "attention_couple", ["regions[0].picture", "methods that have it: collage"]),
        ({"denoise": 0.5}, {}, "rag", ["regions[0].denoise", "methods that have it: collage"]),
    ],
)  # fmt: skip
def test_what_cannot_work_is_named_before_sampling(post, monkeypatch, region, options, method, texts):
    from lib_regional.standalone.sampling.run import Sampler

    for name in ("sample", "sample_img2img"):
        monkeypatch.setattr(Sampler, name, lambda *_, **__: pytest.fail("sampling began"))
    answer = post({**collage({"box": [0, 0, 1, 1], "prompt": "a", **region}, **options), "method": method})
    assert answer.status_code == 422 and all(text in answer.text for text in texts), answer.text


def test_a_colour_in_img2img_and_a_picture_of_another_size_are_refused(post, picture, drawing):
    request = {"init_images": [encoded(picture)], "denoising_strength": 0.9}
    answer = post(collage(left(drawing), colour="#000000"), "img2img", **request)
    assert answer.status_code == 422 and "options.collage.colour" in answer.text
    answer = post(collage(left(drawing)), "img2img", **{**request, "init_images": [encoded(picture[:32])]})
    assert answer.status_code == 422 and "96×64" in answer.text
