"""Predictions of an edit where memory does not suffice for all of them at once."""

from types import SimpleNamespace

import pytest
import torch

from lib_regional.methods.mrgd.rows import _run


class Memory:
    """A UNet that has room for ``room`` rows; of each row it predicts its number. ``sizes`` are the calls that were tried."""

    def __init__(self, room, error="CUDA out of memory. Tried to allocate 20 GiB"):
        self._room, self._error, self.sizes = room, error, []

    def run(self, rows):
        self.sizes.append(len(rows))
        if len(rows) > self._room:
            raise RuntimeError(self._error)
        return torch.tensor([float(row.source) for row in rows])[:, None, None, None].expand(-1, 4, 2, 2)


def rows(count):
    return [SimpleNamespace(source=n) for n in range(count)]


@pytest.mark.parametrize(("room", "tried"), [(7, [7]), (4, [7, 3, 4]), (3, [7, 3, 4, 2, 2]), (1, [7, 3, 1, 2, 1, 1, 4, 2, 1, 1, 2, 1, 1])])
def test_rows_run_in_halves_in_their_order_where_memory_does_not_suffice(room, tried):
    memory = Memory(room)
    found = _run(memory, rows(7))
    assert [float(y.mean()) for y in found] == list(range(7))
    assert memory.sizes == tried


@pytest.mark.parametrize(("room", "error"), [(0, "out of memory"), (1, "a kernel failed")], ids=["one row too many", "another error"])
def test_what_halves_cannot_mend_is_the_host_s_own_error(room, error):
    with pytest.raises(RuntimeError, match=error):
        _run(Memory(room, error), rows(2))
