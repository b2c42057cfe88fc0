"""Telling the attention record of a plan what a method asks, where one is wanted (`Plan.record`)."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from ...engine.calls import AttentionCall
from ...engine.hooks import AttentionHook
from ...engine.plan import Plan
from ...request.prompt.lora_tags import split_tags
from ...tensors.attention.regional import split_heads
from .contexts import ContextKey, region_text

Contribution = tuple[int, int, ContextKey, Tensor]
"""(row of the call, region, its context, keys (heads, T, d))"""


def record_contributions(plan: Plan, call: AttentionCall, q: Tensor, contributions: Iterable[Contribution]) -> None:
    """Record what regions that share a row say to it. q (B, L, C)."""
    record = plan.record
    if record is None or not record.wants(call):
        return
    for at, region, key, k in contributions:
        row = call.model.rows[at]
        if row.role == "cond" and row.part == 0:
            record.add(call, (row.image, region), split_tags(key[2]).text, q[at], k)


def row_recorder(plan: Plan) -> AttentionHook | None:
    """A hook that records rows which are regions of their own, marked ``("region", number)``, and see the whole canvas.

    It leaves every layer to the host. None where no record is wanted.
    """
    record = plan.record
    if record is None:
        return None

    def hook(call: AttentionCall) -> Tensor | None:
        rows = list(_regions_of(plan, call)) if call.model.tags and record.wants(call) else []
        if rows:
            q, k = call.to_q(call.x), split_heads(call.to_k(call.context), call.heads)
            for at, owner, text in rows:
                record.add(call, owner, text, q[at], k[at])
        return None

    return hook


def _regions_of(plan: Plan, call: AttentionCall) -> Iterable[tuple[int, tuple[int, int], str]]:
    """(row, (image, region), text) of the call's conditional rows that are regions."""
    if call.model.latent != (plan.size[1] // 8, plan.size[0] // 8):
        return
    for at, (row, tag) in enumerate(zip(call.model.rows, call.model.tags, strict=True)):
        if row.role == "cond" and row.part == 0 and isinstance(tag, tuple) and tag[:1] == ("region",):
            text = region_text(plan.pass_of(call.model.step).texts[row.image], tag[1], "cond")
            if text is not None:
                yield at, (row.image, tag[1]), split_tags(text).text
