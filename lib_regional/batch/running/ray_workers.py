"""Standalone engines as Ray actors, on this machine or on a cluster."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...request.errors import RegionalError, settings_error
from ..jobs.requests import Job
from .dispatch import Limits, shortened
from .engine import Engine
from .work import Answer, read_answer

ROOT = Path(__file__).resolve().parents[3]
CONNECT_SECONDS = 10.0
STARTS = 3
STORE_BYTES = 256 * 2**20
"""Of Ray's object store on this machine: a few pictures are on the way at a time."""
LEFT_OUT = [".git", ".venv", ".venv-matrix", "node_modules", "docs", "tests", "outputs", "javascript", "presets"]
"""Folders of this project that a cluster's workers do not need."""


@dataclass(frozen=True)
class EngineOptions:
    """``workers`` (0: one for each GPU share, else one) with ``gpus`` and ``threads`` each; ``address`` of a cluster ("": none)."""

    workers: int = 0
    gpus: float = 0.0
    threads: int = 0
    checkpoint: str = ""
    loras: str = ""
    address: str = ""
    controlnets: str = ""


class EngineActor:
    """An `Engine` in a process of Ray's."""

    def __init__(self, checkpoint: str, loras: str, controlnets: str = "") -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._engine = Engine(checkpoint, loras, controlnets)
        self._busy = 0.0

    def make(self, route: str, request: dict[str, Any]) -> tuple[int, bytes]:
        """See `Engine.make`."""
        began = time.perf_counter()
        try:
            return self._engine.make(route, request)
        finally:
            self._busy += time.perf_counter() - began

    def busy(self) -> float:
        """Seconds spent in the engine."""
        return self._busy

    def process(self) -> int:
        """The id of the process."""
        return os.getpid()


class RayWorker:
    """See `work.Worker`. An actor that dies or hangs is replaced by a new one."""

    def __init__(self, name: str, create: Callable[[], Any]) -> None:
        self.name = name
        self._create = create
        self.actor = create()

    def submit(self, job: Job) -> Future[Answer]:
        """See `work.Worker`."""
        return _read(self.actor.make.remote(job.route, dict(job.request)).future())

    def restart(self) -> None:
        """See `work.Worker`."""
        self.close()
        self.actor = self._create()

    def close(self) -> None:
        """See `work.Worker`."""
        import ray

        ray.kill(self.actor)


def _read(made: Future[tuple[int, bytes]]) -> Future[Answer]:
    """The answer in a future of (status, body)."""
    read: Future[Answer] = Future()

    def finish(done: Future[tuple[int, bytes]]) -> None:
        try:
            read.set_result(read_answer(*done.result()))
        except Exception as error:  # all of them belong to the one who waits
            read.set_exception(error)

    made.add_done_callback(finish)
    return read


