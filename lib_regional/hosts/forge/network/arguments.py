"""The arguments of Forge's UNet for calls that a method makes itself: rows that are not the host's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ....engine.calls import UNetRow
from ....request.errors import RegionalError
from ..controlnet import residuals_of


def nested_arguments(
    rest: dict[str, Any], rows: Sequence[UNetRow], before: int, x: Tensor, context: Tensor, last_net: Any = None
) -> dict[str, Any]:
    """Keyword arguments ``rest`` of a call of ``before`` rows for a call of ``rows``, that is of x (N, C, h, w) with context (N, T, D).

    ``transformer_options`` is a copy, since the UNet writes into it, in which every row is a chunk of its own. ControlNet
    (``last_net``, where ``rest`` does not name it) is run again where rows have latents or contexts of their own; otherwise its residuals
    are indexed by source row.
    """
    changed = dict(rest)
    if "transformer_options" in rest:
        changed["transformer_options"] = _options(rest["transformer_options"], rows, before)
    if rest.get("control"):
        own = any(row.x is not None or row.conditioning is not None for row in rows)
        found = residuals_of(changed, x, context, last_net, [row.window for row in rows]) if own else None
        changed["control"] = found or _control(rest["control"], rows, before)
    return changed


def fresh_arguments(rest: dict[str, Any]) -> dict[str, Any]:
    """A copy of the arguments: the network consumes the lists of residuals, and a second native call needs them again."""
    control = rest.get("control")
    return rest if not control else {**rest, "control": {name: list(found) for name, found in control.items()}}


def _options(options: dict[str, Any], rows: Sequence[UNetRow], before: int) -> dict[str, Any]:
    chunks, sigmas = options.get("cond_or_uncond"), options.get("sigmas")
    if not chunks or not isinstance(sigmas, Tensor):
        return dict(options)
    size = before // len(chunks)
    own = [chunks[row.source // size] for row in rows]
    return {
        **options,
        "cond_or_uncond": own,
        "sigmas": sigmas[:1],
        "cond_mark": torch.tensor(own).to(sigmas),
        "cond_indices": [n for n, negative in enumerate(own) if not negative],
        "uncond_indices": [n for n, negative in enumerate(own) if negative],
    }


def _control(control: dict[str, Any], rows: Sequence[UNetRow], before: int) -> dict[str, Any]:
    if any(row.x is not None for row in rows):
        raise RegionalError(
            "ControlNet cannot be run again on the pieces of the picture that this method predicts (a T2I adapter, or a control picture "
            "for each image of a batch): disable one of the two, or take attention_couple."
        )
    sources = [row.source for row in rows]
    return {name: [_of_rows(residual, sources, before) for residual in found] for name, found in control.items()}


def _of_rows(residual: Any, sources: list[int], before: int) -> Any:
    return residual[sources] if isinstance(residual, Tensor) and len(residual) == before else residual
