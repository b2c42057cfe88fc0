"""Attention couple on a whole toy UNet against a layer-by-layer reference, and its neutral cases."""

import importlib

import pytest
import torch
from toy import rows, toy_model

from lib_regional.engine.calls import Row, StepInfo
from lib_regional.engine.hooks import Hooks
from lib_regional.engine.plan import Plan, plan_hires, plan_pass
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import open_session, preparation
from lib_regional.methods.common.contexts import encode_plan
from lib_regional.methods.key_values import KeyValueCache
from lib_regional.request.methods.specs import METHODS
from lib_regional.request.settings import Settings
from lib_regional.tensors.masks.pyramid import reduce_weights
from lib_regional.tensors.masks.weight_maps import weight_maps

attention_couple = importlib.import_module("lib_regional.methods.attention_couple")
"""The module; the package has a function of its name."""

HALVES = [{"box": [0, 0, 0.5, 1]}, {"box": [0.5, 0, 1, 1]}]
FULL = {"box": [0, 0, 1, 1], "base_share": 0, "feather": 0}


@pytest.fixture(scope="module")
def model():
    return toy_model()


def plan_of(data, prompts=("main",), negatives=("bad",), size=(64, 64), steps=10, hires=None):
    settings = Settings.parse({"enabled": True, **data})
    first = plan_pass(settings, prompts, negatives, steps)
    second = plan_hires(settings, first, *hires, steps) if hires else None
    return Plan(settings, settings.layout(), size, first, second)


def latent(batch, height=8, width=8):
    return torch.randn(1, 4, height, width, generator=torch.Generator().manual_seed(7)).expand(batch, -1, -1, -1)


def predict(model, plan, order=None, contexts=None, x=None, **more):
    images = len(plan.first.texts)
    order = order or rows(images)
    contexts = contexts or [plan.first.texts[r.image].base if r.role == "cond" else plan.first.texts[r.image].negative for r in order]
    x = latent(len(order)) if x is None else x
    with torch.no_grad(), open_session(DiffusersHost(model), plan):
        return model.predict(x, order, contexts, **more)


