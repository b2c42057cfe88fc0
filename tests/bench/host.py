"""What the extension costs when it is off, and how long the demo takes to its first picture.

    python tests/bench/host.py [--rounds 20]

*Disabled*: the same txt2img in one process, in turns, on a host without any script, with the extension silent, and with it disabled in the
request; medians of the rounds' ratios. *Demo*: `python -m lib_regional.standalone` from the start of the process to the first picture.
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
    with urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=120) as answer:
        return json.loads(answer.read())


def demo(port: int) -> dict[str, float]:
    """Seconds from the start of the demo's process to its API, to the first picture of 256×256, and of the second."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "lib_regional.standalone", "--port", str(port), "--no-browser"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    url, told = f"http://127.0.0.1:{port}", {}
    try:
        while "listening" not in told and process.poll() is None:
            try:
                ask(f"{url}/sdapi/v1/samplers")
                told["listening"] = time.perf_counter() - start
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        for name in ("first picture", "second picture"):
            ask(f"{url}/sdapi/v1/txt2img", {**REQUEST, "width": 256, "height": 256, **ON})
            told[name] = time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(20)
    return {**told, "256×256 in 20 steps": told["second picture"] - told["first picture"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--port", type=int, default=7931)
    args = parser.parse_args()
    print({name: round(value, 4) for name, value in disabled(args.rounds).items()})
    print({name: round(value, 2) for name, value in demo(args.port).items()})


if __name__ == "__main__":
    main()
