"""Latent couple against a slow sum over regions, and its neutral cases."""

import logging
from dataclasses import replace

import pytest
import torch
from isolation_cases import FULL, HALVES, TWO, alone, assert_same, called, contexts_of, images, latent, plain, plan_of, predict
from toy import rows, toy_model

from lib_regional.engine.calls import Conditioning, Row
from lib_regional.engine.hooks import Hooks
from lib_regional.engine.session import Session
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import open_session, preparation, prepare
from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.tensors.masks.weight_maps import weight_maps

CROP = {"options": {"latent_couple": {"mode": "crop", "halo": 2}}}


@pytest.fixture(scope="module")
def model():
    return toy_model()


def box_of(weight, size, halo):
    """The crop the slow way: grow cell by cell until nothing of the region is outside, then to multiples of 8."""
    edges = []
    for axis, length in enumerate(size):
        inside = [i for i in range(length) if float(weight.select(axis, i).max()) > 1e-4]
        low, high = max(0, inside[0] - halo), min(length, inside[-1] + 1 + halo)
        while low % 8:
            low -= 1
        while high % 8 and high < length:
            high += 1
        while high - low < 8 and low > 0:
            low -= 1
        edges.append((low, high))
    return edges


def naive(model, plan, order, x, scale, halo=None):
    """D = Σ ŵ_r · CFG(x, c_r, n_r, s_r), pixel by pixel of the guided outputs: one UNet call for each region, image and role."""
    guided = {}
    for at, row in enumerate(order):
        if row.role == "uncond":
            continue
        texts, size = plan.first.texts[row.image], tuple(x.shape[-2:])
        maps = weight_maps(plan.layout, *size)
        parts = [
            (maps.regions[r], texts.regions[r] or texts.base, texts.region_negatives[r], region.cfg_scale)
            for r, region in enumerate(plan.layout.regions)
        ]
        total = torch.zeros_like(x[at])
        for weight, text, negative, own in [*parts, (maps.base, texts.base, None, None)]:
            if float(weight.max()) <= 1e-4:
                continue
            whole = [(0, size[0]), (0, size[1])]
            (t, b), (le, ri) = whole if halo is None or weight is maps.base else box_of(weight, size, halo)
            seen = x[at][:, t:b, le:ri]
            cond, uncond = alone(model, seen, text), alone(model, seen, negative if negative is not None else texts.negative)
            total[:, t:b, le:ri] += weight[t:b, le:ri] * (uncond + (scale if own is None else own) * (cond - uncond))
        guided[row.image] = total
    return torch.stack([guided[image] for image in sorted(guided)])


def guide(made, order, scale):
    """What a host does with the rows' outputs."""
    by = {(row.image, row.role): out for row, out in zip(order, made, strict=True)}
    return torch.stack([by[i, "uncond"] + scale * (by[i, "cond"] - by[i, "uncond"]) for i in sorted({row.image for row in order})])


CASES = [
    pytest.param(TWO, id="halves"),
    pytest.param([{**TWO[0], "negative": "n"}, {**TWO[1], "weight": 2, "base_share": 0.3}], id="a negative, a base share"),
    pytest.param([{**TWO[0], "cfg_scale": 2.0}, {**TWO[1], "cfg_scale": 9.0, "negative": "n"}], id="scales"),
    pytest.param([{"ellipse": [0.1, 0.2, 0.6, 0.9], "prompt": "c " * 80, "cfg_scale": 1.0}], id="a long prompt, scale 1"),
    pytest.param([{"box": [0.7, 0.7, 0.75, 0.74], "prompt": "tiny"}, {"box": [0.2, 0, 1, 1], "prompt": "b", "priority": 1}], id="tiny"),
]


