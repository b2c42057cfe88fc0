"""Norms whose output one convolution alone reads, found by the structure of the blocks of ``ldm``, ``sgm`` and diffusers."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from torch import nn

from ...engine.calls import Fed
from ...tensors.lora.layers import kernel_of, kind_of, pads_zeros

_BY_PLACE = (nn.SiLU, nn.ReLU, nn.GELU, nn.Dropout, nn.Identity)
"""Layers that change every number by itself."""
_CHAINS = (("norm1", "nonlinearity", "conv1"), ("norm2", "nonlinearity", "dropout", "conv2"))
"""Names in a residual block of diffusers."""
_END = ("conv_norm_out", "conv_act", "conv_out")
"""Names in a UNet of diffusers."""


def fed_convolutions(network: nn.Module, hooked: Container[str]) -> dict[str, Fed]:
    """Name of a norm -> the convolution behind it, where nothing else sees what is between them: no layer that is ``hooked``, none that
    others listen to or have patched."""
    found = {}
    for chain in _chains(network):
        (norm, first), *between, (name, conv) = chain
        kind = kind_of(conv)
        fits = isinstance(first, nn.GroupNorm) and isinstance(conv, nn.Conv2d) and all(isinstance(one, _BY_PLACE) for _, one in between)
        if fits and kind is not None and pads_zeros(conv) and norm not in hooked and name not in hooked and not _seen(chain):
            found[norm] = Fed(name, kind, kernel_of(conv))
    return found


_Chain = Sequence[tuple[str, nn.Module]]
"""Names and modules that run one after the other."""


def _chains(network: nn.Module) -> Iterator[_Chain]:
    for name, module in network.named_modules():
        before = f"{name}." if name else ""
        if type(module) is nn.Sequential and len(module) > 1:
            parent = network.get_submodule(name.rpartition(".")[0])
            if not (getattr(parent, "updown", False) or getattr(parent, "use_scale_shift_norm", False)):
                yield [(before + child, one) for child, one in module.named_children()]
        elif type(module).__name__ == "ResnetBlock2D" and _is_plain(module):
            yield from ([(before + child, getattr(module, child)) for child in chain] for chain in _CHAINS)
    if all(isinstance(getattr(network, child, None), nn.Module) for child in _END):
        yield [(child, getattr(network, child)) for child in _END]


def _is_plain(block: nn.Module) -> bool:
    """Whether a residual block of diffusers changes no sizes, and time only adds to it."""
    whole = getattr(block, "upsample", None) is None and getattr(block, "downsample", None) is None
    return whole and getattr(block, "time_embedding_norm", "") == "default"


def _seen(chain: _Chain) -> bool:
    """Whether anybody else listens to one of the modules, or has put something in place of its ``forward``."""
    return any(one._forward_hooks or one._forward_pre_hooks or "forward" in vars(one) for _, one in chain)
