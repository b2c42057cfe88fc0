"""Predicting many rows in few UNet calls: grouped by size, within a budget of memory, and in smaller calls where that was too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from ...engine.calls import UNetCall, UNetRow
from ...tensors.out_of_memory import go_on_smaller, is_out_of_memory

Kind = tuple[tuple[int, ...], int | None]
"""Latent size and context length: rows of one kind fit into one call."""


class Passes:
    """Runs rows for one generation. ``share``: latent cells in one call as a multiple of what the host itself predicts at once, or of
    ``rows`` rows, where these are given."""

    def __init__(self, share: float = 1.0, rows: int | None = None) -> None:
        self._share = share
        self._rows = rows
        self._limit = float("inf")

    def __call__(self, call: UNetCall, rows: Sequence[UNetRow], cells: int | None = None) -> Iterator[tuple[int, Tensor]]:
        """(position in ``rows``, prediction (C, h, w)) of every row, in any order.

        ``cells`` stand for one of the host's rows (default: those of its latent). Raises what the UNet raises, out of memory only when
        a single row is too much.
        """
        budget = self._share * (self._rows or len(call.model.rows)) * (cells or call.model.latent[0] * call.model.latent[1])
        for kind, members in _grouped(call, rows).items():
            size = kind[0][-2] * kind[0][-1]
            while members:
                count = max(1, int(min(budget, self._limit) // size))
                chunk = members[:count]
                done = self._run(call, [rows[at] for at in chunk], size)
                if done is not None:
                    yield from zip(chunk, done, strict=True)
                    members = members[count:]

    def _run(self, call: UNetCall, rows: list[UNetRow], size: int) -> Tensor | None:
        """Predictions (N, C, h, w), or None where memory ran out and fewer rows can be tried."""
        try:
            return call.run(rows)
        except RuntimeError as error:
            if not is_out_of_memory(error) or len(rows) == 1:
                raise
        self._limit = size * (len(rows) // 2)
        go_on_smaller(f"{len(rows)} predictions at once were too much for the memory; going on with {len(rows) // 2}.")
        return None


def _grouped(call: UNetCall, rows: Sequence[UNetRow]) -> dict[Kind, list[int]]:
    groups: dict[Kind, list[int]] = {}
    for at, row in enumerate(rows):
        x = call.x[row.source] if row.x is None else row.x
        length = call.tokens if row.conditioning is None else len(row.conditioning.crossattn)
        groups.setdefault((tuple(x.shape), length), []).append(at)
    return groups
