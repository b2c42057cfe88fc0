"""Recording cross-attention for a plan that wants it: maps of the regions' words (`Plan.record`), scores of regions (`Plan.scores`)."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from ...engine.calls import AttentionCall, Row
from ...engine.hooks import AttentionHook
from ...engine.plan import Plan
from ...request.layout.windows import Grid, Window
from ...request.prompt.lora_tags import split_tags
from ...tensors.attention.regional import split_heads
from .contexts import ContextKey, region_text

Contribution = tuple[int, int, ContextKey, Tensor]
"""(row of the call, region, its context, keys (heads, T, d))"""


def records(plan: Plan) -> bool:
    """Whether anything is recorded."""
    return plan.record is not None or plan.scores is not None


def record_contributions(plan: Plan, call: AttentionCall, q: Tensor, contributions: Iterable[Contribution]) -> None:
    """Record what regions that share a row contribute to it. q (B, L, C)."""
    maps, scores = plan.record is not None and plan.record.wants(call), plan.scores is not None and plan.scores.wants(call)
    if not (maps or scores):
        return
    found = [(at, region, split_tags(key[2]).text, k) for at, region, key, k in contributions if _is_cond(call.model.rows[at])]
    for at, region, text, k in found if maps else ():
        assert plan.record is not None
        plan.record.add(call, (call.model.rows[at].image, region), text, q[at], k)
    if scores:
        _score_shared(plan, call, q, found)


def _score_shared(plan: Plan, call: AttentionCall, q: Tensor, found: list[tuple[int, int, str, Tensor]]) -> None:
    assert plan.scores is not None
    for at in dict.fromkeys(at for at, *_ in found):
        mine = [(region, text, k) for row, region, text, k in found if row == at]
        base = _base_of(plan, call, call.model.rows[at])
        texts = {region: text for region, text, _ in mine}
        sample = plan.scores.sample(call, call.model.rows[at].image, call.model.latent, base, texts)
        sample.keys.update((text, k) for _, text, k in mine)
        plan.scores.add_shared(sample, call, q[at])


def row_recorder(plan: Plan) -> AttentionHook | None:
    """A hook that records rows which are predictions of their own, marked ``("region" or "base", number, window)``.

    It leaves every layer to the host. Maps are those of rows that see the whole canvas. None where nothing is recorded.
    """
    if not records(plan):
        return None

    def hook(call: AttentionCall) -> Tensor | None:
        if not call.model.tags:
            return None
        maps, scores = plan.record is not None and plan.record.wants(call), plan.scores is not None and plan.scores.wants(call)
        rows = list(_marked(plan, call)) if maps or scores else []
        if rows:
            q, k = call.to_q(call.x), split_heads(call.keys(call.context), call.heads)
            for at, region, window, text in rows:
                if maps and text is not None and call.model.latent == _canvas(plan):
                    assert plan.record is not None and region is not None
                    plan.record.add(call, (call.model.rows[at].image, region), text, q[at], k[at])
                if scores:
                    _score_row(plan, call, call.model.rows[at], text, q[at], k[at], window)
        return None

    return hook


def _score_row(plan: Plan, call: AttentionCall, row: Row, text: str | None, q: Tensor, k: Tensor, window: Window) -> None:
    assert plan.scores is not None
    sample = plan.scores.sample(call, row.image, _canvas(plan), _base_of(plan, call, row), _texts_of(plan, call, row))
    plan.scores.add(sample, call, text, q, k, window)


def _marked(plan: Plan, call: AttentionCall) -> Iterable[tuple[int, int | None, Window, str | None]]:
    """(row, region, window, text) of the call's conditional rows that are regions with a text, or the base (region and text None)."""
    for at, (row, tag) in enumerate(zip(call.model.rows, call.model.tags, strict=True)):
        if not _is_cond(row) or not isinstance(tag, tuple) or tag[:1] not in (("region",), ("base",)):
            continue
        text = None if tag[1] is None else _texts_of(plan, call, row).get(tag[1])
        if text is not None or tag[1] is None:
            yield at, tag[1], tag[2], text


def _texts_of(plan: Plan, call: AttentionCall, row: Row) -> dict[int, str]:
    """Texts of the active regions of a row's image, without LoRA tags; those without one are left out."""
    texts = plan.pass_of(call.model.step).texts[row.image]
    found = ((region, region_text(texts, region, "cond")) for region in plan.active(call.model.step))
    return {region: split_tags(text).text for region, text in found if text is not None}


def _base_of(plan: Plan, call: AttentionCall, row: Row) -> str:
    return split_tags(plan.pass_of(call.model.step).texts[row.image].base).text


def _canvas(plan: Plan) -> Grid:
    return (plan.size[1] // 8, plan.size[0] // 8)


def _is_cond(row: Row) -> bool:
    return row.role == "cond" and row.part == 0
