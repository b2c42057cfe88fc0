"""Inversion on the small model: the way back leads to the picture; nothing is inverted twice; what cannot be inverted is named."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from lib_regional.engine.plan import Plan, plan_pass
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.hosts.webui_family.progress import announce
from lib_regional.methods.mrgd.edit import Edit
from lib_regional.methods.mrgd.inversion import Inversion, Inverted, Stopped, cached, ddim_steps
from lib_regional.methods.mrgd.sides import Job, Side
from lib_regional.methods.mrgd.texts import Texts, encode_sides
from lib_regional.methods.mrgd.trajectory import Source
from lib_regional.request.errors import RegionalError
from lib_regional.request.layout.windows import canvas_of
from lib_regional.request.settings import Settings
from lib_regional.standalone.model.loading import load_model
from lib_regional.standalone.sampling.noise_levels import ddim_timesteps
from lib_regional.standalone.server.app import create
from lib_regional.tensors.device_copies import Moved

REGION = {"box": [0, 0, 0.5, 1], "prompt": "a red circle on grass"}
STEPS = 10
BRIEF = 3
"""Steps where only what is kept of an inversion counts."""


@pytest.fixture(scope="module")
def small():
    return load_model(device="cpu")


def inversion(model, inner=10, prompt=REGION["prompt"], scale=3.0, count=STEPS):
    settings = Settings.parse({"enabled": True, "method": "mrgd", "regions": [{**REGION, "prompt": prompt}], "base": {"prompt": "grass"}})
    plan = Plan(settings, settings.layout(), (128, 128), plan_pass(settings, ["grass"], [""], count))
    side, host = Side("source", plan, 0, 0.0), DiffusersHost(model)
    steps = list(reversed(ddim_timesteps(count)))
    return Inversion(host, side, Texts(host, encode_sides(host, [side])), steps, scale, inner)


def brief(model, inner=1, **fields):
    return inversion(model, inner, count=BRIEF, **fields)


@pytest.fixture(scope="module")
def clean(small):
    """A clean latent of a grey picture with a red square."""
    picture = torch.zeros(1, 3, 128, 128)
    picture[:, 0, 40:90, 10:50], picture[:, 1:, 40:90, 10:50] = 0.8, -0.8
    return small.encode_images(picture)


def back(run, start, contexts=None, left=lambda index: 0):
    """DDIM with region-wise guidance from ``start`` (1, C, H, W); without contexts guidance 1. ``left`` is added to clean predictions."""
    a, x = run.host.alphas_cumprod, start
    for index, step in enumerate(run.steps):
        parts = []
        for job in run.side.jobs(0, "cond", run._info(index), (16, 16)):
            cond = run.host.predict(job.window.of(x), step, [run.texts.conditioning("cond", job.text, run._info(index))])[0]
            if contexts is not None:
                context = contexts(index, job)
                uncond = run.host.predict(job.window.of(x), step, [type(run.texts.conditioning("cond", job.text, run._info(0)))(context)])[
                    0
                ]
                cond = uncond + run.scale * (cond - uncond)
            parts.append((job, cond))
        noise, weight = torch.zeros(4, 16, 16), torch.zeros(16, 16)
        for job, y in parts:
            w = job.window
            here = (slice(w.top, w.bottom), slice(w.left, w.right))
            noise[(slice(None), *here)] += y * job.weight
            weight[here] += job.weight
        now, following = a[step], a[run.steps[index + 1]] if index + 1 < len(run.steps) else a[0]
        predicted = (x - (1 - now).sqrt() * noise / weight) / now.sqrt() + left(index)
        x = following.sqrt() * predicted + (1 - following).sqrt() * (x - now.sqrt() * predicted) / (1 - now).sqrt()
    return x


def test_pooled_texts_are_given_with_every_context(small, clean):
    """SDXL's UNet refuses a context without them, the fitted ones of the negative prompt too."""
    run, asked = brief(small, inner=2), []

    def pooled(role, text, step):
        return replace(plain(role, text, step), vector=torch.full((3,), 1.0 if role == "cond" else 2.0))

    def predict(x, step, conditionings):
        asked.extend(conditionings)
        return host.predict(x, step, [replace(one, vector=None) for one in conditionings])

    plain, host = run.texts.conditioning, run.host
    run = replace(run, texts=SimpleNamespace(conditioning=pooled), host=Asked(run.host, predict))
    with torch.no_grad():
        found = run.invert(clean)
    assert {float(one.vector[0]) for one in asked} == {1.0, 2.0}
    fitted = [value for key, value in found.contexts.items()]
    assert all(one.vector[0] == 2 for one in asked if any(torch.equal(one.crossattn, context) for context in fitted))


class Asked:
    """A host of which the predictions are taken by a function."""

    def __init__(self, host, predict):
        self._host, self.predict = host, predict

    def __getattr__(self, name):
        return getattr(self._host, name)


