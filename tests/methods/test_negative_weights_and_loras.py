"""A region whose text has a LoRA and words with a negative weight: the LoRA acts on the turned tokens too, in the text encoder and in the
layers, against weights into which it was merged."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from isolation_cases import FULL, HALVES, assert_same, latent, plan_of, predict
from lora_files import lora
from negative_weights import PARTS, REST, TEXT, CountedModel, layer, negpip, reference, signed
from toy import WIDTH, ToyLoras, rows, toy_model

from lib_regional.engine.calls import AttentionCall, ModelCall, Site, StepInfo
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import preparation
from lib_regional.tensors.lora.kinds import Target, layer_delta
from lib_regional.tensors.lora.layers import kind_of
from lib_regional.tensors.lora.low_rank import dense
from lib_regional.tensors.masks.weight_maps import weight_maps
from tests.support.half import assert_near, every_precision, exact

TAG = "<lora:one:0.5:0.75>"
TE, UNET = 0.5, 0.75
SIGNED = TEXT + TAG
METHODS = ("attention_couple", "latent_couple", "multidiffusion", "latent_composite", "rag", "mask_conditioning")
ALONE = {"latent_composite": {"alone": 1}, "rag": {"bind": 1}, "multidiffusion": {"bootstrap": 0}}
"""Options with which a region's own prediction is the picture's."""
CROSS = "down_blocks.0.attentions.0.transformer_blocks.0.attn2"
LAYERS = (*(f"{CROSS}.{end}" for end in ("to_q", "to_k", "to_v", "to_out.0")), CROSS.replace("attn2", "attn1.to_v"),
          CROSS.replace("down_blocks.0", "up_blocks.0") + ".to_v", "down_blocks.0.resnets.0.conv1")  # fmt: skip


class Loras(ToyLoras):
    """One LoRA: on layers of every kind, and on the text encoder, whose contexts it moves."""

    def __init__(self, deltas):
        super().__init__()
        self.deltas, self.strength = deltas, 0.0

    @contextmanager
    def on_texts(self, loras):
        self.strength = sum(one.te for one in loras)
        try:
            yield
        finally:
            self.strength = 0.0

    def unet_deltas(self, tag):
        return self.deltas


class LoraModel(CountedModel):
    """The toy model whose contexts a LoRA moves: by its strength, the same for every token of every text."""

    def context(self, text):
        found = super().context(text)
        return found + self.loras.strength * exact(1, found.shape[1], seed=11)


@pytest.fixture
def model():
    made = LoraModel.of(toy_model())
    made.loras = Loras({name: delta_of(made.unet.get_submodule(name), at) for at, name in enumerate(LAYERS)})
    return made


def delta_of(module, seed):
    torch.manual_seed(seed)
    shape = tuple(module.weight.shape)
    return layer_delta(lora(shape), Target(kind_of(module), shape, lambda: module.weight))


@contextmanager
def merged(model):
    """The model with the LoRA in its weights and in its text encoder."""
    layers = {name: model.unet.get_submodule(name) for name in LAYERS}
    before = {name: module.weight.detach().clone() for name, module in layers.items()}
    with torch.no_grad():
        for name, module in layers.items():
            module.weight += UNET * dense(model.loras.deltas[name], tuple(module.weight.shape))
    model.loras.strength = TE
    try:
        yield
    finally:
        model.loras.strength = 0.0
        with torch.no_grad():
            for name, module in layers.items():
                module.weight.copy_(before[name])


@pytest.mark.parametrize("where", ["region", "negative"])
@pytest.mark.parametrize("method", METHODS)
def test_over_the_whole_canvas_it_is_the_merged_model_under_negpip(model, method, where):
    """The host's own rows are without the LoRA. A region's negative has it as well, as where hosts load it."""
    own = {"prompt": SIGNED} if where == "region" else {"prompt": "a" + TAG, "negative": TEXT}
    bad, texts = ("bad", (TEXT, "bad")) if where == "region" else ("", ("a", TEXT))
    plan = signed(plan_of(method, {"regions": [{**FULL, **own}], "options": {method: ALONE.get(method, {})}}, ("b",), (bad,)))
    x = latent(2)
    got = predict(model, plan, rows(), x, ["b", bad])
    with merged(model):
        expected = reference(model, x, rows(), texts)
    assert_same(got, expected, atol=1e-4)
    assert (expected - reference(model, x, rows(), texts)).abs().max() > 1e-2


def test_the_main_prompts_negative_weights_act_without_the_regions_lora(model):
    plan = signed(plan_of("latent_couple", {"regions": [{**HALVES[1], "prompt": SIGNED, "feather": 0}]}, (TEXT,), ("bad",)))
    got, x = predict(model, plan, rows(), latent(2), [REST, "bad"]), latent(2)
    assert_same(got[..., :4], reference(model, x, rows(), (TEXT, "bad"))[..., :4])
    with merged(model):
        assert_same(got[..., 4:], reference(model, x, rows(), (TEXT, "bad"))[..., 4:], atol=1e-4)


def keys_values(delta, weight, strength, of):
    """A projection in the case's type; the LoRA is merged in double precision."""
    whole = weight.double() + strength * dense(delta, tuple(weight.shape)).double()
    return lambda y: F.linear(y.double(), whole) if of is torch.Tensor.double else F.linear(y, of(weight))


