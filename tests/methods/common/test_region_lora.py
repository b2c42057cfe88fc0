"""Region LoRAs layer by layer against the sum written out: one term for each region, at every place."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from lora_files import lora
from torch import Tensor

from lib_regional.engine.calls import LayerCall, ModelCall, Row, StepInfo
from lib_regional.engine.plan import Plan, plan_hires, plan_pass
from lib_regional.methods.common.region_lora import ByPlace, layer_hooks, load_networks, loras_of_regions, tagged_hooks
from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.request.prompt.lora_tags import LoraTag
from lib_regional.request.settings import Settings
from lib_regional.tensors.lora.deltas import LayerDelta, LayerKind
from lib_regional.tensors.lora.kinds import Target, layer_delta
from lib_regional.tensors.lora.low_rank import dense
from lib_regional.tensors.masks.pyramid import Pyramid, reduce_maps
from lib_regional.tensors.masks.weight_maps import weight_maps

LAYERS = {
    "a.attn1.to_q": (LayerKind("linear"), (16, 12)),
    "a.attn2.to_k": (LayerKind("linear"), (16, 20)),
    "time": (LayerKind("linear"), (16, 12)),
    "conv": (LayerKind("conv", padding=(1, 1)), (16, 12, 3, 3)),
    "down": (LayerKind("conv", (2, 2), (1, 1)), (16, 12, 3, 3)),
}
LATENT = (8, 12)
REGIONS = [
    {"box": [0, 0, 0.5, 1], "prompt": "a <lora:one:0.5:0.7>", "feather": 0.2, "base_share": 0.4},
    {"box": [0.4, 0, 1, 1], "prompt": "b <lora:two:1:-0.9><lora:one:0.3>", "weight": 2.0},
    {"ellipse": [0.2, 0.1, 0.6, 0.5], "prompt": "c"},
]


class Files:
    """A host that has two LoRAs."""

    name = "files"

    def __init__(self) -> None:
        self.asked: list[LoraTag] = []
        self.deltas = {}
        for number, name in enumerate(("one", "two")):
            torch.manual_seed(number)
            self.deltas[name] = {
                layer: layer_delta(lora(shape), Target(kind, shape, lambda: torch.zeros(1))) for layer, (kind, shape) in LAYERS.items()
            }

    def loras(self, loras):
        self.asked += loras
        for one in loras:
            if one.name not in self.deltas:
                raise RegionalError(f"{one.name}.safetensors is missing.")
        return [self.deltas[one.name] for one in loras]


def plan_of(regions=REGIONS, prompts=("main",), hires=None):
    settings = Settings.parse({"enabled": True, "regions": regions})
    first = plan_pass(settings, prompts, [""] * len(prompts), 10)
    return Plan(settings, settings.layout(), (96, 64), first, plan_hires(settings, first, *hires, 10) if hires else None)


ROWS = (Row(0, "cond"), Row(0, "uncond"))


def call(name: str, x: Tensor, y: Tensor, grid=None, index=0, rows=ROWS, tags=()) -> LayerCall:
    return LayerCall(name, grid, ModelCall(rows, StepInfo(index, 10), LATENT, tags), x, y)


def shares(plan: Plan, grid: tuple[int, int], active=None) -> Tensor:
    full = weight_maps(plan.layout, *LATENT, active).share
    return full if grid == LATENT else reduce_maps(full, grid)


TERMS = ((0, "one", 0.7), (1, "two", -0.9), (1, "one", 0.3))
"""(region, LoRA, strength in the UNet) of REGIONS"""


def run_layer(name: str, x: Tensor, weight: Tensor) -> Tensor:
    kind, _ = LAYERS[name]
    return F.linear(x, weight) if kind.kind == "linear" else F.conv2d(x, weight, None, kind.stride, kind.padding)


def whole(host: Files, name: str, network: str) -> Tensor:
    return dense(host.deltas[network][name], LAYERS[name][1])


def expected(host: Files, plan: Plan, name: str, x: Tensor, y: Tensor, maps: Tensor, terms=TERMS) -> Tensor:
    """y + Σ_r map_r s_r (ΔW_r x), every delta over the whole layer and then masked. ``maps`` (R, …) fit y's places."""
    total = y.clone()
    for region, network, strength in terms:
        total = total + strength * maps[region] * run_layer(name, x, whole(host, name, network))
    return total


def hooks_of(host: Files, plan: Plan, **more):
    return layer_hooks(load_networks(plan, host), ByPlace(plan, Pyramid(plan.layout)), **more)