def test_null_text_leaves_less_over(small, clean):
    """What the guided steps lack, with contexts fitted and without; and the found noise leads back unguided."""
    with torch.no_grad():
        fitted, without = (inversion(small, inner=inner).invert(clean) for inner in (10, 0))
        lacking = [sum(float(one.square().mean()) for one in found.leftovers.values()) for found in (fitted, without)]
        unguided = (back(inversion(small), fitted.start) - clean).square().mean()
    print(lacking, unguided)
    assert lacking[0] < 0.6 * lacking[1] and unguided < 0.1
    assert abs(float(fitted.start.std()) - 1) < 0.35


@pytest.mark.parametrize("inner", [0, 2])
def test_what_the_fit_leaves_over_brings_every_step_onto_the_path(small, clean, inner):
    """However good the contexts are, the guided way back ends at the picture itself."""
    run = brief(small, inner)
    with torch.no_grad():
        found = run.invert(clean)
        contexts = lambda index, job: found.context(0, index, job.key)  # noqa: E731
        assert float((back(run, found.start, contexts) - clean).abs().max()) > 0.1
        assert float((back(run, found.start, contexts, found.leftover) - clean).abs().max()) < 2e-3


def test_leftovers_are_the_source_s_and_what_is_kept_of_the_target():
    left, own, clean = torch.randn(3, 1, 4, 6, 6)
    kept = torch.linspace(0, 1, 36).reshape(6, 6)
    state = SimpleNamespace(_inverted=Inverted(own, {}, {(0, 3): left[0]}), area=lambda grid: kept, _moved=Moved())
    source, target = Edit._along(state, SimpleNamespace(step=SimpleNamespace(index=3)), own, clean)
    assert torch.equal(source, own + left) and torch.allclose(target - clean, left * kept, atol=1e-6)
    other = SimpleNamespace(step=SimpleNamespace(index=4))
    assert Edit._along(state, other, own, clean) == (own, clean)
    assert Edit._along(SimpleNamespace(_inverted=None), other, own, clean) == (own, clean)


def test_a_context_is_fitted_where_its_prediction_counts(small, clean):
    """The first step of Adam, against the mean square over the cells with a weight, taken cell by cell."""
    run = inversion(small, inner=1)
    x, weight = torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(3)), torch.zeros(16, 16)
    weight[:, 9:] = torch.linspace(0.1, 1, 16)[:, None]
    job = Job("base", "grass", canvas_of((16, 16)), weight)
    with torch.no_grad():
        cond, start = run._noise(job, x, 4), run.texts.conditioning("uncond", "", run._info(4))
        fitted = run._optimised(job, x, clean[0], cond, start, 4).crossattn
        elsewhere = torch.where(weight > 0, clean[0], clean[0] + 3)
        assert torch.equal(fitted, run._optimised(job, x, elsewhere, cond, start, 4).crossattn)
    context = start.crossattn.clone().requires_grad_(True)
    uncond = run.host.predict(x[None], run.steps[4], [replace(start, crossattn=context)])[0]
    noise, now, following = uncond + run.scale * (cond - uncond), run._alpha(4), run._alpha(5)
    moved = following**0.5 * (x - (1 - now) ** 0.5 * noise) / now**0.5 + (1 - following) ** 0.5 * noise
    cells = [(y, column) for y in range(16) for column in range(9, 16)]
    loss = sum((moved[:, y, column] - clean[0][:, y, column]).square().sum() for y, column in cells) / (4 * len(cells))
    (gradient,) = torch.autograd.grad(loss, context)
    rate = 1e-2 * (1 - 4 / 100)
    expected = start.crossattn - rate * gradient / (gradient.abs() + 1e-8)
    large = gradient.abs() > 1e-6
    assert large.any() and torch.allclose(fitted[large], expected[large], atol=1e-4)


def test_what_is_to_change_begins_with_fresh_noise():
    """The source and what is kept begin with what inversion found."""
    found, fresh = torch.randn(2, 1, 4, 6, 6)
    kept = torch.ones(6, 6)
    kept[:, 4:] = 0
    call = SimpleNamespace(x=fresh.clone(), alpha=0.1, beta=0.99)
    state = SimpleNamespace(_invert=lambda _: Inverted(found.clone()), trajectory=Source(), area=lambda grid: kept)
    own = Edit._begun(state, call)
    assert torch.equal(own, found) and torch.equal(state.trajectory.x, found)
    assert torch.equal(call.x[..., :4], found[..., :4]) and torch.equal(call.x[..., 4:], fresh[..., 4:])


