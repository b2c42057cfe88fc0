"""Which token of one prompt corresponds to which of another, as operators on the columns of cross-attention maps.

Prompt-to-Prompt (Hertz et al. 2022), section 3.2. A text is a list of `Token`: its pieces with their positions in the context.
Positions that hold no token of the text (marks, padding) correspond to themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from ..ports import Token

Aligned = tuple[tuple[int | None, int | None], ...]
"""Pairs (index in the first sequence, index in the second); None is a gap."""

_WORTH_SAME, _WORTH_OTHER, _WORTH_GAP = 1, -1, 0


@dataclass(frozen=True)
class ColumnEdit:
    """Target maps from source maps: ``A' = (A_0 M)·α + A·(1 − α)`` with M (T_s, T_t) and α (T_t,)."""

    matrix: Tensor
    alpha: Tensor

    def apply(self, source: Tensor, target: Tensor, strength: float = 1.0) -> Tensor:
        """source (…, T_s), target (…, T_t) -> (…, T_t); ``strength`` 0 gives the target back."""
        alpha = (self.alpha * strength).to(target)
        return (source @ self.matrix.to(source)) * alpha + target * (1 - alpha)


def words(tokens: Sequence[Token]) -> list[tuple[str, tuple[int, ...]]]:
    """Tokens -> [(word, positions of its pieces)], pieces joined, punctuation left out."""
    grouped = groupby(tokens, key=lambda token: token.word)
    found = [(list(group)) for _, group in grouped]
    joined = [("".join(token.text for token in group), tuple(token.position for token in group)) for group in found]
    return [(text.lower(), positions) for text, positions in joined if any(character.isalnum() for character in text)]


def needleman_wunsch(first: Sequence[str], second: Sequence[str]) -> Aligned:
    """Global alignment of highest score (match 1, mismatch −1, gap 0); of equal ones that which pairs as far to the right as it can."""
    score = [[_WORTH_GAP * (i + j) for j in range(len(second) + 1)] for i in range(len(first) + 1)]
    for i, a in enumerate(first, 1):
        for j, b in enumerate(second, 1):
            diagonal = score[i - 1][j - 1] + (_WORTH_SAME if a == b else _WORTH_OTHER)
            score[i][j] = max(diagonal, score[i - 1][j] + _WORTH_GAP, score[i][j - 1] + _WORTH_GAP)
    return _trace(first, second, score)


def _trace(first: Sequence[str], second: Sequence[str], score: list[list[int]]) -> Aligned:
    i, j = len(first), len(second)
    path: list[tuple[int | None, int | None]] = []
    while i or j:
        here = score[i][j]
        if i and j and here == score[i - 1][j - 1] + (_WORTH_SAME if first[i - 1] == second[j - 1] else _WORTH_OTHER):
            i, j = i - 1, j - 1
            path.append((i, j))
        elif j and here == score[i][j - 1] + _WORTH_GAP:
            j -= 1
            path.append((None, j))
        else:
            i -= 1
            path.append((i, None))
    return tuple(reversed(path))


def refine(source: Sequence[Token], target: Sequence[Token], lengths: tuple[int, int]) -> ColumnEdit:
    """Every token common to both takes the source's column, a new one keeps its own. ``lengths`` are (T_s, T_t)."""
    return by_parts([(source, target)], source, target, lengths, swap=False)


def can_replace(source: Sequence[Token], target: Sequence[Token]) -> bool:
    """Whether the texts have as many words, so that one can be swapped for the other word by word."""
    return len(words(source)) == len(words(target))


def replace(source: Sequence[Token], target: Sequence[Token], lengths: tuple[int, int]) -> ColumnEdit:
    """Every target word takes the map of the source word in its place, spread evenly over its pieces. ``lengths`` are (T_s, T_t).

    Raises ValueError where the texts differ in their number of words.
    """
    if not can_replace(source, target):
        raise ValueError(f"the texts must have as many words as each other, got {len(words(source))} and {len(words(target))}")
    return by_parts([(source, target)], source, target, lengths)


def by_parts(
    parts: Sequence[tuple[Sequence[Token], Sequence[Token]]],
    source: Sequence[Token],
    target: Sequence[Token],
    lengths: tuple[int, int],
    swap: bool = True,
) -> ColumnEdit:
    """One edit for two texts of which it is known which ``parts`` (source's tokens, target's tokens) correspond.

    A part with as many words in both is swapped word by word if ``swap``, another one refined; tokens outside of all parts keep their
    own columns, positions without a token correspond to themselves.
    """
    taken = {token.position for token in (*source, *target)}
    free = [position for position in range(min(lengths)) if position not in taken]
    matrix, alpha = torch.zeros(lengths), torch.zeros(lengths[1])
    matrix[free, free] = 1
    alpha[free] = 1
    for old, new in parts:
        for from_positions, to_positions in _swapped(old, new) if swap and can_replace(old, new) else _common(old, new):
            if len(from_positions) == len(to_positions):
                matrix[list(from_positions), list(to_positions)] = 1
            else:
                matrix[torch.tensor(from_positions)[:, None], torch.tensor(to_positions)] = 1 / len(to_positions)
            alpha[list(to_positions)] = 1
    return ColumnEdit(matrix, alpha)


Positions = tuple[int, ...]


def _common(old: Sequence[Token], new: Sequence[Token]) -> list[tuple[Positions, Positions]]:
    aligned = needleman_wunsch([token.text for token in old], [token.text for token in new])
    both = [(old[s], new[t]) for s, t in aligned if s is not None and t is not None]
    return [((s.position,), (t.position,)) for s, t in both if s.text == t.text]


def _swapped(old: Sequence[Token], new: Sequence[Token]) -> list[tuple[Positions, Positions]]:
    return [(old_places, new_places) for (_, old_places), (_, new_places) in zip(words(old), words(new), strict=True)]


def reweight(tokens: Sequence[Token], factors: Mapping[str, float], length: int) -> Tensor:
    """Factors of the columns (T,): that of a word for all its pieces, 1 elsewhere."""
    scale = torch.ones(length)
    for word, positions in words(tokens):
        scale[list(positions)] = factors.get(word, 1.0)
    return scale
