"""The metamorphic relations: true for every host and any weights (design, section 9)."""

import itertools

import pytest
from client import FULL, HALVES, difference, regional

SAME = 2
"""8-bit levels within which two pictures count as the same: rounding of different summation orders, nothing visible."""

LONG = "a red circle on grass, " + ", ".join(f"masterpiece number {i}, best quality" for i in range(20))
TEXTS = [
    pytest.param("a blue square on sand", id="short"),
    pytest.param(LONG, id="more than 75 tokens"),
    pytest.param("a [red:blue:0.5] circle on grass", id="schedule"),
    pytest.param("a (blue:1.3) square, [snow]", id="emphasis"),
    pytest.param("a [red|blue] square", id="alternation"),
]
SAMPLERS = ["DDIM", "Euler", "Euler a", "DPM++ 2M Karras", "Heun"]
METHODS = ["attention_couple", "latent_couple", "multidiffusion", "latent_composite", "rag", "mask_conditioning"]
ONE_CANVAS = ["attention_couple", "latent_couple", "mask_conditioning"]
"""Methods in which every region sees the whole canvas: the same text everywhere is the plain picture."""


def halves(left, right, **more):
    return [{**HALVES[0], "prompt": left, **more}, {**HALVES[1], "prompt": right, **more}]


def test_disabled_is_not_installed(webui, plain):
    off = webui.make({"enabled": False, "regions": halves("a blue square", "a green ring")})
    assert off.pngs == plain.pngs
    assert off.infotexts == plain.infotexts
    assert "Regional" not in off.infotexts[0]


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_attention_maps_change_nothing_and_are_there(webui, method):
    settings = regional(halves("a blue square on sand", "a green ring"), method=method)
    before = webui.make(settings, batch_size=2)
    after = webui.make({**settings, "attention_maps": f"acceptance {method}"}, batch_size=2)
    assert after.pngs == before.pngs and after.infotexts == before.infotexts
    images = webui.get(f"/regional/v1/attention/acceptance {method}")["images"]
    if not images and "flux" in webui.get("/sdapi/v1/options")["sd_model_checkpoint"].lower():
        pytest.skip("text and picture share one attention in this model: there are no maps of words")
    assert [[one["region"] for one in image] for image in images] == [[0, 1], [0, 1]]
    assert all(0 < one["peak"] <= 1 for image in images for one in image)