def plain(model, prompts, x=None, order=None):
    order = order or rows(len(prompts) // 2)
    with torch.no_grad():
        return model.predict(latent(len(order)) if x is None else x, order, list(prompts))


def reference(model, plan, order, contexts, x):
    """Design, section 1, the slow way: every layer once per row and region over all tokens, weighted and summed."""

    def layer(call):
        out = []
        for n, row in enumerate(call.model.rows):
            texts = plan.first.texts[row.image]
            own = texts.regions if row.role == "cond" else texts.region_negatives
            maps = (
                reduce_weights(weight_maps(plan.layout, *call.model.latent), call.grid)
                if call.grid != call.model.latent
                else weight_maps(plan.layout, *call.grid)
            )
            parts = [(maps.regions[r].flatten(), model.context(text)) for r, text in enumerate(own) if text]
            parts.append((torch.ones(len(call.x[n])) - sum(w for w, _ in parts), call.context[n]))
            total = torch.zeros_like(call.x[n])
            for weight, context in parts:
                q, k, v = (
                    t.unflatten(-1, (call.heads, -1)).transpose(0, 1)
                    for t in (call.to_q(call.x[n]), call.to_k(context), call.to_v(context))
                )
                attended = torch.softmax(q @ k.transpose(-1, -2) * call.scale, -1) @ v
                total += weight[:, None] * attended.transpose(0, 1).flatten(1)
            out.append(call.out(total))
        return torch.stack(out)

    with torch.no_grad(), DiffusersHost(model).patched(Hooks(cross_attention=layer)):
        return model.predict(x, order, contexts)


GRID = {"ratios": "1,1,1,1;1,2,1,1", "direction": "columns"}
LONG = {"box": [0.4, 0, 1, 1], "prompt": "b " * 80, "priority": 1}
ELLIPSE = {"ellipse": [0.1, 0.1, 0.8, 0.9], "prompt": "a"}
CASES = [
    pytest.param({"regions": [{**HALVES[0], "prompt": "a"}, {**HALVES[1], "prompt": "b"}]}, id="two columns"),
    pytest.param({"regions": [{**HALVES[0], "prompt": "a", "negative": "n"}, {**HALVES[1], "prompt": "b", "weight": 2}]}, id="a negative"),
    pytest.param({"grid": GRID, "regions": [{"prompt": t, "base_share": 0} for t in "abcdef"]}, id="grid"),
    pytest.param({"regions": [ELLIPSE, LONG], "overlap": "over"}, id="over, long prompt"),
    pytest.param({"regions": [{**HALVES[0], "prompt": ""}, {"box": [0.6, 0.6, 0.62, 0.62], "prompt": "tiny"}]}, id="empty and tiny"),
]  # fmt: skip


@pytest.mark.parametrize("data", CASES)
@pytest.mark.parametrize("size", [(8, 8), (9, 7)], ids=str)
@pytest.mark.parametrize("way", ["buckets", "stacked", "combined"])
def test_equals_the_reference(model, data, size, way, monkeypatch):
    def chosen(parts, *_):
        return way if way != "combined" or len({part.length for part in parts}) == 1 else "stacked", None

    monkeypatch.setattr("lib_regional.methods.couple.cheapest_way", chosen)
    plan = plan_of(data, ("main", "other"), ("bad", "worse"))
    order = rows(2)
    contexts = ["main", "other", "bad", "worse"]
    x = latent(4, *size)
    torch.testing.assert_close(predict(model, plan, order, contexts, x), reference(model, plan, order, contexts, x), atol=2e-5, rtol=1e-4)


def test_a_region_over_the_whole_canvas_is_its_prompt(model):
    plan = plan_of({"regions": [{**FULL, "prompt": "a"}]})
    torch.testing.assert_close(predict(model, plan), plain(model, ["a", "bad"]), atol=1e-5, rtol=1e-4)


def test_one_text_everywhere_is_the_plain_prompt(model):
    plan = plan_of({"regions": [{**h, "prompt": "main"} for h in HALVES]})
    torch.testing.assert_close(predict(model, plan), plain(model, ["main", "bad"]), atol=1e-5, rtol=1e-4)


def test_uncond_rows_are_untouched_without_negatives(model):
    plan = plan_of({"regions": [{**h, "prompt": t} for h, t in zip(HALVES, "ab", strict=True)]})
    torch.testing.assert_close(predict(model, plan)[1], plain(model, ["main", "bad"])[1], atol=1e-6, rtol=1e-5)


def test_rows_go_by_their_roles_in_any_order_and_in_any_chunks(model):
    plan = plan_of({"regions": [{**HALVES[0], "prompt": "a", "negative": "n"}]}, ("main", "other"), ("bad", "worse"))
    together = predict(model, plan)
    texts = {Row(0, "cond"): "main", Row(1, "cond"): "other", Row(0, "uncond"): "bad", Row(1, "uncond"): "worse"}
    for order in ([Row(1, "uncond"), Row(0, "cond")], [Row(1, "cond")], [Row(0, "uncond"), Row(1, "cond"), Row(1, "uncond")]):
        got = predict(model, plan, order, [texts[r] for r in order])
        torch.testing.assert_close(got, torch.stack([together[rows(2).index(r)] for r in order]), atol=1e-5, rtol=1e-4)


def test_step_ranges_and_schedules_follow_the_step(model):
    region = {**FULL, "prompt": "[a:b:0.5]", "steps": [0.2, 0.8]}
    plan = plan_of({"regions": [region]})
    expected = {0: "main", 1: "main", 2: "a", 4: "a", 5: "b", 7: "b", 8: "main", 9: "main"}
    for index, text in expected.items():
        torch.testing.assert_close(
            predict(model, plan, index=index), plain(model, [text, "bad"]), atol=1e-5, rtol=1e-4, msg=f"step {index}"
        )


def test_keys_and_values_are_cached_and_the_cache_changes_nothing(model):
    data = {"regions": [{**h, "prompt": t} for h, t in zip(HALVES, "ab", strict=True)]}
    made = {}
    for cache in (True, False):
        plan, calls = plan_of({**data, "options": {"attention_couple": {"cache": cache}}}), []
        to_k = next(m for n, m in model.unet.named_modules() if n.endswith("attn2.to_k"))
        with torch.no_grad(), open_session(DiffusersHost(model), plan):
            handle = to_k.register_forward_hook(lambda m, a, o, calls=calls: calls.append(a[0].shape[0] * a[0].shape[1]))
            made[cache] = [model.predict(latent(2), rows(), ["main", "bad"], index=i) for i in range(3)]
            handle.remove()
        own, both = 2 * 77, 4 * 77  # the rows' own contexts every step, beside them the regions' once or every step
        assert calls == ([both, own, own] if cache else [both] * 3)
    assert all(torch.equal(a, b) for a, b in zip(made[True], made[False], strict=True))


def projections(model, plan, cache_limit, steps=4, hires=False):
    """Tokens that the first cross-attention projects into keys in each step, the rows' own left out, and the predictions."""
    to_k, order = next(m for n, m in model.unet.named_modules() if n.endswith("attn2.to_k")), rows(len(plan.first.texts))
    texts = [plan.first.texts[r.image].base if r.role == "cond" else plan.first.texts[r.image].negative for r in order]
    seen, made = [], []
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention_couple, "KeyValueCache", lambda **more: KeyValueCache(**{"limit": cache_limit, **more}))
        with open_session(DiffusersHost(model), plan):
            for index in range(steps):
                calls = []
                handle = to_k.register_forward_hook(lambda m, a, o, calls=calls: calls.append(a[0].shape[0] * a[0].shape[1]))
                made.append(model.predict(latent(len(order)), order, texts, index=index, hires=hires))
                handle.remove()
                seen.append(sum(calls) - 77 * len(order))
    return seen, made


