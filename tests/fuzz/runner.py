"""Seeded cases, each with its limits: a result or an error of the project's own, in a second and 200 MB."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from lib_regional.request.errors import RegionalError
from tests.fuzz.targets import Make, Read, groups

SLOWEST, LARGEST = 1.0, 200 * 2**20


@dataclass
class Found:
    """What came of the cases: how many of each group were read and refused, the slowest, and every fault."""

    read: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def table(self) -> str:
        """The counts as a table in Markdown."""
        rows = [
            f"| {name} | {self.read[name] + self.refused[name]} | {self.refused[name]} | {self.slowest[name]:.3f} s |"
            for name in self.slowest
        ]
        total = sum(self.read.values()) + sum(self.refused.values())
        head = "| inputs | cases | refused with a sentence | slowest |\n|---|---|---|---|"
        return "\n".join((head, *rows, f"| all | {total} | {sum(self.refused.values())} | {max(self.slowest.values(), default=0):.3f} s |"))


class Fuzzer:
    """The cases of one seed. Case ``number`` is the same whichever cases ran before it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.groups = groups()
        self._names = [name for name, (share, _) in self.groups.items() for _ in range(share)]

    def case(self, number: int) -> tuple[str, Read, object]:
        """(group, what reads it, the input)."""
        source = random.Random(self.seed * 10**9 + number)
        name = source.choice(self._names)
        pair: tuple[Make, Read] = source.choice(self.groups[name][1])
        return name, pair[1], pair[0](source)

    def run(self, number: int, found: Found) -> None:
        """Run one case and count what came of it."""
        name, read, given = self.case(number)
        (size, highest), start = memory(), time.process_time()
        fault = ""
        try:
            read(given)
            found.read[name] += 1
        except RegionalError as error:
            found.refused[name] += 1
            json.dumps(error.to_dict(), allow_nan=False).encode()
            fault = "" if str(error) else "an error without a sentence"
        except Exception as error:  # what this looks for
            found.read[name] += 1
            fault = f"{type(error).__name__}: {error}"
        taken, peak = time.process_time() - start, memory()[1]
        found.slowest[name] = max(found.slowest.get(name, 0.0), taken)
        if taken > SLOWEST:
            fault = fault or f"{taken:.2f} s"
        if peak > highest and peak - size > LARGEST:
            fault = fault or f"{(peak - size) / 2**20:.0f} MB"
        if fault:
            found.faults.append(f"seed {self.seed}, case {number} ({name}): {fault[:300]} for {given!r:.400}")


def memory(process: int | None = None) -> tuple[int, int]:
    """(now, at most so far): bytes of main memory of a process, this one by default; zeros where the system does not say."""
    try:
        status = Path(f"/proc/{process or 'self'}/status").read_bytes()
    except OSError:
        return 0, 0
    now, most = (status.partition(name)[2][:20].split() for name in (b"VmRSS:", b"VmHWM:"))
    return (int(now[0]) * 1024, int(most[0]) * 1024) if now and most else (0, 0)