@every_precision
@pytest.mark.parametrize("feather", [0, 0.3])
def test_a_layer_of_every_precision_is_the_reference(case, feather):
    """Two halves, in double precision: each region's attention with its own keys and values, weighted place by place."""
    model = LoraModel.of(toy_model())
    weights = [exact(8, width, seed=width + at, scale=0.25) for at, width in enumerate((16, WIDTH, WIDTH))]
    parts = {f"a.attn2.{end}": exact_lora(weight, at) for at, (end, weight) in enumerate(zip(("to_k", "to_v"), weights[1:], strict=True))}
    model.loras = Loras(parts)
    texts = {text: exact(77, WIDTH, seed=sum(map(ord, text))) for text in (REST, *PARTS, "a", "bad")}
    moved = exact(1, WIDTH, seed=11, scale=0.5)
    model.context = lambda text: texts[text] if not model.loras.strength else (texts[text] + moved).to(torch.bfloat16).float()
    layout = [{**HALVES[0], "prompt": "a", "feather": feather}, {**HALVES[1], "prompt": SIGNED, "feather": feather}]
    plan = signed(plan_of("attention_couple", {"regions": layout}))
    hook = preparation("attention_couple")(plan, DiffusersHost(model)).cross_attention
    x, step = exact(2, 64, 16, seed=5), StepInfo(0, 10, 1.0)

    def call(of, strength=0.0):
        k, v = (keys_values(parts[f"a.attn2.{end}"], w, strength, of) for end, w in zip(("to_k", "to_v"), weights[1:], strict=True))
        own = torch.stack([texts["bad"], texts["bad"]])
        model_call = ModelCall(tuple(rows()), step, (8, 8))
        return AttentionCall(
            Site("a.attn2", "cross"),
            (8, 8),
            model_call,
            of(x),
            of(own),
            2,
            0.5,
            lambda y: F.linear(y, of(weights[0])),
            k,
            v,
            out=lambda y: y,
        )

    plainly, with_lora = call(torch.Tensor.double), call(torch.Tensor.double, UNET)
    left = [layer(plainly, n, texts[text].double(), 0) for n, text in enumerate(("a", "bad"))]
    model.loras.strength = TE
    right = [layer(with_lora, n, context.double(), turned) for n, (context, turned) in enumerate(negpip(model, t) for t in (TEXT, "bad"))]
    model.loras.strength = 0.0
    maps = weight_maps(plan.layout, 8, 8).regions.flatten(1)[..., None].double()
    assert torch.allclose(maps.sum(0), torch.ones(64, 1, dtype=torch.double))
    expected = torch.stack([maps[0] * a + maps[1] * b for a, b in zip(left, right, strict=True)])
    with case.ambient():
        got = hook(call(case.of))
    assert_near(got, expected, case, case.computes)


def exact_lora(weight, seed):
    """A LoRA of rank 3 whose factors every precision holds exactly."""
    shape = tuple(weight.shape)
    up, down = exact(shape[0], 3, seed=50 + seed, scale=0.25), exact(3, shape[1], seed=60 + seed, scale=0.25)
    factors = {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(3.0)}
    return layer_delta(factors, Target(kind_of(torch.nn.Linear(2, 2)), shape, lambda: weight))
