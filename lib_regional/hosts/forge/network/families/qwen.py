"""Qwen-Image, and Edit with its pictures beside the prompt.

Text tokens are numbered along all axes, from a number that the picture's size gives.
"""

from __future__ import annotations

from torch import nn

from .family import JointFamily, LayerInput, Positions, has, side_of

_LAYERS: tuple[tuple[str, LayerInput], ...] = (
    ("transformer_blocks.*_mod.*", "rows"),
    ("transformer_blocks.*.attn.add_*", "text"),
    ("transformer_blocks.*.attn.to_add_out", "text"),
    ("transformer_blocks.*.attn.*", "picture"),
    ("transformer_blocks.*.img_*", "picture"),
    ("transformer_blocks.*.txt_*", "text"),
    ("img_in", "picture"),
    ("txt_*", "text"),
    ("proj_out", "picture"),
    ("*", "rows"),
)


def qwen(network: nn.Module) -> JointFamily | None:
    """The family of ``network``, None where it is of another kind."""
    if not has(network, "transformer_blocks", "txt_norm", "txt_in", "img_in", "pe_embedder"):
        return None
    positions = Positions("pe_embedder", (0, 1, 2))
    return JointFamily("Qwen-Image", "transformer_blocks", side_of(network, "patch_size"), positions, layers=_LAYERS, references="shared")
