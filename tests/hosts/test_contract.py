"""What every adapter promises its methods: `ports.Host`, the powers of `capabilities`, and every slot of `Hooks`, on each host's double."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch
from a1111_hooks import rebuilt
from adapters import ADAPTERS, CELLS, LAYER, VECTOR, lora_of
from torch.nn.functional import linear

from lib_regional.engine.calls import Conditioning, UNetRow
from lib_regional.engine.capabilities import AnnouncingHost, ModelFacts, PassHost, cross_layers_of, facts_of, noise_of
from lib_regional.engine.hooks import Hooks
from lib_regional.engine.session import Session
from lib_regional.hosts.installing.sites import sites_of
from lib_regional.hosts.registry import find_host
from lib_regional.methods.common.contexts import context_at
from lib_regional.request.errors import RegionalError
from lib_regional.request.prompt.lora_tags import LoraTag
from lib_regional.tensors.latents.noise import seeded_noise
from lib_regional.tensors.lora.low_rank import added


@pytest.fixture(params=ADAPTERS)
def double(request, monkeypatch):
    return ADAPTERS[request.param](monkeypatch)


@pytest.fixture(params=ADAPTERS)
def with_vectors(request, monkeypatch):
    return ADAPTERS[request.param](monkeypatch, vectors=True)


# ---------------------------------------------------------------- the host


def test_the_model_is_found_by_what_it_offers(double):
    assert type(find_host(double.model, None)) is double.kind
    with pytest.raises(RegionalError, match="object"):
        find_host(object())


def test_contexts_come_in_the_order_of_their_texts_each_with_its_schedule(double):
    first, second = double.host.encode(["a [b:c:0.5]", "d"], steps=10, negative=False, size=(64, 80))
    told = [first[context_at(first, step)][1].crossattn for step in range(10)]
    early = [torch.equal(context, double.context("a b")) for context in told]
    assert early == sorted(early, reverse=True) and 4 <= sum(early) <= 6
    assert all(torch.equal(context, double.context("a c")) for context in told[sum(early) :])
    assert len(second) == 1 and torch.equal(second[0][1].crossattn, double.context("d"))
    assert [end for end, _ in first] == sorted({end for end, _ in first}) and second[0][0] >= 10


def test_cross_attentions_are_named_as_adapters_number_them(double):
    """On the way down, on the way up, in the middle, each with the widths of its queries and contexts."""
    layers = dict(double.network.named_modules())
    found = cross_layers_of(double.host)
    order = [
        next(at for at, part in enumerate((("input", "down"), ("output", "up"), ("mid",))) if name.startswith(part))
        for name in names(found)
    ]
    assert order == sorted(order) and {0, 1} <= set(order)
    assert sorted(names(found)) == sorted(site.name for site, _ in sites_of(double.network) if site.kind == "cross")
    assert all(layers[one.name].to_k.weight.shape == (one.inner, one.context) for one in found)


def names(layers):
    return [layer.name for layer in layers]


def test_long_texts_have_longer_contexts(double):
    (short,), (long,) = double.host.encode(["a", "b " * 80], steps=4, negative=True, size=(64, 80))
    assert (len(short[1].crossattn), len(long[1].crossattn)) == (77, 154)


def test_pooled_texts_come_with_the_contexts(with_vectors, monkeypatch):
    if with_vectors.kind.name == "diffusers":  # whose toy encodes without
        return
    monkeypatch.setattr(with_vectors.model, "rich", True)
    ((_, told),) = with_vectors.host.encode(["a"], steps=4, negative=False, size=(64, 80))[0]
    assert told.vector is not None and told.vector.shape == (VECTOR,)


def test_a_loras_deltas_are_those_of_its_layers_at_strength_one(double, tmp_path, monkeypatch):
    layers = lora_of(double)
    (name, parts), before = next(iter(layers.items())), double.state()
    double.read_loras(tmp_path, monkeypatch, layers)
    loaded = getattr(sys.modules.get("networks"), "loaded_networks", [])
    (found,) = double.host.loras([LoraTag("x", 0.3, 0.4)])
    assert set(found) == {name}
    x = torch.randn(5, double.network.get_submodule(name).weight.shape[1])
    expected = linear(linear(x, parts["lora_down.weight"]), parts["lora_up.weight"]) * 2 / 3
    torch.testing.assert_close(added(found[name], x), expected, atol=1e-5, rtol=1e-4)
    assert double.state()[:2] == before[:2] and loaded == []


def test_a_lora_that_is_missing_is_named(double, tmp_path, monkeypatch):
    double.read_loras(tmp_path, monkeypatch, lora_of(double))
    with pytest.raises(RegionalError, match='no LoRA "elsewhere".*x'):
        double.host.loras([LoraTag("elsewhere")])


def test_a_lora_for_another_model_is_named(double, tmp_path, monkeypatch):
    name, parts = next(iter(lora_of(double).items()))
    wide = {**parts, "lora_down.weight": torch.ones(3, 1 + parts["lora_down.weight"].shape[1])}
    double.read_loras(tmp_path, monkeypatch, {name: wide})
    with pytest.raises(RegionalError, match=f"x.*{name}"):
        double.host.loras([LoraTag("x")])


def test_a_host_without_loras_says_so(double, tmp_path, monkeypatch):
    double.read_loras(tmp_path, monkeypatch, None)
    with pytest.raises(RegionalError, match="Lora extension|no LoRAs for regions"):
        double.host.loras([LoraTag("x")])


# ---------------------------------------------------------------- optional powers


def test_facts_are_those_of_the_model(double):
    assert facts_of(double.host) == ModelFacts(8 if double.kind.name == "diffusers" else 64)


def test_noise_of_a_seed_is_the_hosts_own(double, monkeypatch):
    rng = ModuleType("modules.rng")
    rng.randn_local = lambda seed, shape: torch.full(shape, float(seed))
    monkeypatch.setitem(sys.modules, "modules.rng", rng)
    if "modules" in sys.modules:
        monkeypatch.setattr(sys.modules["modules"], "rng", rng, raising=False)
    drawn = noise_of(double.host)((4, *CELLS), 7)
    expected = seeded_noise((4, *CELLS), 7) if double.kind.name == "diffusers" else torch.full((4, *CELLS), 7.0)
    assert torch.equal(drawn, expected)


def test_progress_goes_on_where_the_host_has_no_place_for_it(double, monkeypatch):
    monkeypatch.delitem(sys.modules, "modules.shared", raising=False)
    monkeypatch.setitem(sys.modules, "modules", ModuleType("modules"))
    assert isinstance(double.host, AnnouncingHost) and double.host.announce("Working", 1, 3)


def test_a_pass_may_begin_while_nothing_is_installed(double):
    if isinstance(double.host, PassHost):
        before = double.state()
        double.host.begin_pass(None)
        assert double.state() == before
    else:
        assert double.kind.name == "diffusers"


# ---------------------------------------------------------------- slots

NEUTRAL = {
    "cross_attention": lambda call: None,
    "self_attention": lambda call: None,
    "layers": lambda call: None,
    "spatial": lambda call: None,
    "unet": lambda call: None,
    "vector": lambda call, vectors: None,
    "denoiser": lambda call: call.run(),
}
"""Hooks that leave everything to the host."""


def slot(double, name, hook):
    return {name: {double.named(LAYER): hook} if name == "layers" else hook}


@pytest.mark.parametrize("name", NEUTRAL)
def test_a_slot_is_reached_at_every_step_and_may_leave_it_to_the_host(with_vectors, name):
    double, steps = with_vectors, []
    plain = double.sample()

    def hook(call, *more):
        steps.append((call if name == "vector" else call if name == "denoiser" else call.model).step.index)
        return NEUTRAL[name](call, *more)

    with double.under(**slot(double, name, hook)):
        assert torch.equal(double.sample(), plain)
    assert set(steps) == {0, 1}
    reached = len(steps)
    assert torch.equal(double.sample(), plain) and len(steps) == reached


def test_slots_of_other_networks_and_hosts_are_not_called(double):
    """Joint attention beside cross-attention, attributes where no token is merged or tiled."""

    def never(*_):
        raise AssertionError("called")

    plain = double.sample()
    with double.under(joint=never, cross_attention=lambda call: None, token_attributes=never, vector=never):
        assert torch.equal(double.sample(), plain)


@pytest.mark.parametrize("name", ["cross_attention", "self_attention"])
def test_calls_describe_the_layer(double, name):
    seen, kind = [], name.partition("_")[0]
    with double.under(**{name: lambda call: seen.append(call) if call.model.step.index == 1 else None}):
        double.sample()
    sites = [site for site, _ in sites_of(double.network) if site.kind == kind]
    assert [call.site.name for call in seen] == list(dict.fromkeys(call.site.name for call in seen))
    assert {call.site for call in seen} == set(sites) and {call.grid for call in seen} == {CELLS, (5, 3)}
    for call in seen:
        assert call.x.shape[:2] == (2, call.grid[0] * call.grid[1]) and call.model.latent == CELLS and call.model.tags == ()
        assert call.scale == pytest.approx((call.to_q(call.x).shape[-1] / call.heads) ** -0.5)
        assert call.model.rows == double.rows and (call.model.step.total, call.model.step.cfg_scale) in {(2, 3.0), (4, 3.0)}
        if kind == "self":
            assert call.context is call.x
        else:
            texts = [double.context("main" if row.role == "cond" else "bad") for row in double.rows]
            assert torch.equal(call.context, torch.stack(texts))


def test_a_hook_can_be_the_layer(double):
    plain = double.sample()
    with double.under(cross_attention=rebuilt, self_attention=rebuilt):
        torch.testing.assert_close(double.sample(), plain, atol=2e-5, rtol=1e-4)


def test_the_unet_hook_may_predict_the_hosts_rows_by_itself(double):
    plain, calls = double.sample(), []

    def hook(call):
        calls.append(call)
        return call.run([UNetRow(source) for source in range(len(call.x))])

    with double.under(unet=hook):
        torch.testing.assert_close(double.sample(), plain, atol=1e-5, rtol=1e-5)
    call = calls[-1]
    assert len(calls) == 2 and (call.model.rows, call.model.latent, call.model.tags, call.tokens) == (double.rows, CELLS, (), 77)
    assert call.x.shape == (2, 4, *CELLS)
    with double.under(unet=lambda call: call.native()):
        assert torch.equal(double.sample(), plain)


def test_rows_of_a_method_are_crops_with_texts_of_their_own(double):
    """They give what the bare network does, and the attention of both calls is described with its own rows."""
    made, seen = {}, []
    texts = {"cond": "main", "uncond": "bad"}

    def hook(call):
        if call.model.step.index == 1:
            rows = [UNetRow(1, call.x[1, :, :4], Conditioning(double.context("x")), "one"), UNetRow(0, call.x[0, :, 2:6], None, "two")]
            made.update(x=call.x.clone(), run=call.run(rows))
        return call.native()

    def attention(call):
        if call.model.step.index == 1:
            seen.append((call.model.rows, call.model.tags, call.model.latent, call.grid))

    plain = double.sample()
    with double.under(unet=hook, cross_attention=attention):
        assert torch.equal(double.sample(), plain)
    crops = torch.stack([made["x"][1, :, :4], made["x"][0, :, 2:6]])
    torch.testing.assert_close(made["run"], double.bare(crops, [double.context("x"), double.context(texts[double.rows[0].role])]))
    own = (double.rows[1], double.rows[0])
    assert set(seen) == {
        (own, ("one", "two"), (4, 6), (4, 6)), (own, ("one", "two"), (4, 6), (2, 3)),
        (double.rows, (), CELLS, CELLS), (double.rows, (), CELLS, (5, 3)),
    }  # fmt: skip


def test_rows_of_different_sizes_are_an_error(double):
    before = double.state()

    def hook(call):
        return call.run([UNetRow(0), UNetRow(0, call.x[0, :, :4])])

    with pytest.raises(RegionalError, match=r"one latent size.*\(4, 4, 6\), \(4, 10, 6\)"), double.under(unet=hook):
        double.sample()
    assert double.state() == before


def test_rows_bring_their_own_pooled_texts(with_vectors):
    """With the vector of its source a row is its source; with another one, beside the same text, it is not."""
    double, made = with_vectors, {}

    def hook(call):
        text = double.context("main" if call.model.rows[0].role == "cond" else "bad")
        for name, vector in (("own", double.vector(0)), ("other", double.vector(0) + 5), ("none", None)):
            made[name] = call.run([UNetRow(0, None, Conditioning(text, vector))])

    plain = double.sample()
    with double.under(unet=hook):
        assert torch.equal(double.sample(), plain)
    assert torch.equal(made["own"], made["none"]) and not torch.allclose(made["other"], made["none"], atol=1e-3)


def test_pooled_texts_are_replaced_where_the_hook_says_so(with_vectors, monkeypatch):
    double, asked = with_vectors, []
    plain, first = double.sample(), double.vector(0)

    def hook(call, vectors):
        asked.append((call.rows, vectors.clone()))
        sizes = vectors[:, VECTOR:]  # of diffusers, which stay
        return torch.cat([vectors[:, :VECTOR] * 2, sizes], 1)

    made = []
    for more in ({}, {"unet": lambda call: None}):
        with double.under(vector=hook, **more):
            made.append(double.sample())
    assert torch.equal(double.sample(), plain)
    double.double_vectors(monkeypatch)
    doubled = double.sample()
    assert torch.equal(made[0], doubled) and torch.equal(made[1], doubled) and not torch.allclose(doubled, plain)
    rows, vectors = asked[-1]
    assert rows == double.rows and torch.equal(vectors[0], first)


def test_layers_say_where_they_are(double):
    modules = dict(double.network.named_modules())
    grids = {double.named(end): CELLS for end in (LAYER, ".attn2.to_q", ".attn2.to_out.0")}
    grids |= {
        name: CELLS for name in modules if name.endswith(".0.ff.net.2") and name.rsplit(".transformer_blocks", 1)[0] in double.named(LAYER)
    }
    grids |= {double.named(end): None for end in (".attn2.to_k", ".attn2.to_v")}
    grids |= {next(name for name in modules if "mid" in name and name.endswith(LAYER)): (5, 3)}
    wide, time = next(name for name, module in modules.items() if isinstance(module, torch.nn.Conv2d)), double.time
    seen, plain = {}, double.sample()
    with double.under(layers={name: lambda call: seen.update({call.name: call}) for name in (*grids, wide, time)}):
        assert torch.equal(double.sample(), plain)
    assert {name: call.grid for name, call in seen.items()} == {**grids, wide: None, time: None}
    assert seen[double.named(LAYER)].x.shape[:2] == (2, 60) and seen[double.named(".attn2.to_k")].x.shape[:2] == (2, 77)
    assert seen[wide].x.shape[2:] == CELLS
    for name, call in seen.items():
        torch.testing.assert_close(call.y, modules[name](call.x))
        assert call.model.rows == double.rows and call.token_attributes is None


def test_what_a_layer_hook_gives_takes_the_layers_place(double):
    name, plain = double.named(LAYER), double.sample()
    handle = double.network.get_submodule(name).register_forward_hook(lambda *call: call[-1] * 2)
    expected = double.sample()
    handle.remove()
    with double.under(layers={name: lambda call: call.y * 2}):
        assert torch.equal(double.sample(), expected) and not torch.allclose(expected, plain)


def test_spatial_layers_are_seen_before_their_own_hooks_with_their_weights(double):
    order, wide = [], next(name for name, module in double.network.named_modules() if isinstance(module, torch.nn.Conv2d))

    def spatial(call):
        if call.name == wide:
            y = call.run(call.x)
            order.append(("spatial", call.weights(y).weight.shape, call.kernel, call.layer.kind))
            return y + 1

    plain = double.sample()
    with double.under(spatial=spatial, layers={wide: lambda call: order.append(("layers", float(call.y.mean())))}):
        assert not torch.allclose(double.sample(), plain)
    module = double.network.get_submodule(wide)
    assert [name for name, *_ in order] == ["spatial", "layers"] * 2
    assert order[0][1:] == (module.weight.shape, module.kernel_size, "conv")


def test_a_layer_that_the_network_has_not_is_an_error(double):
    before = double.state()
    with pytest.raises(RegionalError, match="no layer nowhere"), double.under(layers={"nowhere": lambda call: None}):
        raise AssertionError("must not be entered")
    assert double.state() == before


def test_the_guided_prediction_is_what_the_hook_gives(double):
    seen, plain = [], double.sample(1)

    def hook(call):
        clean = call.run()
        seen.append((call, clean))
        return clean + 1

    with double.under(denoiser=hook):
        made = double.sample(1)
    (call, clean), = seen  # fmt: skip
    assert call.step.index == 0 and call.step.cfg_scale == 3.0 and call.alpha == 1.0 and call.step.sigma == pytest.approx(call.beta)
    assert clean.shape == call.x.shape == (1, 4, *CELLS) and not torch.allclose(made, plain)


# ---------------------------------------------------------------- nothing left behind


class Broken(Exception):
    """A fault of nobody's."""


