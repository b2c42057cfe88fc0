"""Generations with LoRAs in regions through the WebUIs' adapters: a region over everything is the UNet with the LoRA merged.

AUTOMATIC1111 is the double around a genuine ``ldm`` UNet, Forge the double of its engine; both with doubles of the hosts' own networks,
whose merge is the naive one. What the real hosts do is seen by `tests/acceptance/test_loras.py`.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from forge_double import Processing as ForgeProcessing
from forge_double import WebUI as Forge
from forge_networks import Network
from isolation_cases import plan_of
from lora_files import CONV, LINEAR
from network_doubles import ForgeEngine, a1111_networks, forge_networks, random_network, with_loras
from webui import Denoiser, Processing, WebUI, checkpoint

from lib_regional.hosts.registry import find_host
from lib_regional.methods import open_session
from lib_regional.webui import driver

KINDS = (*dict.fromkeys((*LINEAR, *CONV)), "norm")
FORGE_KINDS = tuple(kind for kind in KINDS if not kind.startswith(("ia3", "oft", "boft")))
"""Forge's own loader has no class for the others."""
MODEL = checkpoint()
FULL = {"box": [0, 0, 1, 1], "base_share": 0.0, "feather": 0.0}
HALVES = [{**FULL, "box": [0, 0, 0.5, 1]}, {**FULL, "box": [0.5, 0, 1, 1]}]
TWO = {"one": ("lora", 1), "two": ("lokr", 2)}


class Rig:
    """A host with LoRAs by name."""

    files: dict

    def drop(self, *parts):
        """Take the layers with these names out of all LoRAs."""
        for _, layers in self.files.values():
            for name in [name for name in layers if any(part in name for part in parts)]:
                del layers[name]


class A1111Rig(Rig):
    """AUTOMATIC1111 with LoRAs by name."""

    kinds = KINDS

    def __init__(self, monkeypatch, **kinds):
        self.webui, self.unet = WebUI(monkeypatch, MODEL), MODEL.model.diffusion_model
        self.files = {name: (kind, random_network(self.unet, kind, seed)) for name, (kind, seed) in kinds.items()}
        self.networks = a1111_networks(monkeypatch, self.unet, self.files)

    def merged(self, prompts, **strengths):
        """The latent of plain prompts with LoRAs merged into the whole UNet."""
        unet = with_loras(self.unet, *((*self.files[name], strength) for name, strength in strengths.items()))
        self.webui.load(SimpleNamespace(**{**vars(MODEL), "model": SimpleNamespace(diffusion_model=unet, conditioning_key="crossattn")}))
        try:
            return Processing(self.webui, list(prompts), ["bad"] * len(prompts)).sample(steps=2)
        finally:
            self.webui.load(MODEL)

    def regions(self, prompts, *regions, **more):
        """The latent with regions."""
        p = Processing(self.webui, list(prompts), ["bad"] * len(prompts))
        driver.begin(p, {"enabled": True, "regions": list(regions), **more})
        driver.begin_batch(p)
        return p.sample(steps=2)


class ForgeRig(Rig):
    """Forge with LoRAs by name."""

    kinds = FORGE_KINDS

    def __init__(self, monkeypatch, **kinds):
        self.unet = Network(dim=16)
        self.webui = Forge(monkeypatch, ForgeEngine(self.unet))
        self.files = {name: (kind, random_network(self.unet, kind, seed)) for name, (kind, seed) in kinds.items()}
        self.networks = forge_networks(monkeypatch, self.unet, self.files)

    def merged(self, prompts, **strengths):
        """The latent of plain prompts with LoRAs merged into the whole UNet."""
        loras = ((*self.files[name], strength) for name, strength in strengths.items())
        own, unet = self.webui.engine, with_loras(self.unet, *loras, new_biases=False)
        self.webui.swap(ForgeEngine(unet))
        try:
            return ForgeProcessing(self.webui, list(prompts), ["bad"] * len(prompts)).sample()
        finally:
            self.webui.swap(own)

    def regions(self, prompts, *regions, method="attention_couple", **more):
        """The latent with regions."""
        p = ForgeProcessing(self.webui, list(prompts), ["bad"] * len(prompts))
        plan = plan_of(method, {"regions": list(regions), **more}, p.prompts, p.negatives, (64, 80))
        host = find_host(self.webui.engine, p)
        p.before_sampling[:] = [host.begin_pass]
        with open_session(host, plan):
            return p.sample()


RIGS = {"a1111": A1111Rig, "forge": ForgeRig}


