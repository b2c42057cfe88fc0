"""Conditionings with masks and strengths: predictions of the whole canvas, mixed by strength where their masks lie.

"Conditioning (Set Mask)" of node-based hosts: ``Σ s_r m_r D_r / Σ s_r m_r``, see `tensors.masks.weight_maps.strength_maps`. A region's
weight is its strength, also against the base at its soft border and, with ``base_strength``, everywhere.
"""

from __future__ import annotations

from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
from ..tensors.masks.pyramid import scaled_layout
from ..tensors.masks.weight_maps import WeightMaps, strength_maps
from .common.region_predictions import Scene, prediction_hooks
from .latent_couple import couple_branches, full


def mask_conditioning(plan: Plan, host: Host) -> Hooks:
    """Hooks for one generation; options: ``base_strength``, ``memory``."""
    option = plan.settings.option_of("mask_conditioning")

    def maps(scene: Scene) -> WeightMaps:
        layout = plan.layout if scene.image is None else plan.layout_of(scene.image, scene.active)
        return strength_maps(scaled_layout(layout, scene.factors), *scene.latent, scene.active, option("base_strength"))

    return prediction_hooks(plan, host, couple_branches(lambda step: maps, full), option("memory"))
