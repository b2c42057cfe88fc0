"""Which words of a region are its keywords, as a question to the device: what follows them need not wait for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...tensors.attention.maps import choose_keywords


@dataclass(frozen=True)
class Choice:
    """Keywords of a region as its maps say: the ``kept`` ones and, of the other ``words`` in alphabetical order, those of lowest
    ``entropy`` (W,), ``number`` in all. Their names are read from the device when somebody asks for them, and not before.
    """

    words: tuple[str, ...]
    entropy: Tensor
    kept: tuple[str, ...]
    number: int
    _weights: dict[tuple[object, ...], Tensor] = field(default_factory=dict, compare=False)

    def names(self) -> tuple[str, ...]:
        """The words; waits for the device."""
        return choose_keywords(dict(zip(self.words, self.entropy.tolist(), strict=True)), self.number, self.kept)

    def chosen(self) -> Tensor:
        """1 for each of ``words`` that is a keyword, 0 for the others (W,); does not wait."""
        count = min(len(self.words), max(0, self.number - len(self.kept)))
        return torch.zeros_like(self.entropy).scatter(0, self.entropy.argsort(stable=True)[:count], 1.0)


@dataclass(frozen=True)
class Positions:
    """Where the keywords of a choice stand in a text, which is for the device to know; ``places`` are those of all the text's words."""

    choice: Choice
    places: Mapping[str, tuple[int, ...]]

    def weights(self, length: int) -> Tensor:
        """1 for each of ``length`` tokens that is part of a keyword (T,)."""
        known, name = self.choice._weights, (tuple(self.places.items()), length)
        if name not in known:
            known[name] = self._made(length)
        return known[name]

    def _made(self, length: int) -> Tensor:
        words = self.choice.words
        rows = torch.zeros(len(words) + 1, length)
        for row, word in enumerate(words):
            rows[row, list(self.places.get(word, ()))] = 1
        rows[-1, [position for word in self.choice.kept for position in self.places.get(word, ())]] = 1
        table = rows.to(self.choice.entropy)
        return (self.choice.chosen()[:, None] * table[:-1]).sum(0) + table[-1]
