"""Checks of settings without sampling: the texts of base and regions, and warnings about likely mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..request.cost import TRAINED, estimate
from ..request.edit.pairing import edit_of
from ..request.errors import RegionalError, shown
from ..request.layout.boxes import Box
from ..request.layout.regions import Layout, RegionSettings
from ..request.layout.shapes import MaskImage
from ..request.prompt.lora_tags import OPTIONS, LoraTag, ignored_options, split_tags
from ..request.prompt.region_prompts import ImageTexts, plan_texts
from ..request.prompt.splitting import open_bracket, split_prompt
from ..request.settings import Settings
from ..request.words.shape import Words
from ..sources.collage import region_pictures
from ..sources.lasting import picture_notes, reduction
from ..tensors.masks.decoding import mask_at
from ..tensors.masks.weight_maps import WeightMaps, weight_maps

_CELLS = 64
"""Cells of the longer side of the grid on which coverage is measured."""

_SEEN = 0.05
"""A region whose largest share of any cell is below this does not show."""


_COARSEST = 64
"""Pixels per cell of the coarsest attention grid of Stable Diffusion 1 and XL."""


def validate(settings: Settings, prompt: str, negative: str, size: tuple[int, int], trained: int = TRAINED) -> dict[str, Any]:
    """Answer of the route: canonical settings, texts, warnings and cost; all empty for settings that are off. Raises SettingsError.

    ``size`` is (width, height) in pixels, ``trained`` the side of the model's own latents in cells.
    """
    if not settings.enabled:
        return {"ok": True, "settings": settings.to_json(), "texts": None, "warnings": [], "cost": None, "edit": None}
    settings.check_method()
    region_pictures(settings.layout())
    texts = plan_texts(settings, prompt, negative)
    changes = edit_of(settings)
    cost = estimate(settings, size, texts, trained)
    costs = {"ratio": round(cost.ratio, 3), "text": cost.text}
    warnings = list(find_warnings(settings, texts, prompt, size))
    return {"ok": True, "settings": settings.to_json(), "texts": asdict(texts), "warnings": warnings, "cost": costs, "edit": changes}


def find_warnings(settings: Settings, texts: ImageTexts, prompt: str, size: tuple[int, int]) -> Iterator[str]:
    """Warnings about settings that are valid but probably not meant."""
    layout = settings.layout()
    if not any(region.enabled for region in layout.regions):
        yield "No region is on: the picture is made from the base prompt alone." if layout.regions else "There is no region yet."
        return
    if settings.text_from == "regions" and settings.base.prompt is None and len(split_prompt_safely(prompt)) > 1:
        yield 'The main prompt has BREAK or another key in it, but "Region texts" is not set to split it: the base gets all of it.'
    yield from _text_warnings(settings, texts, prompt)
    maps = weight_maps(layout, *_grid(size))
    for index, region in enumerate(layout.regions):
        if region.enabled:
            yield from (f"{region.label(index)} {text}" for text in _region_warnings(region, index, texts, layout, maps, size))
    notes = enumerate(zip(settings.regions, picture_notes(settings), strict=True))
    yield from (f"{region.label(at)} {note}" for at, (region, found) in notes for note in found)


def _text_warnings(settings: Settings, texts: ImageTexts, prompt: str) -> Iterator[str]:
    """Brackets open across the parts of a prompt, options of LoRA tags that do nothing, and LoRA tags that act twice in a region."""
    regions = enumerate(settings.filled_regions())
    named = [(region.label(index), texts.regions[index]) for index, region in regions if region.enabled]
    for label, text in named:
        for tag, names in ignored_options(text):
            does = "do nothing" if len(names) > 1 else "does nothing"
            yield f"{label} has {shown(tag)}: {' and '.join(names)} {does} in a region, whose tags can name {' and '.join(OPTIONS)}."
    if settings.text_from != "regions":
        for label, text in named:
            if bracket := open_bracket(text):
                yield f'{label} has the bracket "{bracket}" open across a key of the prompt, in {shown(text)}: it acts in this part alone.'
        return
    everywhere = {tag.name for text in (prompt, settings.common, settings.base.prompt or "") for tag in _loras(text)}
    for label, text in named:
        for name in dict.fromkeys(tag.name for tag in _loras(text) if tag.name in everywhere):
            yield f"{label} has the LoRA {shown(name)}, which the prompt of the whole picture has too: it acts twice there."


def _loras(text: str) -> tuple[LoraTag, ...]:
    try:
        return split_tags(text).loras
    except RegionalError:
        return ()


def split_prompt_safely(prompt: str) -> tuple[str, ...]:
    """Parts of ``prompt`` at BREAK and the like; one part where its keys make no sense."""
    try:
        return split_prompt(prompt, "break").regions
    except ValueError:
        return (prompt,)


def _grid(size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    scale = _CELLS / max(width, height)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _region_warnings(
    region: RegionSettings, index: int, texts: ImageTexts, layout: Layout, maps: WeightMaps, size: tuple[int, int]
) -> Iterator[str]:
    if not texts.regions[index]:
        acts = f": the background acts there, {shown(texts.base)}" if texts.base else ", and the background is empty"
        yield f"has no prompt{acts}."
    if note := reduction(region.shape):
        yield note
    if isinstance(region.shape, Words):
        yield from _word_warnings(region, region.shape)
    elif region.base_share >= 1:
        yield "has base share 1: only the base prompt acts there."
    elif region.weight == 0:
        yield "has weight 0: it has no effect."
    elif _is_empty(region, maps.grid):
        yield "has an empty mask: nothing is inside."
    elif _smaller_than(8, layout.regions[index].shape.bounds, size):
        yield "is smaller than one cell of the latent (8 × 8 pixels)."
    elif float(maps.share[index].max()) < _SEEN:
        yield "is covered by other regions." if layout.overlap == "over" else "has next to no share anywhere: other regions are stronger."
    elif min(size) >= _COARSEST * 4 and _smaller_than(_COARSEST, layout.regions[index].shape.bounds, size):
        yield f"is smaller than one cell of the coarsest attention grid ({_COARSEST} × {_COARSEST} pixels): it acts in its centre there."


def _word_warnings(region: RegionSettings, shape: Words) -> Iterator[str]:
    if region.steps[1] <= shape.probe:
        yield f"never acts: its steps end at {region.steps[1]:g} of the pass, its words are searched until {shape.probe:g}."


def _is_empty(region: RegionSettings, grid: tuple[int, int]) -> bool:
    return isinstance(region.shape, MaskImage) and not bool(mask_at(region.shape.data, *grid).any())


def _smaller_than(pixels: int, bounds: Box, size: tuple[int, int]) -> bool:
    return (bounds.x1 - bounds.x0) * size[0] < pixels or (bounds.y1 - bounds.y0) * size[1] < pixels
