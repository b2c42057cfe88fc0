"""``python -m lib_regional.standalone``: the host with its page and API on this machine."""

from __future__ import annotations

import argparse
import atexit
import functools
import gc
import logging
import os
import sys
import threading
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from .stopping import Stopping

if TYPE_CHECKING:
    import uvicorn

PORT = 7860


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m lib_regional.standalone",
        description="A small host for Regional: a page and the WebUI's API on a small model, or on a Stable Diffusion 1 or XL checkpoint.",
    )
    made.add_argument("--port", type=int, default=PORT, help=f"port to listen on; the next free one if it is busy (default {PORT})")
    made.add_argument("--checkpoint", type=Path, help="a Stable Diffusion 1 or XL checkpoint (.safetensors, or .ckpt with weights only)")
    made.add_argument("--lora-dir", type=Path, help="a folder of LoRAs (.safetensors) beside those that come with the small model")
    made.add_argument("--controlnet-dir", type=Path, help="a folder of ControlNet models (.safetensors, or .pth with weights only)")
    made.add_argument(
        "--listen", nargs="?", const="0.0.0.0", metavar="ADDRESS",
        help="answer other machines too, at this address of this machine (default: all of them); there is no password",
    )  # fmt: skip
    made.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help="answer under this name (or name:port) too, that of a proxy in front; may be given more than once",
    )  # fmt: skip
    made.add_argument("--no-browser", action="store_true", help="do not open a browser")
    made.add_argument("--nowebui", action="store_true", help="the API alone, without the page")
    made.add_argument("--output", type=Path, default=Path.cwd(), help="folder under which pictures are saved (default: this folder)")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run until stopped; the exit status: 130 after Ctrl+C, 143 after SIGTERM, 1 when the host cannot start."""
    options = parser().parse_args(arguments)
    stopping = Stopping()
    with stopping.handling():
        return run(options, stopping)


def run(options: argparse.Namespace, stopping: Stopping) -> int:
    """Load, serve, and end in order; the exit status."""
    # Before torch is loaded: threads that wait by spinning make a busy machine many times slower with networks this small.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from ..request.errors import RegionalError
    from .server.app import ADDRESS, create, free_port, has_page, server
    from .server.guard import Access

    print("Starting…", flush=True)
    try:
        access = Access(options.listen or ADDRESS, tuple(options.allow_host))
        free_port(options.port, address=access.listen)  # what is wrong with the address is known before the model is loaded
        folders = {"output": options.output, "loras": options.lora_dir, "controlnets": options.controlnet_dir}
        app, host = create(options.checkpoint, options.nowebui, **folders, access=access)
        port = free_port(options.port, address=access.listen)
    except (RegionalError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    if port != options.port:
        print(f"Port {options.port} is busy, taking {port} instead.", flush=True)
    url = f"http://{access.reached_at}:{port}"
    if access.listen != ADDRESS:
        print(f"Other machines are answered, without a password: listening at {access.listen}.", flush=True)
    running = server(app, port, host, access.listen)
    page = not options.nowebui and has_page()
    threading.Thread(target=announce, args=(running, url, page and not options.no_browser), daemon=True).start()
    gc.freeze()  # what is loaded now stays; looking through it again and again would hold all threads up each time
    stopping.stop = functools.partial(setattr, running, "should_exit", True)
    try:
        running.run()
    finally:
        host.close()
    if stopping.signal:
        print("\nStopped.", flush=True)
    return stopping.status


def announce(running: uvicorn.Server, url: str, browser: bool) -> None:
    """Print the address as soon as the server responds, and open it."""
    while not running.started:
        time.sleep(0.05)
    print(f"Running on {url}  (Ctrl+C stops it)", flush=True)
    if browser:
        webbrowser.open(url)


def leave(status: int) -> NoReturn:
    """End the process without Python's finalisation, which needs seconds for the loaded modules."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