ELEVEN = [{"box": [n / 11, 0, (n + 1) / 11, 1], "prompt": f"text {n}", "negative": f"not {n}"} for n in range(11)]
SITES = [(32, n) for n in range(4)] + [(64, n) for n in range(3)]
"""Widths of the toy model's seven cross-attention layers."""
EACH = 77 * 2 * 4 * sum(width for width, _ in SITES)
"""Bytes of one context's keys and values over all layers."""


def test_contexts_that_outgrow_the_cache_are_kept_as_far_as_they_fit(model):
    """With a cache that empties itself no step ever found anything."""
    plan = plan_of({"regions": ELEVEN})
    seen, made = projections(model, plan, 22 * EACH)
    assert seen == [22 * 77, 0, 0, 0]
    short, others = projections(model, plan, 15 * EACH)
    assert short[0] == 22 * 77 and 0 <= short[1] < 22 * 77 and short[1] == short[2] == short[3]
    for a, b in zip(made, others, strict=True):
        torch.testing.assert_close(a, b)


def test_one_text_is_projected_and_stored_once_for_all_regions_and_images(model):
    three = [{"box": [n / 3, 0, (n + 1) / 3, 1], "prompt": text} for n, text in enumerate(("a", "b", "a"))]
    seen, _ = projections(model, plan_of({"regions": three}, ("main",) * 4, ("bad",) * 4), 2 * EACH)
    assert seen == [2 * 77, 0, 0, 0]


def test_the_hires_pass_shares_what_the_first_pass_has_kept(model):
    plan = plan_of({"regions": [{**HALVES[0], "prompt": "a"}]}, hires=(("main",), ("bad",)))
    contexts = encode_plan(plan, DiffusersHost(model))
    keys = [contexts.key(Row(0, "cond"), 0, StepInfo(0, 10, hires=hires)) for hires in (False, True)]
    assert keys[0] != keys[1] and contexts.content(keys[0]) == contexts.content(keys[1])


def test_contexts_are_one_content_only_if_the_same_loras_act_on_them(model):
    texts = ["a <lora:x:1>", "a <lora:x:0.5:1>", "a <lora:x:1:0.5>", "a <lora:y:1>", "a ", "b "]
    plan = plan_of({"regions": [{"box": [0, 0, 1, 1], "prompt": text} for text in texts]})
    contexts = encode_plan(plan, DiffusersHost(model))
    numbers = [contexts.content(contexts.key(Row(0, "cond"), region, StepInfo(0, 10))) for region in range(6)]
    assert numbers[0] == numbers[1] and len(set(numbers)) == 5


def test_the_hires_pass_has_its_own_texts_and_size(model):
    data = {"text_from": "break", "grid": {"ratios": "1", "direction": "columns"}, "regions": [{"base_share": 0, "feather": 0}]}
    plan = plan_of(data, ("a",), ("bad",), hires=(("b",), ("bad",)))
    got = predict(model, plan, contexts=["b", "bad"], x=latent(2, 12, 10), hires=True)
    torch.testing.assert_close(got, plain(model, ["b", "bad"], latent(2, 12, 10)), atol=1e-5, rtol=1e-4)


def test_a_hires_prompt_that_does_not_split_is_the_bases():
    data = {"text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}}
    plan = plan_of(data, ("a BREAK b",), ("",), hires=(("sharp",), ("",)))
    assert plan.hires.texts[0].base == "sharp" and plan.hires.texts[0].regions == ("a", "b")


def test_every_text_is_encoded_once(model):
    model.encoded.clear()
    predict(model, plan_of({"regions": [{**h, "prompt": "same", "negative": "n"} for h in HALVES]}))
    assert [(texts, negative) for texts, _, negative, _ in model.encoded] == [(("same",), False), (("bad, n",), True)]


def test_and_weights_of_the_prompt_scale_the_regions(model):
    data = {"text_from": "and", "grid": {"ratios": "1,1", "direction": "columns"}}
    weighted = plan_of(data, ("a AND b:0",), ("bad",))
    assert weighted.first.texts[0].weights == (1.0, 0.0)
    silent = plan_of({"regions": [{**HALVES[0], "prompt": "a"}]}, (weighted.first.texts[0].base,), ("bad",))
    torch.testing.assert_close(predict(model, weighted), predict(model, silent), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_every_row_of_the_table_names_a_function_that_prepares(method):
    assert callable(preparation(method))
