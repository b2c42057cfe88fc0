"""Seeds of regions: the noise that a pass sets out with is a region's own inside it.

``ε = Σ ŵ_r ε_r / sqrt(Σ ŵ_r²)`` keeps its variance at soft borders. The picture's own noise is that of the base and of all regions
without a seed. A region's seed gives the same noise to every picture of a batch: what the host itself draws for that seed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...engine.calls import DenoiserCall
from ...engine.capabilities import noise_of
from ...engine.hooks import DenoiserHook
from ...engine.plan import Plan
from ...engine.ports import Host
from ...request.errors import RegionalError
from ...tensors.latents.noise import joined_noise
from ...tensors.masks.pyramid import Pyramid

_SAME = 0.1
"""Two noises that differ less at every cell are one and the same (rounded to half precision, maybe), and share their weight."""


def region_noise(plan: Plan, host: Host) -> DenoiserHook | None:
    """Writes the regions' noise into the latent at the first step of each pass; None where no region has a seed."""
    seeds = {r: region.seed for r, region in enumerate(plan.layout.regions) if region.seed is not None and region.enabled}
    if not seeds:
        return None
    pyramid, draw = Pyramid(plan.layout), noise_of(host)

    def write(call: DenoiserCall) -> Tensor:
        if call.step.index == 0:
            if call.noise is None:
                raise RegionalError(
                    "This host does not expose the noise that sampling begins with: regions cannot have seeds of their own here."
                )
            active = plan.active(call.step)
            grid = (call.x.shape[-2], call.x.shape[-1])
            for image, texts in enumerate(plan.pass_of(call.step).texts):
                maps = pyramid.at(active, grid, grid, texts.weights)
                noise = call.noise[image].to(call.x.device, torch.float32)
                weights: dict[int, Tensor] = {}
                for region, seed in seeds.items():
                    if region in active:
                        here = maps.regions[region].to(noise)
                        weights[seed] = weights[seed] + here if seed in weights else here
                joined = _joined(noise, weights, {seed: draw(noise.shape, seed).to(noise) for seed in weights})
                call.x[image].add_((call.beta * (joined - noise)).to(call.x.dtype))
        return call.run()

    return write


def _joined(noise: Tensor, weights: dict[int, Tensor], seeded: dict[int, Tensor]) -> Tensor:
    """noise (C, …, H, W) of the picture, weights (H, W) and noises of its shape by seed -> noise (C, …, H, W).

    A seed that is the picture's own shares its noise: the device is asked whether it is, and not waited for.
    """
    noises, shares = [noise], [1 - sum(weights.values(), noise.new_zeros(noise.shape[-2:]))]
    for seed, weight in weights.items():
        same = ((seeded[seed] - noise).abs().amax() < _SAME).to(noise)
        shares[0] = shares[0] + weight * same
        noises.append(seeded[seed])
        shares.append(weight * (1 - same))
    return joined_noise(torch.stack(noises), torch.stack(shares).clamp_min(0))