@pytest.mark.parametrize("regions", CASES)
@pytest.mark.parametrize(("options", "halo"), [({}, None), (CROP, 2)], ids=["full", "crop"])
@pytest.mark.parametrize("size", [(16, 24), (19, 13)], ids=str)
def test_equals_the_sum_of_guided_predictions(model, regions, options, halo, size):
    plan = plan_of("latent_couple", {"regions": regions, **options}, ("main", "other"), ("bad", "worse"))
    order = rows(2)
    x = images(order, *size)
    made = guide(predict(model, plan, order, x, scale=5.0), order, 5.0)
    assert_same(made, naive(model, plan, order, x, 5.0, halo), atol=1e-4)


@pytest.mark.parametrize("options", [{}, CROP], ids=["full", "crop"])
def test_a_region_over_the_whole_canvas_is_its_prompt(model, options):
    plan = plan_of("latent_couple", {"regions": [{**FULL, "prompt": "a", "negative": "n"}], **options})
    assert_same(predict(model, plan), plain(model, ["a", "bad, n"]))


def test_one_text_everywhere_is_the_plain_prompt(model):
    assert_same(
        predict(model, plan_of("latent_couple", {"regions": [{**h, "prompt": "main"} for h in HALVES]})), plain(model, ["main", "bad"])
    )


@pytest.mark.parametrize("options", [{}, CROP], ids=["full", "crop"])
def test_the_order_of_regions_does_not_matter(model, options):
    regions = [*TWO, {"ellipse": [0.2, 0.2, 0.9, 0.8], "prompt": "c", "priority": 2, "cfg_scale": 3.0}]
    made = [predict(model, plan_of("latent_couple", {"regions": r, "overlap": "over", **options})) for r in (regions, regions[::-1])]
    assert_same(*made)


@pytest.mark.parametrize("regions", [TWO, [{**TWO[0], "cfg_scale": 3.0}, {**TWO[1], "negative": "n"}]], ids=["plain", "scale"])
@pytest.mark.parametrize("options", [{}, CROP], ids=["full", "crop"])
def test_rows_go_by_their_roles_in_any_order_and_in_any_chunks(model, regions, options):
    plan = plan_of("latent_couple", {"regions": regions, **options}, ("main", "other"), ("bad", "worse"))
    together = predict(model, plan, x=images(rows(2)))
    for order in ([Row(1, "uncond"), Row(0, "cond")], [Row(1, "cond")], [Row(0, "uncond"), Row(1, "cond"), Row(1, "uncond")]):
        got = predict(model, plan, order, images(order))
        assert_same(got, torch.stack([together[rows(2).index(r)] for r in order]))


def test_and_parts_keep_their_own_base_and_share_the_regions(model):
    plan = plan_of("latent_couple", {"regions": [TWO[0]]})
    order = [Row(0, "cond"), Row(0, "cond", 1), Row(0, "uncond")]
    made = predict(model, plan, order, contexts=["main", "part", "bad"])
    weight = weight_maps(plan.layout, 8, 8)
    x = latent(1)[0]
    for at, text in enumerate(("main", "part")):
        assert_same(made[at], weight.regions[0] * alone(model, x, "a") + weight.base * alone(model, x, text))


def test_step_ranges_and_schedules_follow_the_step(model):
    plan = plan_of("latent_couple", {"regions": [{**FULL, "prompt": "[a:b:0.5]", "steps": [0.2, 0.8]}]})
    for index, text in {0: "main", 1: "main", 2: "a", 4: "a", 5: "b", 7: "b", 8: "main", 9: "main"}.items():
        assert_same(predict(model, plan, index=index), plain(model, [text, "bad"]), msg=f"step {index}")


def test_the_hires_pass_has_its_own_texts_and_size(model):
    data = {"text_from": "break", "grid": {"ratios": "1", "direction": "columns"}, "regions": [{"feather": 0}]}
    plan = plan_of("latent_couple", data, ("a",), ("bad",), hires=(("b",), ("bad",)))
    assert_same(predict(model, plan, x=latent(2, 12, 10), hires=True), plain(model, ["b", "bad"], latent(2, 12, 10)))


