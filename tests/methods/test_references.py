"""Reference pictures in regions: against the layer written out, against diffusers' own IP-Adapter, and their neutral cases."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from isolation_cases import FULL, HALVES, alone, assert_same, called, contexts_of, latent, plain, plan_of, predict
from toy import rows, toy_model
from toy_references import features, reference, referring, weights_of

from lib_regional.engine.calls import Row
from lib_regional.engine.hooks import Hooks
from lib_regional.engine.references import ImagePrompt
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.hosts.installing.sites import sites_of
from lib_regional.methods import open_session
from lib_regional.request.errors import RegionalError
from lib_regional.tensors.masks.pyramid import reduce_weights
from lib_regional.tensors.masks.weight_maps import weight_maps
from lib_regional.tensors.references.terms import Term, with_terms
from tests.support.half import Case as Precision
from tests.support.half import assert_near, every_precision, exact

PREDICTED = ("latent_couple", "multidiffusion", "latent_composite", "rag", "mask_conditioning")


@pytest.fixture(scope="module")
def model():
    return toy_model()


def attention(q, k, v, heads, scale):
    """softmax(q kᵀ · scale) v of (L, C) and (T, C), one head after the other."""
    width = q.shape[-1] // heads
    parts = [slice(at * width, (at + 1) * width) for at in range(heads)]
    return torch.cat([torch.softmax(q[:, one] @ k[:, one].T * scale, -1) @ v[:, one] for one in parts], -1)


def added(call, prompt, n, q):
    k, v = prompt.layers[call.site.name]
    at = 0 if call.model.rows[n].role == "cond" else 1
    return attention(q, k[at], v[at], call.heads, call.scale)


def slow_couple(model, plan, order, x):
    """Every layer, row, region and picture by itself."""

    def layer(call):
        full = weight_maps(plan.layout, *call.model.latent)
        maps = full if call.grid == call.model.latent else reduce_weights(full, call.grid)
        out = []
        for n, row in enumerate(call.model.rows):
            texts = plan.first.texts[row.image]
            own = texts.regions if row.role == "cond" else texts.region_negatives
            contexts = [(maps.regions[r].flatten(), model.context(text)) for r, text in enumerate(own) if text]
            rest = torch.ones(len(call.x[n])) - sum(w for w, _ in contexts)
            q = call.to_q(call.x[n])
            total = sum(
                weight[:, None] * attention(q, call.to_k(context), call.to_v(context), call.heads, call.scale)
                for weight, context in [*contexts, (rest, call.context[n])]
            )
            for region, prompt in plan.references.items():
                weight = maps.share[region].flatten() * plan.layout.regions[region].reference.weight
                total = total + weight[:, None] * added(call, prompt, n, q)
            out.append(call.out(total))
        return torch.stack(out)

    with torch.no_grad(), DiffusersHost(model).patched(Hooks(cross_attention=layer)):
        return called(model, x, order, contexts_of(plan, order))


def with_picture(model, prompt, weight, ask):
    """``ask()`` of a network whose every layer has the picture's term everywhere."""

    def layer(call):
        out = []
        for n in range(len(call.x)):
            q = call.to_q(call.x[n])
            own = attention(q, call.to_k(call.context[n]), call.to_v(call.context[n]), call.heads, call.scale)
            out.append(call.out(own + weight * added(call, prompt, n, q)))
        return torch.stack(out)

    with torch.no_grad(), DiffusersHost(model).patched(Hooks(cross_attention=layer)):
        return ask()


LAYOUTS = [
    pytest.param([{**HALVES[0], "prompt": "a", "reference": reference(weight=0.7)}, {**HALVES[1], "prompt": "b"}], id="one"),
    pytest.param([{**HALVES[0], "reference": reference()}, {**HALVES[1], "prompt": "b", "base_share": 0.4}], id="without a text"),
    pytest.param(
        [{**HALVES[0], "prompt": "a", "negative": "n", "reference": reference()},
         {"ellipse": [0.3, 0.1, 0.9, 0.8], "prompt": "b", "base_share": 0.5, "feather": 0.2, "reference": reference(weight=1.5)}],
        id="two, soft",
    ),
]  # fmt: skip


@pytest.mark.parametrize("plus", [False, True], ids=["linear", "plus"])
@pytest.mark.parametrize("regions", LAYOUTS)
def test_attention_couple_is_the_layer_written_out(model, regions, plus):
    plan = referring(model, plan_of("attention_couple", {"regions": regions}, ("main", "other"), ("bad", "worse")), plus)
    order = rows(2)
    x = latent(4, 9, 7)
    assert_same(predict(model, plan, order, x), slow_couple(model, plan, order, x))


@pytest.mark.parametrize(("method", "plus"), [("attention_couple", True), *((name, False) for name in ("attention_couple", *PREDICTED))])
def test_over_the_whole_canvas_it_is_diffusers_own_adapter(method, plus):
    """`UNet2DConditionModel` numbers the layers by itself, so that the order counts too. The region has no text of its own."""
    ours, theirs, weight = toy_model(), toy_model(), 0.8
    region = {**FULL, "reference": reference(weight=weight)}
    options = {"latent_composite": {"alone": 1}, "rag": {"bind": 1}, "multidiffusion": {"bootstrap": 0}}.get(method, {})
    plan = referring(ours, plan_of(method, {"regions": [region], "options": {method: options}}), plus)
    theirs.unet._load_ip_adapter_weights([weights_of(DiffusersHost(ours).cross_layers(), plus)])
    for processor in theirs.unet.attn_processors.values():
        if hasattr(processor, "scale"):
            processor.scale = [weight]
    embeddings = features(0, plus)[:, None]
    contexts = torch.stack([theirs.context(text) for text in ("main", "bad")])
    with torch.no_grad():
        expected = theirs.unet(latent(2), 100, contexts, added_cond_kwargs={"image_embeds": [embeddings]}).sample
    assert not torch.allclose(expected, plain(ours, ["main", "bad"]), atol=1e-2)
    assert_same(predict(ours, plan), expected)


