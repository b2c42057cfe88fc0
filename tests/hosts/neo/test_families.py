"""Regional texts in the joint attention of Forge Neo's families, each on its double."""

import forge_double
import neo_joint
import pytest
import torch
from forge_double import Engine, Processing, WebUI
from isolation_cases import plan_of
from neo_joint import FAMILIES
from neo_networks import shared_latents

from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.hosts.forge.model import kind_of
from lib_regional.hosts.forge.network.families import family_of
from lib_regional.hosts.forge.rows import ROWS
from lib_regional.methods import open_session
from lib_regional.request.errors import RegionalError

FULL = {"box": [0, 0, 1, 1], "base_share": 0, "feather": 0}
HALVES = [{"box": [0, 0, 0.5, 1], "feather": 0, "base_share": 0}, {"box": [0.5, 0, 1, 1], "feather": 0, "base_share": 0}]
LONG = " ".join(["word"] * 30)


@pytest.fixture(params=FAMILIES)
def kind(request):
    return request.param


def host_of(monkeypatch, kind, depth=2, references=0):
    found = WebUI(monkeypatch, Engine(FAMILIES[kind](depth), kind="is_wan"))
    found.engine.unet.model.predictor.prediction_type = "const"
    monkeypatch.setattr("forge_double.scaled", lambda sigma, x: x)
    generator = torch.Generator().manual_seed(2)
    shared_latents(monkeypatch, [torch.randn(1, 4, 1, 6 + 2 * n, 4, generator=generator) for n in range(references)])
    if kind == "krea":
        with_axis(monkeypatch, found)
    return found


def with_axis(monkeypatch, webui):
    """Contexts as Krea 2's text encoder gives them: (1, T, D) each, which the host stacks."""
    compiled, encode = forge_double.compiled, webui.encode

    def stacked(texts, vectors):
        entries = compiled(texts, vectors)
        entries["model_conds"]["c_crossattn"] = forge_double.Condition(entries["model_conds"]["c_crossattn"].cond[:, None])
        return entries

    def encoded(*args, **kwargs):
        found = encode(*args, **kwargs)
        return [[entry._replace(cond=entry.cond[None]) for entry in schedule] for schedule in found]

    monkeypatch.setattr("forge_double.compiled", stacked)
    monkeypatch.setattr("modules.prompt_parser.get_learned_conditioning", encoded)


def sample(webui, prompts, regions=None, method="attention_couple", scale=3.0, size=(8, 12), steps=1, **options):
    p = Processing(webui, prompts, ["bad"] * len(prompts))
    p.cfg_scale = scale
    x = webui.engine.network.latent(size, len(prompts))
    if regions is None:
        return p.sample(steps, x)
    plan = plan_of(method, {"regions": regions, "options": {method: options}}, p.prompts, p.negatives, (size[1] * 8, size[0] * 8))
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    with open_session(host, plan):
        return p.sample(steps, x)


def close(one, other):
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def halves(left, right):
    return [{**half, "prompt": text} for half, text in zip(HALVES, (left, right), strict=True)]


def changed(webui, left="left", **sampling):
    """How much each column changes where the right half has another text."""
    one, other = (sample(webui, ["main"], halves(left, right), **sampling) for right in ("a thing", "another of them"))
    return (one - other).abs().flatten(0, -2).mean(0)


@pytest.mark.parametrize("size", [(8, 12), (7, 11)], ids=["even", "odd"])
def test_the_same_text_everywhere_is_the_plain_prompt(monkeypatch, kind, size):
    webui = host_of(monkeypatch, kind)
    soft = [{**half, "prompt": "main", "feather": 0.3, "base_share": share} for half, share in zip(HALVES, (0, 0.4), strict=True)]
    close(sample(webui, ["main"], soft, size=size), sample(webui, ["main"], size=size))


@pytest.mark.parametrize("scale", [1.0, 3.0], ids=["without negatives", "with negatives"])
def test_a_whole_canvas_region_is_the_plain_prompt(monkeypatch, kind, scale):
    webui = host_of(monkeypatch, kind)
    close(sample(webui, ["main", "main"], [{**FULL, "prompt": LONG}], scale=scale), sample(webui, [LONG] * 2, scale=scale))


def test_texts_that_no_cell_asks_change_nothing(monkeypatch, kind):
    """A text is as far from the picture as alone, whatever stands beside it."""
    webui = host_of(monkeypatch, kind)
    for texts in (("a thing", LONG), (LONG, "a thing")):
        regions = [{**FULL, "prompt": texts[0]}, {**FULL, "box": [0, 0, 1, 1], "prompt": texts[1], "weight": 1e-7}]
        close(sample(webui, ["main"], regions), sample(webui, [texts[0]]))


