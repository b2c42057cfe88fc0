"""ControlNet under Forge has the regions' texts: at its own attention, or run again for the rows of a method."""

import pytest
import torch
from forge_cases import FULL, HALVES, hooked, plain, session, snapshot
from forge_controlnet_double import ControlNet, ReforgeNet
from forge_double import Engine, Processing, WebUI
from forge_networks import Network, context, vector_of

from lib_regional.engine.calls import Conditioning, UNetRow
from lib_regional.request.errors import RegionalError
from lib_regional.request.layout.windows import Window


@pytest.fixture(params=[False, True], ids=["sd1", "sdxl"])
def webui(request, monkeypatch):
    kind = {"kind": "is_sdxl"} if request.param else {}
    webui = WebUI(monkeypatch, Engine(Network(vectors=request.param), **kind))
    webui.vectors = request.param
    return webui


def nets_of(webui, count=1, kind=ControlNet):
    net = None
    for seed in range(count):
        net = kind(net, 5 + seed, webui.vectors)
    return net


LEFT = {"transformer_options", "runs"}
"""What the host itself writes on a net."""
KINDS = pytest.mark.parametrize("kind", [ControlNet, ReforgeNet], ids=["forge", "reforge"])


def controlled(net):
    """What the host's own extension does before every sampling."""

    def control(p):
        patcher = p.webui.engine.forge_objects.unet.clone()
        patcher.controlnet_linked_list = net
        p.webui.engine.forge_objects.unet = patcher

    return control


def sample(webui, net, prompts, regions=(), method="attention_couple", **more):
    p = Processing(webui, list(prompts), ["bad"] * len(prompts))
    if not regions:
        p.before_sampling[:] = [controlled(net)]
        return p.sample(2)
    with session(webui, p, list(regions), method, **more):
        p.before_sampling.append(controlled(net))
        return p.sample(2)


@KINDS
@pytest.mark.parametrize("nets", [1, 2])
@pytest.mark.parametrize("limit", [99, 1], ids=["together", "apart"])
@pytest.mark.parametrize("method", ["attention_couple", "latent_couple", "latent_composite", "multidiffusion", "mask_conditioning"])
def test_a_whole_canvas_region_is_the_plain_prompt_with_the_same_net(webui, method, limit, nets, kind):
    webui.limit = limit
    net = nets_of(webui, nets, kind)
    region = sample(webui, net, ["other"], [{**FULL, "prompt": "a thing"}], method)
    expected = sample(webui, net, ["a thing"])
    torch.testing.assert_close(region, expected)
    assert (expected - plain(webui, ["a thing"], ["bad"])).abs().max() > 1e-2


def test_the_net_has_each_region_in_its_place(webui):
    """Without the net's own attention being asked, its residuals would be those of the picture's prompt everywhere."""
    net, p, called = nets_of(webui), Processing(webui), []

    def look(call):
        called.append((call.site.name, call.site.controlnet, call.grid, call.model.rows))

    with hooked(webui, p, cross_attention=look):
        p.before_sampling.append(controlled(net))
        p.sample(1)
    assert called[0][:3] == ("controlnet.0.input_blocks.1.1.transformer_blocks.0.attn2", True, (10, 8))
    assert [beside for _, beside, *_ in called] == [True, False, False, False]
    assert called[0][3] == called[1][3] and len(called[0][3]) == 2
    if webui.vectors:  # the pooled texts of SDXL are everywhere
        return
    other = [HALVES[0], {**HALVES[1], "prompt": "something else"}]
    changed = (sample(webui, net, ["main"], HALVES) - sample(webui, net, ["main"], other)).abs()
    assert changed[..., 4:].mean() > 1.2 * changed[..., :4].mean()


@KINDS
@pytest.mark.parametrize("fault", [None, RuntimeError, torch.cuda.OutOfMemoryError, KeyboardInterrupt])
def test_nothing_is_left_on_the_net(webui, fault, kind):
    net, p = nets_of(webui, kind=kind), Processing(webui)
    modules = list(net.control_model.modules())
    before = snapshot(webui), {**vars(net)}, [{k: dict(v) if isinstance(v, dict) else v for k, v in vars(m).items()} for m in modules]

    def hook(call):
        if fault is not None and call.site.controlnet:
            raise fault

    try:
        with hooked(webui, p, cross_attention=hook):
            p.before_sampling.append(controlled(net))
            p.sample(1)
    except (RuntimeError, KeyboardInterrupt) as error:
        assert isinstance(error, fault)
    after = snapshot(webui), {**vars(net)}, [{k: dict(v) if isinstance(v, dict) else v for k, v in vars(m).items()} for m in modules]
    assert before[0] == after[0] and before[2] == after[2]
    assert {k: v for k, v in before[1].items() if k not in LEFT} == {k: v for k, v in after[1].items() if k not in LEFT}


