"""Tiled wrappers on Forge (MultiDiffusion Integrated): every tile is run by itself, with its window of the picture known.

Such a wrapper sets a flag in the model's options, passes on unknown conditions, and does not publish its windows. So it is first run on a
tensor of coordinates, without the network, and each tile of the real latent is compared with the window found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ...engine.patching import Patch, patched
from ...request.errors import RegionalError
from ...request.layout.windows import Tile, Window
from .controlnet import Inside, Place, on_tiles
from .rows import rows_of

_FLAG, _SLOT = "tiled_diffusion", "model_function_wrapper"
_BASE = 64
"""Coordinates are written in two digits of this base, which half precision holds exactly."""


@contextmanager
def tracked_tiles(options: dict[str, Any], inside: Inside, method: str, pieces: bool) -> Iterator[None]:
    """Patch a tiled wrapper in ``options`` of the sampling patcher until exit, so that ``inside`` surrounds each of its tiles.

    Raises `RegionalError` where there is one and ``pieces`` is False: the method predicts the picture as a whole.
    """
    wrapper = options.get(_SLOT)
    if wrapper is None or not options.get(_FLAG):
        yield
        return
    if not pieces:
        raise RegionalError(
            f'The method "{method}" predicts the picture as a whole, MultiDiffusion Integrated in tiles: disable one of the two, '
            'or use the method "attention_couple".'
        )
    with patched(Patch(options, _SLOT, _around(inside))):
        yield


def _around(inside: Inside) -> Callable[..., Tensor]:
    def tiled(wrapper: Callable[..., Tensor], apply: Callable[..., Tensor], arguments: dict[str, Any]) -> Tensor:
        x: Tensor = arguments["input"]
        places = places_of(wrapper, arguments)
        calls = iter(places)

        def run(tiles: Tensor, timesteps: Tensor, **entries: Any) -> Tensor:
            size, done = (tiles.shape[-2], tiles.shape[-1]), []
            for number, (top, left) in enumerate(next(calls, ())):
                rows = slice(number * len(x), (number + 1) * len(x))
                if not torch.equal(tiles[rows], x[..., top : top + size[0], left : left + size[1]]):
                    raise RegionalError(_UNKNOWN)
                with inside(Tile((x.shape[-2], x.shape[-1]), Window(top, left, top + size[0], left + size[1]))):
                    done.append(apply(tiles[rows], timesteps[rows], **rows_of(entries, rows, len(tiles))))
            if len(done) * len(x) != len(tiles):
                raise RegionalError(_UNKNOWN)
            return torch.cat(done)

        with on_tiles(arguments["c"].get("control_model"), x, iter(places), inside):
            return wrapper(run, arguments)

    return tiled


_UNKNOWN = "Another extension runs the picture in tiles that Regional cannot follow: disable one of the two."


def places_of(wrapper: Callable[..., Tensor], arguments: dict[str, Any]) -> list[list[Place]]:
    """Top left corners of the tiles in each of the wrapper's calls; ControlNet's entries are left out, since nothing is predicted."""
    found: list[list[Place]] = []
    images = len(arguments["input"])

    def look(tiles: Tensor, *_: Any, **__: Any) -> Tensor:
        corners = tiles[::images, :4, 0, 0].round().int().tolist()
        found.append([(a * _BASE + b, c * _BASE + d) for a, b, c, d in corners])
        return torch.zeros_like(tiles)

    entries = {key: value for key, value in arguments["c"].items() if key not in ("control", "control_model")}
    wrapper(look, {**arguments, "input": coordinates(arguments["input"]), "c": entries})
    return found


def coordinates(like: Tensor) -> Tensor:
    """(B, C, H, W) whose first four channels are each cell's row and column, two digits each."""
    height, width = like.shape[-2:]
    rows, columns = torch.arange(height)[:, None].expand(height, width), torch.arange(width).expand(height, width)
    digits = torch.stack([rows // _BASE, rows % _BASE, columns // _BASE, columns % _BASE])
    found = torch.zeros_like(like)
    found[:, :4] = digits.to(found)
    return found
