"""A picture of the weight maps: every region in its colour, mixed by weight; the base is grey."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..request.layout.regions import Layout
from ..request.layout.shapes import Shape
from ..tensors.masks.pyramid import reduce_weights
from ..tensors.masks.weight_maps import WeightMaps, shape_mask, weight_maps
from .palette import BASE_COLOUR, RGB, region_colour

SCALES = (1, 8, 16, 32, 64)
"""Pixels of the generated picture per cell: the picture itself, the latent, and the grids of the attention layers."""

_LONG_SIDE = 512
_BORDER = 0.45
_LABEL = 3


def preview_png(
    layout: Layout, width: int, height: int, scale: int = 8, labels: bool = True, numbers: Sequence[int] | None = None
) -> bytes:
    """PNG of the weight maps for a picture of ``width`` × ``height`` pixels as a grid of ``scale`` pixels per cell sees them.

    Cells are drawn as squares; the picture's long side is about 512. ``labels`` writes the numbers of the regions, by which
    they have their colours: ``numbers``, or from 1 on in their order for regions without one.
    """
    maps = scaled_maps(layout, width, height, scale)
    named = [*(numbers or ())[: len(maps.regions)], *range(len(numbers or ()) + 1, len(maps.regions) + 1)]
    zoom = max(1, _LONG_SIDE // max(maps.grid))
    colours = [region_colour(number - 1, region.colour) for number, region in zip(named, layout.regions, strict=True)]
    pixels = _enlarge(_mix(maps, colours), zoom)
    image = Image.fromarray(_draw_borders(pixels, _enlarge(_loudest(maps)[None], zoom)[0]).permute(1, 2, 0).contiguous().numpy())
    if labels:
        _draw_labels(image, maps, zoom, named)
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def shape_png(shape: Shape, width: int, height: int) -> bytes:
    """PNG (grey, white is inside) of a shape in a picture of ``width`` × ``height`` pixels; its long side is at most 512."""
    shrink = min(1.0, _LONG_SIDE / max(width, height))
    mask = shape_mask(shape, max(1, round(height * shrink)), max(1, round(width * shrink)))
    buffer = BytesIO()
    Image.fromarray((mask * 255).round().to(torch.uint8).numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def scaled_maps(layout: Layout, width: int, height: int, scale: int) -> WeightMaps:
    """Weight maps on the grid that ``scale`` stands for; latents halve with ceil, as the UNet's grids do.

    A grid that is finer than the picture is drawn in its pixels, a latent of more than `_LONG_SIDE` cells straight on the grid.
    """
    latent = max(1, height // 8), max(1, width // 8)
    cells = scale // 8
    grid = (-(-latent[0] // cells), -(-latent[1] // cells)) if cells else (height, width)
    if max(grid) > _LONG_SIDE or not cells:
        shrink = min(1.0, _LONG_SIDE / max(grid))
        return weight_maps(layout, max(1, round(grid[0] * shrink)), max(1, round(grid[1] * shrink)))
    if max(latent) > _LONG_SIDE:
        return weight_maps(layout, *grid)
    full = weight_maps(layout, *latent)
    return full if cells == 1 else reduce_weights(full, grid)


def _mix(maps: WeightMaps, colours: Sequence[RGB]) -> Tensor:
    """Weights and the regions' colours -> colours (3, h, w) as bytes."""
    weights = torch.cat([maps.regions.float(), maps.base.float()[None]])
    return (
        torch.einsum("rc,rhw->chw", torch.tensor([*colours, BASE_COLOUR], dtype=torch.float32), weights)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
    )


def _loudest(maps: WeightMaps) -> Tensor:
    """(h, w): which region has the largest share at a cell; R for a cell in which none has half of it."""
    share = maps.share.float()
    free = (1 - share.sum(0, keepdim=True)).clamp_min(0)
    return torch.cat([share, free]).argmax(0)


def _enlarge(cells: Tensor, zoom: int) -> Tensor:
    return cells.repeat_interleave(zoom, -2).repeat_interleave(zoom, -1)


def _draw_borders(pixels: Tensor, owners: Tensor) -> Tensor:
    """Darken the pixels (3, H, W) left of and above which another region is the loudest."""
    edge = torch.zeros_like(owners, dtype=torch.bool)
    edge[:, 1:] |= owners[:, 1:] != owners[:, :-1]
    edge[1:] |= owners[1:] != owners[:-1]
    return torch.where(edge, (pixels * _BORDER).to(torch.uint8), pixels)


def _draw_labels(image: Image.Image, maps: WeightMaps, zoom: int, numbers: Sequence[int]) -> None:
    owners = _loudest(maps)
    for index in range(len(maps.regions)):
        cells = torch.nonzero(owners == index).float()
        if len(cells):
            row, column = cells[((cells - cells.mean(0)) ** 2).sum(1).argmin()].tolist()
            _draw_label(image, str(numbers[index]), ((column + 0.5) * zoom, (row + 0.5) * zoom))


def _draw_label(image: Image.Image, text: str, centre: tuple[float, float]) -> None:
    """White digits on a dark plate, from Pillow's own font, which every version has, enlarged."""
    font = ImageFont.load_default()
    left, top, right, bottom = ImageDraw.Draw(image).textbbox((0, 0), text, font=font)
    plate = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4), 40)
    ImageDraw.Draw(plate).text((2 - left, 2 - top), text, fill=255, font=font)
    plate = plate.resize((plate.width * _LABEL, plate.height * _LABEL), Image.Resampling.NEAREST)
    image.paste(plate.convert("RGB"), (int(centre[0] - plate.width / 2), int(centre[1] - plate.height / 2)))
