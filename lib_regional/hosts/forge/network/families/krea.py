"""Krea 2: the text encoder's layers are fused for each token, then a text's tokens are refined; text tokens have no positions."""

from __future__ import annotations

from torch import nn

from .family import JointFamily, LayerInput, Stream, has, side_of

_LAYERS: tuple[tuple[str, LayerInput], ...] = (
    ("txtfusion.layerwise_blocks.*", "fused"),
    ("txtfusion.refiner_blocks.*", "text"),
    ("txtfusion.*", "unreached"),
    ("txtmlp.*", "text"),
    ("first", "picture"),
    ("blocks.*", "joint"),
    ("last.linear", "joint"),
    ("*", "rows"),
)


def krea(network: nn.Module) -> JointFamily | None:
    """The family of ``network``, None where it is of another kind."""
    if not has(network, "blocks", "txtfusion", "txtmlp"):
        return None
    alone, fused = ("txtfusion.refiner_blocks",), int(getattr(network, "txtlayers", 1))
    side = side_of(network, "patch")
    stream = Stream("blocks", "freqs", 2)
    return JointFamily("Krea 2", "blocks", side, texts_alone=alone, layers=_LAYERS, references="argument", fused=fused, stream=stream)
