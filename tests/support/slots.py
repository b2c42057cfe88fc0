"""Hooks of every slot that leave everything to the host."""

from __future__ import annotations

from adapters import LAYER

NEUTRAL = {
    "cross_attention": lambda call: None,
    "self_attention": lambda call: None,
    "layers": lambda call: None,
    "spatial": lambda call: None,
    "unet": lambda call: None,
    "vector": lambda call, vectors: None,
    "denoiser": lambda call: call.run(),
}
"""Hooks that leave everything to the host."""


def slot(double, name, hook):
    return {name: {double.named(LAYER): hook} if name == "layers" else hook}
