"""Anima and Wan on doubles: attention couple through the cross-attention of transformer blocks, on 5-D latents."""

from contextlib import ExitStack, nullcontext
from types import SimpleNamespace

import neo_networks
import pytest
import torch
from forge_double import Engine, Processing, WebUI
from isolation_cases import plan_of
from neo_networks import Anima, Wan

from lib_regional.engine.capabilities import facts_of
from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.hosts.forge.model import kind_of
from lib_regional.hosts.neo.blocks import CrossBlocks, cross_layers
from lib_regional.hosts.neo.self_attention import SelfBlocks
from lib_regional.methods import open_session
from lib_regional.request.errors import RegionalError

FULL = {"box": [0, 0, 1, 1], "base_share": 0, "feather": 0}
HALVES = [{"box": [0, 0, 0.5, 1], "feather": 0}, {"box": [0.5, 0, 1, 1], "feather": 0}]


@pytest.fixture(params=[Anima, Wan])
def kind(request):
    return request.param


def host_of(monkeypatch, kind=Anima, **network):
    found = WebUI(monkeypatch, Engine(kind(**network), kind="is_wan"))
    found.engine.unet.model.predictor.prediction_type = "const"
    monkeypatch.setattr("forge_double.scaled", lambda sigma, x: x)
    return found


def sample(webui, prompts, regions=None, scale=3.0, size=(8, 12), steps=1, isolate_until=0.0):
    p = Processing(webui, prompts, ["bad"] * len(prompts))
    p.cfg_scale = scale
    x = torch.randn(len(prompts), 16, 1, *size, generator=torch.Generator().manual_seed(4))
    if regions is None:
        return p.sample(steps, x)
    settings = {"regions": regions, "options": {"attention_couple": {"isolate_until": isolate_until}}}
    plan = plan_of("attention_couple", settings, p.prompts, p.negatives, (size[1] * 8, size[0] * 8))
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    with open_session(host, plan):
        return p.sample(steps, x)


@pytest.mark.parametrize("scale", [1.0, 3.0], ids=["without negatives", "with negatives"])
@pytest.mark.parametrize("size", [(8, 12), (7, 11)], ids=["even", "odd"])
def test_a_whole_canvas_region_is_the_plain_prompt(monkeypatch, kind, scale, size):
    webui = host_of(monkeypatch, kind)
    made = sample(webui, ["other", "another"], [{**FULL, "prompt": "a thing"}], scale, size)
    torch.testing.assert_close(made, sample(webui, ["a thing"] * 2, scale=scale, size=size), rtol=0, atol=1e-5)


def test_the_same_text_everywhere_is_the_plain_prompt(monkeypatch, kind):
    webui = host_of(monkeypatch, kind)
    soft = [{**half, "prompt": "main", "feather": 0.3, "base_share": share} for half, share in zip(HALVES, (0, 0.4), strict=True)]
    torch.testing.assert_close(sample(webui, ["main"], soft), sample(webui, ["main"]), rtol=0, atol=1e-5)


def test_a_region_acts_in_its_own_place(monkeypatch, kind):
    webui = host_of(monkeypatch, kind)
    made = [
        sample(webui, ["main"], [{**HALVES[0], "prompt": "left", "base_share": 0}, {**HALVES[1], "prompt": right, "base_share": 0}])
        for right in ("a", "b")
    ]
    changed = (made[0] - made[1]).abs().mean((0, 1, 2, 3))
    assert changed[6:].mean() > 20 * changed[:6].mean() and changed[6:].mean() > 1e-3


def sides(left, right):
    return [{**HALVES[0], "prompt": left, "base_share": 0}, {**HALVES[1], "prompt": right, "base_share": 0}]


