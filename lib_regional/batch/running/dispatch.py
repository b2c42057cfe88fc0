"""The queue: jobs to workers, one each, as fast as workers are free; what a worker loses goes to another one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from ...request.errors import RegionalError
from ..jobs.requests import Job
from .work import Answer, FaultError, RefusedError, UnreachableError, Worker

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds that a worker rests after a failure; each further one doubles them."""


@dataclass(frozen=True)
class Limits:
    """``tries`` of a job, ``timeout`` seconds of one try and ``start`` more of a worker's first.

    ``patience`` seconds with a worker that cannot be reached, ``strikes`` of a worker one after the other, ``failures`` of jobs one after
    the other: then nothing works any more.
    """

    tries: int = 3
    timeout: float = 600.0
    start: float = 900.0
    patience: float = 300.0
    strikes: int = 6
    failures: int = 20


@dataclass
class Attempt:
    """A job, how often it was tried, and the worker that lost it last."""

    job: Job
    tries: int = 0
    lost_by: object = None
    error: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``status`` is done, refused (4xx) or failed (tries used up)."""

    job: Job
    status: str
    worker: str
    seconds: float
    tries: int
    answer: Answer | None = None
    error: str = ""


@dataclass
class Slot:
    """A worker and what it does."""

    worker: Worker
    attempt: Attempt | None = None
    future: Future[Answer] | None = None
    began: float = 0.0
    free_at: float = 0.0
    silent_since: float | None = None
    waits: float = 0.0
    strikes: int = 0
    started: bool = False
    given_up: str = ""


class NoWorkersError(RegionalError):
    """All workers were given up; the jobs that are left can be made by another start."""


def shortened(error: str) -> str:
    """The first line of an error, and of a traceback the last one too, which has the cause."""
    lines = [line.strip() for line in error.splitlines() if line.strip()] or ["no reason given"]
    return lines[0][:300] if len(lines) == 1 else f"{lines[0][:150]} … {lines[-1][:300]}"


@dataclass
class Dispatcher:
    """See `outcomes`. ``report`` gets a sentence for each thing that went wrong and was mended."""

    workers: Sequence[Worker]
    limits: Limits = Limits()
    report: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    _again: deque[Attempt] = field(default_factory=deque)
    _slots: list[Slot] = field(default_factory=list)
    _exhausted: bool = False
    _failed: int = 0

    def outcomes(self, jobs: Iterator[Job]) -> Iterator[Outcome]:
        """Every job's end, in the order of the ends. A job is taken from ``jobs`` when a worker is free for it, and not before.

        Raises `NoWorkersError` when every worker was given up.
        """
        self._slots = [Slot(worker) for worker in self.workers]
        while True:
            self._assign(jobs)
            running = {slot.future: slot for slot in self._slots if slot.future is not None}
            if not running and not self._again and self._exhausted:
                return
            if not self._living():
                raise NoWorkersError(self._last_words())
            ended = wait(running, timeout=self._pause(), return_when=FIRST_COMPLETED).done if running else set()
            if not running:
                time.sleep(self._pause())
            over = [(running[future], running[future].attempt, future) for future in ended]
            results = [found for slot, attempt, future in over if attempt and (found := self._ended(slot, attempt, future))]
            results += [found for slot in self._slots if (found := self._overdue(slot))]
            self._assign(jobs)  # before anything is written: no worker waits for the disk
            for outcome in results:
                self._failed = self._failed + 1 if outcome.status == "failed" else 0
                yield outcome
            if self._failed >= self.limits.failures:
                raise NoWorkersError(f"{self._failed} jobs failed one after the other, the last one with: {results[-1].error}")

    def _assign(self, jobs: Iterator[Job]) -> None:
        for slot in self._living():
            if slot.future is None and slot.free_at <= self.clock():
                attempt = self._next(slot, jobs)
                if attempt is None:
                    continue
                slot.attempt, slot.began = attempt, self.clock()
                slot.future = slot.worker.submit(attempt.job)

    def _next(self, slot: Slot, jobs: Iterator[Job]) -> Attempt | None:
        """A job that another worker lost, else a new one, else one that this worker lost itself when there is no other worker."""
        alone = all(other is slot or other.silent_since is not None for other in self._living())
        for attempt in self._again:
            if attempt.lost_by is not slot or alone:
                self._again.remove(attempt)
                return attempt
        job = next(jobs, None)
        self._exhausted = job is None
        return None if job is None else Attempt(job)

    def _ended(self, slot: Slot, attempt: Attempt, future: Future[Answer]) -> Outcome | None:
        slot.future = slot.attempt = None
        seconds = self.clock() - slot.began
        error = future.exception()
        if isinstance(error, UnreachableError):
            self._unreached(slot, attempt, error)
            return None
        slot.silent_since = None
        if error is None or isinstance(error, RefusedError):
            slot.strikes, slot.waits, slot.started = 0, 0.0, True
            status = "done" if error is None else "refused"
            answer = future.result() if error is None else None
            return Outcome(attempt.job, status, slot.worker.name, seconds, attempt.tries + 1, answer, str(error or ""))
        lost = self._lost(slot, attempt, f"{type(error).__name__}: {error}".strip(": "), seconds)
        if lost is not None and isinstance(error, FaultError):
            slot.strikes, slot.waits = 0, 0.0  # the same answer to every try: it is the job's fault
        return lost

    def _unreached(self, slot: Slot, attempt: Attempt, error: BaseException) -> None:
        """The job goes back untried; the worker is asked again later, or given up."""
        now = self.clock()
        if slot.silent_since is None:
            slot.silent_since = now
            self.report(f"{slot.worker.name} does not answer: {error}")
        if now - slot.silent_since > self.limits.patience:
            self._give_up(slot, str(error))
        self._rest(slot)
        self._again.appendleft(Attempt(attempt.job, attempt.tries, slot, attempt.error))

    def _lost(self, slot: Slot, attempt: Attempt, error: str, seconds: float) -> Outcome | None:
        """A try is used up; the worker begins anew."""
        slot.strikes += 1
        text = shortened(error)
        self.report(f"{slot.worker.name} lost the job of row {attempt.job.row} (try {attempt.tries + 1}): {text}")
        if slot.strikes >= self.limits.strikes:
            self._give_up(slot, text)
        else:
            slot.worker.restart()
            slot.started = False
            self._rest(slot)
        if attempt.tries + 1 >= self.limits.tries:
            return Outcome(attempt.job, "failed", slot.worker.name, seconds, attempt.tries + 1, None, text)
        self._again.append(Attempt(attempt.job, attempt.tries + 1, slot, text))
        return None

    def _overdue(self, slot: Slot) -> Outcome | None:
        if slot.future is None or slot.attempt is None or self.clock() < self._deadline(slot):
            return None
        attempt, slot.future, slot.attempt = slot.attempt, None, None
        seconds = self.clock() - slot.began
        return self._lost(slot, attempt, f"no answer within {seconds:.0f} s", seconds)

    def _deadline(self, slot: Slot) -> float:
        return slot.began + self.limits.timeout + (0 if slot.started else self.limits.start)

    def _rest(self, slot: Slot) -> None:
        slot.waits = min(max(FIRST_WAIT, 2 * slot.waits), LONGEST_WAIT)
        slot.free_at = self.clock() + slot.waits

    def _give_up(self, slot: Slot, error: str) -> None:
        slot.given_up = error or "no reason given"
        self.report(f"{slot.worker.name} is given up: {slot.given_up}")
        slot.worker.close()

    def _living(self) -> list[Slot]:
        return [slot for slot in self._slots if not slot.given_up]

    def _pause(self) -> float:
        """Seconds until something has to be looked at: a deadline, or a worker that is asked again."""
        now = self.clock()
        times = [self._deadline(slot) for slot in self._slots if slot.future is not None]
        times += [slot.free_at for slot in self._living() if slot.future is None and slot.free_at > now]
        return max(0.001, min([moment - now for moment in times], default=0.05))

    def _last_words(self) -> str:
        lines = [f"{slot.worker.name}: {slot.given_up}" for slot in self._slots]
        return "No worker is left. " + "; ".join(lines)
