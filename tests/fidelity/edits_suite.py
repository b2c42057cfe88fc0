"""The fixed suite of edits: 61 pairs of layouts in the proportions of the MRGD paper, and how each method is asked.

25 additions, 24 removals, 12 changed attributes (colours). Three more kinds are what people met with: an addition whose box covers a third
of the one that is kept, a second object of a kind, and a region re-worded beside one of its colour. Everything follows from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from suite import BACKGROUNDS, COLOURS, SEED, SHAPES, Wish, box, cells, nested

KINDS = {"add": 25, "remove": 24, "attribute": 12}
WIDER = {"overlap": 12, "twin": 12, "reword": 12}
"""Beyond the paper's: of each, pairs of odd numbers are for tuning, those of even numbers for reports."""
QUALITY = "masterpiece, best quality, highly detailed"

Shape = dict[str, Any]


@dataclass(frozen=True)
class Edit:
    """One pair: ``before`` and ``after`` are the objects of the source and the target, ``edited`` the one place that differs."""

    kind: str
    number: int
    size: tuple[int, int]
    background: str
    before: tuple[Wish, ...]
    after: tuple[Wish, ...]
    edited: Shape
    seed: int

    @property
    def wanted(self) -> Wish | None:
        """What the edited place shall show; None after a removal."""
        return next((wish for wish in self.after if wish.shape == self.edited), None)


def free_pair(rng: random.Random, size: tuple[int, int]) -> list[Shape]:
    """Two or three boxes of 64 by 96 to 128 pixels, or of 96 by 64, that do not touch."""
    for _ in range(1000):
        found: list[tuple[int, int, int, int]] = []
        for _ in range(rng.choice((2, 2, 3))):
            w, h = rng.choice(((64, 96), (64, 128), (72, 112)))
            x, y = rng.randrange(0, size[0] - w + 1, 4), rng.randrange(0, size[1] - h + 1, 4)
            if all(x >= b[2] or x + w <= b[0] for b in found):
                found.append((x, y, x + w, y + h))
        if len(found) >= 2:
            return [box(x0 / size[0], y0 / size[1], x1 / size[0], y1 / size[1]) for x0, y0, x1, y1 in found]
    raise AssertionError("no free place found")


LAYOUTS: tuple[tuple[tuple[int, int], Any], ...] = (
    ((128, 128), lambda rng, size: cells(2, 1)),
    ((128, 128), lambda rng, size: cells(1, 2)),
    ((192, 128), lambda rng, size: cells(3, 1)),
    ((192, 128), nested),
    ((192, 128), free_pair),
)


def edits(per_kind: int | None = None, fresh: int = 0) -> Iterator[Edit]:
    """The whole suite, or the first ``per_kind`` of every kind; with ``fresh`` so many of each kind that come after the suite's own."""
    for kind, count in {**KINDS, **WIDER}.items():
        rng = random.Random(f"{SEED}-{kind}")
        for number in range(count + fresh):
            edit = _edit(rng, kind, number) if kind in KINDS else _wider(rng, kind, number)
            if number >= count if fresh else (per_kind is None or number < per_kind):
                yield edit


def in_proportion(wanted: Iterable[Edit]) -> list[Edit]:
    """The same edits in an order of which every beginning has the suite's proportions."""
    return sorted(wanted, key=lambda edit: ((edit.number + 0.5) / {**KINDS, **WIDER}[edit.kind], edit.kind))


def _edit(rng: random.Random, kind: str, number: int) -> Edit:
    size, shapes = LAYOUTS[number % len(LAYOUTS)]
    places = shapes(rng, size)
    colours = rng.sample(COLOURS, len(places) + 1)
    wishes = tuple(Wish(colour, rng.choice(SHAPES), place) for colour, place in zip(colours, places, strict=False))
    at = rng.randrange(len(wishes))
    background, seed = rng.choice(BACKGROUNDS), rng.randrange(2**31)
    without = wishes[:at] + wishes[at + 1 :]
    changed = replace(wishes[at], colour=colours[-1])
    before, after = {
        "add": (without, wishes),
        "remove": (wishes, without),
        "attribute": (wishes, (*wishes[:at], changed, *wishes[at + 1 :])),
    }[kind]
    return Edit(kind, number, size, background, before, after, places[at], seed)


