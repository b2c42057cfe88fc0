"""Methods that touch the latents of a whole sampling run, on the standalone host with random weights."""

from __future__ import annotations

import contextlib

import pytest
import torch

from lib_regional.engine.plan import Plan, plan_hires, plan_pass
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import open_session, preparation
from lib_regional.request.errors import RegionalError
from lib_regional.request.methods.specs import serving
from lib_regional.request.settings import Settings
from lib_regional.standalone.sampling.samplers import ALL_SAMPLERS
from lib_regional.tensors.masks.weight_maps import weight_maps

OWN = [method for method in serving("seed") if method not in ("sequential", "repaint")]
"""Methods whose seeds are those of the pass itself: sequential inpainting and repainting make regions in passes of their own."""
SAMPLERS = [spec.name for spec in ALL_SAMPLERS]
LEFT, RIGHT = [0, 0, 0.5, 1], [0.5, 0, 1, 1]
FULL = {"box": [0, 0, 1, 1], "feather": 0}
SIZE = {"width": 128, "height": 64}


def processing(host, **request):
    p = host.processing(**{"prompt": "main", "negative_prompt": "bad", "seed": 1, "steps": 5, "sampler_name": "Euler", "cfg_scale": 3.0,
                           **SIZE, **request})  # fmt: skip
    p.do_not_save_samples = True
    return p


def latents(host, method=None, regions=(), hooks=None, before=None, **request):
    """The latent that sampling ends with, with the regions in force if a ``method`` is given."""
    p = processing(host, **request)
    found, inner = [], p.sample

    def sample(*args, **kwargs):
        with session(host, p, method, regions, hooks or {}):
            if before is not None:
                host.model.denoiser_hooks.append(before)
            found.append(inner(*args, **kwargs))
        return found[-1]

    p.sample = sample
    try:
        host.run(p)
    finally:
        host.model.denoiser_hooks.clear()
    return found[0]


def session(host, p, method, regions, options):
    if method is None:
        return contextlib.nullcontext()
    settings = Settings.parse({"enabled": True, "method": method, "regions": list(regions), "options": {method: options}})
    first = plan_pass(settings, p.prompts, p.negative_prompts, p.steps)
    hires = plan_hires(settings, first, p.prompts, p.negative_prompts, p.steps) if getattr(p, "enable_hr", False) else None
    return open_session(DiffusersHost(host.model, p), Plan(settings, settings.layout(), (p.width, p.height), first, hires))


def same(a, b, **more):
    torch.testing.assert_close(a, b, **{"atol": 3e-4, "rtol": 1e-3, **more})


# ---------------------------------------------------------------- seeds of regions


@pytest.mark.parametrize("method", OWN)
@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M", "Heun"])
def test_a_seed_over_the_whole_canvas_is_the_pictures_seed(host, method, sampler):
    with_seed = latents(host, method, [{**FULL, "prompt": "a", "seed": 77}], sampler_name=sampler, width=64)
    same(with_seed, latents(host, prompt="a", seed=77, sampler_name=sampler, width=64))


def started(host, regions, **request):
    """(the noise of the pass, what the first prediction saw)."""
    seen = []

    def look(call):
        seen.append((call.noise, call.x.clone(), call.alpha, call.beta))
        return call.run()

    # the hook that was added first is asked last: after the noise has been written
    host.model.denoiser_hooks.append(look)
    latents(host, "latent_couple", regions, **request)
    return seen[0]


def test_noises_are_blended_with_their_variance_kept(host):
    regions = [{"box": LEFT, "prompt": "a", "seed": 5, "feather": 0.5}, {"box": RIGHT, "prompt": "b", "feather": 0.5}]
    noise, x, _, beta = started(host, regions, batch_size=2, width=256, height=256)
    layout = Settings.parse({"enabled": True, "regions": regions}).layout()
    own = weight_maps(layout, 32, 32).regions[0]
    other = torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(5))
    for image in range(2):
        expected = (own * other + (1 - own) * noise[image]) / (own**2 + (1 - own) ** 2).sqrt()
        same(x[image] / beta, expected)
    assert x.std() / beta == pytest.approx(1, abs=0.03)