@pytest.fixture(params=RIGS)
def rig(request, monkeypatch):
    """Makes a host with LoRAs; afterwards its weights, its layers and its list of networks must be as they were."""
    made = []

    def make(**kinds):
        found = RIGS[request.param](monkeypatch, **kinds)
        made.append((found, {name: value.clone() for name, value in found.unet.state_dict().items()}))
        return found

    yield make
    for found, before in made:
        assert all(torch.equal(value, before[name]) for name, value in found.unet.state_dict().items())
        assert found.unet.state_dict().keys() == before.keys() and found.networks.loaded_networks == []
        assert not any(layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer) for layer in found.unet.modules())


def assert_close(a, b):
    """Far below a level of 255 in the picture: latents are about 1."""
    torch.testing.assert_close(a, b, atol=5e-4, rtol=1e-3)


@pytest.mark.parametrize("host, kind", [(host, kind) for host, made in RIGS.items() for kind in made.kinds])
def test_a_region_over_everything_is_the_lora_merged(monkeypatch, host, kind):
    made = RIGS[host](monkeypatch, x=(kind, 1))
    merged = made.merged(["a red hat"], x=0.8)
    assert_close(made.regions(["else"], {**FULL, "prompt": "a red hat<lora:x:0.8>"}), merged)
    assert (merged - made.merged(["a red hat"])).abs().max() > 0.005


def test_several_loras_and_a_batch(rig):
    made = rig(**TWO)
    region = {**FULL, "prompt": "hat<lora:one:0.6><lora:two:1:-0.5>"}
    assert_close(made.regions(["a", "b"], region), made.merged(["hat", "hat"], one=0.6, two=-0.5))


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple", "multidiffusion", "mask_conditioning"])
def test_halves_with_one_lora_are_one_region_with_it(rig, method):
    made = rig(**TWO)
    halves = [{**half, "prompt": "hat<lora:one:0.8>"} for half in HALVES]
    if method == "multidiffusion":
        halves = [{**FULL, "prompt": "hat<lora:one:0.8>"}]
    assert_close(made.regions(["else"], *halves, method=method), made.merged(["hat"], one=0.8))


def test_one_lora_in_two_regions_with_two_strengths(rig):
    """Equal shares of one place: the strengths' mean acts there. Layers that read the context have no place, and are left out here."""
    made = rig(**TWO)
    made.drop(".attn2.")
    both = [{**FULL, "prompt": f"hat<lora:one:te=1:unet={strength}>"} for strength in (1.0, 0.4)]
    assert_close(made.regions(["else"], *both), made.merged(["hat"], one=0.7))


def test_a_region_without_words_gives_the_base_its_lora(rig):
    made = rig(**TWO)
    assert_close(made.regions(["hat"], {**FULL, "prompt": "<lora:two:0.5>"}), made.merged(["hat"], two=0.5))


def test_a_negatives_tag_is_none(rig):
    """As the hosts read tags: never from a negative prompt. What a region loads acts on its negative rows too (the tests above)."""
    made = rig(**TWO)
    tagged, plain = ({**FULL, "prompt": "hat<lora:one:0.8>", "negative": f"dim{tag}"} for tag in ("<lora:two:1>", ""))
    assert_close(made.regions(["else"], tagged), made.regions(["else"], plain))
    silent, plain = ({**FULL, "prompt": "hat", "negative": f"dim{tag}"} for tag in ("<lora:two:1>", ""))
    assert_close(made.regions(["else"], silent), made.regions(["else"], plain))


def test_a_lora_acts_in_its_regions_steps_alone(rig):
    made = rig(**TWO)
    never = made.regions(["hat"], {**FULL, "prompt": "hat<lora:one:0.8>", "steps": [0.9, 1.0]})
    assert_close(never, made.merged(["hat"]))
    always = made.regions(["hat"], {**FULL, "prompt": "hat<lora:one:0.8>"})
    assert (never - always).abs().max() > 1e-2


def test_the_rest_of_the_picture_sees_a_lora_only_through_the_picture(rig):
    """With the region's strength at 0, the region is the plain prompt: nothing of the LoRA's texts or layers acts by itself."""
    made = rig(**TWO)
    halves = [{**HALVES[0], "prompt": "hat<lora:one:te=0:unet=0>"}, {**HALVES[1], "prompt": "hat"}]
    assert_close(made.regions(["else"], *halves), made.merged(["hat"]))


def test_rows_apart_are_the_same_as_together_on_a1111(monkeypatch):
    made = A1111Rig(monkeypatch, **TWO)
    halves = [{**HALVES[0], "prompt": "hat<lora:one:0.8>"}, {**HALVES[1], "prompt": "dog<lora:two:0.6>"}]
    together = made.regions(["else"], *halves)
    monkeypatch.setattr(
        Denoiser,
        "_chunks",
        lambda self, x, contexts, _: torch.cat([self.unet(a, b) for a, b in zip(x.split(1), contexts.split(1), strict=True)]),
    )
    assert_close(made.regions(["else"], *halves), together)


