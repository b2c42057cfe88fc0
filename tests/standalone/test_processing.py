"""Whole generations on a tiny random model: batches, passes, masks, rows announced to listeners, interrupts and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lib_regional.engine.calls import Row
from lib_regional.standalone.faults import RequestError
from lib_regional.standalone.pipeline import pictures
from lib_regional.standalone.sampling.denoiser import combine, row_roles, runs

SIZE = {"width": 64, "height": 64, "steps": 4, "seed": 11, "cfg_scale": 5.0}
SAMPLERS = ["DDIM", "Euler", "Euler a", "DPM++ 2M Karras", "Heun", "DPM2", "LCM"]
LONG = ", ".join(["a red circle, best quality"] * 20)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), dtype=np.int16)


def make(host, is_img2img: bool = False, **fields: Any) -> list[np.ndarray]:
    """Pictures of one generation without a grid."""
    p = host.processing(is_img2img, **{**SIZE, "prompt": "a red circle", "do_not_save_grid": True, "do_not_save_samples": True, **fields})
    return [pixels(image) for image in host.run(p).images]


def same(first: np.ndarray, second: np.ndarray, levels: int = 1) -> bool:
    return first.shape == second.shape and int(np.abs(first - second).max()) <= levels


@pytest.fixture(scope="module")
def gradient() -> Image.Image:
    """A picture whose every place differs."""
    y, x = np.mgrid[0:64, 0:64]
    return Image.fromarray(np.stack([x * 4, y * 4, (x + y) * 2], -1).astype(np.uint8))


@pytest.fixture(scope="module")
def hole() -> Image.Image:
    """White in the middle."""
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 24, 40, 48))
    return mask


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_image_k_of_a_batch_is_the_single_image_with_seed_plus_k(host, sampler):
    batch = make(host, sampler_name=sampler, batch_size=2, n_iter=2)
    assert len(batch) == 4 and not same(batch[0], batch[1], 0)
    for k in (1, 2):
        assert same(batch[k], make(host, sampler_name=sampler, seed=11 + k)[0])


def test_every_image_has_its_own_prompt(host):
    prompts, negatives = ["a red circle", "a blue square AND snow"], ["", "sand"]
    batch = make(host, prompt=prompts, negative_prompt=negatives, batch_size=2)
    for k in range(2):
        assert same(batch[k], make(host, prompt=prompts[k], negative_prompt=negatives[k], seed=11 + k)[0])


@pytest.mark.parametrize("prompt", ["a red circle", LONG, "a circle AND a square:0.5 AND snow"], ids=["short", "long", "and"])
def test_cond_and_uncond_apart_are_as_together(host, prompt):
    together = make(host, prompt=prompt, batch_size=2)
    host.options.set("batch_cond_uncond", False)
    assert all(same(a, b) for a, b in zip(together, make(host, prompt=prompt, batch_size=2), strict=True))


def test_the_same_request_gives_the_same_picture(host):
    assert np.array_equal(make(host)[0], make(host)[0])


def test_a_variation_changes_the_picture_and_moves_alone(host):
    plain = make(host)[0]
    first, second = make(host, subseed=5, subseed_strength=0.3, batch_size=2)
    assert not same(first, plain, 0) and not same(first, second, 0)
    assert same(second, make(host, subseed=6, subseed_strength=0.3)[0])


# ---------------------------------------------------------------- what listeners are given


class Ear:
    """Hears every announced call and compares it with the call that follows."""

    def __init__(self, host) -> None:
        self.calls: list[Any] = []
        self.batches: list[int] = []
        model = host.model
        inner = type(model).predict_noise

        def predict(x, timesteps, cond, control=None):
            assert len(self.calls) == len(self.batches) + 1, "a call was not announced"
            self.batches.append(len(x))
            assert (x.shape[-2], x.shape[-1]) == self.calls[-1].latent
            return inner(model, x, timesteps, cond, control)

        model.call_listeners.append(self.calls.append)
        model.predict_noise = predict

    @property
    def consistent(self) -> bool:
        return [len(call.rows) for call in self.calls] == self.batches


@pytest.fixture
def ear(host):
    yield Ear(host)
    del host.model.predict_noise


TWO = (Row(0, "cond"), Row(1, "cond"), Row(0, "uncond"), Row(1, "uncond"))


def test_rows_are_cond_first_uncond_last(host, ear):
    make(host, batch_size=2)
    assert ear.consistent and [call.rows for call in ear.calls] == [TWO] * 4
    assert [(call.step.index, call.step.total, call.step.hires, call.latent) for call in ear.calls] == [
        (index, 4, False, (8, 8)) for index in range(4)
    ]
    sigmas = [call.step.sigma for call in ear.calls]
    assert sigmas[0] == pytest.approx(14.6146, abs=1e-3) and sigmas == sorted(sigmas, reverse=True)


def test_rows_of_and_parts(host, ear):
    make(host, prompt=["red AND blue", "green"], batch_size=2, negative_prompt="")
    rows = (Row(0, "cond", 0), Row(0, "cond", 1), Row(1, "cond", 0), Row(0, "uncond"), Row(1, "uncond"))
    assert ear.consistent and ear.calls[0].rows == rows


def test_rows_of_a_batch_that_is_split(host, ear):
    host.options.set("batch_cond_uncond", False)
    make(host, batch_size=2, steps=1)
    assert ear.consistent and [call.rows for call in ear.calls] == [TWO[:2], TWO[2:]]


def test_contexts_of_different_lengths_run_apart(host, ear):
    make(host, prompt=LONG, batch_size=2, steps=1)
    assert ear.consistent and [call.rows for call in ear.calls] == [TWO[:2], TWO[2:]]


def test_padding_contexts_lets_them_run_together(host, ear):
    host.options.set("pad_cond_uncond", True)
    make(host, prompt=LONG, batch_size=2, steps=1)
    assert ear.consistent and [call.rows for call in ear.calls] == [TWO]


def test_guidance_of_one_still_runs_uncond(host, ear):
    make(host, cfg_scale=1.0, steps=1)
    assert [row.role for row in ear.calls[0].rows] == ["cond", "uncond"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_hires_makes_its_own_steps_and_says_so(host, ear, sampler):
    (image,) = make(host, sampler_name=sampler, enable_hr=True, hr_scale=1.5, denoising_strength=0.5, hr_second_pass_steps=3)
    assert image.shape == (96, 96, 3) and ear.consistent
    first, second = ([c for c in ear.calls if c.step.hires is hires] for hires in (False, True))
    times = (lambda n: 2 * n - 1) if sampler in ("Heun", "DPM2") else (lambda n: n)
    assert (len(first), len(second)) == (times(4), times(3))
    assert {call.latent for call in second} == {(12, 12)} and [c.step.index for c in second] == list(range(times(3)))
    assert {call.step.total for call in second} == {times(3)}


@pytest.mark.parametrize("sampler", ["DDIM", "Euler a", "DPM++ 2M"])
@pytest.mark.parametrize(("strength", "calls"), [(0.5, 3), (0.75, 4), (1.0, 4), (0.0, 1)])
def test_img2img_makes_as_many_calls_as_its_strength_says(host, ear, gradient, sampler, strength, calls):
    make(host, True, init_images=[gradient], sampler_name=sampler, denoising_strength=strength)
    assert len(ear.calls) == calls


def test_rows_and_runs_of_the_webui():
    assert row_roles([2, 1], 2) == (Row(0, "cond", 0), Row(0, "cond", 1), Row(1, "cond", 0), Row(0, "uncond"), Row(1, "uncond"))
    assert list(runs(3, 2, True, True)) == [slice(0, 5)]
    assert list(runs(3, 2, False, True)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(runs(3, 2, False, False)) == [slice(0, 2), slice(2, 3), slice(3, 5)]
    assert list(runs(5, 2, True, False)) == [slice(0, 4), slice(4, 5), slice(5, 7)]


def test_guidance_adds_the_weighted_differences():
    out = torch.randn(5, 4, 2, 2)
    got = combine(out, [[(0, 1.0), (1, 0.5)], [(2, 1.0)]], 2, 7.0)
    first, second = out[3] + 7 * (out[0] - out[3]) + 3.5 * (out[1] - out[3]), out[4] + 7 * (out[2] - out[4])
    torch.testing.assert_close(got, torch.stack([first, second]))


# ---------------------------------------------------------------- passes


@pytest.mark.parametrize("upscaler", ["Latent", "Latent (nearest)", "Latent (bicubic antialiased)", "Lanczos", "None"])
def test_hires_upscalers(host, upscaler):
    (image,) = make(host, enable_hr=True, hr_upscaler=upscaler, hr_scale=2, denoising_strength=0.6, steps=2)
    assert image.shape == (128, 128, 3)


@pytest.mark.parametrize(("x", "y", "shape"), [(96, 0, (96, 96)), (0, 128, (128, 128)), (96, 128, (128, 96)), (128, 72, (72, 128))])
def test_hires_sizes(host, x, y, shape):
    (image,) = make(host, enable_hr=True, hr_resize_x=x, hr_resize_y=y, denoising_strength=0.6, steps=2)
    assert image.shape == (*shape, 3)


def test_a_weak_hires_pass_keeps_the_picture(host):
    (plain,) = make(host)
    (hires,) = make(host, enable_hr=True, hr_scale=1, denoising_strength=0.01, hr_upscaler="Latent (nearest)")
    assert np.abs(hires - plain).mean() < 3


def test_hires_takes_its_own_prompt(host):
    more = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.9}
    plain, same_text, other = (make(host, **more, hr_prompt=text)[0] for text in ("", "a red circle", "a blue square on snow"))
    assert same(plain, same_text, 0) and not same(plain, other, 0)


def test_an_unknown_upscaler_is_refused(host):
    with pytest.raises(RequestError, match='"Magic" is not one of: Latent'):
        make(host, enable_hr=True, hr_upscaler="Magic")


@pytest.mark.parametrize("sampler", ["DDIM", "Euler a", "DPM++ 2M"])
def test_img2img_without_strength_stays_at_the_picture(host, gradient, sampler):
    """One call at the lowest noise level, whose sigma is 0.03 (0.04 with DDIM's first step)."""
    p = host.processing(
        True, **{**SIZE, "steps": 50, "cfg_scale": 1.0}, init_images=[gradient], denoising_strength=0.0, sampler_name=sampler
    )
    samples = []
    p.sample, inner = lambda **kwargs: samples.append(inner(**kwargs)) or samples[-1], p.sample
    host.run(p)
    want = host.model.encode_images(pictures.to_tensor(gradient)[None] * 2 - 1)
    assert float((samples[0] - want).abs().max()) < 0.2


def test_img2img_batches_are_single_images(host, gradient):
    more = {"init_images": [gradient], "denoising_strength": 0.7}
    batch = make(host, True, batch_size=2, n_iter=2, **more)
    assert all(same(batch[k], make(host, True, seed=11 + k, **more)[0]) for k in range(4))


@pytest.mark.parametrize("fill", range(4), ids=["fill", "original", "latent noise", "latent nothing"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole picture", "only masked"])
@pytest.mark.parametrize("sampler", ["Euler a", "DDIM"])
def test_inpainting_changes_the_mask_and_nothing_else(host, gradient, hole, fill, whole, sampler):
    (got,) = make(host, True, init_images=[gradient], mask=hole, mask_blur=0, inpainting_fill=fill, inpaint_full_res=not whole,
                  inpaint_full_res_padding=8, denoising_strength=0.9, sampler_name=sampler, steps=3)  # fmt: skip
    inside = np.asarray(hole) > 0
    changed = np.abs(got - pixels(gradient))
    assert changed[~inside].max() == 0 and changed[inside].mean() > 5


def test_an_inverted_mask_changes_the_rest(host, gradient, hole):
    (got,) = make(host, True, init_images=[gradient], mask=hole, mask_blur=0, inpainting_mask_invert=1, inpaint_full_res=False)
    inside = np.asarray(hole) > 0
    assert np.abs(got - pixels(gradient))[inside].max() == 0 and np.abs(got - pixels(gradient))[~inside].mean() > 5


def test_latents_outside_the_mask_stay_those_of_the_picture(host, gradient, hole):
    p = host.processing(True, **SIZE, init_images=[gradient], mask=hole, mask_blur=0, inpaint_full_res=False, inpainting_fill=1)
    samples = []
    p.sample, inner = lambda **kwargs: samples.append(inner(**kwargs)) or samples[-1], p.sample
    host.run(p)
    want = host.model.encode_images(pictures.to_tensor(gradient)[None] * 2 - 1)
    outside = torch.ones(8, 8, dtype=torch.bool)
    outside[3:6, 2:5] = False
    assert torch.equal(samples[0][0][:, outside], want[0][:, outside])


@pytest.mark.parametrize("mode", range(4))
def test_resize_modes(host, gradient, mode):
    (got,) = make(host, True, init_images=[gradient], resize_mode=mode, width=96, denoising_strength=0.3)
    assert got.shape == (64, 96, 3)


def test_resizing_crops_or_fills(gradient):
    cropped = pixels(pictures.resize_image(pictures.CROP, gradient, 64, 32))
    filled = pixels(pictures.resize_image(pictures.FILL, gradient, 128, 64))
    assert same(cropped, pixels(gradient)[16:48]) and same(filled[:, 32:96], pixels(gradient))
    assert np.array_equal(filled[:, 0], pixels(gradient)[:, 0]) and np.array_equal(filled[:, -1], pixels(gradient)[:, -1])


@pytest.mark.parametrize(
    ("box", "size", "want"),
    [
        ((16, 24, 40, 48), (64, 64), (16, 24, 40, 48)),
        ((16, 24, 40, 36), (64, 64), (16, 18, 40, 42)),
        ((0, 0, 8, 64), (64, 128), (0, 0, 32, 64)),
    ],
)
def test_the_region_of_only_masked_has_the_pictures_shape(box, size, want):
    mask = Image.new("L", (64, 64))
    mask.paste(255, box)
    assert pictures.crop_region(mask, 0, *size) == want


def test_no_picture_for_img2img_is_refused(host):
    with pytest.raises(RequestError, match="init_images"):
        make(host, True, init_images=[])


# ---------------------------------------------------------------- ends before the end


def test_an_interrupt_ends_with_what_there_is(host, ear):
    host.callbacks.add("cfg_after_cfg", lambda _: host.state.interrupt() if len(ear.calls) == 2 else None)
    made = make(host, n_iter=3)
    assert len(made) == 1 and len(ear.calls) == 2
    assert not host.state.interrupted and host.state.job_count == 0


def test_a_skip_ends_one_batch(host, ear):
    host.callbacks.add("cfg_after_cfg", lambda _: host.state.skip() if len(ear.calls) == 2 else None)
    assert len(make(host, n_iter=2)) == 2 and len(ear.calls) == 2 + 4


def test_after_an_error_the_next_picture_is_the_baseline(host):
    plain = make(host)[0]

    def broken(_):
        raise RuntimeError("out of memory")

    host.model.call_listeners.append(broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        make(host, enable_hr=True)
    host.model.call_listeners.clear()
    assert host.state.job_count == 0 and host.state.current_latent is None
    assert np.array_equal(make(host)[0], plain)


def test_values_that_are_no_numbers_make_no_picture(host):
    def poison(params):
        params.x = params.x * float("nan")

    host.callbacks.add("cfg_after_cfg", poison)
    with pytest.raises(RuntimeError, match="NaN"):
        make(host)


def test_callbacks_see_the_step_and_may_replace_what_is_read_back(host):
    seen = []

    def before(params):
        seen.append((params.denoiser.step, params.x.shape[0], params.text_cond.shape, params.text_uncond.shape))
        params.text_cond = params.text_uncond

    plain = make(host, prompt="", negative_prompt="")[0]
    host.callbacks.add("cfg_denoiser", before)
    assert same(make(host, prompt="a red circle")[0], plain, 0)
    assert seen == [(step, 2, (1, 77, 64), (1, 77, 64)) for step in range(4)]


def test_options_are_overridden_for_one_generation_only(host):
    seen = []
    host.callbacks.add("cfg_denoiser", lambda params: seen.append(host.options.pad_cond_uncond))
    make(host, override_settings={"pad_cond_uncond": True, "nonsense": 1}, steps=1)
    assert seen == [True] and host.options.pad_cond_uncond is False