FAULTS = [None, Broken, RegionalError, KeyboardInterrupt, torch.cuda.OutOfMemoryError, "interrupt"]
ENDS = [(name, fault) for name in NEUTRAL for fault in (FAULTS if name in ("cross_attention", "denoiser") else (None, Broken))]
"""Every fault at two slots, one at each of the others."""


@pytest.mark.parametrize(("name", "fault"), ENDS, ids=[f"{name}-{fault}" for name, fault in ENDS])
def test_nothing_is_left_behind_however_it_ends(with_vectors, name, fault):
    """The fault comes at the second step, beside hooks of other slots."""
    double = with_vectors
    kind = double.interrupt if fault == "interrupt" else fault
    plain, before, raised = double.sample(), double.state(), None

    def hook(call, *more):
        if kind is not None and (call if name in ("vector", "denoiser") else call.model).step.index == 1:
            raise kind("as asked")
        return call.out(call.to_q(call.x)) if name.endswith("attention") else NEUTRAL[name](call, *more)

    hooks = {**slot(double, "layers", NEUTRAL["layers"]), "unet": NEUTRAL["unet"], **slot(double, name, hook)}
    closed = []
    try:
        with Session(double.host, Hooks(**hooks, close=lambda: closed.append(1))):
            assert double.state() != before
            double.sample()
    except BaseException as error:
        raised = error
    assert (raised is None and kind in (None, double.interrupt)) or type(raised) is kind
    assert double.state() == before and double.patched_denoisers() == [] and closed == [1]
    assert torch.equal(double.sample(), plain)


