"""The diffusers adapter: what it tells the hooks, and that it leaves nothing behind."""

import contextlib

import pytest
import torch
from diffusers import UNet2DConditionModel
from toy import WIDTH, rows, toy_model

from lib_regional.engine.calls import Conditioning, Row, UNetRow
from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.hosts.registry import find_host
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


@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt, torch.cuda.OutOfMemoryError], ids=str)
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
    assert torch.equal(second[0][1].crossattn, model.context("d"))


def scaled(hook_calls):
    """A UNet hook that predicts the host's own rows by ``run`` and records what it was told."""

    def hook(call):
        hook_calls.append(call)
        return call.run([UNetRow(source) for source in range(len(call.x))])

    return hook


def test_the_unet_hook_can_predict_the_very_same_rows(model):
    calls = []
    plain = run(model)
    with DiffusersHost(model).patched(Hooks(unet=scaled(calls))):
        torch.testing.assert_close(run(model), plain)
    assert len(calls) == 1 and calls[0].model.tags == () and torch.equal(calls[0].x, latent())
    assert torch.equal(run(model), plain)


def test_the_unet_hook_may_decline_or_ask_the_host(model):
    plain = run(model)
    for hook in (lambda call: None, lambda call: call.native()):
        with DiffusersHost(model).patched(Hooks(unet=hook)):
            assert torch.equal(run(model), plain)


def test_rows_of_their_own_are_crops_with_texts_of_their_own(model):
    x = latent()
    with torch.no_grad():
        expected = model.predict(x[[1, 0], :, :4], [rows()[1], rows()[0]], ["a", "b"])
    seen = []

    def hook(call):
        told = [UNetRow(n, x[n, :, :4], Conditioning(model.context(text)), text) for n, text in ((1, "a"), (0, "b"))]
        crop = call.run(told)
        out = call.native()
        out[:, :, :4] = crop
        return out

    def attention(call):
        seen.append((call.model.rows, call.model.tags, call.model.latent))

    with DiffusersHost(model).patched(Hooks(unet=hook, cross_attention=attention)):
        made = run(model, x)
    torch.testing.assert_close(made[:, :, :4], expected)
    assert dict.fromkeys(seen) == dict.fromkeys(
        [((Row(0, "uncond"), Row(0, "cond")), ("a", "b"), (4, 8)), ((Row(0, "cond"), Row(0, "uncond")), (), (8, 8))]
    )


def test_layers_are_told_where_they_are(model):
    names = ["down_blocks.0.attentions.0.transformer_blocks.0." + end for end in ("attn1.to_q", "attn2.to_k", "ff.net.2")]
    names += ["down_blocks.0.resnets.0.conv1", "time_embedding.linear_1"]
    seen = {}
    plain = run(model)
    with DiffusersHost(model).patched(Hooks(layers={name: lambda call: seen.setdefault(call.name, call) and None for name in names})):
        assert torch.equal(run(model), plain)
    assert [seen[name].grid for name in names] == [(8, 8), None, (8, 8), None, None]
    assert seen[names[0]].x.shape == (2, 64, 32) and seen[names[1]].x.shape == (2, 77, WIDTH) and seen[names[3]].x.shape == (2, 32, 8, 8)
    with DiffusersHost(model).patched(Hooks(layers={names[0]: lambda call: call.y * 2})):
        assert not torch.allclose(run(model), plain)


@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt])
def test_all_slots_leave_nothing_behind(model, fault):
    def hook(call):
        if fault is not None:
            raise fault
        return call.native()

    before = snapshot(model)
    hooks = Hooks(unet=hook, layers={"conv_in": lambda call: None}, cross_attention=lambda call: None)
    with contextlib.suppress(RuntimeError, KeyboardInterrupt), DiffusersHost(model).patched(hooks):
        run(model)
    assert snapshot(model) == before


# ---------------------------------------------------------------- processors of others


class Other:
    """Another extension's processor, which asks the one that it found."""

    def __init__(self, found):
        self.found, self.called, self.told = found, [], {}

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, scale=1.0):
        self.called.append(1)
        self.told["scale"] = scale
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
    assert other.told == {"scale": 0.25}


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


def test_pooled_texts_are_what_the_hook_makes_of_them():
    model = toy_model()
    torch.manual_seed(0)
    model.unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=WIDTH, attention_head_dim=2, norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        addition_embed_type="text_time", addition_time_embed_dim=4, projection_class_embeddings_input_dim=5 + 6 * 4,
    ).eval()  # fmt: skip
    texts, sizes = torch.randn(2, 5), torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2)

    def predicted(texts, sizes):
        unet = model.unet
        model.unet = lambda *args: unet(*args, added_cond_kwargs={"text_embeds": texts, "time_ids": sizes})
        made = run(model)
        model.unet = unet
        return made

    def hook(call, vectors):
        assert torch.equal(vectors, torch.cat([texts, sizes], 1)) and [row.role for row in call.rows] == ["cond", "uncond"]
        return vectors * 2

    plain, doubled = predicted(texts, sizes), predicted(texts * 2, sizes * 2)
    for more in ({}, {"unet": lambda call: None}):
        with DiffusersHost(model).patched(Hooks(vector=hook, **more)):
            made = predicted(texts, sizes)
        assert torch.equal(made, doubled) and not torch.equal(made, plain)
    with DiffusersHost(model).patched(Hooks(vector=lambda call, vectors: None)):
        assert torch.equal(predicted(texts, sizes), plain)
