"""The hook slots: the callbacks of a method, one documented field per slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..request.layout.windows import Grid
from .calls import AttentionCall, DenoiserCall, JointRows, LayerCall, ModelCall, SpatialCall, StepInfo, UNetCall

if TYPE_CHECKING:
    from torch import Tensor

AttentionHook = Callable[[AttentionCall], "Tensor | None"]
"""Returns the layer's output (B, L, C), or None to leave the layer to the host."""

LayerHook = Callable[[LayerCall], "Tensor | None"]
"""Returns the replacement of ``y``, or None to leave it."""

SpatialHook = Callable[[SpatialCall], "Tensor | None"]
"""Returns the layer's output (B, out, h, w), or None to leave the layer to the host."""

UNetHook = Callable[[UNetCall], "Tensor | None"]
"""Returns the UNet's output (B, C, H, W), or None to leave the call to the host."""

DenoiserHook = Callable[[DenoiserCall], "Tensor"]
"""Returns the denoised latent (B, C, H, W) for the sampler."""

VectorHook = Callable[[ModelCall, "Tensor"], "Tensor | None"]
"""``(call, vectors (B, V))`` -> the rows' pooled texts (B, V) in place of the host's own, or None to leave them.

Models with such a vector (SDXL, Flux) use it besides the context, without spatial positions; see `Conditioning.vector`.
"""

JointHook = Callable[[ModelCall, Grid], "JointRows | None"]
"""For models whose text and image tokens share one attention (Flux): each row's texts on the image tokens' ``grid``.

None leaves the call to the host.
"""

TokenAttributesHook = Callable[[ModelCall, Grid], "Tensor | None"]
"""Per-token attributes of a grid on its way into self-attention, (B, h·w, n); None for no attributes."""

PictureHook = Callable[["Tensor"], "Tensor"]
"""Decoded pictures (B, 3, H, W) in 0..1 -> the pictures (B, 3, H, W) that the host saves."""


@dataclass(frozen=True)
class Hooks:
    """The callbacks of a method. An unset or empty slot costs nothing."""

    cross_attention: AttentionHook | None = None
    """Called at every cross-attention layer, on models that have them."""
    joint: JointHook | None = None
    """In place of `cross_attention` on models whose text and image tokens share one attention."""
    vector: VectorHook | None = None
    """Called once per model call with the pooled texts, on models that read them."""
    self_attention: AttentionHook | None = None
    """Called at every self-attention layer."""
    projected_self_attention: AttentionHook | None = None
    """In place of `self_attention` on transformers whose positions are in queries and keys, see `ModelFacts.projected_self_attention`:
    called with what the layer's projections and its positions gave, and returns what goes into the output projection."""
    layers: Mapping[str, LayerHook] = field(default_factory=dict)
    """Module name -> hook behind that linear, convolution or norm layer."""
    spatial: SpatialHook | None = None
    """Called in place of every group norm and every convolution wider than one cell, and so before `layers`."""
    token_attributes: TokenAttributesHook | None = None
    """Called where the host merges or tiles tokens before self-attention: it merges or tiles these attributes in the same way."""
    isolates: Callable[[StepInfo], bool] | None = None
    """Whether the self-attention slots and `spatial` have anything to do at a step: at others they are not called. Unset: at every step."""
    unet: UNetHook | None = None
    """Called in place of the whole network."""
    denoiser: DenoiserHook | None = None
    """Called in place of one guided prediction of the batch."""
    renew: Callable[[], None] | None = None
    """Called when the model's weights changed during sampling (another checkpoint, other LoRAs): encode anew, forget projections. A
    method without it cannot be followed by a host whose weights change."""
    close: Callable[[], None] | None = None
    """Called when the hooks are removed, however sampling ended."""
    infotext_fields: Callable[[], Mapping[str, str]] | None = None
    """Called after sampling: fields to add to the infotext."""
    finish: Callable[[Tensor], PictureHook | None] | None = None
    """Called with the final latents (B, C, H, W); may return a hook for the decoded pictures."""
    method: str = ""
    """The method's name, for messages."""

    @property
    def reads_levels(self) -> bool:
        """Whether any slot reads noise levels (`StepInfo.sigma`, `DenoiserCall`): a host that has to ask its device for them, and so to
        wait for it in every step, does so only then."""
        return self.unet is not None or self.denoiser is not None
