"""Pictures that are too large to be decoded at once: the decoder takes them in tiles that overlap, by diffusers' own tiling.

A tile has group norms of its own, so a picture in tiles is not to the bit the picture at once; neighbours are blended over a quarter of
a tile. The memory is a tile's, however large the picture is. Pictures are encoded at once: in tiles their latents would be others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger(__name__)

AT_ONCE = 2048 * 2048
"""The largest picture that is decoded at once, in pixels."""
TILE = 1024
"""Pixels along the side of a tile."""


@contextmanager
def in_tiles(vae: Any, width: int, height: int) -> Iterator[None]:
    """Inside the block ``vae`` decodes in tiles, with a log line, where ``width`` × ``height`` pixels are more than `AT_ONCE`."""
    if width * height <= AT_ONCE:
        yield
        return
    logger.warning("Regional: a picture of %d×%d pixels is decoded in tiles of %d.", width, height, TILE)
    before = vae.use_tiling, vae.tile_sample_min_size, vae.tile_latent_min_size
    cells = vae.tile_sample_min_size // vae.tile_latent_min_size
    vae.use_tiling, vae.tile_sample_min_size, vae.tile_latent_min_size = True, TILE, TILE // cells
    try:
        yield
    finally:
        vae.use_tiling, vae.tile_sample_min_size, vae.tile_latent_min_size = before
