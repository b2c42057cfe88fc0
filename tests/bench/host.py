"""What the extension costs when it is off, how long the demo takes to its first picture, and whole requests on live WebUIs.

    python tests/bench/host.py [--rounds 20]
    python tests/bench/host.py --url http://127.0.0.1:7860 [--url …] [--loras star shift] [--peer forge_couple …] [--rounds 20]
        [--size 256] [--json host.json]

*Disabled*: the same txt2img in one process, in turns, on a host without any script, with the extension silent, and with it disabled in the
request; medians of the rounds' ratios. *Demo*: `python -m lib_regional.standalone` from the start of the process to the first picture.

With ``--url`` nothing is started: each WebUI gets a plain request, one with two regions, and two with a LoRA for each region, in turns, by
HTTP; the medians (and the worst) of each round's time ÷ that round's plain one, beside the goals. The first round warms up. ``--peer`` adds
the request of another tool with two columns, where that WebUI has it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

SIZE = {"width": 128, "height": 128}
REQUEST = {"prompt": "a red circle on grass", **SIZE, "steps": 20, "seed": 1, "cfg_scale": 5, "sampler_name": "Euler a"}
OFF = {"alwayson_scripts": {"Regional": {"args": [{"enabled": False}]}}}
HALVES = [
    {"box": [0, 0, 0.5, 1], "prompt": "a red circle on grass"},
    {"box": [0.5, 0, 1, 1], "prompt": "a blue square on grass"},
]
ON = {"alwayson_scripts": {"Regional": {"args": [{"enabled": True, "regions": HALVES}]}}}


def disabled(rounds: int) -> dict[str, float]:
    """Medians of time ÷ time without the extension, one host and one process, in turns."""
    from fastapi.testclient import TestClient

    from lib_regional.standalone import binding
    from lib_regional.standalone.model.loading import load_model
    from lib_regional.standalone.server.app import create

    model = load_model(None, None)
    bare, bare_host = create(model=model, scripts=[])
    full, full_host = create(model=model)
    runs = {
        "without": (TestClient(bare, "http://127.0.0.1"), bare_host, {}),
        "silent": (TestClient(full, "http://127.0.0.1"), full_host, {}),
        "disabled": (TestClient(full, "http://127.0.0.1"), full_host, OFF),
        "two regions": (TestClient(full, "http://127.0.0.1"), full_host, ON),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, (client, host, more) in runs.items():
            binding.bind(host)
            start = time.perf_counter()
            assert client.post("/sdapi/v1/txt2img", json={**REQUEST, **more}).status_code == 200
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - start)
    ratios = {n: statistics.median(a / b for a, b in zip(t, times["without"], strict=True)) for n, t in times.items()}
    return {"seconds without": statistics.median(times["without"]), **ratios}


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    """JSON of a GET, or of a POST with ``body``."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=600) as answer:
        return json.loads(answer.read())


GOALS = {"two regions": 1.05, "two regions with a LoRA each": 1.5}


