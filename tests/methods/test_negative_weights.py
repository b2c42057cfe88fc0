"""Negative weights in texts (NegPip), against the extension's arithmetic written out, and what follows from it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from isolation_cases import FULL, HALVES, assert_same, contexts_of, latent, plan_of, predict
from negative_weights import PARTS, REST, TEXT, CountedModel, layer, negpip, reference, signed
from toy import WIDTH, rows, toy_model

from lib_regional.engine.calls import AttentionCall, ModelCall, Row, Site, StepInfo
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import preparation
from lib_regional.request.errors import RegionalError
from tests.support.half import assert_near, every_precision, exact

PREDICTED = ("latent_couple", "multidiffusion", "latent_composite", "rag", "mask_conditioning")
ALL = ("attention_couple", *PREDICTED)
ALONE = {"latent_composite": {"alone": 1}, "rag": {"bind": 1}, "multidiffusion": {"bootstrap": 0}}
"""Options with which a region's own prediction is the picture's."""


@pytest.fixture(scope="module")
def model():
    return CountedModel.of(toy_model())


def options(method):
    return {"options": {method: ALONE.get(method, {})}}


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("where", ["region", "negative", "base", "base's negative"])
def test_over_the_whole_canvas_it_is_negpips_own_arithmetic(model, method, where):
    """In a region's text, its negative, the main prompt or the main negative; the others are plain texts."""
    region = {**FULL, "prompt": TEXT if where == "region" else "a", "negative": TEXT if where == "negative" else ""}
    layout = [region] if where in ("region", "negative") else [{**FULL, "prompt": "a", "weight": 0}]
    bad = "" if where == "negative" else "bad"
    plan = plan_of(
        method, {"regions": layout, **options(method)}, (TEXT if where == "base" else "b",), (TEXT if where == "base's negative" else bad,)
    )
    wanted = {"region": (TEXT, "bad"), "negative": ("a", TEXT), "base": (TEXT, "bad"), "base's negative": ("b", TEXT)}[where]
    x, order = latent(2), rows()
    expected = reference(model, x, order, wanted)
    assert not torch.allclose(expected, reference(model, x, order, [text if text != TEXT else REST for text in wanted]), atol=1e-2)
    hosts = [REST if text == TEXT else text for text in contexts_of(plan, order)]
    assert_same(predict(model, signed(plan), order, x, hosts), expected)


@pytest.mark.parametrize("method", ALL)
def test_without_the_extension_texts_are_the_hosts(model, method):
    """Not one of them is split, and a plan that follows negative weights is the same where there are none."""
    plan = plan_of(method, {"regions": [{**HALVES[0], "prompt": TEXT}, {**HALVES[1], "prompt": "b"}]})
    model.encoded.clear()
    predict(model, plan)
    assert TEXT in {text for texts, *_ in model.encoded for text in texts}
    none = plan_of(method, {"regions": [{**HALVES[0], "prompt": "a"}, {**HALVES[1], "prompt": "b"}]})
    assert torch.equal(predict(model, signed(none)), predict(model, none))


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_it_acts_in_its_region_alone(model, method):
    """One layer's outputs left of the border are those without the negative weight, exactly; right of it they are others."""
    seen = {}

    def left(text):
        regions = [{**HALVES[0], "prompt": "a", "feather": 0}, {**HALVES[1], "prompt": text, "feather": 0}]
        found = []
        first = next(m for name, m in model.unet.named_modules() if name.endswith("attn2"))
        handle = first.register_forward_hook(lambda _, args, out: found.append(out))
        made = predict(model, signed(plan_of(method, {"regions": regions})))
        handle.remove()
        seen[text] = found
        return made

    with_it, without = left(TEXT), left(REST)
    if method == "latent_couple":
        assert_same(with_it[..., :4], without[..., :4])
        assert (with_it[..., 4:] - without[..., 4:]).abs().max() > 1e-3
        return
    cells = torch.arange(64).view(8, 8)
    here, there = (seen[text][0][0] for text in (TEXT, REST))
    assert_same(here[cells[:, :4].flatten()], there[cells[:, :4].flatten()])
    assert (here - there)[cells[:, 4:].flatten()].abs().max() > 1e-3


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_the_order_of_regions_and_rows_is_no_matter(model, method):
    regions = [{**HALVES[0], "prompt": TEXT, "negative": "n"}, {**HALVES[1], "prompt": "b (red hat:-1)"}]
    texts = (("main (x:-1)", "other"), ("bad", "worse (y:-2)"))
    hosts = {Row(0, "cond"): "main ", Row(1, "cond"): "other", Row(0, "uncond"): "bad", Row(1, "uncond"): "worse "}
    plan, turned = (signed(plan_of(method, {"regions": each}, *texts)) for each in (regions, regions[::-1]))
    whole = predict(model, plan, contexts=[hosts[row] for row in rows(2)])
    assert_same(predict(model, turned, contexts=[hosts[row] for row in rows(2)]), whole)
    for order in ([Row(1, "uncond"), Row(0, "cond")], [Row(1, "cond")]):
        part = predict(model, plan, order, contexts=[hosts[row] for row in order])
        assert_same(part, torch.stack([whole[rows(2).index(row)] for row in order]))


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_a_region_without_weight_has_no_effect(model, method):
    plan = plan_of(method, {"regions": [{**FULL, "prompt": TEXT, "weight": 0}, {**HALVES[1], "prompt": "b"}]})
    bare = plan_of(method, {"regions": [{**HALVES[1], "prompt": "b"}]})
    assert_same(predict(model, signed(plan)), predict(model, bare))