def test_a_silent_region_leaves_its_place_to_the_base(model):
    plan = plan_of("latent_couple", {"regions": [{**HALVES[0], "prompt": ""}, TWO[1]], **CROP})
    assert_same(
        predict(model, plan, x=latent(2, 16, 32)),
        predict(model, plan_of("latent_couple", {"regions": [TWO[1]], **CROP}), x=latent(2, 16, 32)),
    )


def test_scales_need_a_scale_of_the_picture(model):
    plan = plan_of("latent_couple", {"regions": [{**TWO[0], "cfg_scale": 3.0}]})
    with pytest.raises(RegionalError, match="CFG scale"):
        predict(model, plan, scale=0.0)


def test_a_scale_is_refused_where_there_is_one_prediction():
    with pytest.raises(SettingsError, match=r'Region 2 \("b"\): cfg_scale must be null with the method attention_couple'):
        plan_of("attention_couple", {"regions": [TWO[0], {**TWO[1], "cfg_scale": 3.0}]})


class Counted:
    """Counts the rows of each UNet call, and runs out of memory above ``most`` rows."""

    def __init__(self, model, most=99, error=None):
        self.model, self.most, self.rows = model, most, []
        self.error = error or RuntimeError("CUDA out of memory. Tried to allocate")

    def __enter__(self):
        self.handle = self.model.unet.conv_in.register_forward_hook(self.count)
        return self

    def __exit__(self, *_):
        self.handle.remove()

    def count(self, module, args, out):
        self.rows.append(tuple(args[0].shape))
        if len(args[0]) > self.most:
            raise self.error


def test_what_is_the_same_is_predicted_once(model):
    with Counted(model, most=99) as counted:
        predict(model, plan_of("latent_couple", {"regions": TWO, "options": {"latent_couple": {"memory": 8}}}))
        predict(
            model, plan_of("latent_couple", {"regions": [{**TWO[0], "negative": "n"}, TWO[1]], "options": {"latent_couple": {"memory": 8}}})
        )
        predict(model, plan_of("latent_couple", {"regions": [{**TWO[0], "prompt": "a"}, {**TWO[1], "prompt": "a"}]}))
    assert [shape[0] for shape in counted.rows] == [3, 4, 2]  # a, b, one uncond; two unconds; one text in both places


def test_networks_of_a_region_keep_its_rows_apart(model, monkeypatch):
    tags = []
    monkeypatch.setattr(DiffusersHost, "loras", lambda host, loras: [{} for _ in loras])
    plan = plan_of(
        "latent_couple", {"regions": [{**TWO[0], "prompt": "a <lora:x:0:1>"}, TWO[1]], "options": {"latent_couple": {"memory": 8}}}
    )
    host = DiffusersHost(model)
    hooks = replace(prepare(plan, host), layers={"conv_in": lambda call: tags.append(call.model.tags)})
    with torch.no_grad(), Session(host, hooks):
        called(model, latent(2), rows(), contexts_of(plan, rows()))
    regions = [[number for _, number, _ in row] for row in tags]
    assert regions == [[0, 1, 0, 1]]  # the first region's uncond is not the second's


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("no"), RuntimeError("MPS backend out of memory")], ids=["cuda", "other"])
def test_out_of_memory_means_fewer_rows_at_once_from_then_on(model, error, caplog):
    regions = [{"box": [i / 4, 0, (i + 1) / 4, 1], "prompt": t} for i, t in enumerate("abcd")]
    plan = plan_of("latent_couple", {"regions": regions, "options": {"latent_couple": {"memory": 8}}})
    expected = predict(model, plan)
    with Counted(model, 2, error) as counted, caplog.at_level(logging.WARNING):
        order = rows()
        with torch.no_grad(), open_session(DiffusersHost(model), plan):
            first, second = (called(model, latent(2), order, contexts_of(plan, order)) for _ in range(2))
    assert_same(first, expected)
    assert_same(second, expected)
    assert [shape[0] for shape in counted.rows] == [5, 2, 2, 1, 2, 2, 1]
    assert "going on with 2" in caplog.text


