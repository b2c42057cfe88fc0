"""Lumina 2 and Z-Image: texts are refined by themselves first; text tokens are numbered, and the picture's number follows theirs.

Z-Image fills texts and picture up with learned tokens to multiples of 32, and masks none of them.
"""

from __future__ import annotations

from torch import nn

from .family import JointFamily, LayerInput, Padding, Positions, Stream, has, side_of

_LAYERS: tuple[tuple[str, LayerInput], ...] = (
    ("*.adaLN_modulation.*", "rows"),
    ("context_refiner.*", "text"),
    ("cap_embedder*", "text"),
    ("noise_refiner.*", "picture"),
    ("x_embedder", "cells"),
    ("layers.*", "joint"),
    ("final_layer.linear", "joint"),
    ("*", "rows"),
)


def lumina(network: nn.Module) -> JointFamily | None:
    """The family of ``network``, None where it is of another kind."""
    if not has(network, "context_refiner", "noise_refiner", "layers", "cap_embedder", "rope_embedder"):
        return None
    multiple = getattr(network, "pad_tokens_multiple", None)
    padding = Padding(multiple, "cap_embedder", "cap_pad_token") if multiple else None
    positions = Positions("rope_embedder", (0,), before_picture=True)
    alone, side = (("context_refiner",), ("noise_refiner",)), side_of(network, "patch_size")
    return JointFamily("Lumina", "layers", side, positions, padding, *alone, _LAYERS, stream=Stream("layers", "freqs_cis", 1))