@KINDS
def test_rows_with_texts_of_their_own_are_controlled_by_them(webui, kind):
    """The residual that a row is given is the one of its own text, and the net knows that every row is a chunk."""
    net, p, given = nets_of(webui, kind=kind), Processing(webui), []
    own = Conditioning(context("a text of its own"), torch.ones(4) if webui.vectors else None)

    def hook(call):
        given.append((call.x.clone(), call.run([UNetRow(1, None, own), UNetRow(0)])))
        return None

    with hooked(webui, p, unet=hook):
        p.before_sampling.append(controlled(net))
        p.sample(1)
    (x, made), network = given[0], webui.engine.network
    texts = torch.nn.utils.rnn.pad_sequence([own.crossattn, context("bad")], batch_first=True)
    y = torch.stack([own.vector, vector_of("bad")]) if webui.vectors else None
    times = torch.full((2,), 0.9)
    residual = net.control_model(x, net.cond_hint, 100 * times, texts, y=y)[0] * net.strength
    expected = network.forward(x, times, context=texts, y=y, control={"middle": [residual]}, transformer_options={})
    torch.testing.assert_close(made, expected)
    assert net.runs == [((2, 4, 10, 8), (1, 0)), ((2, 4, 10, 8), (0, 1))]


@KINDS
@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
def test_windows_have_their_part_of_the_picture_and_of_the_mask(webui, kind, masked):
    net, p, given = nets_of(webui, 2, kind), Processing(webui), []
    mask = torch.linspace(0, 1, 8).expand(1, 1, 10, 8).contiguous()
    net.advanced_mask_weighting = mask if masked else None
    windows = [Window(0, 0, 4, 8), Window(6, 0, 10, 8)]

    def hook(call):
        rows = [UNetRow(1, window.of(call.x[1]), window=window) for window in windows]
        given.append((call.x.clone(), call.run(rows)))
        return None

    before = {**vars(net)}
    with hooked(webui, p, unet=hook):
        p.before_sampling.append(controlled(net))
        p.sample(1)
    assert {k: v for k, v in vars(net).items() if k not in LEFT} == {k: v for k, v in before.items() if k not in LEFT}
    (x, made), network = given[0], webui.engine.network
    y = vector_of("main")[None] if webui.vectors else None
    for window, one in zip(windows, made, strict=True):
        rows, residual, last = slice(window.top, window.bottom), 0, net
        while last is not None:
            hint = last.picture[..., 8 * window.top : 8 * window.bottom, :]
            found = last.control_model(x[1:, :, rows], hint, torch.full((1,), 90.0), context("main")[None], y=y)[0] * last.strength
            residual = residual + (found if last.advanced_mask_weighting is None else found * mask[..., rows, :])
            last = last.previous_controlnet
        options = {"control": {"middle": [residual]}, "transformer_options": {}}
        expected = network.forward(x[1:, :, rows], torch.full((1,), 0.9), context=context("main")[None], y=y, **options)
        torch.testing.assert_close(one, expected[0])


def test_pieces_whose_place_is_unknown_are_refused(webui):
    net, p = nets_of(webui), Processing(webui)
    with pytest.raises(RegionalError, match="ControlNet"), hooked(webui, p, unet=lambda call: call.run([UNetRow(0, call.x[0, :, :4])])):
        p.before_sampling.append(controlled(net))
        p.sample(1)


def test_a_method_of_a_net_that_somebody_replaced_on_top_stays_and_ours_is_silent(webui):
    net, asked = ControlNet(None, 5, webui.vectors), []
    p, called = Processing(webui), []

    def patch(p):
        if not called:
            found = net.get_control
            net.get_control = lambda *args, **kwargs: called.append(1) or found(*args, **kwargs)

    with hooked(webui, p, cross_attention=lambda call: asked.append(call.site.controlnet)):
        p.before_sampling.append(controlled(net))
        webui.callbacks.on_cfg_denoiser(patch)
        p.sample(1)
    assert called == [1] and True in asked
    asked.clear()
    theirs = net.get_control
    p.before_sampling[:] = [controlled(net)]
    p.sample(1)
    assert net.get_control is theirs and called == [1, 1] and not asked