@contextmanager
def ray_workers(options: EngineOptions) -> Iterator[list[RayWorker]]:
    """Start Ray, or join a cluster, and its workers; all of it ends with the block."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if options.address and has_token(os.environ):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray

    _start(ray, options)
    workers: list[RayWorker] = []
    try:
        count = _count(ray.cluster_resources(), options)
        workers += [RayWorker(f"engine {number}", _creator(ray, options, count)) for number in range(1, count + 1)]
        _check_first(ray, workers[0])
        yield workers
    finally:
        for worker in workers:
            worker.close()
        ray.shutdown()


def has_token(environment: Mapping[str, str]) -> bool:
    """Whether this machine has a token for clusters. Ray offers it to ``auto`` alone, and a cluster that asks for one refuses the rest."""
    named = environment.get("RAY_AUTH_TOKEN_PATH", "")
    return bool(environment.get("RAY_AUTH_TOKEN")) or (Path(named) if named else Path.home() / ".ray" / "auth_token").is_file()


def _start(ray: Any, options: EngineOptions) -> None:
    variables = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if not options.address:
        environment = {"env_vars": {**variables, "PYTHONPATH": str(ROOT)}}
        many = max(1, options.workers)
        cores = max(many, os.cpu_count() or 1)
        _patiently(ray, num_cpus=cores, include_dashboard=False, object_store_memory=STORE_BYTES, runtime_env=environment, **quiet)
        return
    shipped = {"env_vars": variables, "working_dir": str(ROOT), "excludes": LEFT_OUT}
    try:
        ray.init(address=options.address, runtime_env=shipped, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(options.address, error) from error


def _patiently(ray: Any, **options: Any) -> None:
    """Start Ray on this machine. On a busy one its processes may need longer than the 30 seconds that it gives them: it is started again.

    Raises `RegionalError` where no start succeeds. Ray has no class of its own for that.
    """
    for tries_left in reversed(range(STARTS)):
        try:
            ray.init(**options)
            return
        except Exception as error:
            ray.shutdown()
            if not tries_left:
                raise RegionalError(f"Ray does not start on this machine ({STARTS} tries): {shortened(str(error))}") from error


def _no_cluster(address: str, error: Exception) -> RegionalError:
    token = "a cluster that asks for a token takes the one in RAY_AUTH_TOKEN or ~/.ray/auth_token"
    text = f"--address {address}: no Ray cluster answers there ({shortened(str(error))}); {token}."
    return settings_error("--address", address, "the address of a running Ray cluster, or auto", text=text)


def _check_address(address: str) -> None:
    """Raise `RegionalError` where nothing listens at a host and port: Ray itself would wait for minutes."""
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        if parts.hostname and parts.port:
            socket.create_connection((parts.hostname, parts.port), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise _no_cluster(address, error) from error


def _count(resources: dict[str, float], options: EngineOptions) -> int:
    """How many workers there are. Raises SettingsError where the GPUs do not suffice."""
    there = resources.get("GPU", 0.0)
    if options.gpus * max(1, options.workers) > there:
        text = f"--gpus-per-worker {options.gpus:g} for {max(1, options.workers)} workers: Ray sees {there:g} GPUs."
        raise settings_error("--gpus-per-worker", options.gpus, f"at most {there:g} in all", text=text)
    return options.workers or (int(there / options.gpus) if options.gpus else 1)


def _check_first(ray: Any, worker: RayWorker) -> None:
    """Wait for the first engine. Raises `RegionalError` where it cannot be made: no other one could be, and nothing has begun."""
    try:
        ray.get(worker.actor.process.remote(), timeout=Limits.start)
    except (ray.exceptions.RayError, TimeoutError) as error:
        raise RegionalError(f"The engine cannot be started: {shortened(str(error))}") from error


def _creator(ray: Any, options: EngineOptions, count: int) -> Callable[[], Any]:
    threads = options.threads or max(1, (os.cpu_count() or 1) // count)
    environment = {"env_vars": {"OMP_NUM_THREADS": str(threads)}}
    cpus = 0 if options.gpus else 1
    remote = ray.remote(num_gpus=options.gpus, num_cpus=cpus, runtime_env=environment)(EngineActor)
    return lambda: remote.remote(options.checkpoint, options.loras, options.controlnets)


def check_engine(options: EngineOptions, on_cluster: bool = False) -> None:
    """Raise `RegionalError` for a checkpoint or a folder that is not there. A cluster's machines have files of their own."""
    if on_cluster:
        _check_address(options.address)
    places: Sequence[tuple[str, str, Callable[[Path], bool]]] = (
        ("--checkpoint", options.checkpoint, Path.is_file),
        ("--lora-dir", options.loras, Path.is_dir),
        ("--controlnet-dir", options.controlnets, Path.is_dir),
    )
    for name, text, exists in places:
        if text and not on_cluster and not exists(Path(text)):
            raise RegionalError(f"{name} must be {'a checkpoint file' if name == '--checkpoint' else 'a folder'}; there is none at {text}.")