def _wider(rng: random.Random, kind: str, number: int) -> Edit:
    size = (192, 128) if kind == "overlap" else (128, 128)
    kept, edited = cells(2, 1)
    if kind == "overlap":  # a third of the kept box, from the right or from the left
        kept, edited = (box(0, 0, 0.5, 1), box(1 / 3, 0, 5 / 6, 1)) if rng.random() < 0.5 else (box(0.5, 0, 1, 1), box(1 / 6, 0, 2 / 3, 1))
    elif rng.random() < 0.5:
        kept, edited = edited, kept
    (one, other), (form, another) = rng.sample(COLOURS, 2), rng.sample(SHAPES, 2)
    first = Wish(one, form, kept)
    before = after = (first, Wish(other, another, edited))
    if kind == "twin":  # of its shape, or of its colour
        after = (first, Wish(other, form, edited) if number // 2 % 2 else Wish(one, another, edited))
    if kind == "reword":
        before = (first, Wish(one, another, edited))
        after = (first, Wish(other, rng.choice(SHAPES), edited))
    background, seed = rng.choice(BACKGROUNDS), rng.randrange(2**31)
    return Edit(kind, number, size, background, before if kind == "reword" else (first,), after, edited, seed)


SAMPLING: dict[str, Any] = {"sampler_name": "DDIM", "steps": 20, "cfg_scale": 5.0}

PLAIN = {"control": False, "lambda_rs": 0, "lambda_is": 0, "lambda_ip": 0, "kssa_gain": 1}
UNGUIDED = {"lambda_rs": 0, "lambda_is": 0, "lambda_ip": 0, "kssa_gain": 1}
COMMON: dict[str, Any] = {"keyword_count": 3}

VARIANTS: dict[str, dict[str, Any]] = {  # of settings without a version: no lock, the paper's λ_IP
    "MultiDiffusion": PLAIN,
    "P2P*": UNGUIDED,
    "MRGD": {},
    "MRGD, λ_IP 3000": {"lambda_ip": 3000},
    "MRGD + lock": {"lock": True},
    "MRGD, the default": {"lock": True, "lambda_ip": 3000, "t_total": 0.15, "lock_control": False},
}
ABLATIONS: dict[str, dict[str, Any]] = {
    "without RS": {"lambda_rs": 0},
    "without IS": {"lambda_is": 0},
    "without IP": {"lambda_ip": 0},
    "without keyword choice": {"keyword_choice": False},
    "without KSSA": {"kssa_gain": 1},
    "without total": {"total": False},
    "without attention control": {"control": False},
    "with τ 0.25": {"tau": 0.25},
    "with the lock of latents alone": {"lock": True, "lock_picture": False},
}
"""name -> options of ``mrgd`` that differ from the defaults."""

REWORDED: dict[str, dict[str, Any]] = {
    "own maps at once": {"tau_own": 0},
    "source's maps up to τ": {"tau_own": 0.5},
}
"""How long a re-worded region's own prediction follows the source: what changes attributes alone."""


OF_THE_SOURCE = ("total", "t_total", "halo", "kssa_gain", "keyword_count", "keyword_choice")
"""Options that the source picture depends on too."""


def regions(edit: Edit, wishes: tuple[Wish, ...]) -> list[dict[str, Any]]:
    """Regions of a layout: each names its object, the background and words of praise."""
    return [{**wish.shape, "prompt": f"{wish.text} on {edit.background}, {QUALITY}"} for wish in wishes]


def payload(edit: Edit, options: dict[str, Any], *, edited: bool) -> dict[str, Any]:
    """txt2img request of the source picture, or of the edited one."""
    base: dict[str, Any] = {"base": {"prompt": edit.background}}
    if edit.kind == "overlap":
        base["overlap"] = "over"
    own = {**COMMON, **options}
    if edited and options == PLAIN:
        own = {key: value for key, value in own.items() if key in OF_THE_SOURCE}  # nothing of the source acts: the target alone
    elif edited:
        own["source"] = {"regions": regions(edit, edit.before), **base}
    else:
        own = {key: value for key, value in own.items() if key in OF_THE_SOURCE}
    wishes = edit.after if edited else edit.before
    settings = {"enabled": True, "method": "mrgd", "regions": regions(edit, wishes), **base, "options": {"mrgd": own}}
    request = {"prompt": edit.background, "negative_prompt": "", "width": edit.size[0], "height": edit.size[1], "seed": edit.seed}
    return {**request, **SAMPLING, "alwayson_scripts": {"Regional": {"args": [settings]}}}
