"""Edits by layout on the standalone host with random weights: against a naive loop, and their neutral cases."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lib_regional.engine.plan import PassPlan, Plan
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods.mrgd.control import Control, copied
from lib_regional.methods.mrgd.edit import locked_cells
from lib_regional.methods.mrgd.sides import TOTAL
from lib_regional.methods.mrgd.trajectory import Source
from lib_regional.request.edit.pairing import layout_regions, pair_regions
from lib_regional.request.errors import RegionalError
from lib_regional.request.infotext import from_infotext
from lib_regional.request.settings import Settings
from lib_regional.standalone.pipeline.infotext import parse_generation_parameters
from lib_regional.standalone.sampling.noise_levels import ddim_timesteps
from lib_regional.standalone.server.app import create
from lib_regional.standalone.state import Interrupted

LEFT = {"box": [0, 0, 0.5, 1], "prompt": "a red circle", "feather": 0}
RIGHT = {"box": [0.5, 0, 1, 1], "prompt": "a blue square", "feather": 0}
OTHER = {**RIGHT, "prompt": "a green square"}
BASE = {"prompt": "grass"}
UNGUIDED = {"lambda_rs": 0, "lambda_is": 0, "lambda_ip": 0, "kssa_gain": 1}


@pytest.fixture(scope="module")
def extended(model, tmp_path_factory):
    """A host with the extension."""
    return create(model=model, output=tmp_path_factory.mktemp("edits"))[1]


@pytest.fixture
def latents(model, monkeypatch):
    """What was decoded last, (B, 4, H, W)."""
    seen = []
    before = type(model).decode
    monkeypatch.setattr(type(model), "decode", lambda self, x: (seen.append(x.clone()), before(self, x))[1])
    return seen


def settings(regions, method="mrgd", source=None, **options):
    given = {**options, **({"source": {"regions": source, "base": BASE}} if source is not None else {})}
    return {"enabled": True, "method": method, "regions": regions, "base": BASE, "options": {method: given}}


def generate(host, state, latents, **more):
    fields = {"prompt": "grass", "steps": 4, "cfg_scale": 3.0, "width": 128, "height": 128, "seed": 5, "sampler_name": "DDIM", **more}
    p = host.processing(**fields, do_not_save_samples=True, do_not_save_grid=True)
    script = host.script("Regional")
    p.script_args[script.args_from : script.args_to] = [state]
    host.run(p)
    return latents[-1]


def pixels(host, state, **more):
    """The finished picture (H, W, 3) as whole numbers."""
    fields = {"prompt": "grass", "steps": 4, "cfg_scale": 3.0, "width": 128, "height": 128, "seed": 5, "sampler_name": "DDIM", **more}
    p = host.processing(**fields, do_not_save_samples=True, do_not_save_grid=True)
    script = host.script("Regional")
    p.script_args[script.args_from : script.args_to] = [state]
    return np.asarray(host.run(p).images[0].convert("RGB")).astype(int)


def naive(model, regions, total_from, seed=5, steps=4, scale=3.0):
    """MultiDiffusion with regions by the book: every region in its own crop, noise fused by weight, DDIM."""
    host_noise = torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(seed))
    texts = [(BASE["prompt"], (0, 16), 1 - sum(cover(r) for r in regions))]
    texts += [(r["prompt"], columns(r), cover(r)) for r in regions]
    joined = ", ".join([BASE["prompt"], *(r["prompt"] for r in regions)])
    a, ts = model.levels.alphas_cumprod, list(reversed(ddim_timesteps(steps)))
    x = host_noise
    for i, t in enumerate(ts):
        now = [*texts, *([(joined, (0, 16), torch.ones(16, 16))] if i / steps >= total_from else [])]
        noise, weight = torch.zeros_like(x), torch.zeros(16, 16)
        for text, (first, last), share in now:
            if float(share.max()) == 0:
                continue
            contexts = torch.stack([model.encode([text])[0].crossattn, model.encode([""], negative=True)[0].crossattn])
            crop = x[..., first:last].expand(2, -1, -1, -1)
            cond, uncond = model.predict_noise(crop, torch.full((2,), float(t)), contexts)
            noise[..., first:last] += (uncond + scale * (cond - uncond)) * share[:, first:last]
            weight[:, first:last] += share[:, first:last]
        noise = noise / weight
        following = a[ts[i + 1]] if i + 1 < len(ts) else a[0]
        clean = (x - (1 - a[t]).sqrt() * noise) / a[t].sqrt()
        x = following.sqrt() * clean + (1 - following).sqrt() * noise
    return x


def columns(region):
    return round(region["box"][0] * 16), round(region["box"][2] * 16)


def cover(region):
    mask = torch.zeros(16, 16)
    first, last = columns(region)
    mask[:, first:last] = 1
    return mask


@pytest.mark.parametrize("regions", [[LEFT], [LEFT, RIGHT]], ids=["one", "two"])
@pytest.mark.parametrize("total_from", [0.0, 0.5])
def test_region_wise_denoising_is_multidiffusion(extended, model, latents, regions, total_from):
    with torch.no_grad():
        expected = naive(model, regions, total_from)
    made = generate(extended, settings(regions, t_total=total_from, kssa_gain=1), latents)
    assert torch.allclose(made, expected, atol=2e-4)


@pytest.mark.parametrize("sampler", ["DDIM", "Euler"])
@pytest.mark.parametrize(
    "options", [{}, {"lock": True}, {"lock": True, "lock_control": False}, {"gradient": "decoder"}, {"total": False}], ids=str
)
def test_an_edit_that_changes_nothing_gives_the_source(extended, latents, sampler, options):
    alone = generate(extended, settings([LEFT, RIGHT], **{k: v for k, v in options.items() if k == "total"}), latents, sampler_name=sampler)
    edited = generate(extended, settings([LEFT, RIGHT], source=[LEFT, RIGHT], **options), latents, sampler_name=sampler)
    assert torch.allclose(alone, edited, atol=2e-4)


@pytest.mark.parametrize("sampler", ["DDIM", "Euler"])
@pytest.mark.parametrize("target", [[LEFT], [LEFT, OTHER]], ids=["removed", "re-worded"])
def test_the_lock_holds_the_inherent_area(extended, latents, sampler, target):
    source = generate(extended, settings([LEFT, RIGHT]), latents, sampler_name=sampler)
    edited = generate(extended, settings(target, source=[LEFT, RIGHT], lock=True), latents, sampler_name=sampler)
    assert torch.allclose(source[..., :8], edited[..., :8], atol=2e-4)
    assert (source[..., 8:] - edited[..., 8:]).abs().mean() > 1e-3


@pytest.mark.parametrize(
    ("source", "target", "lock", "has_control"),
    [
        pytest.param([LEFT], [LEFT, RIGHT], True, False, id="added"),
        pytest.param([LEFT, RIGHT], [LEFT], True, False, id="removed"),
        pytest.param([LEFT, RIGHT], [LEFT, OTHER], True, True, id="re-worded"),
        pytest.param([LEFT], [LEFT, RIGHT], False, True, id="no lock"),
    ],
)
def test_behind_the_lock_only_what_is_re_worded_takes_the_sources_maps(extended, latents, source, target, lock, has_control):
    def made(**options):
        return generate(extended, settings(target, source=source, lock=lock, **options), latents)

    left_to_the_lock = made(lock_control=False)
    assert torch.equal(left_to_the_lock, made(control=has_control, lock_control=True))
    assert not torch.equal(left_to_the_lock, made(control=not has_control, lock_control=True))


def test_a_re_worded_base_takes_the_sources_maps_behind_the_lock(extended, latents):
    def made(**options):
        edit = settings([LEFT], source=[LEFT], lock=True, **options)
        edit["options"]["mrgd"]["source"]["base"] = {"prompt": "sand"}
        return generate(extended, edit, latents)

    assert torch.equal(made(lock_control=False), made(lock_control=True))
    assert not torch.equal(made(lock_control=False), made(control=False))


def test_the_lock_holds_the_pixels_too(extended, latents):
    """Far from the border the decoder alone would change them, since it normalises over the whole picture."""
    source = pixels(extended, settings([LEFT, RIGHT]))
    edits = [pixels(extended, settings([LEFT, OTHER], source=[LEFT, RIGHT], lock=True, lock_picture=held)) for held in (True, False)]
    changes = [abs(edit - source)[:, :64].max() for edit in edits]
    assert changes[0] <= 1 < changes[1]
    assert abs(edits[0] - source)[:, 64:].max() > 1 and (edits[0][:, 64:] == edits[1][:, 64:]).all()


@pytest.mark.parametrize("feather", [0.0, 0.05, 0.2])
def test_the_lock_is_eroded_by_the_feather(feather):
    """On a canvas of 128 pixels: cells of which at least half is out of the feather's reach."""
    whole = [{**region, "feather": feather} for region in (LEFT, RIGHT)]
    source, target = (Settings.parse({"enabled": True, "regions": regions}) for regions in (whole, whole[:1]))
    plans = [Plan(given, given.layout(), (128, 128), PassPlan((), 1)) for given in (source, target)]
    held = locked_cells(pair_regions(layout_regions(source), layout_regions(target)), *plans, (16, 16))
    reach = round(feather * 128 / 2)
    expected = torch.tensor([8 * column + 4 <= 64 - reach for column in range(16)])
    assert torch.equal(held, expected.expand(16, 16))


