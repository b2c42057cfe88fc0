"""The table of methods: a new method is a module of ``lib_regional.methods`` and a row here.

Schema, panel, axes, cost line and the docs' tables are made from these rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..collage.options import COLLAGE_FIELDS, base_is_made, highest_strength
from ..detail.fields import PASS_FIELDS, SEQUENTIAL_FIELDS
from ..edit.options import MRGD_FIELDS, P2P_FIELDS, REPAINT_FIELDS
from ..fields import Choice, Field, Flag, Number
from ..scoring.fields import SCORE_FIELDS
from . import work
from .scene import Scene
from .spec import MethodSpec

_MEMORY = Number(
    "Latent cells predicted at once, as a multiple of what the host predicts at once. Less is slower; out of memory, passes are halved.",
    2.0,
    0.1,
    64,
)


def _soft_from(when: str = "") -> Number:
    text = "Share of the steps with borders as sharp as the masks, in which the objects form; after them borders are soft."
    return Number(when + text, 0.3)


_CONTROL = frozenset({"controlnet"})
"""Fields of a region that act in the host's own sampling, in which its other extensions are at work."""

_REFERENCE = _CONTROL | {"reference"}
"""Fields of a region that act through cross-attention, and those."""

_SEEDED = frozenset({"cfg_scale", "seed"})
"""Fields of a region that need a prediction of its own (its CFG scale), or its part of the first noise (its seed)."""

_PREDICTED = _SEEDED | _REFERENCE


def _composite_work(scene: Scene) -> float:
    return work.composite(scene, lambda later, method: METHODS[method].work(later))


def _repaint_work(scene: Scene) -> float:
    """The regions' own method, and the source's where the picture is made anew."""
    option = scene.settings.option_of("repaint")
    source = option("source")
    before = METHODS.get(source.get("method"), METHODS["attention_couple"]).work(scene) if source else 0.0
    return METHODS[option("by")].work(scene) + before


def _collage_work(scene: Scene) -> float:
    """The base picture by the regions' own method where it is made first, and the share of the steps in which a cell may change."""
    work = METHODS[scene.settings.option_of("collage")("by")].work(scene)
    return work * (base_is_made(scene.settings) + highest_strength(scene.settings, None))


