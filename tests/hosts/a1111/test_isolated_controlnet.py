"""Isolated regions beside ControlNets: what is isolated in the UNet is in the nets too, in the sizes of their own features.

Measured where it would pass: at the residuals of a genuine ldm encoder, and at the latents of a UNet that they are added to.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from isolation_cases import plan_of
from ldm_controlnet import ControlNet, Unit, controlled
from network_doubles import a1111_networks, random_network
from shapes import Launches
from torch import nn
from webui import WIDTH, Denoiser, Interrupted, Processing, WebUI, checkpoint

from lib_regional.hosts.registry import find_host
from lib_regional.methods import open_session
from tests.support.half import CASES, runs_here

MODEL, NET = checkpoint(), ControlNet()
COLUMNS = {"equal": (8, 8), "boxes": (6, 4, 6), "no boxes": (4, 8, 4)}
"""Regions' columns of 16, whose borders lie between cells on every grid: their parts are brought onto the batch axis as they are, by a
gather, and not at all."""
APART = {"isolate_until": 1}
UNDER_AUTOCAST = [case for case in CASES if case.dtype == torch.float32 and runs_here(case)]
"""This host computes in half under autocast alone, and its norms' weights stay in fp32 there; Forge's test has the other cases."""


def regions_of(widths, texts=("a red hat", "snow", "a tree")):
    starts = [sum(widths[:at]) / 16 for at in range(len(widths) + 1)]
    boxes = [[left, 0, right, 1] for left, right in zip(starts, starts[1:], strict=False)]
    return [{"box": box, "prompt": text, "feather": 0} for box, text in zip(boxes, texts, strict=False)]


HALVES, OTHER = regions_of((8, 8)), regions_of((8, 8), ("a red hat", "a blue square"))


def picture(start=128):
    """A control picture; from column ``start`` on it is another one."""
    made, other = torch.rand(2, 1, 3, 64, 128, generator=torch.Generator().manual_seed(1))
    return torch.cat([made[..., :start], other[..., start:]], -1)


@pytest.fixture
def webui(monkeypatch):
    yield WebUI(monkeypatch, MODEL)
    vars(MODEL.model.diffusion_model).pop("forward", None)


def generated(webui, units, regions, options=None, steps=1, prompts=("main",), change=lambda texts: texts):
    """The latent after ``steps`` of 4; ``change`` is made of the texts of the images."""
    unet = webui.model.model.diffusion_model
    vars(unet).pop("forward", None)
    if units:
        unet.forward = controlled(unet, units)
    script = SimpleNamespace(latest_network=SimpleNamespace(control_params=units))
    scripts = SimpleNamespace(alwayson_scripts=[SimpleNamespace(), script])
    p = Processing(webui, prompts, ["bad"] * len(prompts), width=128, height=64, scripts=scripts)
    if regions is None:
        return p.sample(steps)
    given = {"regions": regions, "options": {"attention_couple": options or {}}}
    plan = plan_of("attention_couple", given, p.prompts, p.negative_prompts, (128, 64), p.steps)
    plan = replace(plan, first=replace(plan.first, texts=change(plan.first.texts)))
    host = find_host(webui.model, p)
    p.before_sampling[:] = [host.begin_pass]
    with open_session(host, plan):
        return p.sample(steps)


def residuals(webui, net, *args, hint=None, **more):
    """Those of the last step."""
    generated(webui, [Unit(net, picture() if hint is None else hint)], *args, **more)
    return list(net.seen)


def changes(one, other, columns, row=slice(None)):
    """Largest change of each residual in the first columns of 16, and in the others."""
    found = []
    for before, after in zip(one, other, strict=True):
        end, change = columns * before.shape[-1] // 16, (before[row].double() - after[row].double()).abs()
        found.append((float(change[..., :end].max()), float(change[..., end:].max())))
    return zip(*found, strict=True)


def state(network):
    kept = [{k: v for k, v in vars(module).items() if k != "seen"} for module in network.modules()]
    return [{k: dict(v) if "hooks" in k else id(v) for k, v in one.items()} for one in kept]


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("what", ["text", "picture"])
def test_nothing_of_a_region_reaches_another_in_the_net(webui, name, what):
    """Its text by self-attention and norms, its part of the picture by convolutions on every grid from the picture's to the coarsest.

    Where parts are no boxes, a convolution's sum at a border comes about in another order: to rounding.
    """
    widths, most = COLUMNS[name], 1e-5 if name == "no boxes" else 0
    other = regions_of(widths, ("a red hat", "a blue square", "a tree")) if what == "text" else regions_of(widths)
    hint = picture(8 * widths[0]) if what == "picture" else picture()
    first = 1 if what == "text" else 0  # the first residual is that of a convolution
    for options, reaches in ((APART, False), ({}, True)):
        before = residuals(webui, NET, regions_of(widths), options)
        left, right = changes(before[first:], residuals(webui, NET, other, options, hint=hint)[first:], widths[0])
        assert (max(left) > most) == reaches and max(left) < 1 and min(right) > 1e-3


@pytest.mark.half
@pytest.mark.parametrize("case", UNDER_AUTOCAST, ids=lambda case: case.name)
def test_and_in_half_precision(webui, case):
    webui.compute_in(case.computes)
    before = residuals(webui, NET, HALVES, APART)
    left, right = changes(before, residuals(webui, NET, OTHER, APART, hint=picture(64)), 8)
    assert max(left) == 0 and min(right) > 1e-3
    assert all(torch.isfinite(one).all() and one.dtype == case.computes for one in before)


@pytest.mark.parametrize("steps", [1, 3])
def test_nor_in_the_picture(webui, steps):
    """With two units on the whole canvas the latents of the other half stay the same over the steps, to the bit."""
    units, others = ([Unit(NET, hint), Unit(ControlNet(6), hint)] for hint in (picture(), picture(64)))
    for options, reaches in ((APART, False), ({}, True)):
        before, after = generated(webui, units, HALVES, options, steps), generated(webui, others, OTHER, options, steps)
        ((left,), (right,)) = changes([before], [after], 8)
        assert (left > 0) == reaches and right > 1e-2


def test_norms_and_convolutions_of_the_net_are_isolated_for_longer_than_its_attention(webui):
    """``local_until``: the first residual, of convolutions alone, knows nothing of the other half's picture; those behind attention do."""
    given = {"isolate_until": 0.25, "local_until": 0.75}  # one of four steps, and two more
    for steps, convolutions, attention in ((1, False, False), (2, False, True), (4, True, True)):
        before = residuals(webui, NET, HALVES, given, steps)
        left, _ = changes(before, residuals(webui, NET, HALVES, given, steps, hint=picture(64)), 8)
        assert (left[0] > 0) == convolutions and (max(left) > 0) == attention