@pytest.mark.parametrize("grid", [(8, 12), (4, 6), (2, 3)], ids=str)
def test_tokens(grid: tuple[int, int]) -> None:
    host, plan = Files(), plan_of()
    x, y = torch.randn(2, grid[0] * grid[1], 12), torch.randn(2, grid[0] * grid[1], 16)
    before = y.clone()
    got = hooks_of(host, plan)["a.attn1.to_q"](call("a.attn1.to_q", x, y, grid))
    maps = shares(plan, grid).flatten(1)[:, None, :, None]
    assert torch.allclose(got, expected(host, plan, "a.attn1.to_q", x, y, maps), atol=1e-5)
    assert torch.equal(y, before)


@pytest.mark.parametrize(("name", "out"), [("conv", (8, 12)), ("down", (4, 6))])
def test_convolutions(name: str, out: tuple[int, int]) -> None:
    host, plan = Files(), plan_of()
    x, y = torch.randn(2, 12, 8, 12), torch.randn(2, 16, *out)
    got = hooks_of(host, plan)[name](call(name, x, y))
    assert torch.allclose(got, expected(host, plan, name, x, y, shares(plan, out)[:, None, None]), atol=1e-5)


def test_a_layer_without_a_place_takes_the_share_of_the_canvas() -> None:
    host, plan = Files(), plan_of()
    x, y = torch.randn(2, 12), torch.randn(2, 16)
    got = hooks_of(host, plan)["time"](call("time", x, y))
    assert torch.allclose(got, expected(host, plan, "time", x, y, shares(plan, LATENT).mean((1, 2))[:, None, None]), atol=1e-5)


