"""What a hook of each slot is given and may give, asked of every adapter's double."""

from __future__ import annotations

import pytest
import torch
from a1111_hooks import rebuilt
from adapters import CELLS, LAYER, VECTOR
from slots import NEUTRAL, slot

from lib_regional.engine.calls import Conditioning, UNetRow
from lib_regional.hosts.installing.sites import sites_of
from lib_regional.request.errors import RegionalError


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