def test_one_row_too_many_is_the_hosts_own_error(model):
    with Counted(model, 0), pytest.raises(RuntimeError, match="out of memory"):
        predict(model, plan_of("latent_couple", {"regions": TWO}))
    with Counted(model, 1, RuntimeError("a kernel failed")), pytest.raises(RuntimeError, match="kernel"):
        predict(model, plan_of("latent_couple", {"regions": TWO}))


def test_memory_bounds_the_rows_of_a_call(model):
    regions = [{"box": [i / 4, 0, (i + 1) / 4, 1], "prompt": t} for i, t in enumerate("abcd")]
    with Counted(model) as counted:
        predict(model, plan_of("latent_couple", {"regions": regions}))
        predict(model, plan_of("latent_couple", {"regions": regions, "options": {"latent_couple": {"memory": 0.5}}}))
        quadrants = [{"box": [x / 2, y / 2, (x + 1) / 2, (y + 1) / 2], "prompt": f"{x}{y}", "feather": 0} for x in (0, 1) for y in (0, 1)]
        crop = {"latent_couple": {"mode": "crop", "halo": 0, "memory": 2}}
        predict(model, plan_of("latent_couple", {"regions": quadrants, "options": crop}), x=latent(2, 32, 32))
    assert counted.rows == [(4, 4, 8, 8), (1, 4, 8, 8), *[(1, 4, 8, 8)] * 5, *[(4, 4, 16, 16)] * 2]


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple", "multidiffusion", "mask_conditioning"])
def test_every_text_is_encoded_once(model, method):
    model.encoded.clear()
    predict(model, plan_of(method, {"regions": [{**h, "prompt": "same", "negative": "n"} for h in HALVES]}))
    assert [(texts, negative) for texts, _, negative, _ in model.encoded] == [(("same",), False), (("bad, n",), True)]


def test_renewed_contexts_are_spoken(model):
    plan = plan_of("latent_couple", {"regions": [{**FULL, "prompt": "a"}]})
    hooks = preparation("latent_couple")(plan, DiffusersHost(model))
    with torch.no_grad(), DiffusersHost(model).patched(hooks):
        before = called(model, latent(2), rows(), ["main", "bad"])
        kept, model.context = model.context, lambda text: kept(text + "!")
        try:
            hooks.renew()
        finally:
            del model.context
        after = called(model, latent(2), rows(), ["main", "bad"])
    assert_same(before, plain(model, ["a", "bad"]))
    assert_same(after[:1], plain(model, ["a!", "bad"])[:1])


def test_pooled_texts_reach_the_model(model):
    """SDXL's vector goes along with the row's text."""
    wanted_rows = []
    plan = plan_of("latent_couple", {"regions": [{**FULL, "prompt": "a"}]})
    host = DiffusersHost(model)
    hooks = preparation("latent_couple")(plan, WithVectors(host))

    def around(call):
        rows_of = call.run
        object.__setattr__(call, "run", lambda asked: (wanted_rows.extend(asked), rows_of(asked))[1])
        return hooks.unet(call)

    with torch.no_grad(), host.patched(Hooks(unet=around)):
        called(model, latent(2), rows(), ["main", "bad"])
    assert [row.conditioning and row.conditioning.vector.tolist() for row in wanted_rows] == [[1.0, 2.0], None]


class WithVectors:
    name = "toy"

    def __init__(self, host):
        self.host = host

    def encode(self, texts, **more):
        return [
            tuple((end, Conditioning(c.crossattn, torch.tensor([1.0, 2.0]))) for end, c in schedule)
            for schedule in self.host.encode(texts, **more)
        ]