def test_rows_apart_are_the_same_as_together_on_forge(monkeypatch):
    made = ForgeRig(monkeypatch, **TWO)
    halves = [{**HALVES[0], "prompt": "hat<lora:one:0.8>"}, {**HALVES[1], "prompt": "dog<lora:two:0.6>"}]
    together = made.regions(["else"], *halves)
    made.webui.limit = 1
    assert_close(made.regions(["else"], *halves), together)


def kept_apart(level, until=1.0, border=0.0):
    return {"options": {"attention_couple": {"separate": level, "separate_until": until, "border": border}}}


def test_regions_kept_apart_by_all_see_nothing_of_the_others_lora(rig):
    """Layers without a place (time embedding) act by the region's share of the canvas, and are left out here."""
    made = rig(**TWO)
    made.drop("emb", "time")
    right = {**HALVES[1], "prompt": "dog<lora:two:0.5>"}
    one, other = ({**HALVES[0], "prompt": f"hat<lora:one:{strength}>"} for strength in (0.8, 0.3))
    a, b = (made.regions(["else"], left, right, **kept_apart("all")) for left in (one, other))
    half = a.shape[-1] // 2
    torch.testing.assert_close(a[..., half:], b[..., half:], atol=1e-4, rtol=1e-3)
    assert (a[..., :half] - b[..., :half]).abs().max() > 1e-2
    shared = [made.regions(["else"], left, right, **kept_apart("nothing")) for left in (one, other)]
    assert (shared[0] - shared[1])[..., half:].abs().max() > 1e-3


def test_regions_are_apart_until_their_share_of_the_steps_is_over(rig):
    """Two steps, which are at 0 and at a quarter or a half of the pass: apart for none, the first or both of them."""
    made = rig(**TWO)
    halves = [{**HALVES[0], "prompt": "hat<lora:one:0.8>"}, {**HALVES[1], "prompt": "dog<lora:two:0.5>"}]
    none, first, both = (made.regions(["else"], *halves, **kept_apart("all", until)) for until in (0, 0.2, 1))
    assert_close(made.regions(["else"], *halves, **kept_apart("nothing")), none)
    assert_close(made.regions(["else"], *halves), made.regions(["else"], *halves, **kept_apart("all", 1, 0.125)))
    assert all((a - b).abs().max() > 1e-3 for a, b in ((none, first), (first, both), (none, both)))


def test_the_places_at_a_border_see_each_other_in_self_attention(rig):
    made = rig(**TWO)
    halves = [{**HALVES[0], "prompt": "hat<lora:one:0.8>"}, {**HALVES[1], "prompt": "dog<lora:two:0.5>"}]
    apart, border = (made.regions(["else"], *halves, **kept_apart("all", 1, share)) for share in (0, 0.125))
    assert (apart - border).abs().max() > 1e-3
    attention = [made.regions(["else"], *halves, **kept_apart("attention", 1, share)) for share in (1, 0)]
    assert_close(attention[0], made.regions(["else"], *halves, **kept_apart("nothing")))
    assert (attention[0] - attention[1]).abs().max() > 1e-3


def test_the_order_of_the_regions_does_not_say_who_has_the_border(rig):
    made = rig(**TWO)
    halves = [{**HALVES[0], "prompt": "hat<lora:one:0.8>"}, {**HALVES[1], "prompt": "dog<lora:two:0.5>"}]
    assert_close(made.regions(["else"], *halves), made.regions(["else"], *halves[::-1]))


def test_what_belongs_to_no_region_is_seen_by_all_of_them(rig):
    """One region's LoRA beside the base alone keeps nothing apart."""
    made = rig(**TWO)
    left = {**HALVES[0], "prompt": "hat<lora:one:0.8>"}
    assert_close(made.regions(["else"], left, **kept_apart("all")), made.regions(["else"], left, **kept_apart("nothing")))


@pytest.mark.parametrize("level", ["attention", "norms", "all"])
def test_regions_with_one_set_of_loras_are_never_kept_apart(rig, level):
    made = rig(**TWO)
    halves = [{**half, "prompt": "hat<lora:one:0.8>"} for half in HALVES]
    assert_close(made.regions(["else"], *halves, **kept_apart(level)), made.merged(["hat"], one=0.8))
    plain = [{**half, "prompt": "hat"} for half in HALVES]
    assert_close(made.regions(["else"], *plain, **kept_apart(level)), made.merged(["hat"]))
