"""Distils the small model into a LoRA that samples in few steps: latent consistency distillation with the shipped model as the teacher.

Luo et al. 2023, "Latent Consistency Models" (arXiv:2310.04378), algorithm 1, and "LCM-LoRA" (arXiv:2311.05556): what is trained is a LoRA
of the UNet alone, for one guidance scale, so that it needs no embedding of the scale. The teacher never changes, so its steps are computed
once and kept; targets come from the LoRA as it is, without an averaged copy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...model.stable_diffusion import StandaloneModel
from ...sampling.noise_levels import LCM_STEPS
from ..data.captions import caption
from ..data.drawing import draw
from ..data.latents import grow
from ..data.lora_pictures import Subject
from ..data.scene import random_scene
from ..data.vocabulary import encode
from ..progress import Run, fit
from ..sampling import STEPS, alphas_cumprod
from .diffusion import OBJECT_WEIGHT
from .lora import LORAS, Adapter, Ranks, subject_latents, write_lora

NAME = "lcm"
RANKS = Ranks(linear=12, conv=6, text=False)
GUIDANCE = 5.0
"""Scale of classifier-free guidance in the teacher's steps: the LoRA's pictures have it at scale 1."""
SKIPPED = 40
"""Training steps that one step of the teacher covers, at most."""
WARMUP = 20
"""Steps in which the learning rate rises."""
DRAWS = 3
"""Noise, time and caption are drawn so many times for each picture."""
TOGETHER = 8
"""Pictures in a call of the teacher."""
SIGMA_DATA, TIME_SCALE = 0.5, 10.0
"""Of the boundary scalings, as published models have them."""
HUBER = 0.001
"""Where the pseudo-Huber loss turns from a square into a distance."""
SUBJECT = Subject(draw, random_scene)


@dataclass(frozen=True)
class TeacherSteps:
    """Steps of the teacher: from ``noisy`` at ``times`` to ``landed`` at ``landings``.

    noisy, landed (N,4,h,w), times, landings (N,), ids (N,77) of the captions, weight (N,1,h,w) of the loss, with mean 1.
    """

    noisy: Tensor
    landed: Tensor
    times: Tensor
    landings: Tensor
    ids: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.noisy)

    def chosen(self, at: NDArray[np.int64], device: torch.device) -> TeacherSteps:
        """Some of them, on a device."""
        return TeacherSteps(**{name: value[torch.from_numpy(at)].to(device) for name, value in vars(self).items()})


def alphas_at(times: Tensor) -> Tensor:
    """The cumulated product of the alphas at times (B,)."""
    return alphas_cumprod().to(times.device)[times]


def clean_of(x: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """Latents (B,4,h,w) without their predicted noise; alpha (B,) is the cumulated product at their times."""
    wide = alpha.view(-1, 1, 1, 1)
    return (x - (1 - wide).sqrt() * noise) / wide.sqrt()


def ddim_step(x: Tensor, noise: Tensor, alpha: Tensor, landing: Tensor) -> Tensor:
    """DDIM with eta 0 (Song et al. 2021, equation 12) from alpha to landing (B,)."""
    wide = landing.view(-1, 1, 1, 1)
    return wide.sqrt() * clean_of(x, noise, alpha) + (1 - wide).sqrt() * noise


def boundary(times: Tensor) -> tuple[Tensor, Tensor]:
    """c_skip and c_out (B,1,1,1): 1 and 0 at time 0, where the consistency function is the identity."""
    scaled = times.float().view(-1, 1, 1, 1) * TIME_SCALE
    return SIGMA_DATA**2 / (scaled.square() + SIGMA_DATA**2), scaled / (scaled.square() + SIGMA_DATA**2).sqrt()


def consistency(x: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """The consistency function of a model that predicts noise: x (B,4,h,w) at ``times`` -> the clean latent on its trajectory."""
    skip, out = boundary(times)
    return skip * x + out * clean_of(x, noise, alphas_at(times))


def pseudo_huber(found: Tensor, wanted: Tensor) -> Tensor:
    """Value by value: the square of small differences, the distance of large ones (Song and Dhariwal 2023)."""
    return ((found - wanted).square() + HUBER**2).sqrt() - HUBER


def solver_times(rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
    """Times (B,) of those that latent consistency models know, and where the teacher's step from each of them lands (B,)."""
    stride = STEPS // LCM_STEPS
    times = torch.from_numpy(rng.integers(1, LCM_STEPS + 1, count)) * stride - 1
    return times, (times - SKIPPED).clamp(min=0)


