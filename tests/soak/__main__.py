"""Generations, and what they leave behind.

    python run.py soak --generations N [--seed S] [--state FILE] [--only KIND …] [--webui-url URL [--pid N]]

The standalone host runs in this process with the small model. With ``--webui-url`` a running WebUI is asked instead: whether hooks stay is
then seen by the pictures alone, and memory is that of the process ``--pid``, where it runs on this machine. Prints a table now and then
and at the end; 1 where a plain or disabled picture changed, a status was another, a hook stayed, or memory grew by more than 5 % after
the warm-up. With ``--state`` a run that was stopped goes on where it was. ``--only plain`` shows what the host alone does.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lib_regional.standalone.server.app import serve
from tests.fuzz.runner import memory
from tests.soak.kinds import KINDS
from tests.soak.runner import Asked, Found, Soak

SAVED_EVERY, SHOWN_EVERY = 50, 500


def main(arguments: Sequence[str]) -> int:
    """Run the generations; 1 where something was left behind."""
    parser = argparse.ArgumentParser(prog="run.py soak", description="Generations of all kinds, and what they leave behind.")
    parser.add_argument("--generations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--state", type=Path, help="a file to go on from")
    parser.add_argument("--webui-url", help="a running WebUI with the extension, in place of the standalone host")
    parser.add_argument("--pid", type=int, help="the number of its process, for its memory")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=(), help="kinds of requests that are sent, in place of all")
    options = parser.parse_args(arguments)
    if options.pid is not None and not (options.webui_url and memory(options.pid)[0]):
        parser.error(f"--pid {options.pid} is no process of this machine" if options.webui_url else "--pid goes with --webui-url")
    found, first = Found.restored(options.state, options.seed) if options.state and options.state.is_file() else (Found(), 0)
    with _quiet(), _asked(options.webui_url, options.pid) as asked:
        soak = Soak(asked, options.seed, found, options.only)
        for number in range(first, options.generations):
            soak.one(number)
            if options.state and number % SAVED_EVERY == SAVED_EVERY - 1:
                found.save(options.state, options.seed, number + 1)
            if number % SHOWN_EVERY == SHOWN_EVERY - 1:
                print(found.table(), *found.verdict()[:20], sep="\n", flush=True)
    if options.state:
        found.save(options.state, options.seed, max(first, options.generations))
    print(found.table(), *found.verdict(), sep="\n")
    return 1 if found.verdict() else 0


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings and log lines below CRITICAL are not shown inside the block: the failures of a soak are meant."""
    loggers = [logging.getLogger(name) for name in ("regional", "lib_regional", "uvicorn")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


@contextmanager
def _asked(url: str | None, process: int | None) -> Iterator[Asked]:
    """The WebUI at ``url``, or a standalone host for the time of the block."""
    if url is not None:
        yield Asked(url, process=process)
        return
    with tempfile.TemporaryDirectory() as folder, serve(output=Path(folder)) as served:
        yield Asked(served.url, served.host)


if __name__ == "__main__":
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    sys.exit(main(sys.argv[1:]))