def test_the_sources_last_latent_is_found_from_the_targets():
    clean, noise, other = torch.randn(3, 1, 4, 3, 3)
    run, call = Source(), SimpleNamespace(alpha=0.8, beta=0.6, x=0.8 * clean + 0.6 * noise)
    run.arrive(call)
    run.leave(call, other, clean)
    own = (call.x - 0.8 * other) / 0.6
    assert torch.allclose(run.final(0.99 * clean + 0.1 * noise), 0.99 * other + 0.1 * own, atol=1e-5)
    assert Source().final(clean) is None


def test_the_infotext_carries_both_layouts_and_the_keywords(extended):
    edit = settings([LEFT, OTHER], source=[LEFT, RIGHT], keyword_count=2, keywords=[[], ["green"]])
    fields = {"prompt": "grass", "steps": 3, "width": 128, "height": 128, "sampler_name": "DDIM", "do_not_save_samples": True}
    p = extended.processing(**fields, do_not_save_grid=True)
    script = extended.script("Regional")
    p.script_args[script.args_from : script.args_to] = [edit]
    parameters = parse_generation_parameters(extended.run(p).infotexts[0])
    assert from_infotext(parameters) == Settings.parse(edit)
    first, second = parameters["Regional keywords"].split("; ")
    assert first.startswith("1: ") and set(first[3:].split()) < {"a", "red", "circle"} and len(first.split()) == 3
    assert second.startswith("2: green ") and len(second.split()) == 3


