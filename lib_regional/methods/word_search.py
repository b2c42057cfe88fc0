"""The search for words while the base prompt makes the first steps (`Plan.words`): a look at the layers, whatever the method does there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from ..engine.calls import AttentionCall
from ..engine.hooks import AttentionHook, Hooks
from ..engine.plan import Plan
from ..engine.records.word_record import WordRecord
from ..request.layout.windows import canvas_of


def searching(plan: Plan, hooks: Hooks) -> Hooks:
    """``hooks`` that record the attention of the words in the rows of the base; unchanged where the plan has none to find."""
    record = plan.words
    if record is None:
        return hooks
    return replace(hooks, cross_attention=_looking(record, hooks.cross_attention), self_attention=_looking(record, hooks.self_attention))


def _looking(record: WordRecord, inner: AttentionHook | None) -> AttentionHook:
    def hook(call: AttentionCall) -> Tensor | None:
        if record.wants(call):
            _search(record, call)
        return None if inner is None else inner(call)

    return hook


def _search(record: WordRecord, call: AttentionCall) -> None:
    rows = list(_base_rows(call))
    if rows:
        q, k = call.to_q(call.x[rows]), call.keys(call.context[rows])
        for number, at in enumerate(rows):
            record.add(call, at, q[number], k[number])


def _base_rows(call: AttentionCall) -> Iterator[int]:
    """Conditional rows with the base's context on the whole canvas: the host's own, and those that a method marks so."""
    base = ("base", None, canvas_of(call.model.latent))
    for at, row in enumerate(call.model.rows):
        tag = call.model.tags[at] if call.model.tags else base
        if row.role == "cond" and tag == base:
            yield at
