"""How each method is asked for a layout: the plain prompt, the methods of this extension, and two others that a WebUI may have."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ...request.layout.mask_codecs import PNG_PREFIX
from ...request.methods.specs import METHODS
from ...sources.colours import palette_colour
from ..jobs.requests import SCRIPT
from ..layouts.boxes import BoxLayout

REGIONAL_PROMPTER, FORGE_COUPLE = "Regional Prompter", "Forge Couple"
NAMES = ("plain", *METHODS, "regional_prompter", "forge_couple")
BASE_RATIO = 0.2
"""Regional Prompter's own default."""
BACKGROUND_WEIGHT = 0.5
"""Forge Couple's own default for a background."""
_CELLS = 256
"""Cells of a side in which places are looked for that no box covers."""


def request(layout: BoxLayout, method: str, size: tuple[int, int], sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The request of a layout: all methods have the same caption, size, sampling and seed."""
    base = {"prompt": layout.prompt, "negative_prompt": layout.negative, "width": size[0], "height": size[1], **sampling}
    if method == "plain":
        return base
    if method == "regional_prompter":
        return {**base, **regional_prompter(layout, size)}
    if method == "forge_couple":
        return {**base, **forge_couple(layout)}
    settings = layout.settings(method)
    if "background" in layout.extra:
        settings["base"] = {"prompt": layout.extra["background"]}
    return {**base, "alwayson_scripts": {SCRIPT: {"args": [settings]}}}


def _base_of(layout: BoxLayout) -> str:
    return str(layout.extra.get("background", layout.prompt))


def filled(layout: BoxLayout) -> bool:
    """Whether the boxes leave no place free. Then the other tools get no text for the rest, which would only weaken the boxes' own."""
    seen = np.zeros((_CELLS, _CELLS), bool)
    for part in layout.parts:
        x0, y0, x1, y1 = (round(edge * _CELLS) for edge in part.box)
        seen[y0:y1, x0:x1] = True
    return bool(seen.all())


def regional_prompter(layout: BoxLayout, size: tuple[int, int]) -> dict[str, Any]:
    """Its mask mode: a colour of its palette for each box, later boxes over earlier ones; with a base where boxes leave places free."""
    alone = filled(layout)
    picture = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    for at, part in enumerate(layout.parts):
        x0, y0, x1, y1 = (round(edge * side) for edge, side in zip(part.box, (*size, *size), strict=True))
        pen.rectangle([x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)], fill=palette_colour(at))
    prompt = " BREAK ".join([*([] if alone else [_base_of(layout)]), *(part.text for part in layout.parts)])
    args = [
        True, False, "Mask", "Columns", "Mask", "Prompt", ",".join("1" for _ in layout.parts), f"{BASE_RATIO}", not alone, False, False,
        "Attention", [False], "0", "0", "0", _png_url(picture), "0", "0", False,
    ]  # fmt: skip
    return {"prompt": prompt, "alwayson_scripts": {REGIONAL_PROMPTER: {"args": args}}}


def _png_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return PNG_PREFIX + base64.b64encode(buffer.getvalue()).decode("ascii")


def forge_couple(layout: BoxLayout) -> dict[str, Any]:
    """Its advanced mode: a row x1, x2, y1, y2, weight for each box, and one for the whole picture where boxes leave places free."""
    alone = filled(layout)
    mapping = [] if alone else [[0.0, 1.0, 0.0, 1.0, BACKGROUND_WEIGHT]]
    mapping += [[round(edge, 4) for edge in (part.box[0], part.box[2], part.box[1], part.box[3])] + [1.0] for part in layout.parts]
    lines = [*([] if alone else [_base_of(layout)]), *(part.text for part in layout.parts)]
    prompt = "\n".join(" ".join(line.split()) for line in lines)
    args = [True, False, "Advanced", "", "Horizontal", "None", BACKGROUND_WEIGHT, mapping, "off", False, True]
    return {"prompt": prompt, "alwayson_scripts": {FORGE_COUPLE: {"args": args}}}