@torch.no_grad()
def guided_step(adapter: Adapter, noisy: Tensor, times: Tensor, landings: Tensor, ids: Tensor) -> Tensor:
    """One step of the base model with classifier-free guidance, (B,4,h,w): the augmented solver of the paper's equation 13."""
    empty = torch.from_numpy(encode([""] * len(ids))).to(ids.device)
    with adapter.base():
        plain, prompted = adapter.noise(noisy.repeat(2, 1, 1, 1), times.repeat(2), torch.cat([empty, ids])).chunk(2)
    return ddim_step(noisy, plain + GUIDANCE * (prompted - plain), alphas_at(times), alphas_at(landings))


def teacher_steps(adapter: Adapter, latents: Tensor, objects: Tensor, texts: list[str], rng: np.random.Generator) -> TeacherSteps:
    """One step of the teacher from each latent (N,4,h,w) of unit variance, at a noise of its own."""
    from tqdm import tqdm

    times, landings = solver_times(rng, len(latents))
    alpha, ids = alphas_at(times).view(-1, 1, 1, 1), torch.from_numpy(encode(texts))
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * torch.randn_like(latents)
    device, landed = adapter.model.device, []
    for part in tqdm(torch.arange(len(latents)).split(TOGETHER), desc="teacher", mininterval=5):
        landed.append(guided_step(adapter, *(one[part].to(device) for one in (noisy, times, landings, ids))).cpu())
    weight = 1 + (OBJECT_WEIGHT - 1) * grow(objects)
    return TeacherSteps(noisy, torch.cat(landed), times, landings, ids, weight / weight.mean((1, 2, 3), keepdim=True))


def kept_steps(run: Run, adapter: Adapter, pictures: int) -> TeacherSteps:
    """`teacher_steps` of drawn pictures, computed once and kept in the run's folder."""
    path = run.out / f"{NAME}.steps.safetensors"
    if path.exists():
        found = TeacherSteps(**load_file(path))
        if len(found) == DRAWS * pictures:
            return found
    latents, objects = subject_latents(run.out, NAME, SUBJECT, pictures, run.seed, adapter.model)
    rng = np.random.default_rng(run.seed)
    texts = [caption(rng, SUBJECT.scene(at, run.seed)) for _ in range(DRAWS) for at in range(pictures)]
    steps = teacher_steps(adapter, latents.repeat(DRAWS, 1, 1, 1), objects.repeat(DRAWS, 1, 1, 1), texts, rng)
    save_file({name: value.contiguous() for name, value in vars(steps).items()}, path)
    return steps


def consistency_loss(adapter: Adapter, steps: TeacherSteps) -> Tensor:
    """Distance of the consistency function before and after the teacher's step; the latter is the target."""
    with torch.no_grad():
        target = consistency(steps.landed, adapter.noise(steps.landed, steps.landings, steps.ids), steps.landings)
    found = consistency(steps.noisy, adapter.noise(steps.noisy, steps.times, steps.ids), steps.times)
    return (pseudo_huber(found, target) * steps.weight).mean()


def train_lcm(run: Run, pictures: int, target: Path | None = None, model: StandaloneModel | None = None) -> Path:
    """Trains (or resumes) the LoRA and writes it; returns the file. ``model``: the teacher, by default the shipped one."""
    torch.manual_seed(run.seed)
    adapter = Adapter(run.device, RANKS, model)
    steps = kept_steps(run, adapter, pictures)

    def loss(rng: np.random.Generator) -> Tensor:
        return consistency_loss(adapter, steps.chosen(rng.integers(len(steps), size=run.batch), adapter.model.device))

    def write(weights: dict[str, Tensor]) -> None:
        write_lora(weights, NAME, target or LORAS, RANKS.linear)

    fit(replace(run, warmup=min(run.warmup, WARMUP)), NAME, adapter.parts, loss, write)
    return (target or LORAS) / f"{NAME}.safetensors"
