"""Assembly of the host: model, scripts, API and page in one application, and a server for it."""

from __future__ import annotations

import errno
import importlib.util
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from ..host import Host
    from ..model.stable_diffusion import StandaloneModel
    from .guard import Access
    from .serving import Server

logger = logging.getLogger("regional.standalone")

WEBUI = Path(__file__).resolve().parents[1] / "webui"
ROOT = Path(__file__).resolve().parents[3]

ADDRESS = "127.0.0.1"


def default_scripts() -> list[Path]:
    """The extension's own entry."""
    return sorted((ROOT / "scripts").glob("*.py"))


def create(
    checkpoint: Path | str | None = None,
    nowebui: bool = True,
    *,
    model: StandaloneModel | None = None,
    scripts: Sequence[Path] | None = None,
    device: str | None = None,
    output: Path | None = None,
    loras: Path | None = None,
    controlnets: Path | None = None,
    access: Access | None = None,
) -> tuple[FastAPI, Host]:
    """The application and its host. ``scripts`` are script files to load instead of the extension's own.

    ``loras`` and ``controlnets`` are folders of such files.

    ``access`` says which Host and Origin headers are answered; the default is those of this machine.

    Raises `CheckpointError` for a checkpoint that cannot be used.
    """
    from ...request.files import remove_leftovers
    from ..host import Host
    from ..model.loading import load_model

    put_modules_on_path()
    loaded = model or load_model(Path(checkpoint) if checkpoint else None, device)
    if loras is not None:
        loaded.lora_shelf.folders = (loras, *loaded.lora_shelf.folders)
        loaded.lora_shelf.refresh()
    if controlnets is not None:
        loaded.control_files.folders = (controlnets, *loaded.control_files.folders)
    host = Host(loaded, output=output or Path.cwd())
    for is_img2img in (False, True):
        remove_leftovers(Path(host.folder(is_img2img)))
    host.load_scripts(default_scripts() if scripts is None else scripts)
    return _application(host, nowebui, access), host


def put_modules_on_path() -> None:
    """Make ``import modules`` find the small package beside this file."""
    if str(WEBUI) not in sys.path:
        sys.path.insert(0, str(WEBUI))


def has_page() -> bool:
    """Whether the page is there."""
    return importlib.util.find_spec("lib_regional.standalone.server.page") is not None


def _application(host: Host, nowebui: bool, access: Access | None) -> FastAPI:
    from fastapi import FastAPI

    from ..binding import BindMiddleware
    from .api import add_api
    from .api.controlnet import add_controlnet
    from .guard import Access, GuardMiddleware

    app = FastAPI(title="Regional, standalone host", docs_url="/docs")
    access = access or Access()
    add_api(app, host, listens=access.listen != ADDRESS)
    add_controlnet(app, host)
    demo = None
    if nowebui or not has_page():
        host.build_controls()
    else:
        from . import page

        demo = page.mount(app, host)
    for is_img2img in (False, True):
        host.default_args(is_img2img)
    host.callbacks.call("model_loaded", host.model)
    _before_page(app, lambda: host.callbacks.call("app_started", demo, app))
    app.add_middleware(BindMiddleware, host=host)
    app.add_middleware(GuardMiddleware, access=access)  # the last one added runs first
    return app


def _before_page(app: FastAPI, add: Callable[[], object]) -> None:
    """Routes that scripts add come before the page, which answers every path."""
    routes = app.router.routes
    pages = [route for route in routes if getattr(route, "path", None) == ""]
    routes[:] = [route for route in routes if route not in pages]
    add()
    routes.extend(pages)


def free_port(wanted: int, attempts: int = 100, address: str = ADDRESS) -> int:
    """``wanted`` or the next port that is free at ``address``. OSError when none of them is, or for an address that this machine lacks."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in range(wanted, min(wanted + attempts, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
                    raise OSError(f'--listen must be an address of this machine, got "{address}".') from error
                continue
            return port
    raise OSError(f"No free port between {wanted} and {wanted + attempts - 1}.")


def server(app: FastAPI, port: int, host: Host, address: str = ADDRESS) -> Server:
    """A server for the application that listens at ``address``, by default on this machine only, and stops ``host`` when it ends."""
    import uvicorn

    from .serving import Server

    return Server(uvicorn.Config(app, host=address, port=port, log_level="warning"), host.stop)


@dataclass(frozen=True)
class Served:
    """A running host."""

    url: str
    app: FastAPI
    host: Host


@contextmanager
def serve(
    checkpoint: Path | str | None = None,
    nowebui: bool = True,
    *,
    port: int = 0,
    model: StandaloneModel | None = None,
    scripts: Sequence[Path] | None = None,
    device: str | None = None,
    output: Path | None = None,
    loras: Path | None = None,
    controlnets: Path | None = None,
    access: Access | None = None,
) -> Iterator[Served]:
    """Run the host in a thread for the time of the block; ``port`` 0 takes any free one."""
    own = {"model": model, "scripts": scripts, "device": device, "output": output, "loras": loras, "controlnets": controlnets}
    app, host = create(checkpoint, nowebui, **own, access=access)  # type: ignore[arg-type]
    running = server(app, free_port(port) if port else _any_port(), host)
    thread = threading.Thread(target=running.run, name="regional-standalone", daemon=True)
    thread.start()
    try:
        _wait(running, thread)
        yield Served(f"http://{ADDRESS}:{running.config.port}", app, host)
    finally:
        running.should_exit = True
        host.close()
        thread.join(timeout=10)


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def _wait(running: uvicorn.Server, thread: threading.Thread, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not running.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise RuntimeError("The server did not start.")
        time.sleep(0.01)