def test_an_inversion_is_kept_by_picture_and_layout(small, clean, tmp_path, monkeypatch):
    with torch.no_grad():
        first = cached(brief(small), clean, tmp_path)
        monkeypatch.setattr(Inversion, "invert", lambda *_: pytest.fail("inverted twice"))
        again = cached(brief(small), clean, tmp_path)
        assert torch.equal(first.start, again.start) and first.contexts.keys() == again.contexts.keys()
        assert all(torch.equal(value, again.contexts[name]) for name, value in first.contexts.items())
        assert len(first.leftovers) == BRIEF and first.leftovers.keys() == again.leftovers.keys()
        assert all(torch.equal(value, again.leftovers[name]) for name, value in first.leftovers.items())
        monkeypatch.setattr(Inversion, "invert", lambda self, x: first)
        for other in (brief(small, prompt="a blue square"), brief(small, scale=4.0), brief(small, inner=2)):
            cached(other, clean, tmp_path)
        cached(brief(small, inner=10), clean + 0.1, tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_named_picture_is_found_again_although_its_latents_are_drawn(small, clean, tmp_path, monkeypatch):
    named = replace(brief(small), picture="one")
    drawn = clean + 0.02 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        first = cached(named, clean, tmp_path)
        monkeypatch.setattr(Inversion, "invert", lambda *_: pytest.fail("inverted twice"))
        again = cached(named, drawn, tmp_path)
        assert torch.equal(first.start, again.start) and len(again.contexts) == len(first.contexts) > 0
        monkeypatch.setattr(Inversion, "invert", lambda self, x: first)
        cached(replace(named, picture="two"), clean, tmp_path)
        assert len(list(tmp_path.iterdir())) == 2
        other_autoencoder = first.start.clone()
        assert cached(named, other_autoencoder, tmp_path) is first  # inverted anew


@pytest.mark.parametrize(
    "damage", [lambda whole: b"", lambda whole: whole[:-200], lambda whole: b"no picture"], ids=["empty", "cut", "other"]
)
def test_a_damaged_file_is_written_anew(small, clean, tmp_path, monkeypatch, damage):
    with torch.no_grad():
        first = cached(brief(small), clean, tmp_path)
        (file,) = tmp_path.iterdir()
        file.write_bytes(damage(file.read_bytes()))
        monkeypatch.setattr(Inversion, "invert", lambda self, x: first)
        assert cached(brief(small), clean, tmp_path) is first
        monkeypatch.setattr(Inversion, "invert", lambda *_: pytest.fail("inverted twice"))
        assert torch.equal(cached(brief(small), clean, tmp_path).start, first.start)
    assert [kept.name for kept in tmp_path.iterdir()] == [file.name]


def test_an_inversion_says_how_far_it_is_and_can_be_stopped(small, clean, tmp_path):
    announced = []
    run = replace(brief(small), announce=lambda done, total: announced.append((done, total)) or len(announced) < 5)
    with torch.no_grad(), pytest.raises(Stopped):
        cached(run, clean, tmp_path)
    assert announced == [(done, 2 * BRIEF) for done in range(5)] and list(tmp_path.iterdir()) == []


def test_the_page_shows_the_inversion(monkeypatch):
    state = SimpleNamespace(sampling_steps=20, sampling_step=0, textinfo=None, interrupted=False, skipped=False)
    monkeypatch.setitem(sys.modules, "modules", SimpleNamespace(shared=SimpleNamespace(state=state)))
    assert announce("Inverting the picture", 10, 40)
    assert (state.textinfo, state.sampling_step) == ("Inverting the picture: 10 of 40", 5)
    assert announce("Inverting the picture", 39, 40) and (state.textinfo, state.sampling_step) == (None, 0)
    state.interrupted = True
    assert not announce("Inverting the picture", 11, 40)


def test_the_way_is_the_one_that_the_host_gives(small, clean):
    """A sampler that begins later and leaves the picture at another level than the evenly spaced way does."""
    run = replace(inversion(small, inner=0), steps=[801, 601, 401, 201], end=1, total=6)
    with torch.no_grad():
        run._begin(1)
        path = run.path(clean)
    a = small.alphas_cumprod
    x = clean
    for step, before in zip([201, 401, 601, 801], [1, 201, 401, 601], strict=True):
        with torch.no_grad():
            index = [801, 601, 401, 201].index(step)
            noise = run._fused(0, x[0], index)[None]
        predicted = (x - (1 - a[before]).sqrt() * noise) / a[before].sqrt()
        x = a[step].sqrt() * predicted + (1 - a[step]).sqrt() * noise
    torch.testing.assert_close(path[-1], x, rtol=1e-4, atol=1e-4)
    assert run._info(2).progress == pytest.approx(2 / 6)


@pytest.mark.parametrize("steps", [5, 20, 30])
def test_the_steps_are_those_of_the_sampler(steps):
    expected = list(reversed(ddim_timesteps(steps)))
    assert ddim_steps(expected[0], steps) == expected


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"width": 192}, "keeps the size"), ({"sampler_name": "Euler"}, "needs the sampler DDIM")],
    ids=["size", "sampler"],
)
def test_what_cannot_be_inverted_is_named(model, tmp_path, fields, words):
    host = create(model=model, output=tmp_path)[1]
    state = {"enabled": True, "method": "mrgd", "regions": [REGION], "options": {"mrgd": {"source": {"regions": []}}}}
    given = {"prompt": "grass", "steps": 2, "width": 128, "height": 128, "sampler_name": "DDIM", "denoising_strength": 1.0, **fields}
    p = host.processing(True, **given, init_images=[Image.new("RGB", (128, 128), "grey")], do_not_save_samples=True)
    script = host.script("Regional", True)
    p.script_args[script.args_from : script.args_to] = [state]
    with pytest.raises(RegionalError, match=words):
        host.run(p)
