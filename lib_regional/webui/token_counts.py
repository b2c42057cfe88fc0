"""Token counts of prompts, by the running host's own tokenizer."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

from ..hosts.registry import loaded

CHUNK = 75
_TAG = re.compile(r"<[^<>\n:]*:[^<>\n]*>")


def count_tokens(texts: Sequence[str]) -> list[tuple[int, int]]:
    """(tokens, limit) of each text without its ``<lora:…>`` tags; the limit is the next multiple of 75.

    (0, 75) for every text while no model is loaded; counting loads none.
    """
    counter = _counter(loaded())
    return [counter(_TAG.sub("", text)) for text in texts]


def _counter(model: Any) -> Any:
    """A function text -> (tokens, limit) for ``model``, found by its attributes."""
    if hasattr(model, "get_prompt_lengths_on_ui"):
        return lambda text: _pair(model.get_prompt_lengths_on_ui(text))
    if hasattr(model, "tokenizers"):
        return lambda text: _limited(max(_length(tokenizer, text) for tokenizer in model.tokenizers))
    if getattr(model, "cond_stage_model", None) is not None:
        from modules.sd_hijack import model_hijack

        lengths = model_hijack.get_prompt_lengths
        extra = [model.cond_stage_model] if "cond_stage_model" in inspect.signature(lengths).parameters else []  # reForge, Forge Classic
        return lambda text: _pair(lengths(text, *extra))
    return lambda text: (0, CHUNK)


def _pair(found: Sequence[int]) -> tuple[int, int]:
    return int(found[0]), int(found[1])


def _length(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text, truncation=False, add_special_tokens=False, verbose=False)["input_ids"])


def _limited(tokens: int) -> tuple[int, int]:
    return tokens, max(1, -(-tokens // CHUNK)) * CHUNK
