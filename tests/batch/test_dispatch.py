"""The queue with workers that a test controls: back-pressure, tries, hanging, dying and silent workers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from lib_regional.batch.jobs.requests import Job
from lib_regional.batch.running import dispatch
from lib_regional.batch.running.dispatch import Dispatcher, Limits, NoWorkersError, Outcome
from lib_regional.batch.running.work import Answer, BrokenError, FaultError, RefusedError, UnreachableError

PICTURE = Answer((b"\x89PNG\r\n\x1a\n",), {})
Reply = Callable[[Job], BaseException | None]


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "LONGEST_WAIT", 0.01)


class FakeWorker:
    """Answers at once with a picture, or with the error that ``reply`` gives; hangs where that is a TimeoutError."""

    def __init__(self, name: str, reply: Reply = lambda job: None) -> None:
        self.name, self.reply = name, reply
        self.rows: list[int] = []
        self.restarts = self.closed = 0

    def submit(self, job: Job) -> Future[Answer]:
        self.rows.append(job.row)
        future: Future[Answer] = Future()
        error = self.reply(job)
        if error is None:
            future.set_result(PICTURE)
        elif not isinstance(error, TimeoutError):
            future.set_exception(error)
        return future

    def restart(self) -> None:
        self.restarts += 1

    def close(self) -> None:
        self.closed += 1


def some(count: int) -> list[Job]:
    return [Job(f"key{row}", row, "txt2img", {}) for row in range(1, count + 1)]


def ended(workers: list[FakeWorker], count: int = 6, limits: Limits | None = None) -> list[Outcome]:
    quick = limits or Limits(timeout=0.05, start=0.0, patience=0.05)
    return list(Dispatcher(workers, quick).outcomes(iter(some(count))))


def rows(outcomes: list[Outcome], status: str = "done") -> list[int]:
    return sorted(outcome.job.row for outcome in outcomes if outcome.status == status)


def test_every_job_is_made_once_by_all_workers() -> None:
    workers = [FakeWorker("a"), FakeWorker("b")]
    assert rows(ended(workers)) == [1, 2, 3, 4, 5, 6]
    assert sorted(workers[0].rows + workers[1].rows) == [1, 2, 3, 4, 5, 6] and all(worker.rows for worker in workers)


def test_a_job_is_taken_when_a_worker_is_free_and_not_before() -> None:
    taken = itertools.count(1)
    seen: list[int] = []

    def jobs() -> Iterator[Job]:
        for job in some(50):
            seen.append(next(taken))
            yield job

    outcomes = Dispatcher([FakeWorker("a"), FakeWorker("b")]).outcomes(jobs())
    next(outcomes)
    assert len(seen) <= 4


def test_a_refused_request_ends_its_job_with_the_text_at_the_first_try() -> None:
    worker = FakeWorker("a", lambda job: RefusedError("HTTP 422: weight") if job.row == 2 else None)
    outcomes = ended([worker])
    [refused] = [outcome for outcome in outcomes if outcome.status == "refused"]
    assert (refused.job.row, refused.tries, refused.error) == (2, 1, "HTTP 422: weight")
    assert rows(outcomes) == [1, 3, 4, 5, 6] and worker.restarts == 0


@pytest.mark.parametrize("error", [BrokenError("HTTP 500"), RuntimeError("the actor died"), TimeoutError()], ids=["5xx", "death", "hang"])
def test_what_a_worker_loses_another_one_makes(error: BaseException) -> None:
    bad, good = FakeWorker("bad", lambda job: error if job.row == 1 else None), FakeWorker("good")
    outcomes = ended([bad, good])
    [first] = [outcome for outcome in outcomes if outcome.job.row == 1]
    assert rows(outcomes) == [1, 2, 3, 4, 5, 6] and (first.worker, first.tries) == ("good", 2)
    assert bad.restarts == 1 and good.restarts == 0


def test_tries_are_limited_and_the_others_go_on() -> None:
    workers = [FakeWorker(name, lambda job: BrokenError("HTTP 500: no") if job.row == 3 else None) for name in "ab"]
    outcomes = ended(workers)
    [failed] = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert (failed.job.row, failed.tries) == (3, 3) and "HTTP 500: no" in failed.error
    assert rows(outcomes) == [1, 2, 4, 5, 6]


def test_a_worker_that_only_fails_is_given_up() -> None:
    bad = FakeWorker("bad", lambda job: BrokenError("HTTP 500: out of memory"))
    with pytest.raises(NoWorkersError, match="bad: BrokenError: HTTP 500: out of memory"):
        ended([bad], 40, Limits(tries=50, strikes=4))
    assert (bad.closed, bad.restarts, bad.rows) == (1, 3, [1, 1, 1, 1])


def test_jobs_that_make_a_webui_fail_do_not_end_the_batch() -> None:
    worker = FakeWorker("a", lambda job: FaultError("HTTP 500: no such LoRA") if job.row in (2, 3, 4, 5) else None)
    outcomes = ended([worker], 6, Limits(strikes=4))
    assert rows(outcomes) == [1, 6] and rows(outcomes, "failed") == [2, 3, 4, 5] and worker.closed == 0


def test_a_batch_in_which_nothing_works_stops() -> None:
    worker, found = FakeWorker("a", lambda job: FaultError("HTTP 500: broken")), []
    with pytest.raises(NoWorkersError, match="4 jobs failed one after the other, the last one with: .*HTTP 500: broken"):
        for outcome in Dispatcher([worker], Limits(tries=1, failures=4)).outcomes(iter(some(50))):
            found.append(outcome)
    assert rows(found, "failed") == [1, 2, 3, 4]


def test_a_worker_that_cannot_be_reached_costs_no_try_and_comes_back() -> None:
    silent = itertools.count()
    worker = FakeWorker("a", lambda job: UnreachableError("refused") if next(silent) in (1, 2, 3) else None)
    outcomes = ended([worker], 3, Limits(tries=1, patience=5))
    assert rows(outcomes) == [1, 2, 3] and all(outcome.tries == 1 for outcome in outcomes) and worker.restarts == 0


def test_without_any_worker_the_rest_is_left_for_another_start() -> None:
    worker = FakeWorker("a", lambda job: UnreachableError("Connection refused") if job.row > 2 else None)
    found: list[Outcome] = []
    with pytest.raises(NoWorkersError, match="a: Connection refused"):
        for outcome in Dispatcher([worker], Limits(patience=0.02)).outcomes(iter(some(5))):
            found.append(outcome)
    assert rows(found) == [1, 2] and worker.closed == 1


def test_a_new_worker_has_more_time_for_its_first_job() -> None:
    worker = FakeWorker("a", lambda job: TimeoutError() if job.row in (1, 3) else None)
    first, second, third = Dispatcher([worker], Limits(tries=1, timeout=0.05, start=0.2)).outcomes(iter(some(3)))
    assert (first.status, second.status, third.status) == ("failed", "done", "failed")
    assert first.seconds >= 0.25 and 0.05 <= third.seconds < 0.25
