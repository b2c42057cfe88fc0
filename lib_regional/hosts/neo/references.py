"""Pictures given beside the prompt (Flux Kontext, Flux.2): the host hands them to the network when it encodes the main prompt, once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def references_kept(engine: Any) -> Iterator[None]:
    """Until exit texts may be encoded; at exit the pictures beside the prompt are those of before.

    A second encoding would leave out the picture of img2img, which the first has used up.
    """
    shared: Any = getattr(sys.modules.get("backend.args"), "dynamic_args", None)
    if not hasattr(shared, "ref_latents"):
        yield
        return
    latents, initial = list(shared.ref_latents or ()), getattr(engine, "ini_latent", None)
    try:
        yield
    finally:
        shared.ref_latents = latents
        if hasattr(engine, "ini_latent"):
            engine.ini_latent = initial
