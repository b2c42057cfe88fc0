"""ControlNets beside regions: their own cross-attention follows the regions, and they are as they were afterwards.

A double of the extension: its script holds ``latest_network.control_params``, the UNet's ``forward`` on the instance runs every unit's
network with the rows and contexts of the call. The networks are genuine ldm UNets, whose output is added as a ControlNet's residuals are.
"""

import contextlib
from types import SimpleNamespace

import pytest
import torch
from webui import WIDTH, Interrupted, Processing, WebUI, small_unet

from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.hosts.a1111.controlnet import controls_of
from tests.hosts.a1111.test_generation import FULL, LEFT, MODEL, RIGHT, assert_close, generate

TWO = ({**LEFT, "prompt": "one"}, {**RIGHT, "prompt": "two"})


class Unit(SimpleNamespace):
    """``ControlParams``: a plugable model around the network, and for InstantID the context that the network has instead of the text."""

    def __init__(self, network, override=None):
        super().__init__(control_model=SimpleNamespace(control_model=network), control_context_override=override)

    def residual(self, x, timesteps, context):
        network = self.control_model.control_model
        contexts = context if self.control_context_override is None else self.control_context_override.expand(len(x), -1, -1)
        return 0.5 * network(x, timesteps, context=contexts)


@pytest.fixture
def webui(monkeypatch):
    found = WebUI(monkeypatch, MODEL)
    yield found
    vars(MODEL.model.diffusion_model).pop("forward", None)


def controlled(webui, prompt, *units):
    """A generation of ``prompt`` with these units."""
    unet = webui.model.model.diffusion_model
    vars(unet).pop("forward", None)
    original = unet.forward

    def forward(x, timesteps=None, context=None, **kwargs):
        return original(x, timesteps, context=context, **kwargs) + sum(unit.residual(x, timesteps, context) for unit in units)

    unet.forward = forward
    script = SimpleNamespace(latest_network=SimpleNamespace(control_params=list(units)))
    return Processing(webui, [prompt], scripts=SimpleNamespace(alwayson_scripts=[SimpleNamespace(), script]))


def state(network):
    return [{k: dict(v) if "hooks" in k else id(v) for k, v in vars(module).items()} for module in network.modules()]


@pytest.mark.parametrize("count", [1, 2], ids=["one unit", "two units"])
def test_a_region_over_the_whole_canvas_is_the_plain_prompt_with_the_same_units(webui, count):
    units = [Unit(small_unet(seed=5 + n)) for n in range(count)]
    before = [state(unit.control_model.control_model) for unit in units]
    plain = generate(controlled(webui, "a red hat", *units))
    region = {**FULL, "prompt": "a red hat", "negative": "snow"}
    generation = controlled(webui, "else", *units)
    generation.negative_prompts = [""]
    assert_close(generate(controlled(webui, "else", *units), {**FULL, "prompt": "a red hat"}), plain)
    assert (generate(generation, region) - plain).abs().max() > 1e-2
    assert [state(unit.control_model.control_model) for unit in units] == before


def test_what_the_network_is_given_of_the_regions_counts(webui):
    """The same regions beside a network that has no text, and beside one that has: apart from what it adds, not the same."""
    deaf = torch.zeros(1, 77, WIDTH)
    one, other = (generate(controlled(webui, "main", Unit(small_unet(seed=5), hook)), *TWO) for hook in (None, deaf))
    plain, still = (generate(controlled(webui, "main", Unit(small_unet(seed=5), hook))) for hook in (None, deaf))
    assert ((one - other) - (plain - still)).abs().max() > 1e-2


def test_its_layers_are_known_as_a_controlnets(webui):
    """Attention maps leave them out."""
    p, seen = controlled(webui, "a", Unit(small_unet(seed=5))), []
    with A1111Host(webui.model, p).patched(Hooks(cross_attention=lambda call: seen.append(call.site))):
        p.sample()
    assert len(seen) > 7 and {site.controlnet for site in seen} == {True, False}
    assert all(site.controlnet == site.name.startswith("controlnet.0.") for site in seen)


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, Interrupted, torch.cuda.OutOfMemoryError], ids=str)
def test_the_network_is_as_before_however_sampling_ends(webui, fault):
    unit = Unit(small_unet(seed=5))
    network = unit.control_model.control_model
    p, before = controlled(webui, "a", unit), state(network)

    def fail(call):
        if call.site.name.startswith("controlnet.0."):
            raise fault

    with contextlib.suppress(fault), A1111Host(webui.model, p).patched(Hooks(cross_attention=fail)):
        assert state(network) != before
        p.sample()
    assert state(network) == before


def test_a_unit_without_a_text_is_left_alone(webui):
    """InstantID gives its network a face: one that has the same context whatever the regions' texts are."""
    face = torch.randn(1, 4, WIDTH, generator=torch.Generator().manual_seed(1))
    unit = Unit(small_unet(seed=5), face)
    plain = generate(controlled(webui, "a red hat", unit))
    assert_close(generate(controlled(webui, "else", unit), {**FULL, "prompt": "a red hat"}), plain)


def test_which_networks_are_found():
    network, adapter, face = small_unet(), torch.nn.Conv2d(4, 4, 1), small_unet()
    units = [Unit(network), Unit(network), Unit(adapter), Unit(face, torch.zeros(1, 4, WIDTH)), SimpleNamespace()]
    scripts = [
        SimpleNamespace(),
        SimpleNamespace(latest_network=None),
        SimpleNamespace(latest_network=SimpleNamespace(control_params=units)),
    ]
    found = controls_of(SimpleNamespace(scripts=SimpleNamespace(alwayson_scripts=scripts)))
    assert found == [(network, True), (face, False)]
    assert controls_of(None) == controls_of(SimpleNamespace()) == controls_of(SimpleNamespace(scripts=None)) == []
