"""Noise levels, schedules and samplers against independent ones: numpy, diffusers' schedulers, and problems with known answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LCMScheduler,
)

from lib_regional.standalone.faults import RequestError
from lib_regional.standalone.sampling import samplers
from lib_regional.standalone.sampling.noise import ImageNoise
from lib_regional.standalone.sampling.noise_levels import SCHEDULES, NoiseLevels, ddim_timesteps
from lib_regional.standalone.sampling.run import Sampler, img2img_steps
from lib_regional.standalone.sampling.samplers import ALL_SAMPLERS, find_sampler, split_name

CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
STEPS = 12


@pytest.fixture(scope="module")
def levels() -> NoiseLevels:
    return NoiseLevels.from_config(CONFIG)


@pytest.fixture(scope="module")
def naive_sigmas() -> np.ndarray:
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    alphas = np.cumprod(1 - betas)
    return np.sqrt((1 - alphas) / alphas)


def test_levels_are_those_of_stable_diffusion(levels, naive_sigmas):
    np.testing.assert_allclose(levels.sigmas, naive_sigmas, rtol=1e-5)
    assert levels.sigmas[0] == pytest.approx(0.0292, abs=1e-4) and levels.sigmas[-1] == pytest.approx(14.6146, abs=1e-3)


def test_sigmas_and_steps_are_inverse(levels, naive_sigmas):
    t = torch.tensor([0.0, 0.25, 17.5, 400.0, 998.9, 999.0])
    naive = np.exp(np.interp(t.numpy(), np.arange(1000), np.log(naive_sigmas)))
    np.testing.assert_allclose(levels.t_to_sigma(t), naive, rtol=1e-5)
    torch.testing.assert_close(levels.sigma_to_t(levels.t_to_sigma(t)), t, rtol=1e-4, atol=2e-3)
    assert levels.sigma_to_t(torch.tensor([1e-3, 100.0])).tolist() == [0, 999]


def naive_schedule(name: str, sigmas: np.ndarray, n: int) -> np.ndarray:
    at = lambda t: np.exp(np.interp(t, np.arange(1000), np.log(sigmas)))  # noqa: E731
    low, high = sigmas[0], sigmas[-1]
    return {
        "Uniform": lambda: at(np.linspace(999, 0, n)),
        "SGM Uniform": lambda: at(np.linspace(999, 0, n + 1)[:-1]),
        "Karras": lambda: np.array([(high ** (1 / 7) + i / (n - 1) * (low ** (1 / 7) - high ** (1 / 7))) ** 7 for i in range(n)]),
        "Exponential": lambda: np.geomspace(high, low, n),
    }[name]()


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [2, 20])
def test_schedules(levels, naive_sigmas, name, steps):
    got = SCHEDULES[name](steps, levels)
    np.testing.assert_allclose(got[:-1], naive_schedule(name, naive_sigmas, steps), rtol=2e-5)
    assert got[-1] == 0 and len(got) == steps + 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_of_one_step_begins_at_full_noise(levels, name):
    assert SCHEDULES[name](1, levels).tolist() == [pytest.approx(14.6146, abs=1e-3), 0]


@pytest.mark.parametrize("steps", [1, 7, 20, 50, 1000])
def test_ddim_steps_are_those_of_diffusers(steps):
    scheduler = DDIMScheduler(**CONFIG, timestep_spacing="leading", steps_offset=1)
    scheduler.set_timesteps(steps)
    assert ddim_timesteps(steps)[::-1] == scheduler.timesteps.clip(max=999).tolist()


@pytest.mark.parametrize(
    ("strength", "steps", "exact", "whole", "calls"),
    [
        (0.5, 20, False, 20, 11),
        (0.75, 20, False, 20, 16),
        (1.0, 20, False, 20, 20),
        (0.0, 20, False, 20, 1),
        (0.5, 20, True, 40, 20),
        (0.3, 7, True, 23, 7),
    ],
)
def test_img2img_steps(strength, steps, exact, whole, calls):
    assert img2img_steps(strength, steps, exact=exact) == (whole, calls - 1)


class Toy:
    """A model with known clean predictions that notes its calls."""

    def __init__(
        self, clean: Callable[[torch.Tensor, float], torch.Tensor], generator: torch.Generator | None = None, shape=(4, 4, 4)
    ) -> None:
        self.clean = clean
        self.calls: list[float] = []
        self.reports: list[int] = []
        self.generator = generator
        self.shape = shape

    def __call__(self, x: torch.Tensor, level: float) -> torch.Tensor:
        self.calls.append(level)
        return self.clean(x, level)

    def report(self, index: int, denoised: torch.Tensor) -> None:
        self.reports.append(index)

    def noise(self) -> torch.Tensor:
        return torch.randn((1, *self.shape), generator=self.generator)


def crooked(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """Some smooth clean prediction without any symmetry."""
    return torch.tanh(x / math.sqrt(1 + sigma**2) + 0.3) * 0.7 + 0.1 * math.sin(sigma)


def start(levels: NoiseLevels, seed: int = 0) -> tuple[torch.Tensor, list[float]]:
    sigmas = [float(s) for s in SCHEDULES["Karras"](STEPS, levels)]
    return torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(seed)) * sigmas[0], sigmas


def by_diffusers(scheduler, x, sigmas, levels, unit_variance=False, **step) -> torch.Tensor:
    """Drive a scheduler of diffusers over our sigmas with the same predictions."""
    scheduler.set_timesteps(len(sigmas) - 1)
    scheduler.sigmas = torch.tensor(sigmas)
    scheduler.timesteps = levels.sigma_to_t(scheduler.sigmas[:-1])
    scheduler._step_index, scheduler.is_scale_input_called = 0, True
    for t, sigma in zip(scheduler.timesteps, sigmas, strict=False):
        shrink = math.sqrt(1 + sigma**2) if unit_variance else 1.0
        wide = x * shrink
        noise = (wide - crooked(wide, sigma)) / sigma
        x = scheduler.step(noise, t, x, **step).prev_sample
    return x


def test_euler_is_that_of_diffusers(levels):
    x, sigmas = start(levels)
    want = by_diffusers(EulerDiscreteScheduler(**CONFIG), x, sigmas, levels)
    torch.testing.assert_close(samplers.euler(Toy(crooked), x, sigmas), want, rtol=1e-4, atol=1e-5)


def test_euler_a_is_that_of_diffusers_with_the_same_noise(levels):
    x, sigmas = start(levels)
    want = by_diffusers(EulerAncestralDiscreteScheduler(**CONFIG), x, sigmas, levels, generator=torch.Generator().manual_seed(5))
    toy = Toy(crooked, torch.Generator().manual_seed(5))
    torch.testing.assert_close(samplers.euler_ancestral(toy, x, sigmas), want, rtol=1e-4, atol=1e-5)


def test_dpmpp_2m_is_that_of_diffusers(levels):
    x, sigmas = start(levels)
    scheduler = DPMSolverMultistepScheduler(**CONFIG, solver_order=2, final_sigmas_type="zero", lower_order_final=True)
    want = by_diffusers(scheduler, x / math.sqrt(1 + sigmas[0] ** 2), sigmas, levels, unit_variance=True)
    torch.testing.assert_close(samplers.dpmpp_2m(Toy(crooked), x, sigmas), want, rtol=1e-3, atol=1e-4)


def test_heun_is_that_of_diffusers(levels):
    x, sigmas = start(levels)
    scheduler = HeunDiscreteScheduler(**CONFIG)
    scheduler.set_timesteps(STEPS)
    twice = [sigmas[0], *(s for sigma in sigmas[1:-1] for s in (sigma, sigma)), 0.0]
    scheduler.sigmas = torch.tensor(twice)
    scheduler.timesteps = torch.arange(len(twice) - 1, 0, -1).float()
    scheduler._step_index, want = 0, x
    asked = [sigmas[0], *(s for sigma in sigmas[1:-1] for s in (sigma, sigma))]
    for t, sigma in zip(scheduler.timesteps, asked, strict=True):
        want = scheduler.step((want - crooked(want, sigma)) / sigma, t, want).prev_sample
    toy = Toy(crooked)
    torch.testing.assert_close(samplers.heun(toy, x, sigmas), want, rtol=1e-4, atol=1e-5)
    assert len(toy.calls) == 2 * STEPS - 1 == find_sampler("Heun").calls(STEPS)


def test_ddim_is_that_of_diffusers(levels):
    scheduler = DDIMScheduler(**CONFIG, timestep_spacing="leading", steps_offset=1, set_alpha_to_one=False, clip_sample=False)
    scheduler.set_timesteps(STEPS)
    x = want = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    noise = lambda x, t: torch.tanh(x + t / 1000)  # noqa: E731
    for t in scheduler.timesteps:
        want = scheduler.step(noise(want, float(t)), t, want).prev_sample
    alphas = [float(levels.alphas_cumprod[int(t)]) for t in scheduler.timesteps]
    plan = list(zip(scheduler.timesteps.tolist(), alphas, [*alphas[1:], float(levels.alphas_cumprod[0])], strict=True))
    torch.testing.assert_close(samplers.ddim(Toy(noise), x, plan), want, rtol=1e-4, atol=1e-5)


def test_lcm_is_that_of_diffusers_with_the_same_noise(levels):
    scheduler = LCMScheduler(**CONFIG)
    scheduler.set_timesteps(4)
    x = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0)) * float(levels.sigmas[-1])
    sigmas = [*(float(levels.sigmas[t]) for t in scheduler.timesteps), 0.0]
    want, generator = x / math.sqrt(1 + sigmas[0] ** 2), torch.Generator().manual_seed(5)
    for t, sigma in zip(scheduler.timesteps, sigmas, strict=False):
        wide = want * math.sqrt(1 + sigma**2)
        want = scheduler.step((wide - crooked(wide, sigma)) / sigma, t, want, generator=generator).prev_sample
    toy = Toy(crooked, torch.Generator().manual_seed(5))
    torch.testing.assert_close(samplers.lcm(toy, x, sigmas), want, rtol=1e-4, atol=1e-4)
    assert toy.reports == [0, 1, 2, 3] and toy.calls == sigmas[:-1]


@pytest.mark.parametrize("steps", [1, 4, 8])
def test_lcm_goes_through_the_steps_that_it_is_distilled_to(levels, naive_sigmas, steps):
    known = np.arange(19, 1000, 20)
    want = np.exp(np.interp(np.linspace(999, 19, steps), np.arange(1000), np.log(naive_sigmas)))
    got = find_sampler("LCM").levels(steps, levels)
    np.testing.assert_allclose(got[:-1], want, rtol=2e-5)
    assert len(known) == 50 and float(got[0]) == pytest.approx(naive_sigmas[known[-1]], rel=1e-5) and got[-1] == 0


def test_lcm_takes_other_schedules_where_they_are_asked_for(levels):
    model = SimpleNamespace(levels=levels)
    asked = {name: Sampler(find_sampler("LCM"), name, model)._levels(4)[3] for name in ("Automatic", "Uniform", "Karras")}
    assert asked["Automatic"] == asked["Uniform"] == pytest.approx(float(levels.sigmas[19]), rel=1e-5)
    assert asked["Karras"] == pytest.approx(float(levels.sigmas[0]), rel=1e-4)
    assert Sampler(find_sampler("Euler"), "Automatic", model)._levels(4)[3] == pytest.approx(float(levels.sigmas[0]), rel=1e-5)


DETERMINISTIC = [spec for spec in ALL_SAMPLERS if not spec.timesteps and spec.run not in (samplers.euler_ancestral, samplers.lcm)]


@pytest.mark.parametrize("spec", DETERMINISTIC, ids=lambda spec: spec.name)
def test_the_exact_answer_for_gaussian_data_is_approached(levels, spec):
    """Clean data of spread s: the flow's exact end is x · s / sqrt(s² + sigma²)."""
    spread = 0.6
    gaussian = lambda x, sigma: x * spread**2 / (spread**2 + sigma**2)  # noqa: E731
    errors = []
    for steps in (20, 40):
        sigmas = [float(s) for s in SCHEDULES["Karras"](steps, levels)]
        x = torch.ones(1, 1, 1, 1) * sigmas[0]
        toy = Toy(gaussian)
        got = float(spec.run(toy, x, sigmas))
        errors.append(abs(got - sigmas[0] * spread / math.sqrt(spread**2 + sigmas[0] ** 2)))
        assert len(toy.calls) == spec.calls(steps) and toy.reports == list(range(steps))
    order = math.log2(errors[0] / errors[1])
    assert errors[1] < 0.03 and order > (0.8 if spec.name == "Euler" else 1.6)


