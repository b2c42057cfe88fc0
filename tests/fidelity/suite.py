"""The fixed suite: which layouts are asked for, with which objects, and how each method is asked.

Everything follows from the seed, so two runs of one checkpoint ask for the same pictures.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SHAPES = ("circle", "square", "triangle", "diamond", "ring", "cross")
COLOURS = ("red", "yellow", "green", "cyan", "blue", "purple")
BACKGROUNDS = ("sky", "grass", "brick", "sand", "night", "snow")
SEED = 20240


@dataclass(frozen=True)
class Wish:
    """One object in one place. ``shape`` is a shape of the Settings contract (``{"box": […]}`` or ``{"polygon": […]}``)."""

    colour: str
    form: str
    shape: dict[str, Any]

    @property
    def text(self) -> str:
        """``a red circle``"""
        return f"a {self.colour} {self.form}"


@dataclass(frozen=True)
class Case:
    """One picture to make. ``size`` is (width, height); ``under`` are regions of background alone, beneath those of ``wishes``."""

    kind: str
    number: int
    size: tuple[int, int]
    background: str
    wishes: tuple[Wish, ...]
    seed: int
    under: tuple[dict[str, Any], ...] = ()

    @property
    def joined(self) -> str:
        """The plain prompt that names everything and places nothing."""
        return " and ".join(wish.text for wish in self.wishes) + f" on {self.background}"


def box(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
    """Contract form of a box."""
    return {"box": [round(v, 4) for v in (x0, y0, x1, y1)]}


def cells(columns: int, rows: int) -> list[dict[str, Any]]:
    """Boxes of an even grid in reading order."""
    return [box(c / columns, r / rows, (c + 1) / columns, (r + 1) / rows) for r in range(rows) for c in range(columns)]


def free_boxes(rng: random.Random, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Two boxes of 56 to 80 pixels a side, or three of 56 to 64, that do not touch."""
    count = rng.choice((2, 2, 3))
    largest = 81 if count == 2 else 65
    for _ in range(1000):
        found: list[tuple[int, int, int, int]] = []
        for _ in range(count):
            w, h = (rng.randrange(56, largest, 8) for _ in "wh")
            x, y = rng.randrange(0, size[0] - w + 1, 4), rng.randrange(0, size[1] - h + 1, 4)
            if all(x >= b[2] or x + w <= b[0] or y >= b[3] or y + h <= b[1] for b in found):
                found.append((x, y, x + w, y + h))
        if len(found) == count:
            return [box(x0 / size[0], y0 / size[1], x1 / size[0], y1 / size[1]) for x0, y0, x1, y1 in found]
    raise AssertionError("no free place found")


