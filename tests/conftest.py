"""What every test stands on: one thread per worker, no model hub, no other machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Before torch and the hub client are imported: they read these once.
for name, value in {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TRANSFORMERS_OFFLINE": "1",
}.items():
    os.environ.setdefault(name, value)

settings.register_profile("regional", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("regional")

LOOPBACK = {"127.0.0.1", "::1", "localhost", ""}


@pytest.fixture(scope="session", autouse=True)
def only_this_machine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse connections to other machines, unless the tests are pointed at a WebUI."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and str(address[0]) not in LOOPBACK:
            raise ConnectionRefusedError(f"a test tried to connect to {address[0]}")
        connect(self, address)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        if not request.config.getoption("--webui-url", default=os.environ.get("WEBUI_URL")):
            patch.setattr(socket.socket, "connect", guarded)
        yield
