"""Requests to other tools for the same layouts and texts, in the order of arguments that their APIs have, so that they run beside ours.

Each function gives None for a layout that its tool cannot be asked for.

Regional Prompter: 20 arguments since its versions of 2025; matrix mode, so rectangles that tile the canvas. Forge Couple 7: 11 arguments
and six of its tiles, which are empty in txt2img; "Advanced" for boxes, "Mask" for other shapes. Tiled Diffusion: 21 arguments, then ten
for each of at most eight boxes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import areas
from PIL import Image
from suite import SAMPLING, Case

Request = dict[str, Any]

TILING = ("2 columns", "2 rows", "3 columns", "quadrants", "3×3", "nested")
"""Layouts of rectangles that tile the canvas."""


def _request(case: Case, sampling: dict[str, Any], prompt: str, script: str, arguments: list[Any]) -> Request:
    size = {"width": case.size[0], "height": case.size[1]}
    scripts = {script: {"args": arguments}}
    return {"prompt": prompt, "negative_prompt": "", **size, "seed": case.seed, **sampling, "alwayson_scripts": scripts}


def texts(case: Case) -> list[str]:
    """Every region's text: its object on the background."""
    return [f"{wish.text} on {case.background}" for wish in case.wishes]


def _grid(case: Case) -> tuple[str, str, str] | None:
    """Main splitting, ratios and prompt of a layout as a matrix."""
    found = texts(case)
    if case.kind in ("2 columns", "3 columns", "2 rows"):
        return "Rows" if case.kind == "2 rows" else "Columns", ",".join("1" * len(found)), " BREAK ".join(found)
    if case.kind in ("quadrants", "3×3"):
        side = round(len(found) ** 0.5)
        rows = [found[at : at + side] for at in range(0, len(found), side)]
        ratios = ";".join([",".join("1" * (side + 1))] * side)
        return "Columns", ratios, " ADDROW ".join(" ADDCOL ".join(row) for row in rows)
    if case.kind == "nested":
        column, *stack = found
        stacked = " ADDROW ".join(stack)
        if case.wishes[0].shape["box"][0] == 0:
            return "Rows", "1,1;1;1", f"{column} ADDCOL {stacked}"
        return "Rows", "1;1;1,1", f"{stacked} ADDCOL {column}"
    return None


def regional_prompter(case: Case, sampling: dict[str, Any] = SAMPLING, mode: str = "Attention") -> Request | None:
    """Regional Prompter in matrix mode, without a base prompt; ``mode`` is Attention or Latent."""
    grid = _grid(case)
    if grid is None:
        return None
    splitting, ratios, prompt = grid
    before = [True, False, "Matrix", splitting, "Mask", "Prompt", ratios, "0.2", False, False, False, mode]
    return _request(case, sampling, prompt, "Regional Prompter", [*before, [], "0", "0", "0.4", None, "0", "0", False])


def regional_prompter_latent(case: Case, sampling: dict[str, Any] = SAMPLING) -> Request | None:
    """Regional Prompter's latent mode."""
    return regional_prompter(case, sampling, "Latent")


def _png(mask: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def forge_couple(case: Case, sampling: dict[str, Any] = SAMPLING) -> Request | None:
    """Forge Couple. Boxes that leave places free have a line for the background over the whole canvas, at the weight it comes with."""
    mapping: list[Any]
    lines = texts(case)
    if any("polygon" in wish.shape for wish in case.wishes):
        mode, masks = "Mask", areas(case)
        masks[-1] = masks[-1] | ~np.any(masks, axis=0)
        mapping = [{"mask": _png(mask), "weight": 1.0} for mask in masks]
    else:
        mode = "Advanced"
        mapping = [[box[0], box[2], box[1], box[3], 1.0] for box in (wish.shape["box"] for wish in case.wishes)]
        if case.kind not in TILING:
            lines, mapping = [case.background, *lines], [[0.0, 1.0, 0.0, 1.0, 0.5], *mapping]
    tiles = [None] * 6
    arguments = [True, False, mode, "", "Horizontal", "None", 0.5, mapping, "off", False, True, *tiles]
    return _request(case, sampling, "\n".join(lines), "Forge Couple", arguments)


def tiled_diffusion(case: Case, sampling: dict[str, Any] = SAMPLING) -> Request | None:
    """Tiled Diffusion's region control by MultiDiffusion; the canvas has a prediction of its own only where regions leave places free.

    It has eight boxes and no other shapes. It puts the main prompt, the background, in front of every region's. Each region has a seed,
    since it draws one at random otherwise.
    """
    if len(case.wishes) > 8 or any("polygon" in wish.shape for wish in case.wishes):
        return None
    tiles = case.kind in TILING
    blend = "Background" if tiles else "Foreground"
    boxes: list[Any] = []
    for at, (wish, text) in enumerate(zip(case.wishes, texts(case), strict=True)):
        x0, y0, x1, y1 = wish.shape["box"]
        boxes += [True, x0, y0, round(x1 - x0, 4), round(y1 - y0, 4), text, "", blend, 0.2, (case.seed + at) % 2**32]
    canvas = [False, True, *case.size, 96, 96, 48, 4, "None", 2.0, False, 10, 1.0, 1.0, 64, False]
    return _request(case, sampling, case.background, "Tiled Diffusion", [True, "MultiDiffusion", *canvas, True, not tiles, False, *boxes])


PEERS: dict[str, Callable[[Case, dict[str, Any]], Request | None]] = {
    "regional_prompter": regional_prompter,
    "regional_prompter, latent": regional_prompter_latent,
    "forge_couple": forge_couple,
    "tiled_diffusion": tiled_diffusion,
}
"""Variants that only a WebUI with that extension can make."""
