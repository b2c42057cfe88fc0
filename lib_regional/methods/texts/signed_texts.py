"""Texts with negative weights (NegPip): encoded apart, and their tokens' values turned in cross-attention.

A part ``(hat:-1.2)`` is taken out of its text and encoded alone with the weight 1.2. The context is that of the rest, and behind it the
part's tokens and the end mark that follows them. In attention their keys are as they are, and their values have the opposite sign:
``softmax(q [K, K₋]ᵀ/√d) [V; −V₋]``. That is what the extension computes for the picture's own prompt (hako-mikan, sd-webui-negpip).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...engine.calls import AttentionCall, Conditioning, ContextSchedule, Row
from ...engine.capabilities import TokenHost, schedule_of
from ...engine.hooks import AttentionHook
from ...engine.plan import Plan
from ...engine.ports import Host
from ...request.errors import RegionalError
from ...request.prompt.lora_tags import without_tags
from ...request.prompt.negative_weights import has_negative, negative_parts, without_negative
from ...request.prompt.region_prompts import ImageTexts
from ...request.prompt.splitting import split_and
from ...tensors.attention.regional import split_heads

Encode = Callable[[Sequence[str], bool], Sequence[ContextSchedule]]
"""``(texts, whether they are negative prompts)`` -> their schedules."""


def own_text(texts: ImageTexts, row: Row) -> str:
    """The text of the host's own row: an AND part of the base, or the negative."""
    if row.role == "uncond":
        return without_tags(texts.negative)
    parts = split_and(without_tags(texts.base))
    return parts[row.part][0] if row.part < len(parts) else ""


def own_texts(texts: ImageTexts, role: str) -> list[str]:
    """The base's texts of a role that have negative weights."""
    every = [without_tags(texts.negative)] if role == "uncond" else [text for text, _ in split_and(without_tags(texts.base))]
    return [text for text in every if has_negative(text)]


def signed_schedule(host: Host, text: str, encode: Encode, *, negative: bool, steps: int, hires_steps: int | None) -> ContextSchedule:
    """The contexts of a text with negative weights over the steps. Raises `RegionalError` where the host's tokens cannot be counted."""
    entries = schedule_of(host, text, steps, hires_steps)
    rests = encode([without_negative(one) for _, one in entries], negative)
    parts = list(dict.fromkeys(part.positive for _, one in entries for part in negative_parts(one)))
    tokens = {
        part: schedule[-1][1].crossattn[1 : _tokens(host, part) + 2]
        for part, schedule in zip(parts, encode(parts, False) if parts else (), strict=True)
    }
    made = []
    for (end, one), rest in zip(entries, rests, strict=True):
        turned = [tokens[part.positive] for part in negative_parts(one)]
        held = rest[0][1]
        context = torch.cat([held.crossattn, *(part.to(held.crossattn) for part in turned)])
        made.append((end, Conditioning(context, held.vector, sum(map(len, turned)))))
    return tuple(made)


def _tokens(host: Host, part: str) -> int:
    """How many tokens the words of a part are."""
    if not isinstance(host, TokenHost):
        raise RegionalError(f"Negative weights (NegPip) need a host that counts a text's tokens; this one ({host.name}) does not: {part}.")
    try:
        return len(host.tokens(part))
    except RegionalError as error:
        raise RegionalError(
            f"Negative weights (NegPip) need a text encoder whose tokens can be counted, which this model does not have: {part}."
        ) from error


def signs(turned: Sequence[int], tokens: int, like: Tensor) -> Tensor:
    """(B, T, 1) in the type of ``like``: −1 at the last ``turned`` of each context's tokens, 1 elsewhere."""
    at, last = torch.arange(tokens), torch.tensor(turned)[:, None]
    return torch.where(at[None] < tokens - last, 1.0, -1.0)[..., None].to(like.device, like.dtype)


def turned_values(plan: Plan, inner: AttentionHook | None) -> AttentionHook | None:
    """``inner``, and the attention of rows that a method made with turned tokens (`ModelCall.turned`), which no host has."""
    if not plan.signed:
        return inner
    known: dict[tuple[tuple[int, ...], int, torch.device, torch.dtype], Tensor] = {}

    def hook(call: AttentionCall) -> Tensor | None:
        done = None if inner is None else inner(call)
        if done is not None or not call.model.turned:
            return done
        k, v = call.keys(call.context), call.to_v(call.context)
        name = (call.model.turned, v.shape[1], v.device, v.dtype)
        if name not in known:
            known[name] = signs(call.model.turned, v.shape[1], v)
        q, k, v = (split_heads(one, call.heads) for one in (call.to_q(call.x), k, v * known[name]))
        return call.out(F.scaled_dot_product_attention(q, k, v, scale=call.scale).transpose(1, 2).flatten(2))

    return hook
