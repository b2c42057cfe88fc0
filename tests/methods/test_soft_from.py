"""Borders are as sharp as the masks while the objects form, and soft from the step that ``soft_from`` names."""

import pytest
import torch
from isolation_cases import TWO, assert_same, images, plan_of, predict
from toy import rows, toy_model

SOFT = [{**region, "feather": 0.3} for region in TWO]
CRISP = [{**region, "feather": 0.0} for region in TWO]
METHODS = {
    "latent couple, crop": ("latent_couple", {"mode": "crop", "halo": 0}),
    "MultiDiffusion": ("multidiffusion", {}),
    "with all prompts together": ("multidiffusion", {"total": 0.4, "total_from": 0.0}),
}


@pytest.fixture(scope="module")
def model():
    return toy_model()


def predicted(model, regions, method, more, hires=False, **step):
    name, options = METHODS[method]
    again = (["main"], ["bad"]) if hires else None
    plan = plan_of(name, {"regions": regions, "options": {name: {**options, **more}}}, hires=again)
    order = rows()
    return predict(model, plan, order, images(order, 16, 16), hires=hires, **step)


@pytest.mark.parametrize("method", METHODS)
def test_borders_are_sharp_before_it_and_soft_after_it(model, method):
    def at(index, regions=SOFT, soft_from=0.5):
        return predicted(model, regions, method, {"soft_from": soft_from}, index=index)

    for index in (0, 4):
        assert_same(at(index), at(index, CRISP))
        assert not torch.allclose(at(index), at(index, soft_from=0.0), atol=1e-4), "a soft border changes the prediction"
    for index in (5, 9):
        assert_same(at(index), at(index, soft_from=0.0))


@pytest.mark.parametrize("method", METHODS)
def test_a_hires_pass_is_soft_from_its_first_step(model, method):
    assert_same(*(predicted(model, SOFT, method, {"soft_from": share}, hires=True, index=0) for share in (1.0, 0.0)))


@pytest.mark.parametrize("method", METHODS)
def test_regions_without_a_soft_border_are_as_before(model, method):
    assert_same(*(predicted(model, CRISP, method, {"soft_from": share}, index=0) for share in (1.0, 0.0)))


def test_latent_couple_on_the_whole_canvas_has_no_such_steps(model):
    order = rows()
    plans = [plan_of("latent_couple", {"regions": SOFT, "options": {"latent_couple": {"soft_from": share}}}) for share in (1.0, 0.0)]
    assert_same(*(predict(model, plan, order, images(order, 16, 16), index=0) for plan in plans))