@pytest.mark.parametrize("fault", [None, Broken], ids=str)
def test_a_patch_that_was_there_before_is_called_and_kept(double, fault):
    called, layer = [], double.cross()[0][1]
    take_off = double.put_on_top(layer, called)
    theirs, before = double.current(layer), double.state()

    def hook(call):
        if fault is not None:
            raise fault

    try:
        with double.under(cross_attention=hook):
            double.sample(1)
    except Broken:
        assert fault is Broken
    assert double.current(layer) is theirs and double.state() == before and bool(called) == (fault is None)
    take_off()


@pytest.mark.parametrize("fault", [None, Broken, KeyboardInterrupt], ids=str)
def test_a_patch_put_on_top_meanwhile_stays_and_ours_is_empty(double, fault):
    called, seen, layer = [], [], double.cross()[0][1]
    plain, before = double.sample(1), double.state()

    def hook(call):
        seen.append(call.site.name)
        if fault is not None and len(seen) > len(double.cross()):
            raise fault

    try:
        with double.under(cross_attention=hook):
            take_off = double.put_on_top(layer, called)
            theirs = double.current(layer)
            double.sample(1)
            assert len(called) == 1 and len(seen) == len(double.cross())
            double.sample(1)
    except (Broken, KeyboardInterrupt) as error:
        assert type(error) is fault
    times, asked = len(called), len(seen)
    assert double.current(layer) is theirs
    assert torch.equal(double.sample(1), plain) and len(called) == times + 1 and len(seen) == asked
    take_off()
    assert torch.equal(double.sample(1), plain) and len(called) == times + 1 and len(seen) == asked
    assert double.state() == before


