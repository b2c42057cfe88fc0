"""What is fuzzed: groups of inputs, and what reads each of them. Every one gives a result or an error of the project's own."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import ValidationError

from lib_regional.api.routes import add_routes
from lib_regional.api.strict_json import check_value, parse_body
from lib_regional.request.importers import FORMATS, Source, import_text
from lib_regional.request.infotext import find_in_text
from lib_regional.request.layout.grid import Grid, cell_values, grid_of
from lib_regional.request.parameters import parse_picture_text
from lib_regional.request.presets import PresetStore
from lib_regional.request.prompt.lora_scope import scope_tags
from lib_regional.request.prompt.lora_tags import split_tags
from lib_regional.request.prompt.region_prompts import plan_texts
from lib_regional.request.prompt.schedules import parse_emphasis, prompt_schedule
from lib_regional.request.settings import Settings
from lib_regional.sources.channels import palette_masks
from lib_regional.sources.picture import infotext_of, open_drawn, open_picture
from lib_regional.sources.rows import SOURCES
from lib_regional.standalone.faults import RequestError
from lib_regional.standalone.pipeline.infotext import parse_generation_parameters
from lib_regional.standalone.pipeline.pictures import all_from_base64
from lib_regional.standalone.server.api.arguments import images_of, processing_fields
from lib_regional.standalone.server.api.models import Img2ImgRequest, Txt2ImgRequest
from lib_regional.tensors.masks.weight_maps import weight_maps
from tests.fuzz.inputs import SCRIPTS, SEEDS, SETTINGS, mutated, mutated_json, mutated_picture

Read = Callable[[Any], object]
Make = Callable[[random.Random], Any]

PARSED = Settings.parse(SETTINGS)
REQUEST = {
    "prompt": "a BREAK b", "negative_prompt": "c", "width": 64, "height": 64, "steps": 2, "seed": 1, "cfg_scale": 7, "enable_hr": True,
    "hr_scale": 1.5, "hr_upscaler": "Latent", "hr_second_pass_steps": 2, "hr_resize_x": 0, "denoising_strength": 0.5, "batch_size": 1,
    "subseed": 3, "subseed_strength": 0.5, "sampler_name": "Euler a", "scheduler": "karras", "override_settings": {"eta": 1}, "styles": [],
    "alwayson_scripts": {"Regional": {"args": [SETTINGS]}}, "n_iter": 1, "mask_blur": 4, "resize_mode": 0, "inpainting_fill": 1, "eta": 1,
}  # fmt: skip


def grids(text: str) -> None:
    """Ratios, alone and for keys."""
    Grid(text)
    grid_of(["ADDCOL", "BREAK", "ADDROW"], text, "rows")
    cell_values(["ADDCOL"], text, "1")


def importer(name: str) -> Read:
    """One importer with the text in all of its options."""

    def read(text: str) -> object:
        names = ("ratios", "base_ratios", "divisions", "positions", "weights", "separator", "mode", "end", "steps", "background_weight")
        return FORMATS[name](Source({**dict.fromkeys(names, text), "common": "{ }"}, text, text))

    return read


def drawn(settings: object) -> object:
    """The weight maps of settings, as a generation begins with them."""
    parsed = Settings.parse(settings)
    return weight_maps(parsed.layout(), 8, 12) if parsed.enabled else None


def with_mask(text: str) -> object:
    """A picture as a region's mask."""
    return drawn({"enabled": True, "regions": [{"mask": text}, {"box": [0, 0, 0.5, 1]}]})


def request_fields(body: object) -> object:
    """A request of sampling up to the arguments of processing. What pydantic refuses is a 422 of FastAPI's."""
    if not isinstance(body, dict):
        return None
    check_value(body)
    found = []
    for model in (Txt2ImgRequest, Img2ImgRequest):
        try:
            found.append(processing_fields(model(**body)))
        except ValidationError as error:
            raise RequestError(f"{error.error_count()} fields are of another kind.") from error
    return found


