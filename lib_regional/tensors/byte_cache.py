"""Arrays that are kept, up to a number of bytes: the ones that were not used for longest go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


class ByteCache:
    """Arrays by key, of ``largest`` bytes together. A larger array is not kept. Threads may share it."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._kept: OrderedDict[Hashable, Array] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes that are kept now."""
        return sum(array.nbytes for array in self._kept.values())

    def get(self, key: Hashable) -> Array | None:
        """The array, None where it is not kept. Do not write into it."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, array: Array) -> None:
        """Keep an array that owns its memory, in place of an earlier one of that key and of the oldest ones."""
        if array.nbytes > self.largest:
            return
        with self._lock:
            self._kept[key] = array
            self._kept.move_to_end(key)
            while self.size > self.largest:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._kept.clear()
