"""The standalone host without a server: requests of the API go to its application in this process."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ADDRESS = "http://127.0.0.1"


class Engine:
    """A model and its scripts. Raises `CheckpointError` for a checkpoint that cannot be used."""

    def __init__(self, checkpoint: str = "", loras: str = "", controlnets: str = "", device: str | None = None) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        from ...standalone.server.app import create

        self._folder = tempfile.TemporaryDirectory(prefix="regional-batch-")
        output = Path(self._folder.name)
        folders: dict[str, Any] = {"loras": Path(loras) if loras else None, "controlnets": Path(controlnets) if controlnets else None}
        app, self._host = create(checkpoint or None, True, device=device, output=output, **folders)
        self._app: Any = app

    def make(self, route: str, request: Mapping[str, Any]) -> tuple[int, bytes]:
        """(HTTP status, body) of a request of the API."""
        return asyncio.run(self._post(f"/sdapi/v1/{route}", request))

    async def _post(self, path: str, request: Mapping[str, Any]) -> tuple[int, bytes]:
        import httpx

        transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ADDRESS, timeout=None) as client:
            answer = await client.post(path, json=dict(request))
            return answer.status_code, answer.content

    def close(self) -> None:
        """Unload the scripts and remove the temporary folder."""
        self._host.close()
        self._folder.cleanup()
