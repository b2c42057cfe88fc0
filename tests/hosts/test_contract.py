"""What every adapter promises its methods: `ports.Host` and the powers of `capabilities`, on each host's double; slots: `test_slots`."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch
from adapters import CELLS, VECTOR, lora_of
from torch.nn.functional import linear

from lib_regional.engine.capabilities import AnnouncingHost, ModelFacts, PassHost, cross_layers_of, facts_of, noise_of
from lib_regional.hosts.installing.sites import sites_of
from lib_regional.hosts.registry import find_host
from lib_regional.methods.common.contexts import context_at
from lib_regional.request.errors import RegionalError
from lib_regional.request.prompt.lora_tags import LoraTag
from lib_regional.tensors.latents.noise import seeded_noise
from lib_regional.tensors.lora.low_rank import added

# ---------------------------------------------------------------- the host


def test_the_model_is_found_by_what_it_offers(double):
    assert type(find_host(double.model, None)) is double.kind
    with pytest.raises(RegionalError, match="object"):
        find_host(object())


def test_contexts_come_in_the_order_of_their_texts_each_with_its_schedule(double):
    first, second = double.host.encode(["a [b:c:0.5]", "d"], steps=10, negative=False, size=(64, 80))
    contexts = [first[context_at(first, step)][1].crossattn for step in range(10)]
    early = [torch.equal(context, double.context("a b")) for context in contexts]
    assert early == sorted(early, reverse=True) and 4 <= sum(early) <= 6
    assert all(torch.equal(context, double.context("a c")) for context in contexts[sum(early) :])
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
    ((_, encoded),) = with_vectors.host.encode(["a"], steps=4, negative=False, size=(64, 80))[0]
    assert encoded.vector is not None and encoded.vector.shape == (VECTOR,)


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
