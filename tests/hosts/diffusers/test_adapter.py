"""The diffusers adapter: what it gives the hooks, and that it leaves nothing behind."""

import contextlib

import pytest
import torch
from diffusers import UNet2DConditionModel
from toy import WIDTH, rows, toy_model

from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.request.errors import RegionalError


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


def test_token_grids_of_odd_latents_are_rounded_up(model):
    seen = []
    with DiffusersHost(model).patched(Hooks(cross_attention=lambda call: seen.append(call))):
        run(model, latent(9, 6))
    assert {(call.grid, call.x.shape[1], call.model.latent) for call in seen} == {((9, 6), 54, (9, 6)), ((5, 3), 15, (9, 6))}


def test_a_host_without_guided_predictions_refuses_what_changes_them():
    model = toy_model()
    before, model.denoiser_hooks = snapshot(model), None
    hooks = Hooks(denoiser=lambda call: call.run(), method="some method")
    with pytest.raises(RegionalError, match='"some method" changes guided predictions'), DiffusersHost(model).patched(hooks):
        raise AssertionError("must not be entered")
    assert snapshot(model) == before


def test_rows_that_do_not_match_stop_the_picture(model):
    with DiffusersHost(model).patched(Hooks(cross_attention=lambda call: None)), pytest.raises(RegionalError, match="rows"):
        model.predict(latent(batch=3), rows(), ["a", "b", "c"])


def test_contexts_come_with_their_schedules(model):
    first, second = DiffusersHost(model).encode(["a [b:c:0.5]", "d"], steps=10, negative=False, size=(64, 64))
    assert [end for end, _ in first] == [5, 10] and [end for end, _ in second] == [10]
    assert torch.equal(second[0][1].crossattn, model.context("d"))


# ---------------------------------------------------------------- processors of others


class Other:
    """Another extension's processor, which asks the one that it found."""

    def __init__(self, found):
        self.found, self.called, self.given = found, [], {}

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, scale=1.0):
        self.called.append(1)
        self.given["scale"] = scale
        return self.found(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


class OtherModule(torch.nn.Module):
    """One with weights, as IP-Adapter's are."""

    def __init__(self, found):
        super().__init__()
        self.found, self.called, self.weight = [found], [], torch.nn.Parameter(torch.ones(1))

    def forward(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        self.called.append(1)
        return self.found[0](attn, hidden_states, encoder_hidden_states, attention_mask, temb) * self.weight


@pytest.fixture
def site(model):
    found = next(m for n, m in model.unet.named_modules() if n.endswith(".attn2"))
    original = found.processor
    yield found
    found.set_processor(original)


@pytest.mark.parametrize("kind", [Other, OtherModule])
@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt], ids=str)
def test_a_processor_that_was_there_is_asked_and_restored(model, site, kind, fault):
    def hook(call):
        if fault is not None:
            raise fault

    site.set_processor(other := kind(site.processor))
    before, registered = snapshot(model), dict(site.named_children())
    with contextlib.suppress(RuntimeError, KeyboardInterrupt), DiffusersHost(model).patched(Hooks(cross_attention=hook)):
        run(model)
    assert site.processor is other and dict(site.named_children()) == registered and snapshot(model) == before
    assert (fault is not None) != bool(other.called)


@pytest.mark.parametrize("kind", [Other, OtherModule])
@pytest.mark.parametrize("below", [None, OtherModule], ids=["the host's below", "a module below"])
def test_a_processor_that_somebody_set_on_top_stays_and_ours_is_silent(model, site, kind, below):
    asked, plain = [], run(model)
    if below is not None:
        site.set_processor(below(site.processor))
    original = site.processor
    with DiffusersHost(model).patched(Hooks(cross_attention=lambda call: asked.append(call.site.name))):
        ours = site.processor
        site.set_processor(theirs := kind(ours))
        run(model)
    assert site.processor is theirs and len(theirs.called) == 1 and len(asked) == 7
    assert torch.equal(run(model), plain) and len(theirs.called) == 2 and len(asked) == 7
    site.set_processor(ours)
    assert torch.equal(run(model), plain) and site.processor is original and len(asked) == 7


def test_a_processor_below_is_given_the_keywords_that_it_knows(model, site):
    site.set_processor(other := Other(site.processor))
    with DiffusersHost(model).patched(Hooks(cross_attention=lambda call: None)), torch.no_grad():
        site(torch.randn(1, 4, 32), torch.randn(1, 7, WIDTH), scale=0.25)
    assert other.given == {"scale": 0.25}


# ---------------------------------------------------------------- what nothing asks for


@pytest.mark.parametrize("slot", ["cross_attention", "self_attention"])
def test_a_unet_without_such_layers_is_an_error_at_the_first_step(slot):
    bare = toy_model()
    torch.manual_seed(0)
    bare.unet = UNet2DConditionModel(sample_size=8, block_out_channels=(32,), layers_per_block=1, cross_attention_dim=WIDTH,
                                     down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), mid_block_type=None)  # fmt: skip
    before = snapshot(bare)
    hooks = Hooks(**{slot: lambda call: None}, method="some method")
    with pytest.raises(RegionalError, match=f'"some method" changes {slot.replace("_", "-")}.*UNet2DConditionModel'):
        with DiffusersHost(bare).patched(hooks):
            run(bare)
    assert snapshot(bare) == before