@pytest.mark.parametrize("options", [{}, {"lock": True}, {"gradient": "decoder"}], ids=str)
def test_hosts_may_sample_in_inference_mode(extended, latents, options):
    edit = settings([LEFT, OTHER], source=[LEFT, RIGHT], **options)
    plain = generate(extended, edit, latents)
    with torch.inference_mode():
        assert torch.allclose(generate(extended, edit, latents), plain, atol=1e-4)


def test_a_picture_of_a_batch_is_the_single_picture(extended, latents):
    edit = settings([LEFT, OTHER], source=[LEFT, RIGHT])
    both = generate(extended, edit, latents, batch_size=2)
    second = generate(extended, edit, latents, seed=6)
    assert torch.allclose(both[1], second[0], atol=5e-4)


def test_predicting_cond_and_uncond_apart_is_the_same(extended, latents):
    edit = settings([LEFT, OTHER], source=[LEFT, RIGHT])
    together = generate(extended, edit, latents)
    apart = generate(extended, edit, latents, override_settings={"batch_cond_uncond": False})
    assert torch.allclose(together, apart, atol=5e-4)


def test_texts_of_other_lengths_run_source_first(extended, latents):
    long = {**RIGHT, "prompt": "a blue square " + "with words " * 40}
    alone = generate(extended, settings([LEFT, long]), latents)
    same = generate(extended, settings([LEFT, long], source=[LEFT, long]), latents)
    assert torch.allclose(alone, same, atol=2e-4)
    assert torch.isfinite(generate(extended, settings([LEFT, RIGHT], source=[LEFT, long]), latents)).all()


def test_prompt_to_prompt_is_the_edit_without_guidance(extended, latents):
    first = generate(extended, settings([LEFT, OTHER], "p2p", [LEFT, RIGHT], self_until=0), latents)
    second = generate(extended, settings([LEFT, OTHER], "mrgd", [LEFT, RIGHT], **UNGUIDED), latents)
    assert torch.allclose(first, second, atol=1e-5)
    louder = generate(extended, settings([LEFT, OTHER], "p2p", [LEFT, RIGHT], self_until=0, reweight={"green": 3.0}), latents)
    assert not torch.allclose(first, louder, atol=1e-3)


