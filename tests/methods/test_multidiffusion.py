"""MultiDiffusion against a slow fusion of windows, its bootstrapping, its total prompt, and the memory it takes."""

import math

import pytest
import torch
from isolation_cases import FULL, HALVES, TWO, alone, assert_same, called, contexts_of, images, latent, plain, plan_of, predict
from toy import rows, toy_model

from lib_regional.engine.calls import Row
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import open_session
from lib_regional.methods.multidiffusion import Tiling
from lib_regional.tensors.latents.windows import Window
from lib_regional.tensors.masks.weight_maps import weight_maps

SIDE = 8  # the toy's own size


@pytest.fixture(scope="module")
def model():
    return toy_model()


def options(**given):
    return {"options": {"multidiffusion": {"bootstrap": 0, **given}}}


def starts(low, high):
    """First cells of windows of 8 with stride 4 over low..high, the slow way."""
    if high - low <= SIDE:
        return [low]
    count = math.ceil((high - low - SIDE) / 4) + 1
    return [low + (i * (high - low - SIDE)) // (count - 1) for i in range(count)]


def soft(at, spans):
    """Weight of cell ``at`` in each span, falling linearly where neighbours overlap, sum 1."""
    weights = []
    for n, (first, last) in enumerate(spans):
        weight = 1.0 if first <= at < last else 0.0
        if weight and n > 0 and at < spans[n - 1][1]:
            weight = min(weight, (at - first + 0.5) / (spans[n - 1][1] - first))
        if weight and n + 1 < len(spans) and at >= spans[n + 1][0]:
            weight = min(weight, (last - at - 0.5) / (last - spans[n + 1][0]))
        weights.append(weight)
    return [weight / sum(weights) for weight in weights]


def fused(model, x, text, area, own=False):
    """x (C, H, W) -> (C, H, W): the prediction of ``text`` over ``area``, window by window and cell by cell."""
    (top, bottom), (left, right) = area
    if own and max(bottom - top, right - left) <= 1.25 * SIDE:
        total = torch.zeros_like(x)
        total[:, top:bottom, left:right] = alone(model, x[:, top:bottom, left:right], text)
        return total
    down = [(s, min(bottom, s + SIDE)) for s in starts(top, bottom)]
    across = [(s, min(right, s + SIDE)) for s in starts(left, right)]
    made = {(v, h): alone(model, x[:, v[0] : v[1], h[0] : h[1]], text) for v in down for h in across}
    total = torch.zeros_like(x)
    for i in range(top, bottom):
        for j in range(left, right):
            for v, share in zip(down, soft(i, down), strict=True):
                for h, part in zip(across, soft(j, across), strict=True):
                    if share and part:
                        total[:, i, j] += share * part * made[v, h][:, i - v[0], j - h[0]]
    return total


def area_of(weight):
    def outwards(axis):
        inside = [i for i in range(weight.shape[axis]) if float(weight.select(axis, i).max()) > 1e-4]
        low, high, size = inside[0] // 8 * 8, -(-(inside[-1] + 1) // 8) * 8, weight.shape[axis]
        high = min(size, high)
        return (max(0, high - 8) if high - low < 8 else low, high)

    return outwards(0), outwards(1)


REGIONS = [{"box": [0, 0, 0.5, 0.6], "prompt": "a"}, {"ellipse": [0.4, 0.2, 1, 1], "prompt": "b", "negative": "n", "base_share": 0.2}]


@pytest.mark.parametrize("size", [(16, 20), (11, 17)], ids=str)
def test_equals_the_slow_fusion_of_windows(model, size):
    plan = plan_of("multidiffusion", {"regions": REGIONS, **options()})
    order = rows()
    x = images(order, *size)
    made = predict(model, plan, order, x)
    maps = weight_maps(plan.layout, *size)
    for at, row in enumerate(order):
        texts = plan.first.texts[0]
        base, own_texts = ("main", texts.regions) if row.role == "cond" else ("bad", [n or "bad" for n in texts.region_negatives])
        expected = maps.base * fused(model, x[at], base, ((0, size[0]), (0, size[1])))
        for weight, text in zip(maps.regions, own_texts, strict=True):
            expected = expected + weight * fused(model, x[at], text, area_of(weight), own=True)
        assert_same(made[at], expected, atol=1e-4)


@pytest.mark.parametrize("given", [options(), options(crop="window"), {}], ids=["box", "window", "bootstrap"])
def test_a_region_over_a_canvas_of_the_models_own_size_is_its_prompt(model, given):
    plan = plan_of("multidiffusion", {"regions": [{**FULL, "prompt": "a", "negative": "n"}], **given})
    assert_same(predict(model, plan), plain(model, ["a", "bad, n"]))


def test_one_text_everywhere_is_the_plain_prompt_in_whole_windows(model):
    plan = plan_of("multidiffusion", {"regions": [{**h, "prompt": "main"} for h in HALVES], **options(crop="window")})
    assert_same(predict(model, plan), plain(model, ["main", "bad"]))


@pytest.mark.parametrize("regions", [[], [{**TWO[0], "steps": [0.5, 1]}]], ids=["no region", "none yet"])
def test_without_regions_it_is_windows_of_the_main_prompt(model, regions):
    x = latent(2, 8, 20)
    made = predict(model, plan_of("multidiffusion", {"regions": regions, **options()}), x=x)
    assert_same(made[0], fused(model, x[0], "main", ((0, 8), (0, 20))), atol=1e-4)


def test_the_order_of_regions_does_not_matter(model):
    regions = [*TWO, {"ellipse": [0.2, 0.2, 0.9, 0.8], "prompt": "c", "cfg_scale": 3.0}]
    x = latent(2, 16, 24)
    assert_same(*(predict(model, plan_of("multidiffusion", {"regions": r}), x=x) for r in (regions, regions[::-1])))


def test_rows_in_any_chunks(model):
    plan = plan_of("multidiffusion", {"regions": REGIONS}, ("main", "other"), ("bad", "worse"))
    together = predict(model, plan, x=images(rows(2), 16, 24))
    for order in ([Row(1, "uncond"), Row(0, "cond")], [Row(1, "cond")]):
        assert_same(predict(model, plan, order, images(order, 16, 24)), torch.stack([together[rows(2).index(r)] for r in order]))


def test_the_total_prompt_joins_in_late_with_its_share(model):
    data = {"regions": TWO, **options(total=0.25, total_from=0.5, crop="window")}
    plan, without = plan_of("multidiffusion", data), plan_of("multidiffusion", {"regions": TWO, **options(crop="window")})
    early, late = predict(model, plan, index=4), predict(model, plan, index=5)
    apart = predict(model, without)
    assert_same(early, apart)
    everything = plain(model, ["main, a, b", "bad"])
    assert_same(late, 0.75 * apart + 0.25 * everything)


def test_bootstrapping_hides_the_outside_of_a_mask(model):
    """In its own place the region sees the latent, elsewhere one colour with the step's noise; the base sees all as it is."""
    plan = plan_of("multidiffusion", {"regions": [{**HALVES[0], "prompt": "a", "feather": 0}], **options(bootstrap=0.5, crop="window")})
    seen = []
    handle = model.unet.conv_in.register_forward_hook(lambda m, args, out: seen.extend(args[0].clone()))
    x = images(rows())
    made = [predict(model, plan, x=x, index=index, sigma=sigma) for index, sigma in ((0, 1e4), (1, 1e-4), (2, 1e-4), (5, 1.0))]
    handle.remove()
    calls = [seen[i : i + 4] for i in range(0, 12, 4)]
    for call in calls:
        own = [s for s in call if not torch.equal(s, x[0])]
        assert len(own) == 2 and all(torch.equal(s[..., :4], x[0][..., :4]) for s in own)
    noisy, plain_colour, another = (next(s for s in call if not torch.equal(s, x[0]))[..., 4:] for call in calls)
    assert noisy.std() == pytest.approx(1, abs=0.15)
    assert plain_colour.flatten(1).std(1).max() < 1e-3 and not torch.allclose(plain_colour, another, atol=0.01)
    unboot = predict(
        model, plan_of("multidiffusion", {"regions": [{**HALVES[0], "prompt": "a", "feather": 0}], **options(crop="window")}), x=x
    )
    assert not torch.allclose(made[0], unboot, atol=1e-6) and torch.allclose(made[3], unboot, atol=1e-6)


def test_no_call_is_larger_than_the_hosts_rows_of_a_window(model):
    sizes = []
    handle = model.unet.conv_in.register_forward_hook(lambda m, args, out: sizes.append(tuple(args[0].shape)))
    predict(model, plan_of("multidiffusion", {"regions": TWO, **options(memory=1)}), x=latent(2, 16, 64))
    handle.remove()
    assert max(n * h * w for n, _, h, w in sizes) <= 2 * 8 * 8 and len(sizes) > 20


def test_windows_have_the_size_asked_for(model):
    sizes = set()
    handle = model.unet.conv_in.register_forward_hook(lambda m, args, out: sizes.add(tuple(args[0].shape[2:])))
    predict(model, plan_of("multidiffusion", {"regions": [{**FULL, "prompt": "a"}], **options(window=130)}), x=latent(2, 24, 40))
    handle.remove()
    assert sizes == {(16, 16)}


AREAS = [
    pytest.param(True, (slice(2, 6), slice(3, 9)), Window(0, 0, 8, 16), id="box"),
    pytest.param(False, (slice(2, 6), slice(3, 9)), Window(0, 0, 16, 16), id="window at a corner"),
    pytest.param(False, (slice(10, 12), slice(20, 22)), Window(4, 12, 20, 28), id="window around"),
    pytest.param(False, (slice(0, 24), slice(0, 3)), Window(0, 0, 24, 16), id="longer than a window"),
]


@pytest.mark.parametrize(("boxes", "place", "expected"), AREAS)
def test_areas_of_regions(boxes, place, expected):
    weight = torch.zeros(24, 40)
    weight[place] = 1
    assert Tiling(16, 0.5, boxes).area(weight) == expected


def test_everything_is_put_back(model):
    before = dict(vars(model.unet)), list(model.call_listeners), list(model.denoiser_hooks)
    plan = plan_of("multidiffusion", {"regions": [{**TWO[0], "seed": 3}]})
    with torch.no_grad(), open_session(DiffusersHost(model), plan):
        assert len(model.denoiser_hooks) == 1
        called(model, latent(2), rows(), contexts_of(plan, rows()))
    assert (dict(vars(model.unet)), list(model.call_listeners), list(model.denoiser_hooks)) == before
