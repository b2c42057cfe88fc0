"""Ernie-Image: the picture's tokens stand before the texts; text tokens are numbered, and the picture's number follows theirs."""

from __future__ import annotations

from torch import nn

from .family import JointFamily, LayerInput, Positions, Stream, has, side_of

_LAYERS: tuple[tuple[str, LayerInput], ...] = (
    ("layers.*", "joint"),
    ("final_linear", "joint"),
    ("text_proj", "text"),
    ("*", "rows"),
)


def ernie(network: nn.Module) -> JointFamily | None:
    """The family of ``network``, None where it is of another kind."""
    if not has(network, "layers", "text_proj", "pos_embed", "adaLN_modulation", "x_embedder"):
        return None
    positions = Positions("pos_embed", (0,), before_picture=True)
    side, stream = side_of(network, "patch_size"), Stream("layers", "rotary_pos_emb", 1)
    return JointFamily("Ernie-Image", "layers", side, positions, layers=_LAYERS, picture_first=True, stream=stream)