def test_a_half_has_the_residuals_of_a_picture_of_its_own(webui):
    """The net on the half alone: zeros beyond it, norms and attention of its own."""
    whole = residuals(webui, NET, HALVES, APART)
    x = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(3))[..., :8]
    denoiser = Denoiser(Processing(webui, ["a red hat"], width=64, height=64))
    context = denoiser._stack([part.schedules[0].cond for image in denoiser.p.conds()[0].batch for part in image])
    alone = NET(x, picture()[..., :64], torch.full((1,), 500), context)
    for one, half in zip(whole, alone, strict=True):
        torch.testing.assert_close(one[:1, ..., : half.shape[-1]], half, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("options", [{}, APART, {"isolate_until": 0.25}], ids=str)
def test_a_region_over_the_whole_canvas_is_the_plain_prompt_with_the_units(webui, options):
    units = [Unit(NET, picture()), Unit(ControlNet(6), picture(64))]
    made = generated(webui, units, regions_of((16,)), options, steps=3)
    torch.testing.assert_close(made, generated(webui, units, None, steps=3, prompts=["a red hat"]), atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(("level", "reaches"), [("nothing", True), ("attention", True), ("norms", True), ("all", False)])
def test_regions_with_loras_are_isolated_as_far_as_separate_says(webui, monkeypatch, level, reaches):
    unet = MODEL.model.diffusion_model
    a1111_networks(monkeypatch, unet, {name: ("lora", random_network(unet, "lora", seed)) for name, seed in (("x", 1), ("y", 2))})
    options = {"separate": level, "border": 0}
    regions, other = (
        [{**region, "prompt": f"{region['prompt']} <lora:{name}:1>"} for region, name in zip(halves, "xy", strict=True)]
        for halves in (HALVES, OTHER)
    )
    left, right = changes(residuals(webui, NET, regions, options), residuals(webui, NET, other, options, hint=picture(64)), 8)
    assert (max(left) > 0) == reaches and min(right) > 1e-3
    if level == "attention":
        free = changes(residuals(webui, NET, regions, {"separate": "nothing"}), residuals(webui, NET, other, {"separate": "nothing"}), 8)
        within = changes(residuals(webui, NET, regions, options), residuals(webui, NET, other, options), 8)
        assert max(next(within)) < max(next(free)), "self-attention alone carried a part of it"


def test_images_whose_regions_differ_share_a_picture(webui):
    """The second image has nothing in its right half: the picture is encoded for each of the images by itself."""

    def change(texts):
        return (texts[0], replace(texts[1], regions=(texts[1].regions[0], "")))

    both = residuals(webui, NET, HALVES, APART, prompts=["main", "main"], change=change)
    alone = [
        residuals(webui, NET, HALVES, APART, prompts=["main", "main"], change=lambda texts, at=at: [change(texts)[at]] * 2) for at in (0, 1)
    ]
    for one, first, second in zip(both, *alone, strict=True):
        torch.testing.assert_close(one[::2], first[::2])
        torch.testing.assert_close(one[1::2], second[1::2])
        assert (first - second).abs().max() > 1e-3


def test_a_net_that_reads_no_text_is_isolated_too(webui):
    """InstantID's context is a face; what one half is still reaches the other half by its self-attention and norms."""
    face = torch.randn(1, 4, WIDTH, generator=torch.Generator().manual_seed(1))
    made = {}
    for options in (APART, {}):
        for regions in (HALVES, OTHER):
            generated(webui, [Unit(NET, picture(), face)], regions, options, steps=2)
            made[options == APART, regions is OTHER] = list(NET.seen)
    assert max(next(changes(made[True, False], made[True, True], 8))) == 0
    assert max(next(changes(made[False, False], made[False, True], 8))) > 0


class Conv2dWithLoRA(nn.Module):
    """A convolution of a Control-LoRA on AUTOMATIC1111: no layer of torch's; a low rank beside the weight of the UNet's layer."""

    def __init__(self, of):
        super().__init__()
        for name in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode", "bias"):
            setattr(self, name, getattr(of, name))
        self.weight, self.weight_module = None, [of]
        self.up, self.down = (nn.Parameter(torch.randn(*shape) / 8, False) for shape in ((len(of.weight), 4), (4, *of.weight.shape[1:])))

    def forward(self, x):
        weight = self.weight_module[0].weight + (self.up @ self.down.flatten(1)).view(self.weight_module[0].weight.shape)
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv2d(Conv2dWithLoRA):
    """The same on Forge: the weight is its own."""

    def __init__(self, of):
        super().__init__(of)
        del self.weight_module
        self.weight = of.weight

    def forward(self, x):
        weight = self.weight + (self.up @ self.down.flatten(1)).view(self.weight.shape)
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


@pytest.mark.parametrize("kind", [Conv2dWithLoRA, Conv2d])
@pytest.mark.parametrize("name", COLUMNS)
def test_control_loras_are_isolated_too(webui, name, kind):
    """As a net is that has the same weights in layers of torch's."""
    torch.manual_seed(2)
    net, merged, widths = ControlNet(), ControlNet(), COLUMNS[name]
    for at, layer in list(net.named_modules()):
        if isinstance(layer, nn.Conv2d):
            owner, _, last = at.rpartition(".")
            setattr(net.get_submodule(owner), last, kind(layer))
            like = merged.get_submodule(at)
            like.weight.data += (net.get_submodule(at).up @ net.get_submodule(at).down.flatten(1)).view(like.weight.shape)
    made, wanted = (residuals(webui, one, regions_of(widths), APART) for one in (net, merged))
    for one, other in zip(made, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
    left, right = changes(made, residuals(webui, net, regions_of(widths), APART, hint=picture(8 * widths[0])), widths[0])
    assert max(left) < 1e-4 and min(right) > 1e-3


def test_the_net_is_hooked_in_steps_that_isolate_alone(webui):
    """Behind them it launches what it does where nothing is ever isolated."""
    seen, launches = [], []

    def look(module, args):
        seen.append("forward" in vars(module))

    def count(net, args):
        launches.append(Launches().__enter__())

    def counted(net, args, y):
        launches[-1].__exit__(None, None, None)

    handles = [NET.input_blocks[1][0].in_layers[0].register_forward_pre_hook(look)]
    handles += [NET.register_forward_pre_hook(count), NET.register_forward_hook(counted)]
    try:
        for options in ({"isolate_until": 0.5}, {"isolate_until": 0}):
            generated(webui, [Unit(NET, picture())], HALVES, options, steps=4)
        plain = len(launches)
        generated(webui, [Unit(NET, picture())], None, steps=1)
    finally:
        for handle in handles:
            handle.remove()
    assert seen[:8] == [True, True, False, False, *[False] * 4]
    counts = [one.all.total() for one in launches]
    assert counts[2:4] == counts[6:8] and counts[1] < 1.7 * counts[plain], counts


FAULTS = [None, RuntimeError, KeyboardInterrupt, Interrupted, torch.cuda.OutOfMemoryError]


@pytest.mark.parametrize("place", ["input_hint_block.4", "input_blocks.3.1.transformer_blocks.0.attn1.to_out", "middle_block_out"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_nothing_stays_on_the_net_however_sampling_ends(webui, fault, place):
    unet, inside = MODEL.model.diffusion_model, []

    def fail(*_):
        inside.append("forward" in vars(NET.input_hint_block[0]))
        if fault is not None and len(inside) > 1:
            raise fault

    handle = NET.get_submodule(place).register_forward_hook(fail)
    try:
        vars(unet).pop("forward", None)
        before = state(NET), state(unet)
        with suppress(BaseException if fault is KeyboardInterrupt else fault or ()):
            generated(webui, [Unit(NET, picture())], HALVES, APART, steps=3)
        vars(unet).pop("forward", None)
        assert (state(NET), state(unet)) == before and all(inside) and len(inside) > 1
    finally:
        handle.remove()