def diagonal(rng: random.Random, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The canvas cut in two along a diagonal."""
    corners: list[list[float]] = [[0, 0], [1, 0], [1, 1], [0, 1]]
    turn = rng.randrange(2)
    a, b, c, d = (corners[(i + turn) % 4] for i in range(4))
    return [{"polygon": [a, b, c]}, {"polygon": [a, c, d]}]


def nested(rng: random.Random, size: tuple[int, int]) -> list[dict[str, Any]]:
    """A column beside a stack, or the mirror image of it."""
    half = [box(0, 0, 0.5, 1), box(0.5, 0, 1, 0.5), box(0.5, 0.5, 1, 1)]
    return half if rng.random() < 0.5 else [box(0.5, 0, 1, 1), box(0, 0, 0.5, 0.5), box(0, 0.5, 0.5, 1)]


KINDS: dict[str, tuple[int, tuple[int, int], Any]] = {
    "2 columns": (60, (128, 128), lambda rng, size: cells(2, 1)),
    "2 rows": (40, (128, 128), lambda rng, size: cells(1, 2)),
    "3 columns": (40, (192, 128), lambda rng, size: cells(3, 1)),
    "quadrants": (24, (128, 128), lambda rng, size: cells(2, 2)),
    "3×3": (16, (192, 192), lambda rng, size: cells(3, 3)),
    "free boxes": (24, (192, 128), free_boxes),
    "diagonal": (20, (128, 128), diagonal),
    "nested": (24, (192, 128), nested),
}
"""name -> (how many, size, shapes)"""


def cases(share: float = 1.0) -> Iterator[Case]:
    """The whole suite (248 layouts), or the first ``share`` of every kind (at least two each)."""
    for kind, (count, size, shapes) in KINDS.items():
        rng = random.Random(f"{SEED}-{kind}")
        for number in range(max(2, round(count * share))):
            places = shapes(rng, size)
            colours = [rng.choice(COLOURS) for _ in places] if len(places) > len(COLOURS) else rng.sample(COLOURS, len(places))
            wishes = tuple(Wish(colour, rng.choice(SHAPES), place) for colour, place in zip(colours, places, strict=True))
            yield Case(kind, number, size, rng.choice(BACKGROUNDS), wishes, rng.randrange(2**31))


def singles(count: int = 72) -> Iterator[Case]:
    """One object on the whole canvas: every shape with every colour, twice. The rate to which placing is compared."""
    rng = random.Random(f"{SEED}-single")
    pairs = [(c, s) for c in COLOURS for s in SHAPES] * (-(-count // 36))
    for number, (colour, form) in enumerate(pairs[:count]):
        yield Case("single", number, (128, 128), rng.choice(BACKGROUNDS), (Wish(colour, form, box(0, 0, 1, 1)),), rng.randrange(2**31))


SAMPLING: dict[str, Any] = {"sampler_name": "Euler a", "steps": 20, "cfg_scale": 5.0}


def sampling_text(sampling: dict[str, Any], lora: str = "") -> str:
    """``Euler a, 20 steps, CFG 5``, with a LoRA ``LCM, 4 steps, CFG 1, lcm``"""
    text = f"{sampling['sampler_name']}, {sampling['steps']} steps, CFG {sampling['cfg_scale']:g}"
    return f"{text}, {lora}" if lora else text


def payload(case: Case, method: str, sampling: dict[str, Any] = SAMPLING) -> dict[str, Any]:
    """txt2img request of ``case``: the plain joined prompt, or regions through ``method``."""
    request = {"prompt": case.joined, "negative_prompt": "", "width": case.size[0], "height": case.size[1], "seed": case.seed, **sampling}
    if method != "plain":
        request["alwayson_scripts"] = {"Regional": {"args": [regional(case, VARIANTS[method])]}}
    return request


@dataclass(frozen=True)
class Variant:
    """A method as the suite asks for it. The base has the background alone, so its share only takes from the objects.

    ``options`` are the method's own, ``common`` those beside it: scores, the detail pass.
    """

    method: str
    base_share: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)
    common: dict[str, Any] = field(default_factory=dict)


PANEL: dict[str, Any] = {"isolate_until": 0.3, "local_until": 0.6}
"""Options of attention couple in new layouts of the panel."""

VARIANTS: dict[str, Variant] = {
    "attention_couple, panel": Variant("attention_couple", options=PANEL),
    "attention_couple, panel, detail": Variant("attention_couple", options=PANEL, common={"detail": {"enabled": True, "margin": 8}}),
    "attention_couple, panel, best of 4": Variant("attention_couple", options=PANEL, common={"scores": {"candidates": 4}}),
    "attention_couple": Variant("attention_couple"),
    "attention_couple, isolated": Variant("attention_couple", options={"isolate_until": 0.3}),
    "attention_couple, isolated 0.2": Variant("attention_couple", options={"isolate_until": 0.2}),
    "attention_couple, isolated 0.4": Variant("attention_couple", options={"isolate_until": 0.4}),
    "attention_couple, base share 0.2": Variant("attention_couple", 0.2),
    "attention_couple, detail": Variant("attention_couple", common={"detail": {"enabled": True, "margin": 8}}),
    "attention_couple, best of 4": Variant("attention_couple", common={"scores": {"candidates": 4}}),
    "attention_couple, isolated, detail": Variant(
        "attention_couple", options={"isolate_until": 0.3}, common={"detail": {"enabled": True, "margin": 8}}
    ),
    "attention_couple, isolated, best of 4": Variant(
        "attention_couple", options={"isolate_until": 0.3}, common={"scores": {"candidates": 4}}
    ),
    "latent_couple": Variant("latent_couple"),
    "latent_couple, crop": Variant("latent_couple", options={"mode": "crop", "halo": 2}),
    "multidiffusion": Variant("multidiffusion"),
    "multidiffusion, windows": Variant("multidiffusion", options={"crop": "window"}),
    "multidiffusion, windows, no bootstrap": Variant("multidiffusion", options={"crop": "window", "bootstrap": 0}),
    "multidiffusion, total": Variant("multidiffusion", options={"total": 0.3}),
    "latent_composite": Variant("latent_composite"),
    "latent_composite, 0.4": Variant("latent_composite", options={"alone": 0.4}),
    "latent_composite, latent couple": Variant("latent_composite", options={"after": "latent_couple"}),
    "rag": Variant("rag"),
    "rag, 0.1": Variant("rag", options={"bind": 0.1}),
    "rag, 0.4": Variant("rag", options={"bind": 0.4}),
    "sequential": Variant("sequential", options={"margin": 8}),
    "mask_conditioning": Variant("mask_conditioning"),
    "mask_conditioning, base 1": Variant("mask_conditioning", options={"base_strength": 1}),
}
"""How each method is asked, by name. Crops have a halo of 2 cells: with the 8 of the default they would be the whole of these pictures.
Detail passes and inpainting have a margin of 8 pixels, which is to these pictures what 32 is to one of 512."""

TABLE = (
    "plain",
    "attention_couple",
    "attention_couple, panel",
    "attention_couple, isolated",
    "latent_couple",
    "latent_couple, crop",
    "multidiffusion",
    "latent_composite",
    "mask_conditioning",
    "rag",
    "sequential",
    "attention_couple, panel, detail",
    "attention_couple, panel, best of 4",
)
"""The rows of the table."""


def regional(case: Case, variant: Variant) -> dict[str, Any]:
    """Settings of ``case``: every region has its object and the background, the base the background alone."""
    share = {"base_share": variant.base_share}
    over = {"priority": 1} if case.under else {}
    beneath = [{**shape, "prompt": case.background, **share} for shape in case.under]
    regions = [*beneath, *({**wish.shape, "prompt": f"{wish.text} on {case.background}", **share, **over} for wish in case.wishes)]
    options = {**variant.common, **({variant.method: variant.options} if variant.options else {})}
    settings = {"version": 2, "enabled": True, "method": variant.method, "regions": regions, "base": {"prompt": case.background}}
    return {**settings, **({"overlap": "over"} if over else {}), **({"options": options} if options else {})}
