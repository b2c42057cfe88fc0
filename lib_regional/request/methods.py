"""Names of the methods and the options each of them has; the methods themselves are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from .edit.options import MRGD_FIELDS, P2P_FIELDS
from .fields import Choice, Field, Flag, Number

METHODS: Mapping[str, str] = {
    "attention_couple": "Attention couple",
    "latent_couple": "Latent couple",
    "multidiffusion": "MultiDiffusion",
    "latent_composite": "Latent composite",
    "mask_conditioning": "Mask conditioning",
    "mrgd": "Edit: multi-region guided diffusion",
    "p2p": "Edit: prompt-to-prompt per region",
}
"""Name in the settings -> label for people."""

_MEMORY = Number("Latent cells predicted at once, as a multiple of what the host itself predicts at once; less is slower.", 1.0, 0.1, 64)

OPTIONS: Mapping[str, Mapping[str, Field]] = {
    "attention_couple": {
        "cache": Flag("Keep keys and values over the steps: faster, for some memory.", True),
        "separate": Choice(
            "What regions with different LoRAs do not share: their self-attention, the norms' numbers as well, or convolutions too.",
            "all",
            ("nothing", "attention", "norms", "all"),
        ),
        "separate_until": Number("Share of a pass's steps in which they do not; then they share everything.", 1.0),
        "border": Number("How far across a border self-attention sees, as a share of the shorter side: there the parts meet.", 0.125),
    },
    "latent_couple": {
        "mode": Choice("What a region's prediction sees: the full canvas, or a crop around the region.", "full", ("full", "crop")),
        "halo": Number("With crop: latent cells (8 pixels each) seen around the region's own.", 8, high=128, whole=True),
        "memory": _MEMORY,
    },
    "multidiffusion": {
        "window": Number("Longest side of a window in pixels; 0 is the size the model was trained on.", 0, high=4096, whole=True),
        "overlap": Number("Share of a window that the next one overlaps at least.", 0.5, high=0.9),
        "crop": Choice("What a region's windows see: its own box, or all that fits into a window.", "box", ("box", "window")),
        "bootstrap": Number("Share of the steps in which a region sees a plain colour outside its own place.", 0.2),
        "total": Number("Share of a prediction of the whole canvas by all prompts together.", 0.0),
        "total_from": Number("Share of the steps after which that prediction joins in.", 0.5),
        "memory": _MEMORY,
    },
    "latent_composite": {
        "alone": Number("Share of the steps in which every region is made on its own.", 0.2),
        "after": Choice(
            "What the regions' prompts do once the regions are pasted.",
            "attention_couple",
            ("attention_couple", "latent_couple", "nothing"),
        ),
        "memory": _MEMORY,
    },
    "mask_conditioning": {
        "base_strength": Number("Strength of the base prompt where regions are; elsewhere it is 1.", 0.0, high=1000),
        "memory": _MEMORY,
    },
    "mrgd": MRGD_FIELDS,
    "p2p": P2P_FIELDS,
}
"""Name of a method -> its options."""

REGION_METHODS = tuple(name for name in METHODS if name not in ("mrgd", "p2p"))
"""Methods that make a picture from regions; the others edit one."""

_APART = ("latent_couple", "multidiffusion", "latent_composite", "mask_conditioning")

SERVED: Mapping[str, tuple[str, ...]] = {"cfg_scale": _APART, "seed": ("attention_couple", *_APART)}
"""Fields of a region that not every method can serve -> the methods that do: a CFG scale of its own needs a prediction of its own."""
