"""Trains the autoencoder on freshly drawn pictures, and afterwards the decoder alone ("polish")."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..data.collage import collage_loss, random_patch
from ..data.drawing import draw
from ..data.scene import SIZES, random_scene
from ..groupnorm import quicken
from ..networks import LATENT_SCALE, build_autoencoder
from ..progress import Average, Checkpoint, Log, Run, autocast, set_rate, spread, steps_of

KL_WEIGHT = 5e-4
OBJECT_WEIGHT = 4.0
CROP, CROPPED = 64, 0.65
"""Most of the training sees crops of this many pixels, which cost a quarter; the rest sees whole pictures."""


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """(B,H,W,3) uint8 -> (B,3,H,W) float in -1..1, contiguous."""
    return (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous()


def to_pictures(images: Tensor) -> NDArray[np.uint8]:
    """(B,3,H,W) in -1..1 -> (B,H,W,3) uint8."""
    return ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def random_batch(rng: np.random.Generator, count: int) -> Tensor:
    """Drawn pictures of one size, (B,3,H,W) in -1..1. Twice as many full scenes as the diffusion sees: empty ground is easy."""
    size = SIZES[int(rng.choice(3, p=(0.8, 0.1, 0.1)))]
    scenes = [random_scene(rng, size, int(rng.choice(4, p=(0.02, 0.28, 0.35, 0.35)))) for _ in range(count)]
    return to_tensor(np.stack([draw(scene) for scene in scenes]))


def random_crop(rng: np.random.Generator, images: Tensor, size: int = CROP) -> Tensor:
    """A window (B,3,size,size) on the 8-pixel grid, so that textures keep their phase."""
    top, left = (8 * int(rng.integers((length - size) // 8 + 1)) for length in images.shape[2:])
    return images[:, :, top : top + size, left : left + size].contiguous()


def importance(images: Tensor) -> Tensor:
    """Weights (B,1,H,W) with mean 1: saturated pixels and their rim count OBJECT_WEIGHT times."""
    chroma = images.amax(1, keepdim=True) - images.amin(1, keepdim=True)
    near = functional.max_pool2d((chroma > 0.5).float(), 5, 1, 2)
    weight = 1 + (OBJECT_WEIGHT - 1) * near
    return weight / weight.mean()


def reconstruction_loss(output: Tensor, images: Tensor) -> Tensor:
    """L1 + 2 L2, weighted by importance."""
    error = (output.float() - images) * 1.0
    return ((error.abs() + 2 * error.square()) * importance(images)).mean()


def decibels(output: Tensor, images: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of images in -1..1."""
    return 10 * torch.log10(4 / (output.float() - images).square().mean())


def _loss(model: AutoencoderKL, images: Tensor, rng: np.random.Generator, polish: bool) -> tuple[Tensor, Tensor]:
    with autocast(images.device.type):
        with torch.set_grad_enabled(not polish):
            posterior = model.encode(images).latent_dist
        # The polished decoder gets what the UNet makes: latents with a little error, not the exact mean.
        spread_ = 0.5 * posterior.std if polish else posterior.std
        latent = posterior.mean + spread_ * torch.randn_like(posterior.mean)
        output = model.decode(latent).sample
        loss = reconstruction_loss(output, images)
        if polish:
            patch = random_patch(rng, *latent.shape[2:])
            loss = loss + collage_loss(lambda z: model.decode(z).sample, latent, output, images, patch, reconstruction_loss)
    if not polish:
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        loss = loss + KL_WEIGHT * 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    return loss, decibels(output.detach(), images)


def train_autoencoder(run: Run, polish: bool = False, trained: AutoencoderKL | None = None) -> AutoencoderKL:
    """Trains (or resumes) and returns the averaged model.

    `polish` starts from the trained one (or from ``trained``) and keeps its encoder; its decoder learns not to mix up the parts of a
    picture, see `collage`.
    """
    torch.manual_seed(run.seed)
    model = build_autoencoder().to(run.device)
    if polish:
        model = trained.to(run.device) if trained is not None else load_autoencoder(run.out, run.device)
        model.requires_grad_(True)
        model.encoder.requires_grad_(False)
        model.quant_conv.requires_grad_(False)
    quicken(model)
    name = "polish" if polish else "autoencoder"
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(weights, run.rate, betas=(0.9, 0.98), weight_decay=1e-4)
    average, checkpoint, start = Average(model, 0.998), Checkpoint(run.out / f"{name}.pt"), 0
    if state := checkpoint.load(run.device):
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.load(state["average"])
        start = state["step"]
    log = Log(run.out / f"{name}.csv", ("step", "loss", "psnr"))
    rng = np.random.default_rng(run.seed + start + 1)
    losses, ratios = [], []
    for step in steps_of(run, start, name):
        set_rate(optimiser, run.rate_at(step))
        whole = polish or step > CROPPED * run.steps
        images = random_batch(rng, run.batch) if whole else random_crop(rng, random_batch(rng, 2 * run.batch))
        loss, ratio = _loss(model, images.to(run.device), rng, polish)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        average.update(model)
        losses.append(loss.detach())
        ratios.append(ratio)
        if (step + 1) % run.log_every == 0:
            log.write(step=step + 1, loss=spread(losses), psnr=spread(ratios))
            losses, ratios = [], []
        if (step + 1) % run.save_every == 0 or step + 1 == run.steps:
            checkpoint.save(step + 1, model=model.state_dict(), optimiser=optimiser.state_dict(), average=average.state())
    return load_autoencoder(run.out, run.device)


def load_autoencoder(out: Path, device: str = "cpu") -> AutoencoderKL:
    """The averaged weights of the polished autoencoder if there is one, else of the trained one."""
    polished = Checkpoint(out / "polish.pt").load(device)
    state = polished or Checkpoint(out / "autoencoder.pt").load(device)
    if state is None:
        raise FileNotFoundError(f"No autoencoder in {out}: train the stage `autoencoder` first.")
    model = build_autoencoder().to(device)
    model.load_state_dict(state["average"]["weights"])
    return model.eval()


@torch.no_grad()
def fold_scale(model: AutoencoderKL, deviation: float, mean: float = 0.0) -> None:
    """Folds a factor into the quant convolutions so that encoded latents times LATENT_SCALE have unit variance and mean 0."""
    factor = 1 / (deviation * LATENT_SCALE)
    half = model.quant_conv.out_channels // 2
    model.quant_conv.weight[:half] *= factor
    model.quant_conv.bias[:half] = (model.quant_conv.bias[:half] - mean) * factor
    model.quant_conv.bias[half:] += 2 * float(np.log(factor))
    model.post_quant_conv.bias += model.post_quant_conv.weight.sum((1, 2, 3)) * mean
    model.post_quant_conv.weight /= factor