def test_euler_a_keeps_the_spread_of_gaussian_data(levels):
    gaussian = lambda x, sigma: x * 0.36 / (0.36 + sigma**2)  # noqa: E731
    sigmas = [float(s) for s in SCHEDULES["Karras"](60, levels)]
    generator = torch.Generator().manual_seed(0)
    toy = Toy(gaussian, generator, (4, 64, 64))
    x = torch.randn(1, 4, 64, 64, generator=generator) * sigmas[0]
    assert float(samplers.euler_ancestral(toy, x, sigmas).std()) == pytest.approx(0.6, rel=0.06)


@pytest.mark.parametrize(
    ("name", "schedule", "want"),
    [
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "Karras")),
        ("dpm++ 2m", None, ("DPM++ 2M", "Automatic")),
        ("k_euler_a", "karras", ("Euler a", "Karras")),
        (None, None, ("Euler", "Automatic")),
        ("lcm", None, ("LCM", "Automatic")),
        ("Euler SGM Uniform", "Automatic", ("Euler", "SGM Uniform")),
    ],
)
def test_names_are_those_of_the_webui(name, schedule, want):
    assert split_name(name, schedule) == want


@pytest.mark.parametrize(("name", "schedule"), [("Nonsense", None), ("Nonsense Karras", None), ("Euler", "Nonsense")])
def test_unknown_names_are_refused_with_the_known_ones(name, schedule):
    with pytest.raises(RequestError, match="is not one of: .*(Euler|Karras)"):
        split_name(name, schedule)


def test_an_images_noise_depends_on_its_seed_only():
    batch, single = ImageNoise((4, 3, 5), [7, 8, 9]), ImageNoise((4, 3, 5), [8])
    for _ in range(3):
        assert torch.equal(batch.next()[1], single.next()[0])


def test_a_variation_lies_between_two_noises():
    plain, other = ImageNoise((4, 8, 8), [1]).next(), ImageNoise((4, 8, 8), [2]).next()
    none, some, all_of_it = (ImageNoise((4, 8, 8), [1], [2], strength).next() for strength in (0.0, 0.4, 1.0))
    assert torch.equal(none, plain) and not torch.allclose(some, plain)
    torch.testing.assert_close(all_of_it, other, rtol=1e-3, atol=1e-4)