def requests_with(loras: list[str], size: int) -> dict[str, dict[str, Any]]:
    """The requests that are compared: plain, two regions, and with LoRAs where there are two."""
    base = {**REQUEST, "width": size, "height": size}

    def regional(regions: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
        asked = {"enabled": True, "regions": regions, "options": {"attention_couple": options}}
        return {**base, "alwayson_scripts": {"Regional": {"args": [asked]}}}

    made = {"plain": base, "two regions": regional(HALVES)}
    if len(loras) >= 2:
        with_loras = [{**half, "prompt": f"{half['prompt']} <lora:{name}:1>"} for half, name in zip(HALVES, loras, strict=False)]
        made["two regions with a LoRA each"] = regional(with_loras)
        made["the same, separate: nothing"] = regional(with_loras, separate="nothing")
    return made


def peer_request(name: str, size: int) -> dict[str, Any]:
    """The request of the other tool ``name`` with two columns and the same sampling."""
    sys.path.insert(0, str(ROOT / "tests/fidelity"))
    from peers import PEERS
    from suite import Case, Wish, cells

    left, right = cells(2, 1)
    case = Case("2 columns", 0, (size, size), "grass", (Wish("red", "circle", left), Wish("blue", "square", right)), 1)
    found = PEERS[name](case, {key: REQUEST[key] for key in ("steps", "cfg_scale", "sampler_name")})
    assert found is not None, name
    return found


def in_turns(send: Callable[[dict[str, Any]], Any], requests: dict[str, dict[str, Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every request in each round but the first, which warms up; each round begins with another one.

    Raises `RuntimeError` where a request has the plain one's picture: then the extension did nothing, and its time says nothing.
    """
    names, times, pictures = list(requests), {name: list[float]() for name in requests}, dict[str, str]()
    for number in range(rounds + 1):
        at = number % len(names)
        for name in names[at:] + names[:at]:
            start = time.perf_counter()
            pictures[name] = send(requests[name])["images"][0]
            if number:
                times[name].append(time.perf_counter() - start)
        for name in names:
            if name != "plain" and pictures[name] == pictures["plain"]:
                raise RuntimeError(f"{name}: the picture is the plain one; is the extension installed there?")
    return times


def ratios(times: dict[str, list[float]]) -> dict[str, tuple[float, float]]:
    """The median and the largest of each round's time ÷ that round's plain one."""
    found = {}
    for name, own in times.items():
        each = [a / b for a, b in zip(own, times["plain"], strict=True)]
        found[name] = (statistics.median(each), max(each))
    return found


def live(url: str, loras: list[str], peers: list[str], size: int, rounds: int) -> dict[str, Any]:
    """The requests in turns on the WebUI at ``url``, and a table of them. Peers that it lacks are left out."""
    scripts = [name.casefold() for name in ask(f"{url}/sdapi/v1/scripts")["txt2img"]]
    others = {name: peer_request(name, size) for name in peers}
    others = {name: one for name, one in others.items() if all(script.casefold() in scripts for script in one["alwayson_scripts"])}
    known = loras or [one["name"] for one in ask(f"{url}/sdapi/v1/loras")][:2]
    times = in_turns(lambda body: ask(f"{url}/sdapi/v1/txt2img", body), {**requests_with(known, size), **others}, rounds)
    print(f"\n{url}, {size}×{size}, {REQUEST['steps']} steps, median of {rounds} rounds, LoRAs {', '.join(known) or 'none'}\n")
    print("| request | seconds | ÷ plain (worst) | goal |\n|---|---|---|---|")
    for name, (middle, worst) in ratios(times).items():
        goal = GOALS.get(name)
        print(f"| {name} | {statistics.median(times[name]):.2f} | {middle:.3f} ({worst:.3f}) | {'' if goal is None else f'≤ {goal}'} |")
    return {"url": url, "size": size, "loras": known, "seconds": times, "ratios": ratios(times)}


def demo(port: int) -> dict[str, float]:
    """Seconds from the start of the demo's process to its API, to the first picture of 256×256, and of the second."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "lib_regional.standalone", "--port", str(port), "--no-browser"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    url, seconds = f"http://127.0.0.1:{port}", {}
    try:
        while "listening" not in seconds and process.poll() is None:
            try:
                ask(f"{url}/sdapi/v1/samplers")
                seconds["listening"] = time.perf_counter() - start
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        for name in ("first picture", "second picture"):
            ask(f"{url}/sdapi/v1/txt2img", {**REQUEST, "width": 256, "height": 256, **ON})
            seconds[name] = time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(20)
    return {**seconds, "256×256 in 20 steps": seconds["second picture"] - seconds["first picture"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--port", type=int, default=7931)
    parser.add_argument("--url", action="append", default=[], help="a running WebUI; several in the order given")
    parser.add_argument("--loras", nargs=2, default=[], help="names of two of its LoRAs; default: the first two that it has")
    parser.add_argument("--peer", action="append", default=[], help="a variant of tests/fidelity/peers.py, such as forge_couple")
    parser.add_argument("--size", type=int, default=256, help="of the live WebUIs' pictures, in pixels")
    parser.add_argument("--json", type=Path, help="write the live WebUIs' figures to this file as well")
    args = parser.parse_args()
    if args.url:
        found = [live(url.rstrip("/"), args.loras, args.peer, args.size, args.rounds) for url in args.url]
        if args.json:
            args.json.write_text(json.dumps(found, indent=1) + "\n")
        return
    print({name: round(value, 4) for name, value in disabled(args.rounds).items()})
    print({name: round(value, 2) for name, value in demo(args.port).items()})


if __name__ == "__main__":
    main()
