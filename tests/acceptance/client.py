"""A WebUI API client and the few things the acceptance tests say with it. HTTP only: nothing here knows the host."""

from __future__ import annotations

import base64
import io
import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import requests
from PIL import Image

HALVES = [{"box": [0, 0, 0.5, 1]}, {"box": [0.5, 0, 1, 1]}]
LATENT = "Latent"
"""The upscaler that the tests of hires passes ask for."""
FULL = {"box": [0, 0, 1, 1], "base_share": 0.0}


@dataclass(frozen=True)
class Made:
    """What a generation gave: PNG bytes, pictures and infotexts in order."""

    pngs: tuple[bytes, ...]
    infotexts: tuple[str, ...]

    @property
    def pixels(self) -> list[np.ndarray]:
        """(H, W, 3) int16 per picture."""
        return [np.asarray(Image.open(io.BytesIO(p)).convert("RGB"), np.int16) for p in self.pngs]


@dataclass
class WebUI:
    """A running WebUI by URL. ``common`` goes into every request."""

    url: str
    common: dict[str, Any] = field(default_factory=dict)

    def get(self, path: str) -> Any:
        """JSON of a GET; a busy host may take a minute for a list (Forge Neo for its OpenAPI document)."""
        answer = requests.get(self.url + path, timeout=300)
        answer.raise_for_status()
        return answer.json()

    def option(self, key: str, value: Any) -> dict[str, Any]:
        """``override_settings`` with this one where the host knows it.

        The present value is saved first: AUTOMATIC1111 v1.10.1 puts back only the options that were saved once
        (``modules/processing.py``, ``stored_opts``), so on a new installation an override would stay for good.
        """
        options = self.get("/sdapi/v1/options")
        if key not in options:
            return {}
        self.post("/sdapi/v1/options", {key: options[key]})
        return {key: value}

    def linear_decoder(self, **request: Any) -> dict[str, Any] | None:
        """``override_settings`` with which pictures are linear in the latents, cell by cell, so that no decoder spreads what changes.

        ``request``: what else is asked for. None where the host has no such decoder.
        """
        asked = {**self.common, **request}
        for name in ("Approx cheap", "RGB"):
            settings = self.option("sd_vae_decode_method", name)
            height, width = self.make(**{**request, "steps": 1, "override_settings": settings}).pixels[0].shape[:2]
            if (height, width) == (asked["height"] // 8, asked["width"] // 8):
                return settings
        return None

    @cached_property
    def latent_upscalers(self) -> frozenset[str]:
        """Names of the upscalers of latents that the host has."""
        return frozenset(entry["name"] for entry in self.get("/sdapi/v1/latent-upscale-modes"))

    def post(self, path: str, body: Any, timeout: float = 600) -> requests.Response:
        """Plain POST; the caller looks at the status."""
        return requests.post(self.url + path, json=body, timeout=timeout)

    def make(self, regional: dict[str, Any] | None = None, route: str = "txt2img", **request: Any) -> Made:
        """A generation that must succeed."""
        answer = self.post(f"/sdapi/v1/{route}", self.request(regional, **request))
        assert answer.status_code == 200, answer.text[:2000]
        body = answer.json()
        import json

        pngs = tuple(base64.b64decode(image.partition(",")[2] if image.startswith("data:") else image) for image in body["images"])
        return Made(pngs, tuple(json.loads(body["info"])["infotexts"]))

    def request(self, regional: dict[str, Any] | None = None, **request: Any) -> dict[str, Any]:
        """The body of a generation with ``regional`` as the script's argument; ``scripts`` are the arguments of others.

        A host that does not enlarge latents (Forge Neo) is asked to enlarge the picture by Pillow, which it calls "None".
        """
        body = {**self.common, **request}
        others = {name: {"args": args} for name, args in body.pop("scripts", {}).items()}
        if body.get("hr_upscaler") == LATENT and LATENT not in self.latent_upscalers:
            body["hr_upscaler"] = "None"
        if regional is not None:
            others["Regional"] = {"args": [regional]}
        return {**body, "alwayson_scripts": others} if others else body

    def refused(self, regional: Any, **request: Any) -> str:
        """The message of a generation that must be refused; a picture is a failure."""
        answer = self.post("/sdapi/v1/txt2img", self.request(regional, **request))
        assert answer.status_code >= 400, "a picture was made in silence"
        return answer.text

    def interrupted(self, regional: dict[str, Any], **request: Any) -> None:
        """Begin a long generation, interrupt it once it samples, and wait for its end."""
        worker = threading.Thread(target=self.post, args=("/sdapi/v1/txt2img", self.request(regional, **request)))
        worker.start()
        for _ in range(600):
            state = self.get("/sdapi/v1/progress?skip_current_image=true")["state"]
            if state["sampling_step"] >= 2 or not worker.is_alive():
                break
            threading.Event().wait(0.02)
        self.post("/sdapi/v1/interrupt", None)
        worker.join(120)
        assert not worker.is_alive()


def regional(regions: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Settings of the contract, enabled."""
    return {"enabled": True, "regions": regions, **more}


def difference(a: Made, b: Made) -> int:
    """Largest difference of any channel of any picture, in 8-bit levels."""
    assert len(a.pngs) == len(b.pngs)
    return max(int(np.abs(x - y).max()) for x, y in zip(a.pixels, b.pixels, strict=True))


def wobble(webui: WebUI, settings: dict[str, Any] | None, **request: Any) -> int:
    """Within how many levels two runs of one img2img request are the same: hosts draw the latent from the encoder's posterior, unseeded.

    2 where they do not; three times the largest difference among four runs of it where they do.
    """
    first, *others = (webui.make(settings, **request) for _ in range(4))
    return 2 + 3 * max(difference(first, other) for other in others)