def test_every_image_has_its_own_strengths() -> None:
    settings = Settings.parse({"enabled": True, "text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}})
    prompts = ("a<lora:one:1> BREAK b", "a BREAK b<lora:one:0.5>")
    plan = Plan(settings, settings.layout(), (96, 64), plan_pass(settings, prompts, ["", ""], 10))
    host, rows = Files(), (Row(0, "cond"), Row(1, "cond"), Row(0, "uncond"), Row(1, "uncond"))
    x, y = torch.randn(4, 96, 12), torch.randn(4, 96, 16)
    got = hooks_of(host, plan)["a.attn1.to_q"](call("a.attn1.to_q", x, y, LATENT, rows=rows))
    maps = shares(plan, LATENT).flatten(1)[..., None]
    for n, (region, strength) in enumerate([(0, 1.0), (1, 0.5)] * 2):
        one = expected(host, plan, "a.attn1.to_q", x[n], y[n], maps, ((region, "one", strength),))
        assert torch.allclose(got[n], one, atol=1e-5)


def test_outside_of_its_steps_a_region_adds_nothing() -> None:
    host, plan = Files(), plan_of([{**REGIONS[0], "steps": [0.5, 1]}])
    hook = hooks_of(host, plan)["a.attn1.to_q"]
    x, y = torch.randn(2, 96, 12), torch.randn(2, 96, 16)
    assert hook(call("a.attn1.to_q", x, y, LATENT, 4)) is None
    assert hook(call("a.attn1.to_q", x, y, LATENT, 5)) is not None


def test_a_lora_of_several_regions_is_read_and_computed_once() -> None:
    host, plan = Files(), plan_of()
    networks = load_networks(plan, host)
    assert [one.name for one in host.asked] == ["one", "two"]
    assert set(networks.layers) == set(LAYERS)


def test_contexts_are_left_to_methods_that_project_them() -> None:
    host, plan = Files(), plan_of()
    assert set(hooks_of(host, plan, contexts=False)) == set(LAYERS) - {"a.attn2.to_k"}
    x, y = torch.randn(3, 5, 20), torch.randn(3, 5, 16)
    one, two = (F.linear(x, whole(host, "a.attn2.to_k", name)) for name in ("one", "two"))
    networks = load_networks(plan, host)
    tags = [(), (LoraTag("one", 1, 0.5),), (LoraTag("two", 0, -1.0), LoraTag("one", 1, 2.0))]
    got = networks.on_contexts("a.attn2.to_k", tags, x, y)
    assert torch.equal(got[0], y[0])
    assert torch.allclose(got[1], y[1] + 0.5 * one[1], atol=1e-5)
    assert torch.allclose(got[2], y[2] - two[2] + 2 * one[2], atol=1e-5)


def test_contexts_take_whole_weights_as_well() -> None:
    host, plan = Files(), plan_of()
    kind, shape = LAYERS["a.attn2.to_k"]
    host.deltas["two"]["a.attn2.to_k"] = LayerDelta(kind, weight=torch.randn(shape))
    x, y = torch.randn(3, 5, 20), torch.randn(3, 5, 16)
    one, two = (F.linear(x, whole(host, "a.attn2.to_k", name)) for name in ("one", "two"))
    tags = [(LoraTag("two", 1, 0.5),), (), (LoraTag("two", 0, -1.0), LoraTag("one", 1, 2.0))]
    got = load_networks(plan, host).on_contexts("a.attn2.to_k", tags, x, y)
    assert torch.equal(got[1], y[1])
    assert torch.allclose(got[0], y[0] + 0.5 * two[0], atol=1e-5)
    assert torch.allclose(got[2], y[2] - two[2] + 2 * one[2], atol=1e-5)


def test_rows_with_a_mark_have_the_loras_of_their_region_everywhere() -> None:
    host, plan = Files(), plan_of()
    hooks = tagged_hooks(load_networks(plan, host), loras_of_regions(plan))
    rows, tags = (Row(0, "cond"), Row(0, "cond"), Row(0, "uncond"), Row(0, "cond")), (("region", 0), ("region", 1), None, "other")
    for name, shape, out in (("a.attn2.to_k", (7, 20), (7, 16)), ("time", (12,), (16,)), ("conv", (12, 5, 6), (16, 5, 6))):
        x, y = torch.randn(4, *shape), torch.randn(4, *out)
        got = hooks[name](call(name, x, y, rows=rows, tags=tags))
        one, two = (run_layer(name, x, whole(host, name, network)) for network in ("one", "two"))
        assert torch.allclose(got[0], y[0] + 0.7 * one[0], atol=1e-5)
        assert torch.allclose(got[1], y[1] + 0.3 * one[1] - 0.9 * two[1], atol=1e-5)
        assert torch.equal(got[2:], y[2:])
    assert hooks["time"](call("time", x, y)) is None


def test_hires_prompts_have_their_own_loras() -> None:
    settings = Settings.parse({"enabled": True, "text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}})
    first = plan_pass(settings, ["a BREAK b"], [""], 10)
    plan = Plan(settings, settings.layout(), (96, 64), first, plan_hires(settings, first, ["a<lora:two:1> BREAK b"], [""], 10))
    host = Files()
    hook = hooks_of(host, plan)["time"]
    x, y = torch.randn(2, 12), torch.randn(2, 16)
    assert hook(call("time", x, y)) is None
    got = hook(LayerCall("time", None, ModelCall(ROWS, StepInfo(0, 10, hires=True), LATENT), x, y))
    assert torch.allclose(got, y + 0.5 * F.linear(x, whole(host, "time", "two")), atol=1e-5)


def test_a_fault_names_file_and_region() -> None:
    plan = plan_of([*REGIONS, {"box": [0, 0, 1, 1], "prompt": "<lora:three:1>", "name": "red hat"}])
    with pytest.raises(SettingsError) as caught:
        load_networks(plan, Files())
    assert str(caught.value) == 'Region 4 ("red hat"): three.safetensors is missing.'
    assert caught.value.problems[0].field == "regions[3].prompt"


def test_another_number_of_rows_than_expected_stops() -> None:
    host, plan = Files(), plan_of()
    with pytest.raises(RegionalError, match="expected 2 rows, but the layer time runs 3"):
        hooks_of(host, plan)["time"](call("time", torch.randn(3, 12), torch.randn(3, 16)))


def test_merged_tokens_have_no_place_but_whole_rows_need_none() -> None:
    """Token merging gives self-attention fewer tokens than the grid has."""
    host, plan = Files(), plan_of()
    x, y = torch.randn(2, 20, 12), torch.randn(2, 20, 16)
    tagged = call("a.attn1.to_q", x, y, grid=(5, 6), tags=(("region", 0), None))
    with pytest.raises(RegionalError, match=r"a\.attn1\.to_q runs 20 of 30 tokens.*token merging.*latent_couple"):
        hooks_of(host, plan)["a.attn1.to_q"](tagged)
    got = tagged_hooks(load_networks(plan, host), loras_of_regions(plan))["a.attn1.to_q"](tagged)
    assert torch.allclose(got[0], y[0] + 0.7 * run_layer("a.attn1.to_q", x, whole(host, "a.attn1.to_q", "one"))[0], atol=1e-5)


def test_renewing_reads_again_and_refuses_a_model_of_another_build() -> None:
    host, plan = Files(), plan_of()
    networks = load_networks(plan, host)
    host.deltas["one"]["time"] = host.deltas["two"]["time"]
    networks.renew(plan, host)
    assert len(host.asked) == 4
    host.deltas["one"] = {**host.deltas["one"], "elsewhere": host.deltas["one"]["time"]}
    with pytest.raises(RegionalError, match="another build"):
        networks.renew(plan, host)