def test_regions_with_one_seed_share_one_noise(host):
    regions = [{"box": LEFT, "prompt": "a", "seed": 5}, {"box": RIGHT, "prompt": "b", "seed": 5}]
    _, x, _, beta = started(host, regions)
    same(x[0] / beta, torch.randn(4, 8, 16, generator=torch.Generator().manual_seed(5)))


def test_the_pictures_own_seed_changes_nothing(host):
    regions = [{"box": LEFT, "prompt": "a"}, {"box": RIGHT, "prompt": "b"}]
    seeded = [{**region, "seed": 1} for region in regions]
    same(latents(host, "latent_couple", seeded), latents(host, "latent_couple", regions))


def test_hires_begins_with_the_regions_noise_over_the_picture(host):
    seen = []

    def look(call):
        if call.step.index == 0:
            seen.append((call.step.hires, call.noise, call.x.clone(), call.beta))
        return call.run() * call.step.hires  # the first pass ends in an empty latent, so that the second begins with noise alone

    request = {"enable_hr": True, "hr_scale": 2, "denoising_strength": 0.6, "width": 64, "hr_upscaler": "Latent"}
    for regions in ([{**FULL, "prompt": "a"}], [{**FULL, "prompt": "a", "seed": 9}]):
        host.model.denoiser_hooks.append(look)
        latents(host, "latent_couple", regions, **request)
    (_, _, _, _), (hires, noise, plain, beta), _, (_, _, ours, _) = seen
    assert hires and noise.shape == (1, 4, 16, 16)
    same(plain, beta * noise)
    same(ours, beta * torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(9)))


def test_a_host_that_does_not_give_the_noise_is_refused(host):
    from dataclasses import replace

    settings = Settings.parse({"enabled": True, "method": "latent_couple", "regions": [{**FULL, "prompt": "a", "seed": 3}]})
    plan = Plan(settings, settings.layout(), (64, 64), plan_pass(settings, ["a"], [""], 4))
    hook = preparation("latent_couple")(plan, DiffusersHost(host.model)).denoiser
    calls = []
    host.model.denoiser_hooks.append(lambda call: calls.append(call) or call.run())
    latents(host)
    with pytest.raises(RegionalError, match="seeds of their own"):
        hook(replace(calls[0], noise=None))


# ---------------------------------------------------------------- whole runs


@pytest.mark.parametrize("method", OWN)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_region_over_the_whole_canvas_is_the_plain_prompt_with_every_sampler(host, method, sampler):
    region = {**FULL, "prompt": "a [b:c:0.5]", "negative": "n"}
    same(
        latents(host, method, [region], sampler_name=sampler, width=64),
        latents(host, prompt="a [b:c:0.5]", negative_prompt="bad, n", sampler_name=sampler, width=64),
    )


def test_scales_of_regions_are_the_guidance_they_say(host):
    """Every region with the same text and the same scale is a picture with that scale."""
    regions = [{"box": LEFT, "prompt": "main", "cfg_scale": 6.5}, {"box": RIGHT, "prompt": "main", "cfg_scale": 6.5}]
    for apart in (True, False):
        host.options.data["batch_cond_uncond"] = apart
        same(latents(host, "latent_couple", regions), latents(host, cfg_scale=6.5))


# ---------------------------------------------------------------- latent composite


def euler(host, p_latents, steps):
    """What a picture of its own would be after ``steps`` steps."""
    seen = []
    host.model.denoiser_hooks.append(lambda call: seen.append(call.x.clone()) or call.run())
    p_latents()
    return seen[steps]