def test_the_order_of_regions_changes_nothing(monkeypatch, kind):
    webui, regions = host_of(monkeypatch, kind), halves("one", LONG)
    close(sample(webui, ["main"], regions), sample(webui, ["main"], regions[::-1]))


def test_in_one_block_a_text_acts_in_its_own_half_alone(monkeypatch, kind):
    found = changed(host_of(monkeypatch, kind, depth=1))
    assert found[:6].max() < 1e-6 < 1e-4 < found[6:].mean()


def test_behind_it_the_pictures_own_attention_carries_it_on(monkeypatch, kind):
    found = changed(host_of(monkeypatch, kind))
    assert found[6:].mean() > 1.5 * found[:6].mean() > 1e-7


@pytest.mark.parametrize("size", [(8, 12), (7, 12)], ids=["even", "odd"])
def test_isolated_regions_reach_nothing_of_each_other(monkeypatch, kind, size):
    """What is behind the picture of Z-Image, where it is filled up, sees all of it."""
    found = changed(host_of(monkeypatch, kind, depth=3), size=size, isolate_until=1)
    assert found[:6].max() < 1e-6 < 1e-4 < found[6:].mean()


def test_isolation_ends(monkeypatch, kind):
    """The same text is the plain prompt in the steps behind its end, and not before."""
    webui, calls = host_of(monkeypatch, kind), []
    network = webui.engine.network
    watch = network.register_forward_hook(lambda _, args, kwargs, made: calls.append((args, kwargs, made)), with_kwargs=True)
    sample(webui, ["main"], halves("main", "main"), scale=1.0, steps=2, isolate_until=0.5)
    watch.remove()
    changes = []
    for args, kwargs, made in calls:
        with torch.inference_mode():
            plain = network(*args, **{name: value for name, value in kwargs.items() if name != ROWS})
        changes.append(float((made - plain).abs().max()))
    assert changes[1] < 1e-5 < 1e-3 < changes[0]


def test_nothing_is_isolated_where_one_region_is_everywhere(monkeypatch, kind):
    webui = host_of(monkeypatch, kind)
    close(sample(webui, ["main"], [{**FULL, "prompt": LONG}], isolate_until=1), sample(webui, [LONG]))


@pytest.mark.parametrize("references", [1, 2])
def test_pictures_beside_the_prompt_are_kept(monkeypatch, references):
    webui = host_of(monkeypatch, "qwen", 1, references)
    soft = [{**half, "prompt": "main", "feather": 0.3} for half in HALVES]
    close(sample(webui, ["main"], soft), sample(webui, ["main"]))
    found = changed(webui)
    assert found[:6].max() < 1e-6 < 1e-4 < found[6:].mean()


@pytest.mark.parametrize("method", ["latent_couple", "multidiffusion"])
def test_methods_that_predict_apart_work_here_too(monkeypatch, kind, method):
    webui = host_of(monkeypatch, kind)
    close(sample(webui, ["main"], [{**FULL, "prompt": LONG}], method), sample(webui, [LONG]))
    close(sample(webui, ["main"], halves("one", LONG), method), sample(webui, ["main"], halves("one", LONG)[::-1], method))


@pytest.mark.parametrize("part", ["context_refiner", "rope_embedder", "layers"])
def test_a_part_that_the_network_does_not_use_is_an_error(monkeypatch, part):
    """Texts beside each other would read each other, or have other places than alone."""
    webui = host_of(monkeypatch, "z-image")
    network = webui.engine.network
    if part == "rope_embedder":
        monkeypatch.setattr(type(network.rope_embedder), "__call__", lambda self, ids: type(self).forward(self, ids))
    else:
        block = getattr(network, part)[0]
        monkeypatch.setattr(type(block.attention), "__call__", lambda self, x, *_, **__: self.out(x), raising=False)
    with pytest.raises(RegionalError, match="Lumina.*latent_couple"):
        sample(webui, ["main"], halves("one", "another"))


def test_nothing_of_it_stays(monkeypatch, kind):
    webui = host_of(monkeypatch, kind)
    plain, function = sample(webui, ["main"]), neo_joint.attention_function
    sample(webui, ["main"], halves("one", LONG))
    assert torch.equal(sample(webui, ["main"]), plain) and neo_joint.attention_function is function
    assert not [name for name, module in webui.engine.network.named_modules() if "forward" in vars(module)]


def test_a_family_is_known_by_what_its_network_has(kind):
    network = FAMILIES[kind](1)
    found = family_of(network)
    assert kind_of(network) == "joint" and found.grid((11, 7)) == (6, 4)
    assert (found.name, found.length(13), found.behind((12, 10), {})) == {
        "lumina": ("Lumina", 13, 0),
        "z-image": ("Lumina", 16, 2),
        "qwen": ("Qwen-Image", 13, 0),
        "krea": ("Krea 2", 13, 0),
        "ernie": ("Ernie-Image", 13, 0),
    }[kind]
