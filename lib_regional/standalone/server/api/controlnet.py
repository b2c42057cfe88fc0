"""The routes of /controlnet, as sd-webui-controlnet and Forge have them: which models and preprocessors there are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI

from ...controlnet.script import UNITS
from ...controlnet.units import MODULES
from ...host import Host

PREFIX = "/controlnet/"


def add_controlnet(app: FastAPI, host: Host) -> None:
    """Add all routes."""

    def model_list() -> dict[str, Any]:
        """Names of the models in the folders."""
        return {"model_list": sorted(host.model.control_files.listed())}

    def module_list() -> dict[str, Any]:
        """Names of the preprocessors."""
        return {"module_list": list(MODULES), "module_detail": {name: {"model_free": False, "sliders": []} for name in MODULES}}

    def settings() -> dict[str, Any]:
        """Units on the page; requests may have more."""
        return {"control_net_unit_count": UNITS}

    router = APIRouter()
    for name, endpoint in (("model_list", model_list), ("module_list", module_list), ("settings", settings)):
        router.add_api_route(PREFIX + name, endpoint, methods=["GET"], tags=["ControlNet"])
    app.include_router(router)
