"""Prompts through CLIP text encoders the WebUI's way: chunks of 75 tokens, emphasis, BREAK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...request.errors import settings_error
from ...request.prompt.schedules import check_emphasis, parse_emphasis

CHUNK = 75
"""Tokens of a chunk between its start and end marks."""

COMMA_REACH = 20
"""A chunk that fills up is broken at its last comma when that lies within so many tokens (the WebUI's default)."""


@dataclass
class Chunk:
    """77 token ids and the weight of each, once closed."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def closed(self, start: int, end: int) -> Chunk:
        """With the marks around it and padded to full length."""
        missing = CHUNK - len(self.tokens)
        return Chunk([start, *self.tokens, *[end] * missing, end], [1.0, *self.weights, *[1.0] * missing, 1.0])


class Chunker:
    """Splits weighted words into chunks: never more than 75 tokens, broken at a near comma, and wherever BREAK stands."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._start, self._end = int(tokenizer.bos_token_id), int(tokenizer.eos_token_id)
        self._comma = tokenizer.convert_tokens_to_ids(",</w>")

    def ids(self, text: str) -> list[int]:
        """Token ids without marks."""
        return list(self.tokenizer(text, truncation=False, add_special_tokens=False, verbose=False)["input_ids"])

    def chunks(self, text: str) -> list[Chunk]:
        """Closed chunks of a prompt in emphasis syntax; at least one."""
        done: list[Chunk] = []
        current, last_comma = Chunk(), -1
        for words, weight in parse_emphasis(text):
            if (words, weight) == ("BREAK", -1):
                done.append(current)
                current, last_comma = Chunk(), -1
                continue
            for token in self.ids(words):
                if token == self._comma:
                    last_comma = len(current.tokens)
                elif len(current.tokens) == CHUNK and 0 <= CHUNK - last_comma <= COMMA_REACH and last_comma != -1:
                    current, rest = _split(current, last_comma + 1)
                    done.append(current)
                    current, last_comma = rest, -1
                if len(current.tokens) == CHUNK:
                    done.append(current)
                    current, last_comma = Chunk(), -1
                current.tokens.append(token)
                current.weights.append(weight)
        if current.tokens or not done:
            done.append(current)
        return [chunk.closed(self._start, self._end) for chunk in done]

    def pieces(self, text: str) -> list[tuple[int, str, int]]:
        """(position in the context, letters, number of the word) of every token of a prompt in emphasis syntax, without marks."""
        found: list[tuple[int, str, int]] = []
        word = 0
        for number, chunk in enumerate(self.chunks(text)):
            last = chunk.tokens.index(self._end)
            for at, letters in enumerate(self.tokenizer.convert_ids_to_tokens(chunk.tokens[1:last]), 1):
                found.append((number * (CHUNK + 2) + at, letters.removesuffix("</w>"), word))
                word += letters.endswith("</w>")
        return found


def _split(chunk: Chunk, at: int) -> tuple[Chunk, Chunk]:
    return Chunk(chunk.tokens[:at], chunk.weights[:at]), Chunk(chunk.tokens[at:], chunk.weights[at:])


@dataclass(frozen=True)
class ClipTower:
    """One text encoder with its tokenizer. ``penultimate`` takes the last layer but one without the final norm (SDXL)."""

    encoder: torch.nn.Module
    chunker: Chunker
    penultimate: bool = False
    projected: bool = False
    pad: int | None = None

    def encode(self, text: str, skip: int = 1) -> tuple[Tensor, Tensor | None]:
        """Context (77n, D) of a prompt in emphasis syntax, and the pooled vector (P,) of its first chunk if there is one.

        ``skip`` (clip skip) is the layer from the end whose states are taken, 1 the last; a penultimate tower keeps its own.
        Raises SettingsError for an emphasis beyond what the encoder can follow.
        """
        check_emphasis(text)
        chunks = self.chunker.chunks(text)
        device = next(self.encoder.parameters()).device
        ids = torch.tensor([self._padded(chunk.tokens) for chunk in chunks], device=device)
        out = self.encoder(input_ids=ids, output_hidden_states=self.penultimate or skip > 1)
        states = out.hidden_states[-2] if self.penultimate else self._earlier(out, skip) if skip > 1 else out.last_hidden_state
        weights = torch.tensor([chunk.weights for chunk in chunks], device=device, dtype=states.dtype)
        context = torch.cat([emphasised(z, w) for z, w in zip(states, weights, strict=True)])
        return context, out.text_embeds[0] if self.projected else None

    def _earlier(self, out: Any, skip: int) -> Tensor:
        """States of the ``skip``-th layer from the end through the final norm, as the WebUI's clip skip takes them."""
        layers = len(out.hidden_states) - 1
        if skip > layers:
            raise settings_error("CLIP_stop_at_last_layers", skip, f"at most {layers}, the layers of this text encoder")
        norm = next(module for name, module in self.encoder.named_modules() if name.endswith("final_layer_norm"))
        states: Tensor = norm(out.hidden_states[-skip])
        return states

    def _padded(self, tokens: Sequence[int]) -> list[int]:
        if self.pad is None:
            return list(tokens)
        end = tokens.index(tokens[-1], 1) + 1
        return [*tokens[:end], *[self.pad] * (len(tokens) - end)]


def emphasised(states: Tensor, weights: Tensor) -> Tensor:
    """Multiply each token's state by its weight, then restore the mean. states (77, D), weights (77,) -> (77, D)."""
    if bool((weights == 1).all()):
        return states
    scaled = states * weights[:, None]
    return scaled * (states.mean() / scaled.mean())
