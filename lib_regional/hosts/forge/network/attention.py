"""Attention layers of Forge's UNet: one of them as an `AttentionCall`, also where another extension has taken its slot.

The layers are patched per instance rather than through ``attn2_patch`` and ``attn2_replace``: there the real ``to_q`` … ``to_out`` can be
called, so that LoRAs, manual casting and hooks on them stay in force, and the one slot of ``attn2_replace`` is left to extensions that
need it (IP-Adapter). Where that slot is taken the host does not call the layer at all; `chained` then adds the other contribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from ....engine.calls import AttentionCall, ModelCall, Site
from ....request.errors import RegionalError
from ....request.layout.windows import Grid
from ....tensors.attention.regional import split_heads

Replace = Callable[[Tensor, Tensor, Tensor, dict[str, Any]], Tensor]
"""``f(q, k, v, extra_options)``, all (B, L, C), after the projections and before the output projection."""

_BLOCKS = {"input": "input_blocks.{}.", "middle": "middle_block.", "output": "output_blocks.{}."}


def attention_call(
    site: Site, attn: Any, grid: Grid, model: ModelCall, x: Tensor, context: Tensor, out: Callable[[Tensor], Tensor] | None = None
) -> AttentionCall:
    """``attn`` at work on x (B, L, C) and context (B, T, D)."""
    scale = float(attn.dim_head) ** -0.5
    return AttentionCall(site, grid, model, x, context, attn.heads, scale, attn.to_q, attn.to_k, attn.to_v, out or attn.to_out)


def check_values(site: Site, context: Tensor | None, value: Tensor | None) -> None:
    """Raise where another extension uses different contexts for keys and values: the regions' contexts have no such pair."""
    if value is not None and value is not context:
        raise RegionalError(
            f"Another extension gives {site.name} different texts for keys and values (NegPip-like), which Regional cannot follow: "
            "disable one of the two."
        )


def site_at(sites: Iterable[str], options: dict[str, Any]) -> str | None:
    """Which ``attn2`` the host runs, from its ``block`` and ``block_index``."""
    kind, number = options.get("block", ("", 0))
    start, end = _BLOCKS.get(kind, "?").format(number), f".transformer_blocks.{options.get('block_index', 0)}.attn2"
    return next((name for name in sites if name.startswith(start) and name.endswith(end)), None)


Ask = Callable[[str, Tensor, Tensor], "Tensor | None"]
"""``(site name, x, context)`` -> the layer's answer before its output projection, or None."""


def chained(options: dict[str, Any], sites: Iterable[str], ask: Ask) -> dict[str, Any]:
    """``transformer_options`` in which every taken ``attn2`` slot answers ``ours + (theirs − plain attention)``.

    Exact for replacements that add a term to the plain attention, as IP-Adapter does. The options given are left as they are.
    """
    taken: dict[Any, Replace] = options.get("patches_replace", {}).get("attn2", {})
    if not taken:
        return options
    names, seen = list(sites), dict[str, tuple[Tensor, Tensor]]()

    def look(n: Tensor, context: Tensor, value: Tensor, extra: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        name = site_at(names, extra)
        if name is not None:
            check_values(Site(name, "cross"), context, value)
            seen[name] = (n, context)
        return n, context, value

    def answer(theirs: Replace) -> Replace:
        def both(q: Tensor, k: Tensor, v: Tensor, extra: dict[str, Any]) -> Tensor:
            name = site_at(names, extra)
            ours = ask(name, *seen.pop(name)) if name in seen else None
            added = theirs(q, k, v, extra)
            return added if ours is None else ours + (added - plain_attention(q, k, v, extra["n_heads"]))

        return both

    patches, replaced = options.get("patches", {}), options["patches_replace"]
    return {
        **options,
        "patches": {**patches, "attn2_patch": [*patches.get("attn2_patch", ()), look]},
        "patches_replace": {**replaced, "attn2": {key: answer(f) for key, f in taken.items()}},
    }


def plain_attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """softmax(q kᵀ/√d) v of projected (B, L, C) and (B, T, C) tensors -> (B, L, C)."""
    out = torch.nn.functional.scaled_dot_product_attention(split_heads(q, heads), split_heads(k, heads), split_heads(v, heads))
    return out.transpose(1, 2).flatten(2)
