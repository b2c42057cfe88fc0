"""A batch's progress bar: jobs, rate, remaining time and failures."""

from __future__ import annotations

import sys
import time
from typing import Any

LOG_SECONDS = 30.0
"""Between two lines where the output is no terminal."""


class Progress:
    """A bar on the terminal, or a line now and then in a log."""

    def __init__(self, jobs: int, before: int, quiet: bool = False) -> None:
        from tqdm import tqdm

        terminal = sys.stderr.isatty()
        self._began = time.monotonic()
        self._bar: Any = tqdm(
            total=jobs, initial=before, unit="job", disable=quiet, mininterval=0.2 if terminal else LOG_SECONDS, dynamic_ncols=terminal
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def step(self, failures: int) -> None:
        """One job has ended."""
        self._bar.set_postfix({"failures": failures}, refresh=False)
        self._bar.update()

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._bar.write(text, file=sys.stderr)
