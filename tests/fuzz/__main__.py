"""``python run.py fuzz --cases N [--seed S] [--state FILE]``: as many cases as wanted, and a table of what came of them.

With ``--state`` a run that was stopped goes on where it was: the file holds the next case's number and the counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.runner import Found, Fuzzer

SAVED_EVERY = 5000


def main(arguments: Sequence[str]) -> int:
    """Run the cases; 1 where one of them failed."""
    parser = argparse.ArgumentParser(prog="run.py fuzz", description="Seeded mutations of everything that users bring.")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--state", type=Path, help="a file to go on from")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    found, first = restored(options.state)
    fuzzer = Fuzzer(options.seed)
    for number in range(first, options.cases):
        fuzzer.run(number, found)
        if number % SAVED_EVERY == SAVED_EVERY - 1:
            save(options.state, found, number + 1)
            print(f"{number + 1} cases, {len(found.faults)} faults", flush=True)
    save(options.state, found, max(first, options.cases))
    print(found.table(), *found.faults, sep="\n")
    return 1 if found.faults else 0


def restored(state: Path | None) -> tuple[Found, int]:
    """What an earlier run has counted, and the number of the next case."""
    if state is None or not state.is_file():
        return Found(), 0
    kept = json.loads(state.read_text("utf-8"))
    return Found(Counter(kept["read"]), Counter(kept["refused"]), kept["slowest"], kept["faults"]), kept["next"]


def save(state: Path | None, found: Found, following: int) -> None:
    """Write the counts, for a run that goes on from ``following``."""
    if state is not None:
        kept = {"next": following, "read": found.read, "refused": found.refused, "slowest": found.slowest, "faults": found.faults}
        state.write_text(json.dumps(kept), "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
