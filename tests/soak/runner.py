"""Requests to the standalone host in this process or to a running WebUI, and what they leave behind: bytes, hooks, other pictures."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.fuzz.runner import memory
from tests.soak.kinds import FIXED, KINDS, OUTSIDE, Request, varied

WARM_UP, MOST_GROWTH, FEWEST = 0.3, 1.05, 200
PATIENCE = 600


@dataclass
class Found:
    """What came of the requests: how many of each kind, the pictures that have to stay, faults, and memory (bytes) in each process' run."""

    done: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    sizes: list[list[int]] = field(default_factory=list)
    same: int = 0

    def growth(self) -> float | None:
        """Median memory of the last tenth ÷ that of the tenth after the warm-up; the most of all runs, None where all were short."""
        return max((_growth(run) for run in self.sizes if len(run) >= FEWEST and run[-1]), default=None)

    def verdict(self) -> list[str]:
        """The faults, that of memory among them."""
        growth = self.growth()
        large = [f"memory grew to {growth:.3f} of what it was after the warm-up"] if growth and growth > MOST_GROWTH else []
        return [*self.faults, *large]

    def table(self) -> str:
        """Counts, pictures, memory and faults as a table in Markdown."""
        growth, last = self.growth(), next((run[-1] for run in reversed(self.sizes) if run), 0)
        rows = [
            *((name, str(self.done[name])) for name in KINDS),
            ("all", str(sum(self.done.values()))),
            ("plain and disabled pictures that were the first of their kind again, to the byte", str(self.same)),
            ("memory", (f"{last / 2**20:.0f} MB" if last else "not measured") + (f", × {growth:.3f} since the warm-up" if growth else "")),
            ("faults", str(len(self.verdict()))),
        ]
        return "\n".join(("| generations | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)))

    def save(self, file: Path, seed: int, following: int) -> None:
        """Write everything, for a run that goes on from request ``following``."""
        file.write_text(json.dumps({"seed": seed, "next": following, **vars(self)}), "utf-8")

    @classmethod
    def restored(cls, file: Path, seed: int) -> tuple[Found, int]:
        """What an earlier run of ``seed`` has found, and the number of the next request. ValueError for a run of another seed."""
        kept = json.loads(file.read_text("utf-8"))
        if kept.pop("seed") != seed:
            raise ValueError(f"{file} is of another seed")
        following = kept.pop("next")
        return cls(**{**kept, "done": Counter(kept["done"])}), following


def _growth(run: list[int]) -> float:
    warm = run[int(len(run) * WARM_UP) :]
    part = max(1, len(warm) // 10)
    begin, end = (sorted(some)[len(some) // 2] for some in (warm[:part], warm[-part:]))
    return end / begin


@dataclass(frozen=True)
class Asked:
    """What answers: its address, the host where it is one of this process, and else the number of its process where that is known."""

    url: str
    host: Any = None
    process: int | None = None

    @property
    def own(self) -> bool:
        """Whether it is the standalone host of this process."""
        return self.host is not None


class Soak:
    """The requests of one seed. Request ``number`` is the same whichever came before it."""

    def __init__(self, asked: Asked, seed: int, found: Found | None = None, only: Sequence[str] = ()) -> None:
        """``only``: names of the kinds that are sent; all without any. ValueError for one that there is not."""
        self._asked, self._place, self._seed = asked, urlsplit(asked.url).netloc, seed
        self._wait()  # and what the first generation makes once is made
        if not asked.own:
            self._keep_options()
        self._before = traces(asked.host)
        self._kinds = KINDS if asked.own else OUTSIDE
        if set(only) - set(self._kinds):
            raise ValueError(f"kinds are {', '.join(self._kinds)}; got {', '.join(only)}")
        self._names = [name for name, (share, _) in self._kinds.items() for _ in range(share) if not only or name in only]
        self.found = found or Found()
        self.found.sizes.append([])

    def request(self, number: int) -> tuple[str, Request]:
        """(kind, request)."""
        source = random.Random(self._seed * 10**9 + number)
        name = source.choice(self._names)
        return name, self._kinds[name][1](source)

    def one(self, number: int) -> None:
        """Send one request and look at what it leaves."""
        name, request = self.request(number)
        with _failing(self._asked.host, request.inner), self._interrupting(request.interrupted_after):
            status, answer = self._post(request.route, request.body, request.gone_after)
        if request.gone_after is not None:
            self._wait()
        self.found.done[name] += 1
        for fault in self._faults(request, status, answer):
            self.found.faults.append(f"seed {self._seed}, request {number} ({name}): {fault}")
        self.found.sizes[-1].append(memory(self._asked.process)[0] if self._asked.own or self._asked.process else 0)

    def _faults(self, request: Request, status: int, answer: bytes) -> Iterator[str]:
        if status != request.status:
            yield f"{status} for {request.status}: {answer[:200]!r}"
        elif request.same and (self._asked.own or request.route != "img2img"):  # WebUIs encode a picture with noise of no seed
            made = hashlib.sha256("".join(json.loads(answer)["images"]).encode()).hexdigest()
            again = request.same in self.found.first
            if made != self.found.first.setdefault(request.same, made):
                yield "the picture is another one"
            elif again:
                self.found.same += 1
        after = traces(self._asked.host)
        if after != self._before:
            changed = [name for name in after.keys() | self._before.keys() if after.get(name) != self._before.get(name)]
            yield f"hooks are left: {sorted(changed)[:5]}"

    @contextlib.contextmanager
    def _interrupting(self, seconds: float | None) -> Iterator[None]:
        """Ask for the end after ``seconds``; nothing is asked any more once the block is over."""
        if seconds is None:
            yield
            return
        timer = threading.Timer(seconds, self._post, ("interrupt", {}))
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _wait(self) -> None:
        """Return when nothing runs any more: pictures are made one after the other, and that of a client that went away may still run."""
        time.sleep(0.05)  # what was sent before has arrived
        self._post("txt2img", {**FIXED, "steps": 1})

    def _keep_options(self) -> None:
        """Save the options that requests override: AUTOMATIC1111 puts back those alone that were saved once."""
        options = json.loads(self._send("GET", "options")[1])
        self._post("options", {name: options[name] for name in varied(random.Random(0))["override_settings"] if name in options})

    def _post(self, route: str, body: object, gone_after: float | None = None) -> tuple[int, bytes]:
        return self._send("POST", route, body, gone_after)

    def _send(self, method: str, route: str, body: object = None, gone_after: float | None = None) -> tuple[int, bytes]:
        """(status, body); (0, b"") for a client that goes away ``gone_after`` seconds."""
        connection = http.client.HTTPConnection(self._place, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, f"/sdapi/v1/{route}", json.dumps(body), {"Content-Type": "application/json"})
            if gone_after is not None:
                time.sleep(gone_after)
                return 0, b""
            answer = connection.getresponse()
            return answer.status, answer.read()


@contextlib.contextmanager
def _failing(host: Any, call: int | None) -> Iterator[None]:
    """From call ``call`` of the UNet on there is no memory; None: there always is."""
    if call is None:
        yield
        return
    calls = iter(range(call))

    def fail(_: object) -> None:
        if next(calls, None) is None:
            raise RuntimeError("not enough memory: you tried to allocate what a soak has taken away")

    host.model.call_listeners.append(fail)
    try:
        yield
    finally:
        host.model.call_listeners.remove(fail)


def traces(host: Any) -> dict[str, object]:
    """What hooks and patches would change, by place: modules' own attributes, hooks, processors, lists of listeners. {} for no host."""
    if host is None:
        return {}
    model = host.model
    networks = {"unet": model.unet, "vae": model.vae, **{f"text encoder {at}": tower.encoder for at, tower in enumerate(model.towers)}}
    found: dict[str, object] = {
        f"{title}.{name}": (
            *(len(own) for own in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)),
            len(vars(module)),
            "forward" in vars(module),
            id(getattr(module, "processor", None)),
        )
        for title, network in networks.items()
        for name, module in network.named_modules()
    }
    found["listeners"] = len(model.call_listeners), len(model.denoiser_hooks)
    found["options"] = dict(host.options.data)
    return found
