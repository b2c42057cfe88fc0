"""A tiny model with random weights, and hosts on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("gradio")

from fastapi.testclient import TestClient  # noqa: E402

from lib_regional.standalone import binding  # noqa: E402
from lib_regional.standalone.host import Host  # noqa: E402
from lib_regional.standalone.server.app import create  # noqa: E402
from tests.support.generations import REQUEST, pictures_of  # noqa: E402
from tests.support.random_model import random_model  # noqa: E402

LOCAL = "http://127.0.0.1"
"""The host answers under the names of this machine alone; a test client's own is another one."""


@pytest.fixture(scope="session")
def model():
    """The networks of the small model with random weights."""
    return random_model()


@pytest.fixture(scope="session")
def bare_application(model, tmp_path_factory):
    """Application and host without any script."""
    return create(model=model, scripts=[], output=tmp_path_factory.mktemp("output"))


@pytest.fixture
def host(bare_application) -> Iterator[Host]:
    """The bare host; callbacks and options that a test leaves are taken away."""
    own = bare_application[1]
    binding.bind(own)
    options = dict(own.options.data)
    yield own
    own.callbacks.clear()
    own.model.call_listeners.clear()
    own.options.data.clear()
    own.options.data.update(options)


@pytest.fixture
def client(bare_application, host) -> TestClient:
    """HTTP to the bare host."""
    return TestClient(bare_application[0], LOCAL, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def served(model, tmp_path_factory) -> Iterator[tuple[TestClient, Host]]:
    """HTTP to a host with the extension's own script, and the host."""
    app, host = create(model=model, output=tmp_path_factory.mktemp("output"))
    binding.bind(host)
    yield TestClient(app, LOCAL, raise_server_exceptions=False), host
    binding.unbind(host)


@pytest.fixture
def post(served) -> Callable[..., Any]:
    """The answer to a request with regions."""
    client, host = served
    binding.bind(host)

    def ask(regional=None, route="txt2img", **request):
        body = {**REQUEST, **request}
        if regional is not None:
            body["alwayson_scripts"] = {"Regional": {"args": [{"enabled": True, **regional}]}}
        return client.post(f"/sdapi/v1/{route}", json=body)

    return ask


@pytest.fixture
def make(post) -> Callable[..., Any]:
    """The pictures of a request that must succeed."""

    def made(regional=None, route="txt2img", **request):
        return pictures_of(post(regional, route, **request))

    return made


@pytest.fixture
def with_scripts(model, tmp_path) -> Callable[..., tuple[TestClient, Host]]:
    """Makes a host whose extension has script files with the given texts."""

    def made(*texts: str) -> tuple[TestClient, Host]:
        files = written(tmp_path / "extension" / "scripts", texts)
        app, own = create(model=model, scripts=files, output=tmp_path)
        return TestClient(app, LOCAL, raise_server_exceptions=False), own

    return made


def written(folder: Path, texts: Sequence[str]) -> list[Path]:
    """The texts as script files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"probe_{number}.py" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    return files
