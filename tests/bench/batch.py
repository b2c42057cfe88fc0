"""What a batch costs beside its pictures: planning and resuming a large table, Ray's share of a picture, and two workers against one.

    python tests/bench/batch.py plan [--jobs 10000]
    python tests/bench/batch.py overhead [--pictures 20]
    python tests/bench/batch.py workers [--pictures 40] [--rounds 3]

``workers`` and ``overhead`` need the extra ``batch`` and an idle machine with two cores; engines have one thread each.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from lib_regional.batch.jobs.plan import make_plan
from lib_regional.batch.jobs.requests import Job, Recipe, key_of
from lib_regional.batch.jobs.tables import read_table
from lib_regional.batch.keeping.store import Store
from lib_regional.batch.running.dispatch import Dispatcher, Outcome
from lib_regional.batch.running.work import Answer

SMALL = b"\x89PNG\r\n\x1a\n" + bytes(1000)


def request(seed: int, side: int = 128, steps: int = 20) -> dict[str, Any]:
    """Two regions on the small model."""
    halves = ([0, 0, 0.5, 1], "a red circle on grass"), ([0.5, 0, 1, 1], "a blue square on grass")
    settings = {"enabled": True, "version": 2, "regions": [{"box": box, "prompt": text} for box, text in halves]}
    sampling = {"width": side, "height": side, "steps": steps, "cfg_scale": 5, "sampler_name": "Euler a"}
    return {"prompt": "grass", "seed": seed, **sampling, "alwayson_scripts": {"Regional": {"args": [settings]}}}


def jobs(count: int, first: int = 1, **size: int) -> Iterator[Job]:
    """That many requests."""
    for row in range(first, first + count):
        asked = request(row, **size)
        yield Job(key_of("txt2img", asked), row, "txt2img", asked)


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that ``work`` takes."""
    start = clock()
    work()
    return clock() - start


def plan(count: int) -> None:
    """Plan a table, mark half of its jobs as done, and plan again as a second start does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "jobs.jsonl"
        with table.open("w", encoding="utf-8") as file:
            for seed in range(count):
                file.write(json.dumps(request(seed)) + "\n")

        def start() -> None:
            with Store(folder / "out") as store:
                made = make_plan(read_table(table), Recipe(), folder / "out")
                todo = [planned for planned in made.jobs if planned.key not in store.done]
                print(f"{len(made.jobs)} jobs, {len(todo)} to do")
                for job in made.read(todo[: count // 2] if len(todo) == count else []):
                    store.keep(Outcome(job, "done", "w", 1.0, 1, Answer((SMALL,), {})))

        with Store(folder / "out"):
            first = seconds(lambda: make_plan(read_table(table), Recipe(), folder / "out"), time.process_time)
        start()
        again = seconds(start, time.process_time)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"planned in {first:.1f} s of processor time, resumed in {again:.1f} s, {peak:.0f} MB at most")


def rate(workers: list[Any], count: int, first: int) -> float:
    """Pictures per minute."""
    taken = seconds(lambda: list(Dispatcher(workers).outcomes(jobs(count, first))))
    return 60 * count / taken


def workers(count: int, rounds: int) -> None:
    """One and two engines in turns, in the same run."""
    from lib_regional.batch.running.ray_workers import EngineOptions, ray_workers

    with ray_workers(EngineOptions(workers=2, threads=1)) as both:
        list(Dispatcher(both).outcomes(jobs(4)))
        ratios = []
        for turn in range(rounds):
            one, two = rate(both[:1], count // 2, 1000 * turn), rate(both, count, 1000 * turn + 500)
            ratios.append(two / one)
            print(f"one worker {one:.1f} pictures a minute, two {two:.1f}: {two / one:.2f} ×", flush=True)
    print(f"median {statistics.median(ratios):.2f} ×")


def overhead(count: int) -> None:
    """The time of a picture by Ray beside that which its engine itself takes."""
    import ray

    from lib_regional.batch.running.ray_workers import EngineOptions, ray_workers

    with tempfile.TemporaryDirectory() as name, ray_workers(EngineOptions(workers=1, threads=1)) as [worker]:
        list(Dispatcher([worker]).outcomes(jobs(2)))
        with Store(Path(name) / "out") as store:
            before = ray.get(worker.actor.busy.remote())
            whole = seconds(lambda: [store.keep(outcome) for outcome in Dispatcher([worker]).outcomes(jobs(count, 100, side=192))])
            inside = ray.get(worker.actor.busy.remote()) - before
    print(f"{whole / count:.3f} s a picture, {inside / count:.3f} s of them in the engine: overhead {whole / inside - 1:.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("plan", "overhead", "workers"))
    parser.add_argument("--jobs", type=int, default=10000)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if args.what == "plan":
        plan(args.jobs)
    elif args.what == "workers":
        workers(args.pictures, args.rounds)
    else:
        overhead(args.pictures)


if __name__ == "__main__":
    main()
