"""The three losses of multi-region guided diffusion (Li et al., AAAI-24, section 3.3), as means so that sizes compare.

Maps are (R, H, W): how much each cell of a picture shows each region's keywords, 0..1. Losses are in fp32 at least, whatever the maps are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..precision import full_precision, single

TEMPERATURE = 0.07


def region_specific(maps: Tensor, masks: Tensor) -> Tensor:
    """L_RS: Σ over regions of the mean of ‖M − M ⊗ m‖². maps, masks (R, H, W): what an object shows outside its own region."""
    return single(maps - maps * masks).square().flatten(1).mean(1).sum()


def inter_image(source: Tensor, target: Tensor, pairs: Sequence[tuple[int, int]], temperature: float = TEMPERATURE) -> Tensor:
    """L_IS: InfoNCE over maps (R_s, H, W) and (R_t, H, W), each a vector over the pixels, compared by cosine.

    ``pairs`` (s, t) are the same region in both: positives; the other picture's other maps are the negatives. Both ways, mean, times
    the temperature so that it does not scale the gradient (Chen et al. 2021, MoCo v3); 0 without pairs.
    """
    if not pairs:
        return target.sum() * 0
    first, second = (F.normalize(single(maps.flatten(1)), dim=1) for maps in (source, target))
    with full_precision(second.device):
        logits = first @ second.T / temperature
    at_source, at_target = (torch.tensor([pair[side] for pair in pairs], device=logits.device) for side in (0, 1))
    forth = F.cross_entropy(logits[at_source], at_target)
    back = F.cross_entropy(logits.T[at_target], at_source)
    return (forth + back) * (temperature / 2)


def inherent(area: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """One term of L_IP: the mean of ‖𝓜 ⊗ (S − T)‖². area (H, W), source and target (C, H, W): latents, or pictures."""
    return (single(area) * (single(source) - single(target))).square().mean()


def posterior_variance(alpha: float, beta: float) -> float:
    """Var(z_0 | z_t) for z_t = alpha · z_0 + beta · noise and latents of unit variance: beta² / (alpha² + beta²)."""
    return beta**2 / (alpha**2 + beta**2)
