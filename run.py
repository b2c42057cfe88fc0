"""Start Regional's demo, its batches or its tests on a machine that has nothing but Python.

    python run.py demo [--port N] [--no-browser] [--checkpoint FILE] [--lora-dir DIR] [--controlnet-dir DIR]
    python run.py batch JOBS --out DIR [--webui-url URL …] [--checkpoint FILE] [--workers N] …
    python run.py benchmark SET --out DIR …
    python run.py test [--fast] [pytest arguments]
    python run.py test --matrix [a1111] [forge]
    python run.py fuzz [--cases N] [--seed S] [--state FILE]
    python run.py soak [--generations N] [--seed S] [--state FILE] [--webui-url URL [--pid N]]

The first start makes a virtual environment in ``.venv`` beside this file and lets pip install the pinned packages of
``requirements/`` into it; later starts find it complete and take seconds. Then a module runs with them:

    demo             lib_regional.standalone   the page and the API on 127.0.0.1
    batch, benchmark lib_regional.batch        the pictures of a table of layouts, see docs/batch.md and docs/benchmark.md
    test             tests.checks              style (ruff), types (mypy), the JavaScript where Node.js is found, pytest
    test --fast      tests.checks              the same for what needs no host and no browser, in less than a minute
    test ARGUMENTS   tests.checks              pytest alone
    fuzz             tests.fuzz                changed inputs of every kind, and a table of what came of them
    soak             tests.soak                generations of every kind, and a table of what they leave behind
    test --matrix    tests.matrix              the tests that need no standalone host, with the pins of AUTOMATIC1111 and of Forge

This file uses the standard library only, and no syntax that older Pythons lack: it has to be able to say that they are old.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Sequence  # noqa: UP035 - older Pythons get this far

from lib_regional.standalone.environment import REQUIREMENTS, ROOT, Environment, SetupError, offline, run_child

SUPPORTED = ((3, 13), (3, 12), (3, 11), (3, 10))
LOCKED = ("--constraint", str(REQUIREMENTS / "lock.txt"))
VENV = Environment(
    ROOT / ".venv",
    SUPPORTED,
    {
        "standalone": (("standalone.txt", LOCKED),),
        "test": (("test.txt", LOCKED), ("test-nodeps.txt", ("--no-deps",))),
        "train": (("train.txt", LOCKED),),
        "batch": (("batch.txt", LOCKED),),
    },
)


def demo(arguments: argparse.Namespace) -> int:
    options = ["--no-browser"] if arguments.no_browser else []
    for name, given, there, what in (
        ("--checkpoint", arguments.checkpoint, Path.is_file, "checkpoint file"),
        ("--lora-dir", arguments.lora_dir, Path.is_dir, "folder"),
        ("--controlnet-dir", arguments.controlnet_dir, Path.is_dir, "folder"),
    ):
        if given:
            path = Path(given).expanduser().resolve()
            if not there(path):
                raise SetupError(f"{name}: There is no {what} {path}")
            options += [name, str(path)]
    if arguments.port is not None:
        options += ["--port", str(arguments.port)]
    if arguments.listen is not None:
        options += ["--listen", *filter(None, [arguments.listen])]
    for name in arguments.allow_host:
        options += ["--allow-host", name]
    VENV.ensure(["standalone"], arguments.torch_index)
    return run_child([str(VENV.python), "-m", "lib_regional.standalone", *options], offline())


def test(arguments: argparse.Namespace, rest: Sequence[str]) -> int:
    VENV.ensure(["standalone", "test"], arguments.torch_index)
    module = "tests.matrix" if arguments.matrix else "tests.checks"
    return run_child([str(VENV.python), "-m", module, *(["--fast"] if arguments.fast else []), *rest], offline())


def batch(name: str, rest: Sequence[str], torch_index: str | None) -> int:
    """A batch or a benchmark, in the folder that this was started in: its files are named from there."""
    asks = {"-h", "--help"} & set(rest)  # what it can do is answered without its packages
    VENV.ensure(["standalone"] if asks else ["standalone", "batch"], torch_index)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return run_child([str(VENV.python), "-m", "lib_regional.batch", name, *rest], offline(PYTHONPATH=path), os.getcwd())


def long_test(arguments: argparse.Namespace, rest: Sequence[str]) -> int:
    """A test of any length, with the arguments of its own."""
    VENV.ensure(["standalone", "test"], arguments.torch_index)
    return run_child([str(VENV.python), "-m", f"tests.{arguments.command}", *rest], offline(OMP_NUM_THREADS="1"))


def port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return number


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="run.py", description="Start Regional's demo, its batches or its tests.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="demo|batch|benchmark|test|fuzz|soak")
    demo_parser = commands.add_parser("demo", help="the page and the API on 127.0.0.1, with the small model", allow_abbrev=False)
    demo_parser.add_argument("--port", type=port, help="the port to serve on")
    demo_parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    demo_parser.add_argument("--checkpoint", metavar="FILE", help="an SD1.x or SDXL checkpoint to use in place of the small model")
    demo_parser.add_argument("--lora-dir", metavar="DIR", help="a folder of LoRAs for it")
    demo_parser.add_argument("--controlnet-dir", metavar="DIR", help="a folder of ControlNet models for it")
    demo_parser.add_argument("--listen", nargs="?", const="", metavar="ADDRESS", help="answer other machines too, without a password")
    demo_parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="answer under this name too")
    test_parser = commands.add_parser("test", help="style, types, JavaScript tests, pytest", allow_abbrev=False)
    choice = test_parser.add_mutually_exclusive_group()
    choice.add_argument("--fast", action="store_true", help="style, types and the tests that need no host and no browser")
    choice.add_argument("--matrix", action="store_true", help="with the pins of A1111 and of Forge instead (Python 3.10, about 12 GB)")
    batches = [
        commands.add_parser("batch", help="the pictures of a table of layouts, by many workers", add_help=False, allow_abbrev=False),
        commands.add_parser("benchmark", help="a benchmark of layouts", add_help=False, allow_abbrev=False),
    ]
    long_tests = [
        commands.add_parser("fuzz", help="changed inputs of every kind (--cases N)", add_help=False, allow_abbrev=False),
        commands.add_parser("soak", help="generations of every kind (--generations N)", add_help=False, allow_abbrev=False),
    ]
    for each in (demo_parser, test_parser, *batches, *long_tests):
        each.add_argument("--torch-index", metavar="ADDRESS", help="a pip index with another build of torch; remakes .venv")
    known, rest = parser.parse_known_args(arguments)
    if not known.command:
        parser.print_help()
        raise SystemExit(2)
    if rest and known.command == "demo":
        demo_parser.error("unrecognized arguments: " + " ".join(rest))
    return known, rest


def main(arguments: Sequence[str]) -> int:
    known, rest = parse(arguments)
    try:
        if known.command in ("batch", "benchmark"):
            return batch(known.command, rest, known.torch_index)
        if known.command in ("fuzz", "soak"):
            return long_test(known, rest)
        return demo(known) if known.command == "demo" else test(known, rest)
    except SetupError as error:
        print("\n" + str(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