_ROWS = (
    MethodSpec(
        "attention_couple",
        "Attention couple",
        prepare="attention_couple:attention_couple",
        work=work.couple,
        scored=True,
        finds=True,
        serves=frozenset({"seed"}) | _REFERENCE,
        options={
            "cache": Flag(
                "Keep keys and values over the steps: faster, for some memory. In half precision 77 tokens of text take 3.7 MiB on SD1.5 "
                "and 25 MiB on SDXL; beyond 240 MiB in all, texts are projected anew in every step.",
                True,
            ),
            "separate": Choice(
                "What is isolated between regions with different LoRAs: self-attention, norms as well, or convolutions too.",
                "all",
                ("nothing", "attention", "norms", "all"),
            ),
            "separate_until": Number("Share of a pass's steps with isolation; after that the regions share everything.", 1.0),
            "border": Number("How far self-attention sees across the border of isolated regions, as a share of the shorter side.", 0.125),
            "isolate_until": Number(
                "Share of the first pass's steps in which each region is made by itself, whatever its LoRAs: its object forms in it. "
                "Layouts begun in the panel have 0.3.",
                0.0,
            ),
            "local_until": Number(
                "Share of the first pass's steps in which norms and convolutions see their own region alone, while self-attention sees the "
                "whole picture again. Layouts begun in the panel have 0.6.",
                0.0,
            ),
        },
    ),
    MethodSpec(
        "latent_couple",
        "Latent couple",
        prepare="latent_couple:latent_couple",
        work=work.cropped,
        scored=True,
        finds=True,
        serves=_PREDICTED,
        edges=("soft_from",),
        options={
            "mode": Choice(
                "What a region's prediction sees: the full canvas, or a crop around the region, which is cheaper and knows nothing beyond.",
                "full",
                ("full", "crop"),
            ),
            "halo": Number(
                "With crop: latent cells (8 pixels each) seen around the region's own. More ties regions together, less is cheaper.",
                8,
                high=128,
                whole=True,
            ),
            "soft_from": _soft_from("With crop: "),
            "memory": _MEMORY,
        },
    ),
    MethodSpec(
        "multidiffusion",
        "MultiDiffusion",
        prepare="multidiffusion:multidiffusion",
        work=work.windows,
        scored=True,
        serves=_PREDICTED,
        edges=("total_from", "bootstrap", "soft_from"),
        options={
            "window": Number("Longest side of a window in pixels; 0 is the size the model was trained on.", 0, high=4096, whole=True),
            "overlap": Number(
                "Share of a window that the next one overlaps at least. Less is cheaper and shows seams sooner.", 0.5, high=0.9
            ),
            "crop": Choice(
                "What a region's windows see: its own box, or a whole window around it, which shows a small region more.",
                "box",
                ("box", "window"),
            ),
            "soft_from": _soft_from(),
            "bootstrap": Number(
                "Share of the steps in which a region sees a plain colour outside its mask, so that its object forms inside.", 0.2
            ),
            "total": Number("Share of a prediction of the whole canvas by all prompts together, which ties the picture together.", 0.0),
            "total_from": Number("Share of the steps after which that prediction joins in.", 0.5),
            "memory": _MEMORY,
        },
    ),
    MethodSpec(
        "latent_composite",
        "Latent composite",
        prepare="latent_composite:latent_composite",
        work=_composite_work,
        scored=True,
        serves=_PREDICTED,
        edges=("alone",),
        options={
            "alone": Number(
                "Share of the steps in which every region is denoised alone. More separates them better and shows their borders.", 0.2
            ),
            "after": Choice(
                "What the regions' prompts do once the regions are pasted.",
                "attention_couple",
                ("attention_couple", "latent_couple", "nothing"),
            ),
            "memory": _MEMORY,
        },
    ),
    MethodSpec(
        "rag",
        "RAG: hard binding",
        prepare="rag:rag",
        work=work.bound,
        scored=True,
        serves=_PREDICTED,
        edges=("bind",),
        options={
            "bind": Number(
                "Share of the steps of hard binding, in which every region is denoised alone; one step at least, where it is above 0.", 0.2
            ),
            "soft": Number("Soft refinement, delta: 1 separate objects, 0.5 objects that touch each other, 0 the base prompt alone.", 1.0),
            "memory": _MEMORY,
        },
    ),
    MethodSpec(
        "mask_conditioning",
        "Mask conditioning",
        prepare="mask_conditioning:mask_conditioning",
        work=work.whole,
        scored=True,
        finds=True,
        serves=_PREDICTED,
        options={
            "base_strength": Number(
                "Strength of the base prompt where regions are; elsewhere it is 1. Node-based hosts use 1 for a prompt without a mask.",
                0.0,
                high=1000,
            ),
            "memory": _MEMORY,
        },
    ),
    MethodSpec(
        "sequential",
        "Sequential inpainting",
        prepare="sequential:sequential",
        work=work.plain,
        serves=_SEEDED,
        options=SEQUENTIAL_FIELDS,
    ),
    MethodSpec(
        "repaint",
        "Repaint regions",
        prepare="repaint:repaint",
        work=_repaint_work,
        scored=True,
        serves=_REFERENCE | {"seed"},
        options=REPAINT_FIELDS,
        edges=("from",),
    ),
    MethodSpec(
        "collage",
        "Collage refine",
        prepare="collage:collage",
        work=_collage_work,
        scored=True,
        serves=frozenset({"picture", "denoise"}) | _REFERENCE,
        options=COLLAGE_FIELDS,
    ),
    MethodSpec(
        "mrgd",
        "Edit: multi-region guided diffusion",
        prepare="mrgd:mrgd",
        work=work.edit,
        serves=_CONTROL,
        options=MRGD_FIELDS,
        edges=("t_total",),
        edits=True,
    ),
    MethodSpec(
        "p2p",
        "Edit: prompt-to-prompt per region",
        prepare="mrgd:p2p",
        work=work.edit,
        serves=_CONTROL,
        options=P2P_FIELDS,
        edges=("t_total",),
        edits=True,
    ),
)

METHODS: dict[str, MethodSpec] = {row.name: row for row in _ROWS}
"""Methods by the name that the settings use, in the order in which people see them."""

OPTIONS: dict[str, Mapping[str, Field]] = {
    **{name: spec.options for name, spec in METHODS.items()},
    "detail": PASS_FIELDS,
    "scores": SCORE_FIELDS,
}
"""Options by their owner: every method's, those of the passes that any method may have, and those of scores and candidates."""


def limited_fields() -> tuple[str, ...]:
    """Fields of a region that not every method supports."""
    return tuple(sorted(frozenset().union(*(spec.serves for spec in METHODS.values()))))


def serving(field: str) -> tuple[str, ...]:
    """Names of the methods that support a `limited_fields` field."""
    return tuple(name for name, spec in METHODS.items() if field in spec.serves)