class Routes:
    """The extension's routes, called without a server."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._app = FastAPI()
        add_routes(self._app, PresetStore(Path(self._folder.name)))
        self._thread = ThreadPoolExecutor(1)  # of its own: a browser's test beside this one has a running loop in the main thread
        self._loop = asyncio.new_event_loop()

    def __call__(self, asked: tuple[str, str, bytes]) -> object:
        """Raises AssertionError for a 500 and for a body that is no JSON, RequestError for another refusal."""
        method, path, body = asked
        status, answer = self._thread.submit(self._loop.run_until_complete, self._answer(method, path, body)).result()
        assert status < 500, (status, answer[:200])
        if status >= 400:
            refusal = json.loads(answer)
            assert refusal["detail"], refusal
            raise RequestError(str(refusal["detail"]))
        return answer

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        about = {"root_path": "", "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "http_version": "1.1"}
        await self._app({**scope, **about}, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


ROUTES: Mapping[str, dict[str, object]] = {
    "POST validate": {"settings": SETTINGS, "prompt": "a BREAK b", "negative": "c", "width": 64, "height": 64},
    "POST preview": {"settings": SETTINGS, "width": 64, "height": 64, "scale": 8, "labels": True},
    "POST shape": {"shape": {"procedural": {"kind": "stripes", "count": 3}}, "width": 64, "height": 48},
    "POST import": {"text": SEEDS[0], "format": "auto", "hints": {"ratios": "1,1", "use_base": True}, "width": 64, "height": 64},
    "POST masks": {"picture": "", "kind": "grey"},
    "POST parameters": {"picture": ""},
    "POST layers": {"picture": "", "settings": {"enabled": True, "regions": [{"box": [0, 0, 0.5, 1]}]}},
    "POST tokens": {"texts": ["a", "b"]},
    "PUT presets/a": {"settings": SETTINGS, "overwrite": True},
    "POST presets/a/rename": {"name": "b"},
    "GET presets/a": {},
    "DELETE presets/b": {},
}
"""Method and route -> a good body."""


def asked_route(source: random.Random) -> tuple[str, str, bytes]:
    """A request with a changed body, at times one whose JSON is broken."""
    method, _, path = source.choice(list(ROUTES)).partition(" ")
    body = dict(ROUTES[f"{method} {path}"])
    if "picture" in body:
        body["picture"] = mutated_picture(source)
    if "text" in body and source.random() < 0.5:
        body["text"] = mutated(source.choice(SEEDS), source)
    text = json.dumps(mutated_json(body, source) if source.random() < 0.8 else body)
    if source.random() < 0.1:
        text = mutated(text, source)
    return method, f"/regional/v1/{path}", text.encode("utf-8", "surrogatepass")


def some_text(source: random.Random) -> str:
    """A changed text of any kind."""
    return mutated(source.choice(SEEDS), source)


def some_settings(source: random.Random) -> object:
    """Changed settings, as an object or as text."""
    return mutated_json(SETTINGS, source) if source.random() < 0.7 else mutated(json.dumps(SETTINGS), source)


def some_payload(source: random.Random) -> str:
    """A changed API payload of one of the tools."""
    title = source.choice(list(SCRIPTS))
    payload = {"prompt": "a BREAK b AND c\nd", "steps": 20, "alwayson_scripts": {title: {"args": SCRIPTS[title]}}}
    return json.dumps(mutated_json(payload, source))


def groups() -> Mapping[str, tuple[int, tuple[tuple[Make, Read], ...]]]:
    """Group -> (its share of 100, what is made and what reads it)."""
    images = (open_drawn, lambda text: infotext_of(open_picture(text)), palette_masks, lambda text: all_from_base64([text], "image"))
    pictures = (
        *images[:3],
        lambda text: images_of([text], "image"),
        *(lambda text, row=row: row.masks(open_drawn(text)) for row in SOURCES.values()),
    )
    return {
        "settings": (16, ((some_settings, Settings.parse), (some_settings, drawn))),
        "prompts": (18, tuple((some_text, read) for read in (
            parse_emphasis, lambda text: prompt_schedule(text, 20, 10), split_tags, lambda text: plan_texts(PARSED, text, text),
            lambda text: scope_tags(PARSED, text)))),
        "ratios": (12, ((lambda source: mutated("1,2,1;1,3,4;2", source), grids), (some_text, grids))),
        "masks": (10, ((mutated_picture, with_mask), *((mutated_picture, read) for read in pictures))),
        "importers": (22, ((some_text, import_text), (some_payload, import_text), *((some_text, importer(name)) for name in FORMATS),
            (some_text, lambda text: import_text(text, "forge_couple", ratios=text, separator=text)))),
        "infotexts": (14, ((some_text, find_in_text), (some_text, parse_generation_parameters), (some_text, parse_picture_text))),
        "requests": (6, ((lambda source: mutated_json(REQUEST, source), request_fields),
            (some_text, lambda text: parse_body(text.encode("utf-8", "surrogatepass"))))),
        "routes": (2, ((asked_route, Routes()),)),
    }  # fmt: skip
