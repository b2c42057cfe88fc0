"""``pytest tests/acceptance --webui-url http://127.0.0.1:7860`` runs the suite against any live WebUI with the extension.

Without a URL the project's own standalone host is started for the session.
"""

from __future__ import annotations

import json
import os

import pytest
from client import WebUI

PROMPT = {"prompt": "a red circle on grass", "negative_prompt": "", "width": 128, "height": 128, "seed": 1234, "steps": 8,
          "sampler_name": "Euler a", "cfg_scale": 5.0}  # fmt: skip


def pytest_addoption(parser):
    parser.addoption("--webui-url", default=os.environ.get("WEBUI_URL"), help="a running WebUI; default: the standalone host")
    parser.addoption("--webui-request", type=json.loads, default={}, help='JSON for every request, e.g. {"scheduler": "Simple"} for Flux')
    parser.addoption("--webui-size", type=int, default=128, help="picture size to ask for (a real SD1.5 wants 512)")
    parser.addoption("--webui-controlnet", default="regional-control", help="how the name of the ControlNet to test with begins")


@pytest.fixture(scope="session")
def url(request, tmp_path_factory):
    given = request.config.getoption("--webui-url", default=os.environ.get("WEBUI_URL"))
    if given:
        yield given.rstrip("/")
        return
    from safetensors.torch import save_file

    from lib_regional.standalone.server.app import serve
    from tests.support.small_controlnet import controlnet

    controlnets = tmp_path_factory.mktemp("ControlNet")
    save_file(controlnet(0.8), controlnets / "regional-control.safetensors")  # beside the shipped one
    with serve(controlnets=controlnets) as own:
        yield own.url


@pytest.fixture(scope="session")
def webui(url, request):
    size = request.config.getoption("--webui-size", default=128)
    more = request.config.getoption("--webui-request", default={})
    return WebUI(url, {**PROMPT, "width": size, "height": size, **more})


@pytest.fixture(scope="session")
def plain(webui):
    """The baseline that every generation after a fault must equal."""
    return webui.make()
