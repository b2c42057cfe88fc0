"""Ends before the end: signals, clients that go away, a server that stops, and requests that wait without being in the way."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from lib_regional.standalone import generations
from lib_regional.standalone.faults import StoppedError
from lib_regional.standalone.pipeline import pictures
from lib_regional.standalone.server import page_run
from lib_regional.standalone.server.app import serve
from lib_regional.standalone.state import State
from tests.request.test_files import kill_while_writing

ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

REQUEST = {"prompt": "a red circle", "width": 64, "height": 64, "steps": 1000, "seed": 5}
SENTENCE = "The server is being stopped: this generation was ended and made no picture."


def patience(seconds: float) -> float:
    """A limit for an otherwise idle machine, longer where more programs want to run than there are processors."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 1.0
    return seconds * max(1.0, load)


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + patience(seconds)
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


class Client(threading.Thread):
    """Asks for a picture in a connection of its own."""

    def __init__(self, url: str, **fields: Any) -> None:
        super().__init__(daemon=True)
        self._url, self._fields = url, fields
        self.answer: requests.Response | None = None
        self.start()

    def run(self) -> None:
        with contextlib.suppress(requests.RequestException):
            self.answer = requests.post(f"{self._url}/sdapi/v1/txt2img", json={**REQUEST, **self._fields}, timeout=300)


def leave_after_asking(url: str, **fields: Any) -> Callable[[], None]:
    """Ask for a picture; the function closes the connection."""
    session = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
    request = requests.Request("POST", f"{url}/sdapi/v1/txt2img", json={**REQUEST, **fields}).prepare()
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": url.partition("//")[2], **request.headers}.items())
    assert isinstance(request.body, bytes)
    session.sendall(f"POST /sdapi/v1/txt2img HTTP/1.1\r\n{head}\r\n".encode() + request.body)
    return session.close


# ---------------------------------------------------------------- one host, over real connections


@pytest.fixture
def served(model, tmp_path):
    with serve(model=model, scripts=[], output=tmp_path) as running:
        yield running


def progress(url: str) -> dict[str, Any]:
    return requests.get(f"{url}/sdapi/v1/progress?skip_current_image=true", timeout=60).json()


def samples(url: str) -> bool:
    return progress(url)["state"]["sampling_step"] > 0


def started(url: str) -> int:
    """Which generation runs, by the second in which it began; 0 when none does."""
    return 0 if progress(url)["progress"] == 0 else int(progress(url)["state"]["job_timestamp"])


def test_a_client_that_goes_away_ends_its_generation_alone(served):
    begun: list[int] = []
    served.host.callbacks.add("cfg_denoiser", lambda _: begun.append(served.host.state.sampling_steps))
    leave_running = leave_after_asking(served.url, steps=991)
    until(lambda: samples(served.url))
    leave_waiting = leave_after_asking(served.url, steps=992)
    last = Client(served.url, steps=3)
    time.sleep(patience(0.3))
    leave_waiting()
    time.sleep(patience(0.3))
    assert samples(served.url) and set(begun) == {991}
    leave_running()
    last.join(patience(60))
    assert last.answer is not None and last.answer.status_code == 200 and len(last.answer.json()["images"]) == 1
    assert set(begun) == {991, 3} and begun.count(991) < 900
    assert progress(served.url)["state"]["interrupted"] is False


def test_an_interrupt_ends_the_running_one_and_not_those_that_wait(served):
    first = Client(served.url)
    until(lambda: samples(served.url))
    second = Client(served.url, steps=2)
    assert requests.post(f"{served.url}/sdapi/v1/interrupt", timeout=30).status_code == 200
    first.join(60), second.join(60)
    assert [len(client.answer.json()["images"]) for client in (first, second)] == [1, 1]


@pytest.mark.parametrize("waiting", [48, 200])
def test_requests_that_wait_do_not_keep_progress_waiting(served, waiting):
    Client(served.url)
    until(lambda: samples(served.url))
    alone = sorted(timed_progress(served.url) for _ in range(5))
    for _ in range(waiting):
        Client(served.url)
    until(lambda: len(served.host._line._open) == waiting + 1)
    times = sorted(timed_progress(served.url) for _ in range(5))
    assert times[2] < max(0.5, 3 * alone[2]) and times[-1] < patience(0.5), (alone, times)