def test_who_takes_the_sources_maps_and_how_long(extended, latents, monkeypatch):
    """Equation 5: inherent texts take them always, the joined one while it is early, a re-worded region's own only at first."""
    seen = []
    monkeypatch.setattr(Control, "begin_step", lambda self, step, rules: seen.append(rules))
    lengths = {"tau": 0.5, "tau_own": 0.25, "self_until": 0.75}
    generate(extended, settings([LEFT, OTHER], source=[LEFT, RIGHT], **lengths, **UNGUIDED), latents, steps=8)
    for step, rules in enumerate(seen[-8:]):
        found = {key: (rule.cross is copied, rule.cross is not None, rule.copies_self) for key, rule in rules.items()}
        expected = {"base": (True, True, True), 0: (True, True, True)}
        if step < 2:
            expected[1] = (False, True, True)
        if step < 6:
            expected[TOTAL] = (False, step < 4, True)
        assert found == expected, step


BAD = [
    ({"sampler_name": "Euler a"}, settings([LEFT], source=[]), "sampler DDIM or Euler"),
    ({"enable_hr": True, "hr_scale": 2.0}, settings([LEFT], source=[]), "hires fix"),
    ({"prompt": "a AND b"}, {**settings([LEFT], source=[]), "base": {}}, "AND"),
    ({}, settings([LEFT], keywords=[["dragon"]]), "a word of its prompt"),
    ({}, settings([LEFT], keywords=[["red"], ["blue"]]), "keywords are given for 2 regions"),
    ({}, settings([LEFT], guidance="clipseg", guidance_path="/nowhere", source=[]), "not on disk"),
    ({}, settings([LEFT], pairs=[[0, 0]]), "no source layout"),
    ({}, settings([LEFT], source=[RIGHT], pairs=[[0, 0]]), "in one place"),
    ({}, settings([LEFT], source=[LEFT], pairs=[[1, 0]]), "a region of the source"),
    ({}, {**settings([LEFT], source=[LEFT]), "text_from": "lines"}, "text_from"),
    ({}, {**settings([LEFT]), "options": {"mrgd": {"source": {"magic": 1}}}}, "magic"),
]


@pytest.mark.parametrize(("fields", "state", "words"), BAD, ids=[words for _, _, words in BAD])
def test_bad_input_is_named_before_sampling(extended, model, latents, fields, state, words):
    calls = []
    handle = model.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        with pytest.raises(RegionalError, match=words):
            generate(extended, state, latents, **fields)
    finally:
        handle.remove()
    assert calls == []


def test_a_decoder_without_a_gradient_is_refused_its_gradient(extended, latents, monkeypatch):
    monkeypatch.setattr(DiffusersHost, "differentiable", False, raising=False)
    with pytest.raises(RegionalError, match="no gradient through its decoder"):
        generate(extended, settings([LEFT], source=[LEFT], gradient="decoder"), latents)
    generate(extended, settings([LEFT], source=[LEFT]), latents, steps=1)


def inventory(model):
    parts = [(name, dict(vars(module)), getattr(module, "processor", None)) for name, module in model.unet.named_modules()]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.unet.modules()]
    return [(n, v.get("forward"), p) for n, v, p in parts], hooks, list(model.call_listeners), list(model.denoiser_hooks)


@pytest.mark.parametrize("fault", [None, RuntimeError("broken"), Interrupted()], ids=["success", "error", "interrupt"])
def test_nothing_stays_behind(extended, model, latents, fault):
    before = inventory(model)
    handle = None
    if fault is not None:

        def fail(*_):
            raise fault

        handle = model.unet.mid_block.register_forward_pre_hook(fail)
    try:
        generate(extended, settings([LEFT, OTHER], source=[LEFT, RIGHT]), latents)
    except RuntimeError as error:
        assert error is fault
    finally:
        if handle is not None:
            handle.remove()
    assert inventory(model) == before


def test_steps_of_both_samplers_are_the_same_update():
    from lib_regional.methods.mrgd.trajectory import Point

    clean, noise = torch.randn(1, 4, 3, 3), torch.randn(1, 4, 3, 3)
    now, following = 3.0, 2.0
    x = clean + now * noise
    assert torch.allclose(Point(x, clean, 1.0, now).at(1.0, following), x + (x - clean) * ((following - now) / now), atol=1e-5)
    a, b = 0.3, 0.5
    unit = math.sqrt(a) * clean + math.sqrt(1 - a) * noise
    expected = math.sqrt(b) * clean + math.sqrt(1 - b) * noise
    assert torch.allclose(Point(unit, clean, math.sqrt(a), math.sqrt(1 - a)).at(math.sqrt(b), math.sqrt(1 - b)), expected, atol=1e-5)