@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M", "DDIM", "Heun"])
def test_a_region_alone_is_the_picture_of_its_size(host, sampler):
    """While alone, a region that fills its box goes the way that its prompt goes on the crop of the noise."""
    regions = [{"box": LEFT, "prompt": "a", "feather": 0}, {"box": RIGHT, "prompt": "b", "negative": "n", "feather": 0, "cfg_scale": 5.0}]
    composite = euler(host, lambda: latents(host, "latent_composite", regions, {"alone": 0.6}, sampler_name=sampler), 3)
    start = euler(host, lambda: latents(host, sampler_name=sampler), 0)

    def cropped(columns, **request):
        def begin(call):
            if call.step.index == 0:
                call.x.copy_(start[..., columns])
            return call.run()

        return euler(host, lambda: latents(host, before=begin, sampler_name=sampler, width=64, **request), 3)

    same(composite[..., :8], cropped(slice(0, 8), prompt="a"))
    same(composite[..., 8:], cropped(slice(8, 16), prompt="b", negative_prompt="bad, n", cfg_scale=5.0))


def test_what_does_not_show_goes_on_by_itself(host):
    """A region whose mask is no box, and the base under it: both are whole pictures of their own (Euler: exactly)."""
    circle = {"ellipse": [0, 0, 0.5, 1], "prompt": "a", "feather": 0}
    for batch in (True, False):
        host.options.data["batch_cond_uncond"] = batch
        composite = euler(host, lambda: latents(host, "latent_composite", [circle], {"alone": 0.6}), 3)
        start = euler(host, lambda: latents(host), 0)

        def begin(call, start=start):
            if call.step.index == 0:
                call.x.copy_(start[..., :8])
            return call.run()

        own = euler(host, lambda begin=begin: latents(host, before=begin, width=64, prompt="a"), 3)
        base = euler(host, lambda: latents(host), 3)
        mine = weight_maps(Settings.parse({"enabled": True, "regions": [circle]}).layout(), 8, 16).regions[0] >= 0.5
        assert 0 < mine[:, :8].float().mean() < 1
        same(composite[0][:, mine], own[0][:, mine[:, :8]])
        same(composite[0][:, ~mine], base[0][:, ~mine])


def test_afterwards_the_regions_go_on_together(host):
    regions = [{"box": LEFT, "prompt": "a"}, {"box": RIGHT, "prompt": "b"}]
    made = {after: latents(host, "latent_composite", regions, {"alone": 0.4, "after": after}) for after in
            ("attention_couple", "latent_couple", "nothing")}  # fmt: skip
    assert not torch.allclose(made["nothing"], made["attention_couple"], atol=1e-3)
    assert not torch.allclose(made["latent_couple"], made["attention_couple"], atol=1e-3)
    never = latents(host, "latent_composite", regions, {"alone": 0.0, "after": "latent_couple"})
    same(never, latents(host, "latent_couple", regions))


def test_of_two_regions_the_higher_priority_shows_and_then_the_later_one(host):
    both = [{**FULL, "prompt": "a", "priority": 1}, {**FULL, "prompt": "b"}]
    expected = euler(host, lambda: latents(host, prompt="a", width=64), 3)
    for regions in (both, both[::-1], [{**FULL, "prompt": "b"}, {**FULL, "prompt": "a"}]):
        same(euler(host, lambda r=regions: latents(host, "latent_composite", r, {"alone": 0.8}, width=64), 3), expected)


# ---------------------------------------------------------------- nothing is left


@pytest.mark.parametrize("method", OWN)
@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_behind(host, method, fault):
    def state():
        modules = {name: {k: id(v) for k, v in vars(m).items()} for name, m in host.model.unet.named_modules()}
        return modules, list(host.model.call_listeners), list(host.model.denoiser_hooks)

    def fail(call):
        if call.step.index == 2 and fault is not None:
            raise fault("asked for")
        return call.run()

    before, baseline = state(), latents(host, width=64)
    regions = [{"box": LEFT, "prompt": "a", "seed": 2}, {"box": RIGHT, "prompt": "b"}]
    with contextlib.suppress(RuntimeError, KeyboardInterrupt):
        latents(host, method, regions, before=fail, width=64)
    assert state() == before
    assert torch.equal(latents(host, width=64), baseline)
