"""A running WebUI as a worker, by its URL."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

import httpx

from ...request.errors import RegionalError, settings_error
from ..jobs.requests import SCRIPT, Job
from .work import Answer, BrokenError, UnreachableError, read_answer

CONNECT_SECONDS = 10.0


class WebuiWorker:
    """See `work.Worker`. A thread waits for each answer; one that takes longer than ``seconds`` is an error."""

    def __init__(self, url: str, seconds: float = 600.0) -> None:
        self.url = url.rstrip("/")
        self.name = _without_password(self.url)
        self._seconds = seconds
        self._client = self._new_client()

    def _new_client(self) -> httpx.Client:
        return httpx.Client(timeout=httpx.Timeout(self._seconds, connect=CONNECT_SECONDS), trust_env=False)

    def submit(self, job: Job) -> Future[Answer]:
        """See `work.Worker`."""
        future: Future[Answer] = Future()
        threading.Thread(target=self._make, args=(self._client, job, future), name=f"regional-{self.name}", daemon=True).start()
        return future

    def _make(self, client: httpx.Client, job: Job, future: Future[Answer]) -> None:
        try:
            future.set_result(self._ask(client, job))
        except Exception as error:  # all of them belong to the one who waits
            future.set_exception(error)

    def _ask(self, client: httpx.Client, job: Job) -> Answer:
        try:
            answer = client.post(f"{self.url}/sdapi/v1/{job.route}", json=job.request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UnreachableError(str(error)) from error
        except httpx.HTTPError as error:
            raise BrokenError(f"{type(error).__name__}: {error}") from error
        return read_answer(answer.status_code, answer.content)

    def restart(self) -> None:
        """Close the connection, which ends the generation on most WebUIs, and interrupt what may still run."""
        self._client.close()
        self._client = self._new_client()
        threading.Thread(target=self._interrupt, daemon=True).start()

    def _interrupt(self) -> None:
        try:
            httpx.post(f"{self.url}/sdapi/v1/interrupt", timeout=CONNECT_SECONDS, trust_env=False)
        except httpx.HTTPError:
            return

    def close(self) -> None:
        """See `work.Worker`."""
        self._client.close()

    def check(self, scripts: Iterable[str]) -> None:
        """Raise `RegionalError` where no WebUI answers, or where it lacks one of the scripts."""
        field = "--webui-url"
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise settings_error(field, self.name, "the address of a running WebUI, such as http://127.0.0.1:7860")
        found: Any = None
        try:
            answer = self._client.get(f"{self.url}/sdapi/v1/scripts", timeout=30)
            found = answer.json() if answer.status_code == 200 else None
            why = f"HTTP {answer.status_code}"
        except (httpx.HTTPError, ValueError) as error:
            why = str(error) or type(error).__name__
        if not isinstance(found, dict):
            raise RegionalError(f"{field} {self.name}: no WebUI answers there ({why}). A WebUI must be started with --api.")
        known = {str(name).lower() for name in found.get("txt2img") or ()}
        missing = [name for name in scripts if name.lower() not in known]
        if missing:
            raise RegionalError(f"{field} {self.name}: this WebUI has no script {', '.join(missing)}. It has {', '.join(sorted(known))}.")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f"{parts.username}:{parts.password}@", "") if parts.password else url


def scripts_of(job: Job) -> set[str]:
    """The always-on scripts that a job needs; this extension's in its own spelling."""
    names = job.request.get("alwayson_scripts") or {}
    return {SCRIPT if name.lower() == SCRIPT.lower() else name for name in names}