def timed_progress(url: str) -> float:
    """Seconds that a progress request with a live preview takes."""
    begin = time.monotonic()
    assert requests.get(f"{url}/sdapi/v1/progress", timeout=60).json()["progress"] > 0
    return time.monotonic() - begin


def test_a_host_that_stops_answers_all_who_wait_with_a_sentence(model, tmp_path):
    with serve(model=model, scripts=[], output=tmp_path) as running:
        first = Client(running.url, save_images=True)
        until(lambda: samples(running.url))
        others = [Client(running.url) for _ in range(3)]
        until(lambda: len(running.host._line._open) == 4)
        page = page_run.generator(running.host, "txt2img", {}, page_run.PictureFolder())
        running.host.stop()
        for client in (first, *others):
            client.join(patience(20))
            assert client.answer is not None and client.answer.status_code == 503
            assert client.answer.json() == {"problems": [], "error": "StoppedError", "detail": SENTENCE}
        late = Client(running.url)
        late.join(patience(20))
        assert late.answer is not None and late.answer.status_code == 503
        assert "No picture was made" in page()[-1]
    assert not list(tmp_path.rglob("*.png"))


# ---------------------------------------------------------------- the line


def test_a_withdrawn_generation_never_interrupts_another():
    state, line, ran = State(), generations.Line(), []
    release = threading.Event()
    first = line.add(lambda generation: release.wait(30))
    second = line.add(lambda generation: ran.append("second"))
    second.withdraw()
    first.withdraw()  # runs, but not yet between `running` and its end
    assert not state.interrupted and second.future.cancelled()
    release.set()
    assert line.add(lambda generation: "third").result() == "third" and ran == []


@pytest.mark.parametrize("when", ["before", "while", "after"])
def test_withdrawing_interrupts_while_it_runs(when):
    calls: list[str] = []
    generation: generations.Generation[None] = generations.Generation()
    generation.future = generations.Future()
    if when == "before":
        generation.withdraw()
    with generation.running(lambda: calls.append("interrupt")):
        if when == "while":
            generation.withdraw()
        seen = list(calls)
    if when == "after":
        generation.withdraw()
    assert seen == calls == ([] if when == "after" else ["interrupt"])


def test_a_stopped_line_takes_no_more():
    line, release = generations.Line(), threading.Event()
    running = line.add(lambda generation: release.wait(30))
    waiting = line.add(lambda generation: None)
    line.stop(), line.stop()
    with pytest.raises(StoppedError, match="being stopped"):
        waiting.result()
    assert running.stopped.done() and not running.future.done()
    with pytest.raises(StoppedError):
        line.add(lambda generation: None)
    release.set()
    assert running.result() is True


# ---------------------------------------------------------------- what killed processes left


@posix
def test_pictures_are_whole_and_the_next_start_or_save_removes_what_was_left(model, tmp_path):
    folder = tmp_path / "outputs" / "txt2img-images"
    with serve(model=model, scripts=[], output=tmp_path) as running:
        folder = Path(running.host.folder(False))
    folder.mkdir(parents=True)
    kill_while_writing(folder / "00000-1.png")
    with serve(model=model, scripts=[], output=tmp_path):
        assert list(folder.iterdir()) == []
    kill_while_writing(folder / "00000-1.png")
    path = pictures.save(pictures.Image.new("RGB", (8, 8)), folder, 7)
    assert list(folder.iterdir()) == [path] and path.name == "00000-7.png"


# ---------------------------------------------------------------- processes