@pytest.mark.parametrize("size", [(8, 12), (7, 12)], ids=["even", "odd"])
def test_isolated_regions_reach_nothing_of_each_other(monkeypatch, kind, size):
    """Without isolation the second block carries a change of the right half to the left one."""
    webui = host_of(monkeypatch, kind)
    for until, most in ((0.0, 1.0), (1.0, 0.0)):
        made = [sample(webui, ["main"], sides("left", right), size=size, isolate_until=until) for right in ("a", "b")]
        changed = (made[0] - made[1]).abs().mean((0, 1, 2, 3))
        assert changed[6:].mean() > 1e-3 and changed[:6].max() <= most
        assert (changed[:6].max() > 0) == (until == 0)


def test_isolation_is_attention_with_a_mask_on_all_pairs(monkeypatch, kind):
    """Against the same network whose self-attention gets the mask of both halves itself."""
    webui = host_of(monkeypatch, kind)
    made = sample(webui, ["main"], sides("main", "main"), isolate_until=1.0)
    right = torch.arange(24) % 6 >= 3
    apart = torch.zeros(24, 24).masked_fill(right[:, None] != right, -torch.inf)

    def masked(q, k, v, heads, mask=None, inner=neo_networks.attention_function, **more):
        return inner(q, k, v, heads, mask=apart if q.shape[-2] == k.shape[-2] else None, **more)

    monkeypatch.setattr(neo_networks, "attention_function", masked)
    torch.testing.assert_close(made, sample(webui, ["main"]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", [{"skip_reshape": True}, {}, {"skip_reshape": True, "skip_output_reshape": True}], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("autocast", [False, True], ids=["", "autocast"])
def test_a_hook_gets_what_attention_gets(monkeypatch, layout, dtype, autocast):
    """A hook that computes attention from the call itself answers as the host's function does, in its layout and precision."""
    network = Anima()
    blocks = CrossBlocks(network)
    running = SimpleNamespace(isolating=SimpleNamespace(rows=(None, None), latent=(8, 12)))
    q, k, v = (torch.randn(2, 2, 24, 6, generator=torch.Generator().manual_seed(seed)).to(dtype) for seed in range(3))
    given = (q, k, v) if layout.get("skip_reshape") else [z.transpose(1, 2).flatten(2) for z in (q, k, v)]
    asked = []

    def hook(call):
        asked.append(call.site.name)
        q, k, v = (z.unflatten(2, (call.heads, -1)).transpose(1, 2).float()
                   for z in (call.to_q(call.x), call.keys(call.context), call.to_v(call.context)))  # fmt: skip
        p = (q @ k.mT * call.scale).softmax(-1)
        return call.out((p @ v).transpose(1, 2).flatten(2).to(call.x.dtype))

    def forward(self, x, context=None, **unknown):
        return neo_networks.attention_function(*given, 2, transformer_options={}, **layout)

    monkeypatch.setattr(neo_networks.CrossAttention, "forward", forward)
    layer, expected = network.blocks[1].self_attn, neo_networks.attention_function(*given, 2, **layout)
    with ExitStack() as stack, torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for patch in SelfBlocks(network, blocks, hook, running).patches():
            stack.enter_context(patch)
        made = layer(q)
    assert asked == ["blocks.1.self_attn"] and made.dtype == expected.dtype and made.shape == expected.shape
    torch.testing.assert_close(made.float(), expected.float(), rtol=0, atol=1e-6 if dtype == torch.float32 and not autocast else 3e-2)


def test_calls_of_others_and_with_a_mask_are_left_alone(monkeypatch):
    network, call = Anima(), SimpleNamespace(rows=(None,), latent=(8, 12))
    running, layer, own = SimpleNamespace(isolating=call), network.blocks[0].self_attn, neo_networks.attention_function
    q = torch.randn(1, 2, 24, 6, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(24, 24).masked_fill(torch.arange(24) > 11, -torch.inf)
    with ExitStack() as stack:
        for patch in SelfBlocks(network, CrossBlocks(network), lambda call: pytest.fail("asked"), running).patches():
            stack.enter_context(patch)

        def forward(self, tokens, mask):
            return neo_networks.attention_function(tokens, tokens, tokens, 2, mask=mask, skip_reshape=True)

        monkeypatch.setattr(neo_networks.CrossAttention, "forward", forward)
        for tokens, given, isolating in ((q[:, :, :23], None, call), (q, None, None), (q, mask, call)):
            running.isolating = isolating
            assert torch.equal(layer(tokens, given), own(tokens, tokens, tokens, 2, mask=given, skip_reshape=True))


def test_isolation_ends(monkeypatch, kind):
    webui = host_of(monkeypatch, kind)
    free, ended = (sample(webui, ["main"], sides("main", "main"), steps=2, isolate_until=until) for until in (0.0, 0.5))
    whole = sample(webui, ["main"], sides("main", "main"), steps=2, isolate_until=1.0)
    torch.testing.assert_close(free, sample(webui, ["main"], steps=2), rtol=0, atol=1e-5)
    assert (ended - free).abs().max() > 1e-3 < (ended - whole).abs().max()


@pytest.mark.parametrize("fault", [None, ValueError, KeyboardInterrupt], ids=["success", "error", "interrupt"])
def test_everything_is_put_back(monkeypatch, kind, fault):
    webui = host_of(monkeypatch, kind)
    network = webui.engine.network

    def state():
        return [dict(vars(module)) for module in network.modules()], dict(vars(neo_networks))

    before = state()
    if fault is not None:
        monkeypatch.setattr(type(network.blocks[1].self_attn), "forward", raising(fault))
        before = state()
    with pytest.raises(fault) if fault is not None else nullcontext():
        sample(webui, ["main"], sides("a", "b"), isolate_until=1.0)
    assert state() == before


def raising(fault):
    def forward(self, *args, **kwargs):
        raise fault("in the network")

    return forward


def test_a_block_without_self_attention_that_is_reached_says_so(monkeypatch, kind, caplog):
    webui = host_of(monkeypatch, kind)
    monkeypatch.delattr(neo_networks, "attention_function")
    monkeypatch.setattr(type(webui.engine.network.blocks[0].self_attn), "forward", lambda self, x, *args, **kwargs: x)
    assert not facts_of(ForgeHost(webui.engine)).projected_self_attention
    sample(webui, ["main"], sides("a", "b"), isolate_until=0.5)
    assert "isolate_until does nothing on this model" in caplog.text


def test_what_is_not_reached_in_it_is_refused_by_name(monkeypatch):
    webui = host_of(monkeypatch)
    for asked, what in (
        ({"spatial": lambda call: None}, "norms and convolutions"),
        ({"self_attention": lambda call: None}, "self-attention"),
    ):
        with (
            pytest.raises(RegionalError, match=f'"some method" cannot work with Anima.*{what}.*"latent_couple"'),
            ForgeHost(webui.engine).patched(Hooks(method="some method", **asked)),
        ):
            pass


def test_a_second_picture_among_its_tokens_is_an_error(monkeypatch, kind):
    webui = host_of(monkeypatch, kind, frames=1)
    with pytest.raises(RegionalError, match=r"4×6 tokens, but blocks.0.cross_attn runs"):
        sample(webui, ["main"], [{**HALVES[0], "prompt": "a"}])


def test_a_network_with_keys_for_pictures_is_refused(monkeypatch):
    webui = host_of(monkeypatch, Wan, pictures=True)
    with pytest.raises(RegionalError, match='cannot work with Wan.*cross-attention.*"latent_couple"'):
        sample(webui, ["main"], [{**HALVES[0], "prompt": "a"}])


def test_it_is_found_by_its_layers(monkeypatch):
    network = Anima()
    assert kind_of(network) == "blocks" and [site.name for site, _ in cross_layers(network)] == [
        "blocks.0.cross_attn",
        "blocks.1.cross_attn",
    ]
    assert CrossBlocks(network).grid((7, 12)) == (4, 6)
    assert kind_of(Wan()) == "blocks" and CrossBlocks(Wan()).grid((7, 12)) == (4, 6)
    facts = facts_of(ForgeHost(host_of(monkeypatch).engine))
    assert facts.cross_attention and facts.prediction == "flow" and facts.trained == 128