def of_the_left(webui, sampler, **options):
    """By how much of the right half's change the left half changes, away from the border, when the right region has another text."""
    pictures = [
        webui.make(regional(halves("a blue square", text, feather=0), options={"attention_couple": options}), sampler_name=sampler)
        .pixels[0]
        .astype(int)
        for text in ("a green ring", "a red circle on snow")
    ]
    change = abs(pictures[0] - pictures[1]).mean((0, 2))
    width = len(change)
    return change[: width * 3 // 8].mean() / change[width * 5 // 8 :].mean()


@pytest.mark.parametrize("sampler", ["DDIM", "Euler a"])
def test_regions_made_by_themselves_do_not_reach_each_other(webui, sampler):
    """What is left is the decoder's: its norms see the whole picture."""
    if "flux" in webui.get("/sdapi/v1/options")["sd_model_checkpoint"].lower():
        pytest.skip("text and picture share one attention in this model")
    assert of_the_left(webui, sampler, isolate_until=1) < 0.5 * of_the_left(webui, sampler)
    early = regional(halves("a blue square", "a green ring"), options={"attention_couple": {"isolate_until": 0.2}})
    assert webui.make(early, sampler_name=sampler).pngs == webui.make(early, sampler_name=sampler).pngs


def test_norms_and_convolutions_see_their_region_for_longer(webui):
    """Less of one region reaches the other than with all layers open, more than in regions made by themselves."""
    if "flux" in webui.get("/sdapi/v1/options")["sd_model_checkpoint"].lower():
        pytest.skip("this model has neither norms nor convolutions between its blocks")
    alone, local, open_ = (of_the_left(webui, "DDIM", **one) for one in ({"isolate_until": 1}, {"local_until": 1}, {}))
    assert alone < local < open_
    both = {"isolate_until": 0.3, "local_until": 0.6}
    pictures = [
        webui.make(regional(halves("a blue square", "a green ring"), options={"attention_couple": options})).pngs
        for options in (both, both, {"isolate_until": 0.3}, {"isolate_until": 0.6})
    ]
    assert pictures[0] == pictures[1] and pictures[0] != pictures[2] and pictures[0] != pictures[3]
    whole = regional([{**FULL, "prompt": "a red circle"}], options={"attention_couple": both})
    assert difference(webui.make(whole, prompt="something else"), webui.make(prompt="a red circle")) <= SAME


@pytest.mark.parametrize("text", TEXTS)
def test_a_region_over_the_whole_canvas_is_the_plain_prompt(webui, text):
    region = webui.make(regional([{**FULL, "prompt": text}]), prompt="something else")
    assert difference(region, webui.make(prompt=text)) <= SAME


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_so_it_is_with_every_sampler(webui, sampler):
    text = "a [red:blue:0.5] square"
    region = webui.make(regional([{**FULL, "prompt": text}]), prompt="other", sampler_name=sampler)
    assert difference(region, webui.make(prompt=text, sampler_name=sampler)) <= SAME


def test_a_regions_negative_over_the_whole_canvas_is_the_plain_negative(webui):
    region = webui.make(regional([{**FULL, "prompt": "a circle", "negative": "red, snow"}]), prompt="x")
    assert difference(region, webui.make(prompt="a circle", negative_prompt="red, snow")) <= SAME
    both = webui.make(regional([{**FULL, "prompt": "a circle", "negative": "snow"}]), prompt="x", negative_prompt="red")
    assert difference(both, webui.make(prompt="a circle", negative_prompt="red, snow")) <= SAME


@pytest.mark.parametrize("method", METHODS[1:])
def test_so_it_is_with_every_method(webui, method):
    region = webui.make(regional([{**FULL, "prompt": "a blue [square:ring:0.5]", "negative": "snow"}], method=method), prompt="x")
    assert difference(region, webui.make(prompt="a blue [square:ring:0.5]", negative_prompt="snow")) <= SAME


@pytest.mark.parametrize("method", ONE_CANVAS[1:])
def test_the_same_text_everywhere_is_the_plain_prompt_with_every_such_method(webui, plain, method):
    text = webui.common["prompt"]
    assert difference(webui.make(regional(halves(text, text, feather=0.2), method=method)), plain) <= SAME


@pytest.mark.parametrize("method", METHODS[1:])
def test_images_order_and_batching_do_not_matter_to_any_method(webui, method):
    """Image k of a batch, regions the other way round, cond and uncond apart: the same pictures."""
    regions = [
        {"box": [0, 0, 0.6, 1], "prompt": "a red circle", "priority": 1, "negative": "snow", "seed": 7},
        {"ellipse": [0.3, 0.2, 0.9, 0.9], "prompt": LONG, "weight": 2},
    ]
    single = webui.make(regional(regions, method=method), seed=webui.common["seed"] + 1)
    apart = {"return_grid": False, **webui.option("batch_cond_uncond", False)}
    batch = webui.make(regional(regions[::-1], method=method), batch_size=2, override_settings=apart)
    assert abs(batch.pixels[-1] - single.pixels[0]).max() <= SAME


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_method_before_its_steps_and_after_them_is_the_plain_picture(webui, plain, method):
    late = webui.make(regional(halves("a blue square", "a green ring", steps=[0.99, 1.0]), method=method))
    assert difference(late, plain) <= SAME


def test_a_regions_scale_and_seed_over_the_whole_canvas_are_the_pictures(webui):
    """With a sampler that draws no noise on the way: only the first noise is the region's."""
    regions = [{**FULL, "prompt": "a blue square", "cfg_scale": 3, "seed": 99}]
    plain = webui.make(prompt="a blue square", cfg_scale=3, seed=99, sampler_name="Euler")
    assert difference(webui.make(regional(regions, method="latent_couple"), prompt="x", sampler_name="Euler"), plain) <= SAME


def test_a_scale_that_the_method_cannot_have_is_refused(webui):
    text = webui.refused(regional([{**FULL, "prompt": "a", "name": "hat", "cfg_scale": 3}]))
    assert "Region 1" in text and "cfg_scale" in text and "latent_couple" in text


@pytest.mark.parametrize("more", [{}, {"base_share": 0.0, "feather": 0.2}, {"weight": 3.0}], ids=["default", "feather", "weight"])
def test_the_same_text_everywhere_is_the_plain_prompt(webui, plain, more):
    text = webui.common["prompt"]
    assert difference(webui.make(regional(halves(text, text, **more))), plain) <= SAME


@pytest.mark.parametrize("silent", [{"base_share": 1.0}, {"weight": 0.0}, {"enabled": False}], ids=str)
def test_a_region_that_says_nothing_leaves_the_picture_alone(webui, plain, silent):
    assert difference(webui.make(regional(halves("a blue square", "a green ring", **silent))), plain) <= SAME


def test_no_region_at_all_is_the_plain_picture(webui, plain):
    assert difference(webui.make(regional([])), plain) <= SAME


def test_the_order_of_regions_does_not_matter(webui):
    regions = [
        {"box": [0, 0, 0.6, 1], "prompt": "a red circle", "priority": 1},
        {"ellipse": [0.3, 0.2, 0.9, 0.9], "prompt": "a blue square", "priority": 2, "weight": 2},
        {"polygon": [[0, 1], [1, 1], [1, 0.4]], "prompt": "snow", "feather": 0.1},
    ]
    for overlap in ("blend", "over"):
        made = [webui.make(regional(list(order), overlap=overlap)) for order in itertools.islice(itertools.permutations(regions), 0, 6, 2)]
        assert all(difference(made[0], other) <= SAME for other in made[1:])


def test_image_k_of_a_batch_is_the_single_image_with_seed_plus_k(webui):
    settings = regional(halves("a blue square", "a green ring"))
    batch = webui.make(settings, batch_size=2, n_iter=2, override_settings={"return_grid": False})
    singles = [webui.make(settings, seed=webui.common["seed"] + k) for k in range(4)]
    pictures = batch.pixels[-4:]
    assert all(abs(pictures[k] - singles[k].pixels[0]).max() <= SAME for k in range(4))


def test_cond_and_uncond_apart_are_as_together(webui):
    settings = regional([{**r, "negative": "snow"} for r in halves("a blue square", LONG)])
    apart = webui.make(settings, override_settings=webui.option("batch_cond_uncond", False))
    assert difference(apart, webui.make(settings)) <= SAME


def test_regions_change_their_own_place(webui):
    settings = [
        regional(halves("a red circle on grass", right, feather=0, base_share=0))
        for right in ("a blue square on snow", "a red circle on night")
    ]
    one, other = (webui.make(s).pixels[0] for s in settings)
    middle = one.shape[1] // 2
    changed = abs(one - other)
    assert changed[:, middle:].mean() > 1.4 * changed[:, :middle].mean()


def test_a_step_range_that_is_over_at_once_is_the_plain_picture(webui, plain):
    regions = halves("a blue square", "a green ring", steps=[0.0, 0.05])
    first_step_only = webui.make(regional(regions))
    assert difference(first_step_only, plain) > 0
    late = webui.make(regional(halves("a blue square", "a green ring", steps=[0.99, 1.0])))
    assert difference(late, plain) <= SAME


@pytest.mark.parametrize("size", [(136, 120), (64, 200)], ids=str)
def test_sizes_whose_token_grids_are_odd(webui, size):
    width, height = size
    region = webui.make(regional([{**FULL, "prompt": "a blue square"}]), width=width, height=height)
    assert difference(region, webui.make(prompt="a blue square", width=width, height=height)) <= SAME


def test_the_main_prompt_split_by_break_is_the_same_as_regions_written_out(webui):
    grid = {"ratios": "1,1", "direction": "columns"}
    split = webui.make({"enabled": True, "text_from": "break", "grid": grid}, prompt="a red circle BREAK a blue square")
    written = webui.make({"enabled": True, "grid": grid, "regions": [{"prompt": "a red circle"}, {"prompt": "a blue square"}]},
                         prompt="a red circle, a blue square")  # fmt: skip
    assert difference(split, written) <= SAME


@pytest.mark.parametrize("mode", ["lines", "and"])
def test_the_other_ways_of_splitting(webui, mode):
    joint = {"lines": "\n", "and": " AND "}[mode]
    grid = {"ratios": "1,1", "direction": "rows"}
    split = webui.make({"enabled": True, "text_from": mode, "grid": grid}, prompt=joint.join(["a red circle", "a blue square"]))
    broken = webui.make({"enabled": True, "text_from": "break", "grid": grid}, prompt="a red circle BREAK a blue square")
    assert difference(split, broken) <= SAME
