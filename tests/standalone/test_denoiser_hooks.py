"""Hooks around the guided prediction: what they are given, and what becomes of their answer."""

from __future__ import annotations

import pytest
import torch

SAMPLERS = ("DDIM", "Euler", "DPM++ 2M")


def made(host, sampler: str, *hooks):
    p = host.processing(prompt="a", negative_prompt="b", seed=1, steps=4, width=64, height=64, sampler_name=sampler, cfg_scale=3.0)
    p.do_not_save_samples = True
    latents = []
    inner = p.sample

    def sample(*args, **kwargs):
        latents.append(inner(*args, **kwargs))
        return latents[-1]

    p.sample = sample
    host.model.denoiser_hooks.extend(hooks)
    try:
        host.run(p)
    finally:
        host.model.denoiser_hooks.clear()
    return latents[0]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_hook_that_only_asks_changes_nothing(host, sampler):
    seen = []

    def ask(call):
        seen.append(call)
        return call.run()

    torch.testing.assert_close(made(host, sampler, ask), made(host, sampler), atol=2e-4, rtol=1e-3)
    assert [call.step.index for call in seen] == [0, 1, 2, 3] and {call.step.cfg_scale for call in seen} == {3.0}
    assert all(call.beta / call.alpha == pytest.approx(call.step.sigma, rel=1e-4) for call in seen)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_answer_is_what_the_sampler_goes_on_with(host, sampler):
    goal = torch.linspace(-1, 1, 4 * 64).view(1, 4, 8, 8)
    found = made(host, sampler, lambda call: call.run() * 0 + goal)
    torch.testing.assert_close(found, goal, atol=0.15, rtol=0)  # DDIM ends at the first training step, not at no noise


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_written_into_x_is_where_sampling_goes_on_from(host, sampler):
    """A whole latent written at step 2 makes what came before it irrelevant (of one-step samplers)."""
    fresh = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    xs = []

    def write(call):
        xs.append(call.x)
        if call.step.index == 2:
            call.x.copy_(fresh * call.beta)
            before = call.x.clone()
            done = call.run()
            assert torch.equal(call.x, before)
            return done
        return call.run()

    first = made(host, sampler, write)
    if sampler != "DPM++ 2M":
        torch.testing.assert_close(made(host, sampler, lambda call: call.run() * 0 if call.step.index < 2 else write(call)), first)
    assert not torch.allclose(first, made(host, sampler))


def test_hooks_lie_around_one_another(host):
    order = []

    def named(name):
        def hook(call):
            order.append(name)
            return call.run()

        return hook

    made(host, "Euler", named("first"), named("second"))
    assert order[:4] == ["second", "first", "second", "first"]