def test_sessions_follow_one_another(double):
    before = double.state()
    for _ in range(3):
        seen = []
        with double.under(cross_attention=seen.append):
            double.sample(1)
        assert len(seen) == len(double.cross())
    assert double.state() == before


def test_somebody_elses_calls_are_left_alone(double):
    seen, expected = [], double.others()

    def look(*call):
        seen.append(call)

    hooks = {"cross_attention": look, "self_attention": look, "spatial": look, "unet": look, "denoiser": look}
    with double.under(**hooks, **slot(double, "layers", look)):
        assert torch.equal(double.others(), expected)
    assert not seen


def test_other_weights_in_the_same_network_renew(double):
    renewed, seen = [], []
    with double.under(cross_attention=seen.append, renew=lambda: renewed.append(len(seen))):
        double.sample(2)
        before = len(seen)
        assert not renewed
        double.change_weights()
        double.sample(2)
    assert renewed == [before] and len(seen) == 2 * before


def test_a_method_that_cannot_renew_stops_the_picture(double):
    before = double.state()
    with pytest.raises(RegionalError, match="weights changed during sampling"), double.under(cross_attention=lambda call: None):
        double.sample(1)
        double.change_weights()
        double.sample(1)
    assert double.state()[:2] == before[:2] and double.patched_denoisers() == []
