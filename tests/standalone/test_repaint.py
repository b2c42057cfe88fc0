"""Repainting on the standalone host: what is outside keeps its bytes, and a region that asks for what it had is the picture again."""

from __future__ import annotations

import numpy as np
import pytest

from lib_regional.standalone.sampling.samplers import ALL_SAMPLERS
from tests.support.generations import encoded

LEFT, RIGHT = {"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b"}
SOURCE = {"enabled": True, "regions": [LEFT, RIGHT]}
FIRST = 96 // 2 - 8
"""First column that may change: the right half, grown by a latent cell."""


def again(*regions, source=SOURCE, **options):
    return {"method": "repaint", "regions": list(regions), "options": {"repaint": {"source": source, **options}}}


OTHER = again(LEFT, {**RIGHT, "prompt": "c"})
SAME = again(LEFT, RIGHT, regions=[1])


@pytest.mark.parametrize("by", ["attention_couple", "latent_couple", "latent_composite"])
def test_outside_every_byte_stays(make, by):
    (before,) = make(SOURCE)
    (made,) = make(again(LEFT, {**RIGHT, "prompt": "c"}, by=by))
    assert (made[:, :FIRST] == before[:, :FIRST]).all() and abs(made - before)[:, FIRST + 16 :].max() > 8


@pytest.mark.parametrize("sampler", [spec.name for spec in ALL_SAMPLERS])
def test_a_region_that_asks_for_what_it_had_is_the_picture_again(make, sampler):
    """Both runs begin with one noise and go on with one noise, whatever the sampler."""
    before, made = make(SOURCE, sampler_name=sampler), make(SAME, sampler_name=sampler)
    assert abs(made[0] - before[0]).max() <= 1


def test_the_sources_own_method_and_options_make_the_earlier_picture(make):
    source = {**SOURCE, "method": "latent_couple", "options": {"detail": {"enabled": True, "scale": 1, "margin": 0}}}
    (before,) = make(source)
    (made,) = make(again(LEFT, {**RIGHT, "prompt": "c"}, source=source))
    assert (made[:, :FIRST] == before[:, :FIRST]).all() and (made != before).any()


def test_a_region_with_a_seed_is_another_one_and_the_rest_keeps_its_bytes(make):
    (before,) = make(SOURCE)
    first, second = (make(again(LEFT, {**RIGHT, "seed": seed}, regions=[1]))[0] for seed in (5, 6))
    for made, other in ((first, before), (second, first)):
        assert (made[:, :FIRST] == before[:, :FIRST]).all() and abs(made - other)[:, FIRST + 16 :].max() > 8


def test_a_moved_region_changes_where_it_was_and_where_it_is(make):
    source = {"enabled": True, "regions": [LEFT, {"box": [0.5, 0, 0.75, 0.5], "prompt": "b"}]}
    (before,) = make(source)
    (made,) = make(again(LEFT, {"box": [0.75, 0.5, 1, 1], "prompt": "b"}, source=source))
    changed = (made != before).any(-1)
    assert not changed[:, :FIRST].any() and changed[4:28, 52:68].any() and changed[36:, 76:].any()
    assert not changed[44:, 48:64].any()


def test_the_place_of_a_removed_region_is_the_bases(make):
    (before,) = make(SOURCE)
    (made,) = make(again(LEFT))
    assert (made[:, :FIRST] == before[:, :FIRST]).all() and (made != before).any()


def test_until_from_the_region_follows_the_earlier_picture(make):
    (before,) = make(SOURCE, steps=6)
    made = [make(again(LEFT, {**RIGHT, "prompt": "c"}, **{"from": share}), steps=6)[0] for share in (0, 0.5)]
    far, near = (abs(one - before)[:, FIRST:].mean() for one in made)
    assert 0 < near < far


def test_each_picture_of_a_batch_is_the_single_one(make):
    pictures = make(OTHER, batch_size=2, n_iter=2)[-4:]
    for at, picture in enumerate(pictures):
        assert abs(picture - make(OTHER, seed=11 + at)[0]).max() <= 1


