"""What a way to compute something costs on a kind of device: operators, floating-point operations, bytes. For choices, not for promises."""

from __future__ import annotations

LAUNCH_SECONDS = {"cpu": 4e-6, "cuda": 1.2e-5}
"""An operator, however small: dispatch, and on a GPU the launch that Python is waiting for."""
FLOPS = {"cpu": 5e10, "cuda": 5e13}
"""Floating-point operations in a second at the sizes in question: a few cores, and a GPU in half precision."""
BYTES = {"cpu": 1e10, "cuda": 1.5e12}
"""Bytes read and written in a second; what is in question is megabytes, which a GPU has in its cache for the most part."""


def seconds(device: str, operators: float, flops: float, moved: float) -> float:
    """Of so many operators, floating-point operations and bytes. Whatever is no CPU is taken for a GPU."""
    kind = "cpu" if device == "cpu" else "cuda"
    return operators * LAUNCH_SECONDS[kind] + flops / FLOPS[kind] + moved / BYTES[kind]
