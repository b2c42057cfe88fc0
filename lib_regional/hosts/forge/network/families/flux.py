"""Flux.1, Chroma and Kontext: patches of 2×2 cells, text tokens without positions.

Flux.2: patches of one cell, text tokens numbered from 0.
"""

from __future__ import annotations

from torch import nn

from .family import JointFamily, LayerInput, Positions, Stream, has, side_of

_LAYERS: tuple[tuple[str, LayerInput], ...] = (
    ("double_blocks.*.*_mod.*", "rows"),
    ("double_blocks.*.img_*", "picture"),
    ("double_blocks.*.txt_*", "text"),
    ("single_blocks.*.modulation.*", "rows"),
    ("single_blocks.*", "joint"),
    ("img_in", "picture"),
    ("txt_in", "text"),
    ("final_layer.linear", "picture"),
    ("*", "rows"),
)


def flux(network: nn.Module) -> JointFamily | None:
    """The family of ``network``, None where it is of another kind."""
    if not has(network, "double_blocks", "single_blocks"):
        return None
    axes = tuple(getattr(network, "txt_ids_dims", None) or ())
    positions = Positions("pe_embedder", axes) if axes else None
    stream = None if getattr(network, "skip_dit", None) else Stream("single_blocks", "pe", 2)  # Chroma may leave some of them out
    side = side_of(network, "patch_size")
    return JointFamily("Flux", "double_blocks", side, positions, layers=_LAYERS, references="shared", stream=stream)
