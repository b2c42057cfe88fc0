"""The diffusers adapter: what it tells the hooks, and that it leaves nothing behind."""

import pytest
import torch
from toy import WIDTH, rows, toy_model

from lib_regional.core.errors import RegionalError
from lib_regional.hosts.detect import find_host
from lib_regional.hosts.diffusers import DiffusersHost
from lib_regional.ports import Hooks


@pytest.fixture(scope="module")
def model():
    return toy_model()


def snapshot(model):
    """`vars()` of everything that an adapter could touch, deep enough to see a hook, a processor or a listener."""
    modules = {name: {k: v for k, v in vars(m).items() if k != "training"} for name, m in model.unet.named_modules()}
    hooks = {
        name: (dict(m._forward_pre_hooks), dict(m._forward_hooks), dict(m._forward_pre_hooks_with_kwargs))
        for name, m in model.unet.named_modules()
    }
    plain = {name: {k: id(v) for k, v in values.items()} for name, values in modules.items()}
    return plain, hooks, list(model.call_listeners), vars(type(model.unet)).keys()


def latent(height=8, width=8, batch=2):
    return torch.randn(batch, 4, height, width, generator=torch.Generator().manual_seed(5))


def run(model, x=None):
    x = latent() if x is None else x
    with torch.no_grad():
        return model.predict(x, rows(), ["main", "negative"])


def test_the_model_is_found_by_what_it_offers(model):
    assert isinstance(find_host(model), DiffusersHost)
    with pytest.raises(RegionalError, match="object"):
        find_host(object())


def test_hooks_that_decline_change_nothing(model):
    plain = run(model)
    with DiffusersHost(model).patched(Hooks(cross_attention=lambda call: None, self_attention=lambda call: None)):
        assert torch.equal(run(model), plain)


def test_calls_describe_the_layer(model):
    seen = []
    with DiffusersHost(model).patched(Hooks(cross_attention=lambda call: seen.append(call))):
        run(model, latent(9, 6))
    assert {call.grid for call in seen} == {(9, 6), (5, 3)}
    for call in seen:
        assert call.site.kind == "cross" and call.site.name.endswith(".attn2")
        assert call.x.shape[:2] == (2, call.grid[0] * call.grid[1]) and call.context.shape == (2, 77, WIDTH)
        assert [row.role for row in call.model.rows] == ["cond", "uncond"] and call.model.latent == (9, 6)
    assert len({call.site.name for call in seen}) == len(seen) == 7


def test_a_hook_can_be_the_layer(model):
    def rebuilt(call):
        q, k, v = (
            t.unflatten(-1, (call.heads, -1)).transpose(1, 2) for t in (call.to_q(call.x), call.to_k(call.context), call.to_v(call.context))
        )
        heard = torch.softmax(q @ k.transpose(-1, -2) * call.scale, -1) @ v
        return call.out(heard.transpose(1, 2).flatten(2))

    plain = run(model)
    with DiffusersHost(model).patched(Hooks(cross_attention=rebuilt, self_attention=rebuilt)):
        torch.testing.assert_close(run(model), plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt, torch.OutOfMemoryError], ids=str)
def test_nothing_is_left_behind_however_it_ends(model, fault):
    def hook(call):
        if fault is not None:
            raise fault("told to")
        return call.out(call.to_q(call.x))

    before = snapshot(model)
    try:
        with DiffusersHost(model).patched(Hooks(cross_attention=hook)):
            assert snapshot(model) != before
            run(model)
    except BaseException as error:
        assert type(error) is fault
    assert snapshot(model) == before


def test_what_others_patched_before_us_is_there_again(model):
    site = next(m for n, m in model.unet.named_modules() if n.endswith(".attn2"))
    original = site.processor
    called = []

    class Other:
        def __call__(self, *args, **kwargs):
            called.append(1)
            return original(*args, **kwargs)

    site.processor = other = Other()
    try:
        with DiffusersHost(model).patched(Hooks(cross_attention=lambda call: None)):
            run(model)
        assert called and site.processor is other
    finally:
        site.processor = original


def test_a_call_that_was_not_announced_is_the_hosts_own_business(model):
    seen = []
    with DiffusersHost(model).patched(Hooks(cross_attention=lambda call: seen.append(call))), torch.no_grad():
        model.unet(latent(), 100, torch.randn(2, 77, WIDTH))
    assert not seen


def test_rows_that_do_not_match_stop_the_picture(model):
    with DiffusersHost(model).patched(Hooks(cross_attention=lambda call: None)), pytest.raises(RegionalError, match="rows"):
        model.predict(latent(batch=3), rows(), ["a", "b", "c"])


def test_contexts_come_with_their_schedules(model):
    first, second = DiffusersHost(model).encode(["a [b:c:0.5]", "d"], steps=10, negative=False, size=(64, 64))
    assert [end for end, _ in first] == [5, 10] and [end for end, _ in second] == [10]
    assert torch.equal(second[0][1], model.context("d"))
