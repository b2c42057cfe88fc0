"""Regions whose words are found while sampling: first the base alone, then what the found masks would do as masks, image by image."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from isolation_cases import FULL, assert_same, images, latent, plan_of, predict
from toy import rows, toy_model

from lib_regional.engine.calls import Row
from lib_regional.engine.records.word_record import WordRecord
from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.request.layout.mask_codecs import decode_rle

METHODS = ["attention_couple", "latent_couple", "mask_conditioning"]
BASES = ("red hat", "hat blue")
NONE = ("bad", "bad")
TWO = [
    {"words": {"text": "hat", "probe": 0.3}, "feather": 0, "prompt": "a"},
    {"words": "blue", "feather": 0, "enabled": False, "prompt": "b"},
]


@pytest.fixture(scope="module")
def model():
    return toy_model()


def places(text):
    return [(word, (at + 1,)) for at, word in enumerate(text.split())]


def searching(method, regions=TWO, prompts=BASES, **more):
    plan = plan_of(method, {"regions": regions}, prompts=prompts, negatives=NONE[: len(prompts)], **more)
    return replace(plan, words=WordRecord(plan.layout, prompts, plan.first.steps, places))


def with_masks(method, plan, image):
    """The same plan for one image, with its found masks drawn from the beginning."""
    masks = [{"mask": plan.words.found(image)[0], "feather": 0, "prompt": "a"}]
    return plan_of(method, {"regions": masks}, prompts=BASES[image : image + 1], negatives=("bad",))


@pytest.mark.parametrize("method", METHODS)
def test_first_the_base_alone_and_then_as_with_the_masks_that_were_found(model, method):
    plan, order = searching(method), rows(2)
    x = images(order)
    off = plan_of(method, {"regions": [{**FULL, "enabled": False}]}, prompts=BASES, negatives=NONE)
    for index in range(3):
        assert torch.equal(predict(model, plan, order, x, index=index), predict(model, off, order, x, index=index))
    assert plan.words.found(0) == {}
    made = predict(model, plan, order, x, index=3)
    found = [plan.words.found(image)[0] for image in (0, 1)]
    assert found[0] != found[1] and all(0 < sum(decode_rle(mask)[2]) < 255 * 256 for mask in found)
    for image in (0, 1):
        own = [at for at, row in enumerate(order) if row.image == image]
        alone = predict(model, with_masks(method, plan, image), rows(1), x[own], index=3)
        assert_same(made[own], alone)


def test_calls_of_one_image_each_have_that_images_mask(model):
    plan, order = searching("attention_couple"), rows(2)
    x, apart = images(order), [Row(0, "cond"), Row(1, "cond")]
    predict(model, plan, order, x, index=2)
    together = predict(model, plan, apart, x[:2], contexts=list(BASES), index=3)
    for image in (0, 1):
        alone = predict(model, plan, [apart[image]], x[image : image + 1], contexts=[BASES[image]], index=3)
        assert_same(together[image : image + 1], alone)
    assert not torch.allclose(together[0], predict(model, plan, [Row(1, "cond")], x[:1], contexts=[BASES[0]], index=3)[0], atol=1e-4)


def test_a_mask_that_a_picture_brought_makes_it_again(model):
    plan, order = searching("attention_couple", prompts=BASES[:1]), rows(1)
    predict(model, plan, order, index=2)
    made = predict(model, plan, order, index=5)
    given = [{"words": {"text": "hat", "found": plan.words.found(0)[0]}, "feather": 0, "prompt": "a"}]
    again = plan_of("attention_couple", {"regions": given}, prompts=BASES[:1])
    assert torch.equal(predict(model, again, order, index=5), made)
    assert torch.equal(predict(model, again, order, index=2), predict(model, plan, order, index=2))


def test_other_regions_act_from_the_beginning_and_the_hires_pass_keeps_the_masks(model):
    regions = [TWO[0], {"box": [0, 0, 0.5, 1], "feather": 0, "prompt": "b"}]
    hires = (list(BASES[:1]), ["bad"])
    plan, order = searching("attention_couple", regions, BASES[:1], hires=hires), rows(1)
    boxes = plan_of("attention_couple", {"regions": regions[1:]}, prompts=BASES[:1])
    assert_same(predict(model, plan, order, index=2), predict(model, boxes, order, index=2))
    predict(model, plan, order, index=9)
    masks = [{"mask": plan.words.found(0)[0], "feather": 0, "prompt": "a"}, regions[1]]
    drawn = plan_of("attention_couple", {"regions": masks}, prompts=BASES[:1], hires=hires)
    assert_same(predict(model, plan, order, index=0, hires=True), predict(model, drawn, order, index=0, hires=True))


def found_after(model, indices, bases=BASES[:1]):
    """The hat's mask of a picture whose latent is another one at every step."""
    plan = searching("attention_couple", TWO[:1], bases)
    for index in indices:
        predict(model, plan, rows(1), latent(2) + 0.2 * index, ["hat", "bad"], index=index)
    predict(model, plan, rows(1), contexts=["hat", "bad"], index=5)
    return plan.words.found(0)[0]


def test_the_last_step_that_has_the_words_is_what_counts(model):
    """Objects are not yet where they will be in the steps before; a sampler may leave out steps, and a schedule words."""
    assert found_after(model, [1, 2]) == found_after(model, [2]) != found_after(model, [1])
    assert 255 in decode_rle(found_after(model, [1, 2], ["[hat:red:2]"]))[2], "of the last step that has the hat"


def test_nothing_recorded_is_an_error_that_names_the_region(model):
    plan = searching("attention_couple")
    with pytest.raises(RegionalError, match=r'Region 1 \("a"\).*hat.*another shape'):
        predict(model, plan, rows(2), index=5)


def test_tokens_without_the_words_are_named():
    with pytest.raises(SettingsError, match='has red, hut; got "hat"'):
        WordRecord(searching("attention_couple").layout, ["red hut"], 10, places)
