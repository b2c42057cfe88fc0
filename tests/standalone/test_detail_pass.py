"""The detail pass and sequential inpainting on the standalone host, against the same img2img asked for by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from lib_regional.tensors.masks.growth import faded_inside, grown
from tests.support.generations import encoded

SIZE = (96, 64)  # width, height
BOX = [0.5, 0.25, 1, 1]
REGION = {"box": BOX, "prompt": "a"}
ON = {"detail": {"enabled": True, "scale": 1, "margin": 8, "denoise": 0.7}}


def mask_of(box, height=64, width=96):
    """The region, grown by 4 % of its shorter side."""
    import torch

    left, top, right, bottom = (round(share * side) for share, side in zip(box, (width, height) * 2, strict=True))
    mask = torch.zeros(height, width)
    mask[top:bottom, left:right] = 1
    return grown(mask, round(0.04 * min(right - left, bottom - top)))


def by_hand(make, base, box, text, seed=11, denoise=0.7, margin=8, **request):
    """The pass on ``base`` as one img2img of the cut-out, blended by the faded mask."""
    mask = mask_of(box)
    rows, columns = (mask.any(axis).nonzero()[:, 0] for axis in (1, 0))
    left, top = max(0, int(columns[0]) - margin), max(0, int(rows[0]) - margin)
    right, bottom = min(96, int(columns[-1]) + 1 + margin), min(64, int(rows[-1]) + 1 + margin)
    wide, high = (max(64, -(-side // 8) * 8) for side in (right - left, bottom - top))
    cut = Image.fromarray(base[top:bottom, left:right].astype(np.uint8)).resize((wide, high), Image.Resampling.LANCZOS)
    area = Image.fromarray((mask[top:bottom, left:right].numpy() * 255).astype(np.uint8)).resize((wide, high), Image.Resampling.NEAREST)
    given = {"init_images": [encoded(np.asarray(cut))], "mask": encoded(np.asarray(area)), "width": wide, "height": high}
    kept = {"mask_blur": 0, "inpainting_fill": 1, "inpaint_full_res": False}
    (inner,) = make(None, "img2img", prompt=text, seed=seed, denoising_strength=denoise, **given, **kept, **request)
    inner = np.asarray(Image.fromarray(inner.astype(np.uint8)).resize((right - left, bottom - top), Image.Resampling.LANCZOS), np.float64)
    alpha = faded_inside(mask, round(0.02 * 64)).numpy()[top:bottom, left:right, None]
    result = base.astype(np.float64)
    result[top:bottom, left:right] += alpha * (inner - result[top:bottom, left:right])
    return result


def test_it_is_the_hosts_own_inpainting_of_the_cut_out(make):
    (base,) = make({"regions": [REGION]})
    (detailed,) = make({"regions": [REGION], "options": ON})
    expected = by_hand(make, base, BOX, "a")
    assert abs(detailed - expected).max() <= 2  # the cut-out was rounded to 8 bits once more by hand
    outside = mask_of(BOX).numpy() == 0
    assert (detailed[outside] == base[outside]).all() and abs(detailed - base).max() > 8


def test_regions_follow_each_other_by_priority(make):
    regions = [{**REGION, "priority": 1}, {"box": [0.25, 0, 0.75, 1], "prompt": "b", "seed": 5, "negative": "n"}]
    (base,) = make({"regions": regions})
    (detailed,) = make({"regions": regions, "options": ON})
    first = by_hand(make, base, [0.25, 0, 0.75, 1], "b", seed=5, negative_prompt="bad, n")
    expected = by_hand(make, first.round(), BOX, "a")
    assert abs(detailed - expected).max() <= 3


def test_sequential_is_the_plain_picture_with_regions_made_anew(make):
    (base,) = make()
    options = {"sequential": {"scale": 1, "margin": 8}}
    (made,) = make({"method": "sequential", "regions": [REGION], "options": options})
    assert abs(made - by_hand(make, base, BOX, "a", denoise=1.0)).max() <= 2
    (none,) = make({"method": "sequential", "regions": [{**REGION, "detail": False}]})
    assert (none == base).all()


def test_steps_and_cfg_scale_of_its_own(make):
    region = {**REGION, "cfg_scale": 6.0, "detail": {"steps": 5, "denoise": 0.5, "scale": 1, "margin": 8}}
    (base,) = make({"method": "latent_couple", "regions": [region]})
    (off,) = make({"method": "latent_couple", "regions": [{**region, "detail": False}]})
    assert abs(base - by_hand(make, off, BOX, "a", denoise=0.5, steps=5, cfg_scale=6.0)).max() <= 2


def test_each_picture_of_a_batch_is_the_single_one(make):
    asked = {"regions": [REGION], "options": ON}
    pictures = make(asked, batch_size=2, n_iter=2)[-4:]
    for at, picture in enumerate(pictures):
        (single,) = make(asked, seed=11 + at)
        assert abs(picture - single).max() <= 2


def test_a_hires_picture_is_detailed_in_its_own_size(make):
    hires = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.5}
    (base,) = make({"regions": [REGION]}, **hires)
    (made,) = make({"regions": [REGION], "options": ON}, **hires)
    outside = mask_of(BOX, 96, 144).numpy() == 0
    assert made.shape == (96, 144, 3) and (made[outside] == base[outside]).all() and (made != base).any()


def test_text_from_the_prompt_and_the_batchs_tags_reach_the_pass(served, post, monkeypatch):
    """What the host is asked for, with the LoRA tags that act on the whole picture."""
    from lib_regional.webui.inner import host as inner

    asked = []
    monkeypatch.setattr(inner, "inpainted", lambda p, request: asked.append(request))
    settings = {"text_from": "break", "grid": {"ratios": "1,1"}, "regions": [{}, {}], "common": "c", "options": ON}
    assert post(settings, prompt="a<lora:star:0.5> BREAK b").status_code == 200
    assert [(one.prompt, one.negative) for one in asked] == [("c, a<lora:star:0.5>", "bad"), ("c, b", "bad")]
    asked.clear()
    assert post({"regions": [REGION], "options": ON}, prompt="main <lora:star:0.5>").status_code == 200
    assert [one.prompt for one in asked] == ["a<lora:star:0.5>"]


def test_an_interrupt_ends_it_and_keeps_what_is_whole(served, make, monkeypatch):
    _, host = served
    regions = [REGION, {"box": [0, 0, 0.5, 0.5], "prompt": "b"}]
    from lib_regional.webui.inner import host as inner

    (first,) = make({"regions": [REGION, {**regions[1], "detail": False}], "options": ON})
    (base,) = make({"regions": regions})
    real, calls = inner.inpainted, []

    def interrupted(p, request):
        calls.append(request.job)
        if len(calls) == 2:
            host.state.interrupt()
        return real(p, request)

    monkeypatch.setattr(inner, "inpainted", interrupted)
    (made,) = make({"regions": regions, "options": ON})
    assert len(calls) == 2 and host.model.call_listeners == []
    right = mask_of(BOX).numpy() > 0
    assert abs(made - base)[right].max() > 8 and abs(made - base)[~right].max() == 0 and first.shape == made.shape
    (after,) = make({"regions": regions})
    assert (after == base).all()


def test_all_inner_generations_are_on_the_progress_bar(served, make, monkeypatch):
    _, host = served
    from lib_regional.standalone.state import State

    seen = []
    done = State.nextjob
    monkeypatch.setattr(State, "nextjob", lambda self: (seen.append((self.job_no, self.job_count)), done(self))[1])
    make({"regions": [REGION, {"box": [0, 0, 0.5, 0.5], "prompt": "b"}], "options": ON}, n_iter=2)
    assert seen == [(at, 6) for at in range(6)]


def test_a_fault_within_is_the_requests_own_and_leaves_nothing(served, post, make, monkeypatch):
    from lib_regional.standalone.pipeline.img2img import StableDiffusionProcessingImg2Img

    _, host = served
    (base,) = make()
    monkeypatch.setattr(StableDiffusionProcessingImg2Img, "sample", lambda self, **_: 1 / 0)
    assert post({"regions": [REGION], "options": ON}).status_code == 500
    monkeypatch.undo()
    assert (make()[0] == base).all() and host.model.call_listeners == []


def test_what_cannot_work_is_named_before_sampling(served, post, monkeypatch):
    from lib_regional.standalone.sampling.run import Sampler

    for name in ("sample", "sample_img2img"):
        monkeypatch.setattr(Sampler, name, lambda *_, **__: pytest.fail("sampling began"))
    missing = {"method": "sequential", "regions": [{**REGION, "prompt": "a <lora:nowhere:1>"}]}
    answer = post(missing)
    assert answer.status_code == 422 and "nowhere" in answer.text and "Region 1" in answer.text
    import modules.processing

    monkeypatch.delattr(modules.processing, "StableDiffusionProcessingImg2Img")
    answer = post({"regions": [REGION], "options": ON})
    assert answer.status_code == 422 and "img2img" in json.dumps(answer.json())
