"""reForge and Forge Classic: what differs from Forge, on the double of their backend. The rest of the adapter is tested in test_forge."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from forge_cases import FULL, HALVES, SIZE
from forge_double import Engine
from forge_networks import Network
from isolation_cases import plan_of
from ldm_patched_double import Loader, Processing, WebUI
from lora_files import LINEAR, lora, merged

from lib_regional.engine.capabilities import facts_of
from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.forge import loras as forge_loras
from lib_regional.hosts.forge import pictures as forge_pictures
from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.hosts.forge.model import prepare_again
from lib_regional.hosts.registry import find_host
from lib_regional.methods import open_session
from lib_regional.request.errors import RegionalError
from lib_regional.request.prompt.lora_tags import LoraTag
from lib_regional.tensors.lora.low_rank import added
from tests.hosts.forge.test_pictures import TextEngine, parser  # noqa: F401  a fixture
from tests.hosts.webui_family.test_loras import LINEAR_KEY, TEXT_KEY, content
from tests.hosts.webui_family.test_loras import Network as Layers

KINDS = ["reforge", "classic"]
UNET_KEYS = {LINEAR_KEY: "diffusion_model.block.1.to_q.weight"}
TEXT_KEYS = {TEXT_KEY: "text.fc1.weight"}


def sample(webui, p, regions=None, method="attention_couple", steps=3):
    """``steps`` steps of ``p``, with ``regions`` or without us."""
    p.before_sampling.clear()
    if regions is None:
        return p.sample(steps)
    host = find_host(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    with open_session(host, plan_of(method, {"regions": regions}, p.prompts, p.negatives, SIZE)):
        return p.sample(steps)


# ---------------------------------------------------------------- sampling


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_a_whole_canvas_region_is_the_plain_prompt(monkeypatch, kind, method):
    webui = WebUI(monkeypatch, kind)
    regions = [{**FULL, "prompt": "hat AND coat", "negative": "bad"}]
    made = sample(webui, Processing(webui, ("other",), ("x",)), [{**regions[0], "prompt": "hat"}], method)
    plain = sample(webui, Processing(webui, ("hat",), ("x, bad",)))
    assert torch.allclose(made, plain, atol=1e-5)
    assert not torch.allclose(plain, sample(webui, Processing(webui, ("other",), ("x",))), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_regions_do_something(monkeypatch, kind):
    webui = WebUI(monkeypatch, kind)
    plain, made = sample(webui, Processing(webui)), sample(webui, Processing(webui), HALVES)
    assert not torch.allclose(plain, made, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["latent_couple", "multidiffusion"])
def test_a_regions_scale_over_the_whole_canvas_is_the_pictures(monkeypatch, kind, method):
    """Fact 4: where the host leaves guidance out of a step, so does the region."""
    webui = WebUI(monkeypatch, kind)
    made = sample(webui, Processing(webui, ("other",)), [{**FULL, "prompt": "hat", "cfg_scale": 5.0}], method)
    p = Processing(webui, ("hat",))
    p.cfg_scale = 5.0
    assert torch.allclose(made, sample(webui, p), atol=1e-4)


@pytest.mark.parametrize(("kind", "guided"), [("reforge", [True] * 3), ("classic", [False, True, True])])
def test_unguided_steps_are_said(monkeypatch, kind, guided):
    webui, seen = WebUI(monkeypatch, kind), []
    p = Processing(webui)
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]

    def look(call):
        seen.append((call.model.step.index, call.model.step.guided, call.model.step.cfg_scale))

    with host.patched(Hooks(cross_attention=look)):
        p.sample(3)
    assert list(dict.fromkeys(seen)) == [(n, guides, 3.0 if guides else 1.0) for n, guides in enumerate(guided)]


def test_a_picture_at_scale_one_is_a_guided_one(monkeypatch):
    """CFG 1 that was asked for is no step left out: a region may have a scale of its own there."""
    webui, seen = WebUI(monkeypatch, "reforge"), []
    p = Processing(webui)
    p.cfg_scale = 1.0
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    with host.patched(Hooks(cross_attention=lambda call: seen.append(call.model.step.guided))):
        p.sample(2)
    assert set(seen) == {True}


def test_every_entry_has_a_size(monkeypatch):
    webui = WebUI(monkeypatch, "reforge")
    sample(webui, Processing(webui, ("one", "two"), ("bad", "bad")), HALVES)
    assert all(entry["regional_rows"] == [2] for entry in webui.measured) and webui.measured


@pytest.mark.parametrize("velocity", [True, False])
def test_the_prediction_is_read_from_the_classes_of_model_sampling(monkeypatch, velocity):
    webui = WebUI(monkeypatch, "classic", velocity=velocity)
    assert facts_of(find_host(webui.engine)).prediction == ("v" if velocity else "epsilon")


def test_the_network_is_loaded_again_by_the_hosts_own_function(monkeypatch):
    webui = WebUI(monkeypatch, "reforge")
    prepare_again(webui.engine, "x")
    assert webui.prepared == [(webui.engine.forge_objects.unet, "x")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_refiner_is_followed_and_its_network_loaded(monkeypatch, kind):
    webui = WebUI(monkeypatch, kind)
    other, p = Engine(Network(seed=9), "two.safetensors"), Processing(webui, ("other",))
    webui.refiner = lambda denoiser: webui.swap(other) if denoiser.step == 1 else None
    first = webui.engine
    made = sample(webui, p, [{**FULL, "prompt": "hat"}])
    assert [unet for unet, _ in webui.prepared] == [other.forge_objects.unet]
    webui.swap(first)
    assert torch.allclose(made, sample(webui, Processing(webui, ("hat",))), atol=1e-5)


def test_edits_find_the_pieces_of_a_prompt_in_the_text_encoder_of_the_checkpoint(parser):  # noqa: F811  a fixture by its name
    """As in AUTOMATIC1111; Forge has ``cond_stage_model`` too, but keeps nothing in it."""
    old, new = SimpleNamespace(cond_stage_model=TextEngine()), SimpleNamespace(cond_stage_model=None, text_processing_engine=TextEngine())
    guides = [forge_pictures.tokens_of(model, "a cathedral") for model in (old, new)]
    assert guides[0] == guides[1] and len(guides[0]) == 3


# ---------------------------------------------------------------- LoRAs


def loader(monkeypatch, kind, contents):
    return Loader(monkeypatch, kind, Layers(), contents, UNET_KEYS, TEXT_KEYS)


def state(host):
    """Everything that reading and encoding could leave behind."""
    return (
        {key: value.clone() for model in (host.text, host.objects.unet.model) for key, value in model.state_dict().items()},
        dict(vars(host.objects)), copy.deepcopy(host.objects.clip.patcher.patches), copy.deepcopy(host.objects.unet.patches),
        dict(host.objects.clip.patcher.backup),
    )  # fmt: skip


def same(before, after):
    assert before[0].keys() == after[0].keys() and all(torch.equal(before[0][key], after[0][key]) for key in before[0])
    assert before[1:] == after[1:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["lora", "full", "dora"])
def test_deltas_are_what_the_hosts_merge_adds(monkeypatch, kind, family):
    """Also while a clone of the patcher, with LoRAs of the main prompt, is the loaded one."""
    torch.manual_seed(5)
    parts = LINEAR[family]((16, 24))
    host = loader(monkeypatch, kind, {"x.safetensors": content(parts)})
    layer = host.objects.unet.model.diffusion_model.block["1"]["to_q"]
    clean = layer.weight.detach().clone()
    mains = host.objects.unet.clone()
    mains.add_patches({UNET_KEYS[LINEAR_KEY]: ("diff", (torch.ones(16, 24),))}, 0.5)
    host.load(mains)
    assert not torch.equal(layer.weight, clean)
    found = forge_loras.unet_deltas(host.engine, LoraTag("x", 0.1, 0.2))
    known = "lora" if (kind, family) == ("classic", "dora") else family  # Classic leaves dora_scale out, fact 8
    assert set(found) == {"block.1.to_q"} and (found["block.1.to_q"].weight is None) == (known == "lora")
    x, new = torch.randn(5, 24), torch.from_numpy(merged(known, parts, clean)).float()
    expected = F.linear(x, new, parts.get("diff_b")) - F.linear(x, clean)
    assert torch.allclose(added(found["block.1.to_q"], x), expected, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [None, ZeroDivisionError], ids=["success", "error"])
def test_texts_are_encoded_by_a_clone_that_goes(monkeypatch, kind, fault):
    parts = lora((16, 24))
    host = loader(monkeypatch, kind, {"x.safetensors": content(parts, TEXT_KEY)})
    x, layer = torch.randn(3, 24), host.text.text["fc1"]
    plain, before = host.encode(x), state(host)
    delta = torch.from_numpy(merged("lora", parts, layer.weight.detach())).float() - layer.weight.detach()
    try:
        with forge_loras.on_texts(host.engine, [LoraTag("x", 0.3, 0.4), LoraTag("x", 0.5)]):
            assert torch.allclose(host.encode(x), plain + 0.8 * F.linear(x, delta), atol=1e-5)
            if fault is not None:
                raise fault
    except ZeroDivisionError:
        assert fault is ZeroDivisionError
    assert host.engine.forge_objects is host.objects
    same(before, state(host))
    assert torch.equal(host.encode(x), plain)


@pytest.mark.parametrize("kind", KINDS)
def test_the_main_prompts_loras_stay_in_force_beside_a_regions(monkeypatch, kind):
    parts = lora((16, 24))
    host = loader(monkeypatch, kind, {"x.safetensors": content(parts, TEXT_KEY)})
    host.objects.clip.add_patches({TEXT_KEYS[TEXT_KEY]: ("diff", (torch.ones(16, 24),))}, 0.25)
    x, weight = torch.randn(3, 24), host.text.text["fc1"].weight.detach().clone()
    mains = host.encode(x)
    delta = torch.from_numpy(merged("lora", parts, weight)).float() - weight
    with forge_loras.on_texts(host.engine, [LoraTag("x", 1.0)]):
        assert torch.allclose(host.encode(x), mains + F.linear(x, delta), atol=1e-5)
    assert torch.equal(host.encode(x), mains)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("file", "says"), [("strange", "another kind of model"), ("wide", "layer block.1.to_q"), ("none", "no LoRA")])
def test_the_file_that_cannot_be_used_is_named(monkeypatch, kind, file, says):
    files = {"strange.safetensors": content(lora((16, 24)), "lora_unet_x"), "wide.safetensors": content(lora((16, 9)))}
    host = loader(monkeypatch, kind, files)
    with pytest.raises(RegionalError, match=says) as caught:
        forge_loras.unet_deltas(host.engine, LoraTag(file))
    assert file in str(caught.value)
