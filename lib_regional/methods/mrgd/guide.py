"""Guidance of the target's clean prediction: the three losses, their gradient, the step against it.

The step is ``ẑ ← ẑ − Σ·κ·N·∇L(ẑ)`` with L in the paper's weights λ, N the number of the latent's values (so that the losses, which
are means, give each cell the same push at every size), κ = 1/1000 (the unit of the paper's λ), and Σ the variance of ẑ_0 given z_t.
The gradient flows to the latent through the fitted maps or through decoder and guidance model, never through the UNet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ...engine.calls import StepInfo
from ...tensors.attention.maps import normalised
from ...tensors.guidance.losses import inherent, inter_image, posterior_variance, region_specific
from ...tensors.out_of_memory import is_out_of_memory
from .choice import Positions

ENDED = "Regional guidance"
"""Of the infotext."""

_log = logging.getLogger("regional")

SCALE = 1e-3
PIXELS = 64
"""Of a picture by cell of its latent."""

LONGEST = 0.5
"""Largest root mean square of a step, in standard deviations of a latent."""


@dataclass(frozen=True)
class Weights:
    """λ_RS, λ_IS, λ_IP in the paper's units; it has 300 for the last."""

    rs: float = 1000.0
    inter: float = 2000.0
    ip: float = 3000.0

    @property
    def uses_maps(self) -> bool:
        """Whether a loss asks where keywords are."""
        return self.rs > 0 or self.inter > 0


@dataclass(frozen=True)
class Scene:
    """What one image's losses compare. Regions are those of the target (R_t) and of the source (R_s).

    ``maps`` gives the target's maps (R_t, H, W) of a latent (C, H, W) and its picture; ``source_maps`` (R_s, H, W) are fixed.
    ``masks`` (R_t, H, W), ``area`` (H, W) the inherent area, ``pairs`` positions (in R_s, in R_t) of the same region, ``changed``
    positions (in R_t) of the added and the re-worded ones.
    """

    source: Tensor
    maps: Callable[[Tensor], Tensor] | None
    source_maps: Tensor | None
    masks: Tensor
    area: Tensor
    pairs: Sequence[tuple[int, int]]
    changed: Sequence[int]
    picture: Callable[[Tensor], Tensor] | None = None
    source_picture: Tensor | None = None


def total_loss(latent: Tensor, scene: Scene, weights: Weights) -> Tensor:
    """L = λ_RS·L_RS + λ_IS·L_IS + λ_IP·L_IP of the target's clean latent (C, H, W).

    Only the target is guided: the source is a picture that somebody wants to keep. So that guidance does not drive the two apart
    (*choice*), L_RS is that of the changed regions, and L_IS moves the latent only outside the inherent area.
    """
    loss = latent.sum() * 0
    if scene.maps is not None and scene.source_maps is not None:
        changed = list(scene.changed)
        if weights.rs > 0 and changed:
            loss = loss + weights.rs * region_specific(scene.maps(latent)[changed], scene.masks[changed])
        if weights.inter > 0:
            free = latent * (1 - scene.area) + latent.detach() * scene.area
            loss = loss + weights.inter * inter_image(scene.source_maps, scene.maps(free), scene.pairs)
    if weights.ip > 0:
        loss = loss + weights.ip * inherent(scene.area, scene.source, latent)
        if scene.picture is not None and scene.source_picture is not None:
            picture = scene.picture(latent)
            area = torch.nn.functional.interpolate(
                scene.area[None, None], picture.shape[-2:], mode="area" if _shrinks(scene, picture) else "nearest"
            )
            loss = loss + weights.ip * inherent(area[0, 0], scene.source_picture, picture)
    return loss


def _shrinks(scene: Scene, picture: Tensor) -> bool:
    return picture.shape[-1] < scene.area.shape[-1]


@contextmanager
def differentiable() -> Iterator[None]:
    """Without gradients, but what is made within may have some: hosts that sample in PyTorch's inference mode forbid that outside."""
    with torch.inference_mode(False), torch.no_grad():
        yield


def guided(latent: Tensor, scene: Scene, weights: Weights, alpha: float, beta: float) -> Tensor:
    """One step against the gradient: the target's clean latent (C, H, W) -> the same.

    The loss is a mean, whose gradient by a single pixel would vanish in a decoder of half precision: it is scaled up (Micikevicius et
    al. 2018) as far as keeps the gradients by pixels as large as their errors, and the step down.
    """
    scale = latent.numel() / PIXELS
    with torch.enable_grad():
        z = latent.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(total_loss(z, scene, weights) * scale, z)
    step = gradient * (SCALE * PIXELS * posterior_variance(alpha, beta))
    size = step.square().mean().sqrt()
    return latent - (step * (LONGEST / size.clamp_min(1e-12)).clamp_max(1.0)).to(latent)


@dataclass
class Guidance:
    """The guided steps of one generation: the first ``share`` of them. Where memory does not suffice for the gradient, pictures and
    maps are computed twice instead of kept (checkpointing); where that does not help, the steps that are left are not guided."""

    weights: Weights
    share: float = 1.0
    checkpoints: bool = False
    ended: StepInfo | None = None

    def acts(self, step: StepInfo) -> bool:
        """Whether ``step`` is guided."""
        return self.ended is None and step.progress < self.share

    def step(self, latent: Tensor, scene: Scene, alpha: float, beta: float, step: StepInfo) -> Tensor:
        """One guided step of an image, as far as memory allows."""
        while self.acts(step):
            try:
                return guided(latent, _checkpointed(scene) if self.checkpoints else scene, self.weights, alpha, beta)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            self._save_memory(step)
        return latent

    def infotext_fields(self) -> dict[str, str]:
        """Infotext fields of the guidance: none unless it ended early."""
        return {} if self.ended is None else {ENDED: f"ended at step {self.ended.index + 1} of {self.ended.total} (out of memory)"}

    def _save_memory(self, step: StepInfo) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if not self.checkpoints:
            self.checkpoints = True
            _log.warning("Regional: the guidance's gradient was too much for the memory; going on with checkpoints, which are slower.")
            return
        self.ended = step
        _log.warning("Regional: out of memory for the guidance: steps from %d of %d on are not guided.", step.index + 1, step.total)


def _checkpointed(scene: Scene) -> Scene:
    def twice(function: Callable[[Tensor], Tensor] | None) -> Callable[[Tensor], Tensor] | None:
        return None if function is None else lambda z: checkpoint(function, z, use_reentrant=False)

    return replace(scene, maps=twice(scene.maps), picture=twice(scene.picture))


def keyword_maps(total: Tensor, positions: Sequence[Sequence[int] | Positions], grid: tuple[int, int]) -> Tensor:
    """The `attention` guidance model: maps (T, h, w) -> per region the mean of its keywords' maps, 0..1, (R, H, W)."""
    if not positions:
        return total.new_zeros(0, *grid)
    chosen = torch.stack([_mean_map(total, where) for where in positions])
    return torch.nn.functional.interpolate(normalised(chosen)[None], grid, mode="bilinear", align_corners=False)[0]


def _mean_map(total: Tensor, where: Sequence[int] | Positions) -> Tensor:
    """Maps (T, h, w) -> the mean of some (h, w), zeros of none."""
    if isinstance(where, Positions):
        weights = where.weights(len(total)).to(total)
        return (total * weights[:, None, None]).sum(0) / weights.sum().clamp_min(1)
    return total[list(where)].mean(0) if where else total.new_zeros(total.shape[1:])
