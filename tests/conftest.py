"""What every test stands on: one thread per worker, no model hub, no other machine; and the markers that folders and files have."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

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
settings.register_profile("fast", settings.get_profile("regional"), max_examples=20)
settings.load_profile("regional")

MARKED = {
    "acceptance": "slow",
    "batch/test_detectors.py": "slow",
    "batch/test_ray.py": "slow",
    "batch/test_runs.py": "slow",
    "browser": "browser",
    "fidelity": "slow",
    "methods/test_thirty_lines.py": "slow",
    "request/test_one_declaration.py": "slow",
    "soak": "slow",
    "standalone": "slow",
    "test_imports.py": "slow",
    "setup": "slow",
    "ui/test_page.py": "slow",
    "ui/test_round_trip.py": "slow",
    "webui": "slow",
}
"""Folder or file below tests/ -> its marker: they sample pictures, start programs or open a page."""


def marker_of(path: Path) -> str | None:
    """The marker that the file at ``path`` has by its place."""
    inner = path.relative_to(Path(__file__).parent).as_posix() + "/"
    return next((marker for place, marker in MARKED.items() if inner.startswith(place + "/")), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by place; skip what needs a CUDA device where there is none."""
    for item in items:
        marker = marker_of(item.path)
        if marker is not None:
            item.add_marker(marker)
        if item.get_closest_marker("gpu") is not None and not has_cuda():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def has_cuda() -> bool:
    """Whether torch finds a CUDA device."""
    import torch

    return torch.cuda.is_available()


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
