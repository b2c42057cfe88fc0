"""The update formulas of the samplers, in the notation of their papers, and the table of their names.

Every function takes a ``Model``, which predicts and receives a report of each step, and the list of noise levels, highest first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from torch import Tensor

from ..faults import RequestError
from .noise_levels import SCHEDULES, NoiseLevels, lcm_uniform, uniform


class Model(Protocol):
    """What a sampler needs: a prediction, a callback for each finished step, and fresh noise."""

    def __call__(self, x: Tensor, level: float) -> Tensor: ...

    def report(self, index: int, denoised: Tensor) -> None: ...

    def noise(self) -> Tensor: ...


def euler(model: Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Euler's method on the probability-flow ODE (Karras et al. 2022, algorithm 2 without churn). x (B,C,H,W)."""
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        denoised = model(x, sigma)
        model.report(index, denoised)
        x = x + (x - denoised) * ((following - sigma) / sigma)
    return x


def ancestral_split(sigma: float, following: float, eta: float = 1.0) -> tuple[float, float]:
    """Noise level to step down to, and noise to add, so that the sum of the variances is that of ``following``."""
    up = min(following, eta * math.sqrt(following**2 * (sigma**2 - following**2) / sigma**2))
    return math.sqrt(following**2 - up**2), up


def euler_ancestral(model: Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Euler steps below the next level and back up with fresh noise. x (B,C,H,W)."""
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        denoised = model(x, sigma)
        model.report(index, denoised)
        down, up = ancestral_split(sigma, following)
        x = x + (x - denoised) * ((down - sigma) / sigma)
        if following > 0:
            x = x + model.noise() * up
    return x


def heun(model: Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Heun's second-order method (Karras et al. 2022, algorithm 1 without churn): two predictions a step, one in the last."""
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        denoised = model(x, sigma)
        model.report(index, denoised)
        slope = (x - denoised) / sigma
        ahead = x + slope * (following - sigma)
        if following > 0:
            slope = (slope + (ahead - model(ahead, following)) / following) / 2
            ahead = x + slope * (following - sigma)
        x = ahead
    return x


def dpm_2(model: Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """DPM-Solver-2 (Lu et al. 2022): the midpoint in log sigma; two predictions a step, one in the last."""
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        denoised = model(x, sigma)
        model.report(index, denoised)
        slope, reach = (x - denoised) / sigma, following
        if following > 0:
            middle = math.sqrt(sigma * following)
            halfway = x + slope * (middle - sigma)
            slope = (halfway - model(halfway, middle)) / middle
        x = x + slope * (reach - sigma)
    return x


def dpmpp_2m(model: Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022b): second order from the previous prediction; the last step is of first order."""
    previous: Tensor | None = None
    last_h = 0.0
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        denoised = model(x, sigma)
        model.report(index, denoised)
        if following == 0:
            return denoised
        h = math.log(sigma / following)
        estimate = denoised
        if previous is not None:
            ratio = last_h / h
            estimate = (1 + 1 / (2 * ratio)) * denoised - previous / (2 * ratio)
        x = (following / sigma) * x - math.expm1(-h) * estimate
        previous, last_h = denoised, h
    return x


def lcm(model: Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Multistep consistency sampling (Song et al. 2023, algorithm 1): the clean prediction and fresh noise of the next level. x (B,C,H,W).

    The boundary scalings of latent consistency models differ from 0 and 1 by less than 1e-5 at the lowest level here, and are left out.
    """
    for index, following in enumerate(sigmas[1:]):
        x = model(x, sigmas[index])
        model.report(index, x)
        if following > 0:
            x = x + model.noise() * following
    return x


def ddim(model: Model, x: Tensor, alphas: Sequence[tuple[int, float, float]]) -> Tensor:
    """DDIM with eta 0 (Song et al. 2021, equation 12). ``alphas`` are (training step, its ᾱ, the next one's ᾱ), noisiest first.

    The model predicts the noise here, and x keeps unit variance, as in the WebUI.
    """
    for index, (step, now, following) in enumerate(alphas):
        noise = model(x, float(step))
        denoised = (x - math.sqrt(1 - now) * noise) / math.sqrt(now)
        model.report(index, denoised)
        x = math.sqrt(following) * denoised + math.sqrt(1 - following) * noise
    return x


@dataclass(frozen=True)
class SamplerSpec:
    """One sampler: its WebUI label and aliases, its formula, its own schedule, and how often it calls the model a step.

    ``levels`` are the noise levels of its own model under the schedule "Uniform".
    """

    name: str
    aliases: tuple[str, ...]
    run: Callable[..., Tensor]
    schedule: str = "Uniform"
    second_order: bool = False
    timesteps: bool = False
    levels: Callable[[int, NoiseLevels], Tensor] = uniform

    def total_steps(self, steps: int) -> int:
        """Model calls to plan prompt schedules for: twice the steps with second-order samplers, as the WebUI counts."""
        return steps * 2 if self.second_order else steps

    def calls(self, levels: int) -> int:
        """Model calls that a pass over ``levels`` steps really makes."""
        return max(1, levels * 2 - 1) if self.second_order else levels


ALL_SAMPLERS: tuple[SamplerSpec, ...] = (
    SamplerSpec("DPM++ 2M", ("k_dpmpp_2m",), dpmpp_2m, schedule="Karras"),
    SamplerSpec("Euler a", ("k_euler_a", "k_euler_ancestral"), euler_ancestral),
    SamplerSpec("Euler", ("k_euler",), euler),
    SamplerSpec("Heun", ("k_heun",), heun, second_order=True),
    SamplerSpec("DPM2", ("k_dpm_2",), dpm_2, second_order=True),
    SamplerSpec("LCM", ("k_lcm",), lcm, levels=lcm_uniform),
    SamplerSpec("DDIM", ("ddim",), ddim, timesteps=True),
)

_BY_NAME = {alias.lower(): spec for spec in ALL_SAMPLERS for alias in (spec.name, *spec.aliases)}


def split_name(name: str | None, schedule: str | None = None) -> tuple[str, str]:
    """Sampler and schedule labels; an old joint label such as ``DPM++ 2M Karras`` is split, as the WebUI does."""
    name, schedule = name or "Euler", schedule or "Automatic"
    for label in SCHEDULES:
        alone = name.lower().removesuffix(" " + label.lower())
        if alone != name.lower() and alone in _BY_NAME:
            return find_sampler(alone).name, label
    wanted = schedule.lower().replace("_", " ")
    chosen = next((label for label in ("Automatic", *SCHEDULES) if label.lower() == wanted), None)
    if chosen is None:
        raise RequestError(f'Schedule type "{schedule}" is not one of: Automatic, {", ".join(SCHEDULES)}.')
    return find_sampler(name).name, chosen


def find_sampler(name: str) -> SamplerSpec:
    """The sampler with this label or alias, in any case; RequestError names the ones there are."""
    spec = _BY_NAME.get(name.lower())
    if spec is None:
        raise RequestError(f'Sampler "{name}" is not one of: {", ".join(spec.name for spec in ALL_SAMPLERS)}.')
    return spec