PROBE = """
import asyncio, os, sys, threading, time
import uvicorn
from lib_regional.standalone.server.serving import Server
from lib_regional.standalone.stopping import Stopping

stopped = threading.Event()

def ready():
    while not server.started:
        time.sleep(0.02)
    print("ready", flush=True)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive(); await send({"type": "lifespan.startup.complete"})
        await receive(); await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass

stopping = Stopping()
with stopping.handling():
    mode, port = sys.argv[1], int(sys.argv[2])
    if mode == "loading":
        print("ready", flush=True)
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
    server = Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"), stopped.set)
    stopping.stop = lambda: setattr(server, "should_exit", True)
    threading.Thread(target=ready, daemon=True).start()
    server.run()
    assert stopped.is_set()
    if mode == "stuck":
        time.sleep(60)
sys.exit(stopping.status)
"""


def default_ctrl_c() -> None:
    """A shell starts what it puts in the background without Ctrl+C, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def process(*command: str, until_line: str, new_session: bool = False) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=new_session,
        preexec_fn=default_ctrl_c, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert started.stdout is not None
        before = []
        for line in started.stdout:
            before.append(line)
            if until_line in line:
                break
        else:
            raise AssertionError("".join(before))
        yield started
    finally:
        if started.poll() is None:
            started.kill()
            started.wait(30)


def ended(started: subprocess.Popen[str], *signals: tuple[float, int], group: bool = False) -> tuple[int, float, str]:
    """Send signals, each after a pause; (exit status, seconds since the last one, output)."""
    for pause, number in signals:
        time.sleep(pause)
        begin = time.monotonic()
        os.killpg(started.pid, number) if group else started.send_signal(number)
    status = started.wait(patience(20))
    seconds = time.monotonic() - begin
    assert started.stdout is not None
    return status, seconds, started.stdout.read()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@posix
@pytest.mark.parametrize(
    ("mode", "signals", "status", "limit"),
    [
        ("loading", [(0.0, signal.SIGINT)], 130, 0.5),
        ("serving", [(0.0, signal.SIGTERM)], 143, 1.0),
        ("stream", [(0.0, signal.SIGINT)], 130, 2.0),
        ("stuck", [(0.0, signal.SIGINT)], 130, 2.0),
        ("stuck", [(0.0, signal.SIGTERM), (0.2, signal.SIGTERM), (0.1, signal.SIGINT)], 130, 0.5),
    ],
    ids=["while-loading", "terminate", "open-stream", "stuck", "second-ctrl-c"],
)
def test_signals_end_the_process(mode: str, signals: Sequence[tuple[float, int]], status: int, limit: float) -> None:
    port = free_port()
    with process(sys.executable, "-c", PROBE, mode, str(port), until_line="ready") as started:
        with requests.get(f"http://127.0.0.1:{port}/", stream=True, timeout=30) if mode == "stream" else contextlib.nullcontext():
            code, seconds, output = ended(started, *signals)
    assert (code, "Traceback" in output, output.strip()) == (status, False, "")
    assert seconds < patience(limit)


DEMO = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import run
run.venv_python = lambda: run.Path(sys.executable)
run.ensure_venv = lambda *_: None
sys.exit(run.main(["demo", "--no-browser", "--port", sys.argv[1]]))
"""


@posix
@pytest.mark.parametrize(
    ("command", "number", "status"),
    [(["-c", DEMO], signal.SIGINT, 130), (["-m", "lib_regional.standalone", "--no-browser", "--port"], signal.SIGTERM, 143)],
    ids=["demo-ctrl-c", "module-terminate"],
)
def test_the_demo_ends_while_it_samples(command: list[str], number: int, status: int) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with process(sys.executable, *command, str(port), until_line="Running on", new_session=True) as started:
        clients = [Client(url, steps=900, width=128, height=128) for _ in range(3)]
        until(lambda: samples(url), 120)
        with requests.get(f"{url}/heartbeat/abc", stream=True, timeout=30):  # an open page
            code, seconds, output = ended(started, (0.0, number), group=True)
        for client in clients:
            client.join(patience(10))
    assert (code, "Traceback" in output, "ERROR" in output) == (status, False, False), output
    assert seconds < patience(2.0)
    answers = [client.answer for client in clients if client.answer is not None]
    assert [(answer.status_code, answer.json()["detail"]) for answer in answers] == [(503, SENTENCE)] * 3