def test_a_hires_pass_is_repainted_too(make):
    hires = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.6}
    (before,) = make(SOURCE, **hires)
    (same,), (made,) = make(SAME, **hires), make(OTHER, **hires)
    assert abs(same - before).max() <= 1
    assert (made[:, : 144 // 2 - 8] == before[:, : 144 // 2 - 8]).all() and (made != before).any()


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(3).integers(0, 256, (64, 96, 3)).astype(np.int16)


def given(make, picture, settings, **request):
    return make(settings, "img2img", init_images=[encoded(picture)], denoising_strength=0.9, **request)


def test_a_given_picture_keeps_its_bytes_outside(make, picture):
    (made,) = given(make, picture, again(LEFT, RIGHT, source=None, regions=[1]))
    assert (made[:, :FIRST] == picture[:, :FIRST]).all() and abs(made - picture)[:, FIRST + 16 :].mean() > 2
    both = given(make, picture, again(LEFT, RIGHT, source=None, regions=[1]), batch_size=2)[-2:]
    assert abs(both[0] - made).max() <= 1 and (both[1][:, :FIRST] == picture[:, :FIRST]).all()


def test_the_whole_of_a_given_picture_is_plain_img2img(make, picture):
    whole = {"box": [0, 0, 1, 1], "prompt": "c", "feather": 0}
    (made,) = given(make, picture, again(whole, source=None, regions=[0]))
    assert abs(made - given(make, picture, None, prompt="c")[0]).max() <= 2


def test_outside_the_latent_is_the_pictures_own_at_every_step(served, make, picture):
    """Blended latent diffusion: with Euler the sampler's latent is ``picture + sigma · noise`` there, step by step."""
    _, host = served
    seen = []
    host.callbacks.add(
        "cfg_denoiser", lambda params: seen.append((float(params.sigma.max()), params.x[0].clone())), script="probe", name=None
    )
    try:
        given(make, picture, again(LEFT, RIGHT, source=None, regions=[1]), sampler_name="Euler")
    finally:
        host.callbacks.clear()
    outside = [(sigma, x[:, :, : FIRST // 8]) for sigma, x in seen]
    noises = [(x - outside[-1][1]) / (sigma - outside[-1][0]) for sigma, x in outside[:-1]]
    assert len(noises) > 1 and max(float((one - noises[0]).abs().max()) for one in noises) < 1e-3


@pytest.mark.parametrize(
    ("settings", "request_", "text"),
    [
        (again(LEFT, RIGHT, source=None, regions=[1]), {}, "options.repaint.source"),
        (again(LEFT, RIGHT), {}, "none differs from the source"),
        (again({**LEFT, "name": "n", "colour": "#102030"}, RIGHT), {}, "none differs from the source"),
        (again(LEFT, RIGHT, regions=[2]), {}, "numbers from 0 to 1"),
        (again(LEFT, RIGHT, regions=[-1]), {}, "a list of region numbers from 0"),
        (again(LEFT, source={"regions": [{"box": [0, 0, 2, 1]}]}), {}, "options.repaint.source.regions[0].box"),
        (again(LEFT, source={**SOURCE, "method": "mrgd"}), {}, "options.repaint.source.method"),
        (again(LEFT, source={**SOURCE, "text_from": "break"}), {}, "options.repaint.source.text_from"),
        (again(LEFT, source={**SOURCE, "base": {"prompt": "other"}}), {}, "must be the same as in the source"),
        (OTHER, {"refiner_checkpoint": "other", "refiner_switch_at": 0.5}, "one checkpoint"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_named_before_sampling(post, monkeypatch, settings, request_, text):
    from lib_regional.standalone.sampling.run import Sampler

    for name in ("sample", "sample_img2img"):
        monkeypatch.setattr(Sampler, name, lambda *_, **__: pytest.fail("sampling began"))
    answer = post(settings, **request_)
    assert answer.status_code == 422 and text in answer.text, answer.text


def test_a_picture_of_another_size_is_refused(post, picture):
    settings = again(LEFT, RIGHT, source=None, regions=[1])
    answer = post(settings, "img2img", init_images=[encoded(picture[:32])], denoising_strength=0.9)
    assert answer.status_code == 422 and "96×64" in answer.text


def test_an_interrupt_of_the_earlier_run_ends_all(served, make, monkeypatch):
    from lib_regional.webui.inner import host as inner

    _, host = served
    (before,) = make(SOURCE)
    monkeypatch.setattr(inner, "stopped", lambda: True)
    (ended,) = make(OTHER)
    monkeypatch.undo()
    assert (ended == before).all() and host.model.call_listeners == []
    assert (make(SOURCE)[0] == before).all()
