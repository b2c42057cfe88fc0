"""Attention maps of finished pictures, kept for a while under the name that a request gave them (`Settings.attention_maps`)."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any

KEPT = 8
"""Names that are kept; the oldest go."""

MOST_IMAGES = 100
"""Pictures of a name whose maps are kept."""


@dataclass(frozen=True)
class RegionMap:
    """Attention map of the words of region ``region``: ``levels`` are h·w bytes, 255 at the highest share, which is ``peak`` (0..1)."""

    region: int
    grid: tuple[int, int]
    peak: float
    levels: bytes

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; the levels as base64."""
        levels = base64.b64encode(self.levels).decode("ascii")
        return {"region": self.region, "grid": list(self.grid), "peak": round(self.peak, 4), "levels": levels}


ImageMaps = tuple[RegionMap, ...]
"""Maps of one picture, in the order of its regions; regions without words of their own have none."""


class AttentionMaps:
    """Maps by name. Written by generations, read by a route; nothing of it reaches a picture."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._names: OrderedDict[str, list[ImageMaps]] = OrderedDict()
        self._serial = 0
        self._lock = Lock()

    def begin(self, name: str) -> None:
        """A generation begins whose maps are to be kept: those of the last one of that name go."""
        with self._lock:
            self._names.pop(name, None)
            self._names[name] = []
            while len(self._names) > self._kept:
                self._names.popitem(last=False)

    def add(self, name: str, images: Iterable[ImageMaps]) -> None:
        """Keep the maps of one batch. Does nothing where the name has gone."""
        with self._lock:
            if name in self._names:
                self._names[name] = [*self._names[name], *images][:MOST_IMAGES]
                self._serial += 1

    def of(self, name: str) -> list[ImageMaps] | None:
        """Maps of every picture of a name so far, None for a name that is not kept."""
        with self._lock:
            found = self._names.get(name)
            return None if found is None else list(found)

    @property
    def serial(self) -> int:
        """A number that grows with everything that is kept."""
        return self._serial