def test_it_follows_a_schedule(model):
    """``[a:(hat:-1.2):0.5]`` has its negative weight from half of the steps on."""
    text = "[a:(hat:-1.2):0.5] b"
    plan = signed(plan_of("attention_couple", {"regions": [{**FULL, "prompt": text}]}))
    for index, same in ((0, "a b"), (9, "(hat:-1.2) b")):
        alike = signed(plan_of("attention_couple", {"regions": [{**FULL, "prompt": same}]}))
        assert_same(predict(model, plan, index=index), predict(model, alike, index=index))
    assert (predict(model, plan, index=0) - predict(model, plan, index=9)).abs().max() > 1e-2


@every_precision
def test_a_layer_of_every_precision_is_the_reference(case):
    """One region over the whole canvas, against the attention written out in double precision."""
    model = CountedModel.of(toy_model())
    plan = signed(plan_of("attention_couple", {"regions": [{**FULL, "prompt": TEXT}]}))
    texts = {text: exact(77, WIDTH, seed=sum(map(ord, text))) for text in (REST, *PARTS, "bad")}
    model.context = lambda text: texts[text]
    hook = preparation("attention_couple")(plan, DiffusersHost(model)).cross_attention
    weights = [exact(8, width, seed=width + at, scale=0.25) for at, width in enumerate((16, WIDTH, WIDTH))]
    x, step = exact(2, 64, 16, seed=5), StepInfo(0, 10, 1.0)

    def call(of):
        projections = [lambda y, w=weight: F.linear(y, of(w)) for weight in weights]
        own = torch.stack([texts["bad"], texts["bad"]])
        return AttentionCall(
            Site("a", "cross"), (8, 8), ModelCall(tuple(rows()), step, (8, 8)), of(x), of(own), 2, 0.5, *projections, out=lambda y: y
        )

    plainly = call(torch.Tensor.double)
    contexts = [negpip(model, text) for text in (TEXT, "bad")]
    expected = torch.stack([layer(plainly, n, context.double(), turned) for n, (context, turned) in enumerate(contexts)])
    with case.ambient():
        got = hook(call(case.of))
    assert_near(got, expected, case, case.computes)


@pytest.mark.parametrize(("method", "more"), [("sequential", {}), ("latent_composite", {"after": "nothing"})])
def test_where_the_main_prompts_would_be_lost_it_is_refused(model, method, more):
    plan = plan_of(method, {"regions": [{**FULL, "prompt": "a"}], "options": {method: more}}, (TEXT,))
    with pytest.raises(RegionalError, match=f"main prompt.*{method}"):
        predict(model, signed(plan))


def test_a_host_without_tokens_says_so(model):
    model_without = toy_model()
    plan = plan_of("attention_couple", {"regions": [{**FULL, "prompt": TEXT}]})
    with pytest.raises((RegionalError, AttributeError), match="token"):
        predict(model_without, signed(plan))
    assert model_without.context("a").shape == (77, WIDTH)