def test_latent_couple_predicts_a_region_with_its_picture(model):
    """Also one without a text, whose context is the row's own; the negative rows are those of the region too."""
    regions = [{**HALVES[0], "reference": reference(weight=0.7), "feather": 0}, {**HALVES[1], "prompt": "b", "feather": 0}]
    plan = referring(model, plan_of("latent_couple", {"regions": regions}))
    x, order = latent(2), rows()
    pictured = with_picture(model, plan.references[0], 0.7, lambda: called(model, x, order, ["main", "bad"]))
    texts = torch.stack([alone(model, x[0], "b"), alone(model, x[1], "bad")])
    expected = torch.cat([pictured[..., :4], texts[..., 4:]], -1)
    assert_same(predict(model, plan, order, x), expected)


@pytest.mark.parametrize("method", ["attention_couple", *PREDICTED])
@pytest.mark.parametrize("held", [{"weight": 0}, {"steps": [0.5, 1]}], ids=["weight 0", "not yet"])
def test_without_effect_it_is_no_reference_exactly(model, method, held):
    regions = [{**HALVES[0], "prompt": "a"}, {**HALVES[1], "prompt": "b"}, {"box": [0.2, 0.2, 0.6, 0.6], "weight": 0.5}]
    none = plan_of(method, {"regions": regions})
    given = [{**one, "reference": reference(**held)} for one in regions]
    assert torch.equal(predict(model, referring(model, plan_of(method, {"regions": given})), index=2), predict(model, none, index=2))


@pytest.mark.parametrize("method", ["attention_couple", *PREDICTED])
def test_it_acts_in_its_steps_alone(model, method):
    regions = [{**FULL, "prompt": "a", "reference": reference(steps=[0.2, 0.4])}]
    plan = referring(model, plan_of(method, {"regions": regions}))
    bare = plan_of(method, {"regions": [{**FULL, "prompt": "a"}]})
    same = [torch.equal(predict(model, plan, index=index), predict(model, bare, index=index)) for index in (1, 2, 4)]
    assert same == [True, False, True]


def test_rows_go_by_their_roles_in_any_order_and_in_any_chunks(model):
    regions = [{**HALVES[0], "reference": reference()}]
    plan = referring(model, plan_of("attention_couple", {"regions": regions}, ("main", "other"), ("bad", "worse")))
    together = predict(model, plan)
    for order in ([Row(1, "uncond"), Row(0, "cond")], [Row(1, "cond")], [Row(0, "uncond"), Row(1, "cond"), Row(1, "uncond")]):
        assert_same(predict(model, plan, order), torch.stack([together[rows(2).index(row)] for row in order]))


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt], ids=["success", "error", "interrupt"])
@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_the_network_is_as_it_was(model, method, error):
    def state():
        layers = [(id(layer.processor), sorted(vars(layer))) for _, layer in sites_of(model.unet)]
        return layers, sorted(vars(model.unet)), list(model.call_listeners), list(model.denoiser_hooks), len(model.unet._forward_hooks)

    before = state()
    plan = referring(model, plan_of(method, {"regions": [{**HALVES[0], "prompt": "a", "reference": reference()}]}))
    failing = model.unet.mid_block.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(error("stop"))) if error else None
    try:
        predict(model, plan)
    except BaseException as caught:  # the very one
        assert error is not None and type(caught) is error
    finally:
        if failing is not None:
            failing.remove()
    assert state() == before


def test_another_build_of_the_model_is_refused(model):
    plan = referring(model, plan_of("attention_couple", {"regions": [{**FULL, "reference": reference()}]}))
    session = open_session(DiffusersHost(model), plan)
    session._hooks.renew()
    layers = dict(list(plan.references[0].layers.items())[1:])
    session = open_session(DiffusersHost(model), replace(plan, references={0: ImagePrompt(layers)}))
    with pytest.raises(RegionalError, match="another build: the regions' reference pictures cannot follow"):
        session._hooks.renew()


@every_precision
def test_the_term_in_half_precision(case: Precision):
    """Against doubles, at the width and length of a real layer."""
    heads, width, length, tokens = 8, 40, 4096, 16
    y, q = exact(1, length, heads * width, seed=1), exact(1, heads, length, width, seed=2)
    k, v, weights = exact(1, heads, tokens, width, seed=3), exact(1, heads, tokens, width, seed=4), exact(1, length, 1, seed=5).abs()
    scores = q.double() @ k.double().transpose(-1, -2) * width**-0.5
    expected = y.double() + weights.double() * (scores.softmax(-1) @ v.double()).transpose(1, 2).flatten(2)
    with case.ambient():
        got = with_terms(case.of(y), case.of(q), [Term(case.of(k), case.of(v), case.of(weights))], width**-0.5)
    assert_near(got, expected, case)
