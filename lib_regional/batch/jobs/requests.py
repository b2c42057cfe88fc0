"""From a row to the request of a picture, and what must be right in a request before the first picture."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...request.errors import Problem, SettingsError, settings_error
from ...request.fields import Field, Number
from ...request.settings import Settings, is_off
from .tables import Values
from .templates import fill, typed, unused

SCRIPT = "Regional"
ROUTES = ("txt2img", "img2img")
_OWN = ("name", "route", "request", "regional")
"""Columns that are no field of a request."""
_SETTINGS = {"regions", "grid", "enabled"}
"""Keys of which a template of settings has one, and a request none."""
KEY_LENGTH = 32

FIELDS: Mapping[str, Field] = {
    "width": Number("Width in pixels.", 512, low=16, high=16384, whole=True),
    "height": Number("Height in pixels.", 512, low=16, high=16384, whole=True),
    "steps": Number("Sampling steps.", 50, low=1, high=1000, whole=True),
    "cfg_scale": Number("CFG scale.", 7.0, low=0, high=1000),
    "seed": Number("Seed.", -1, low=-1, high=2**53, whole=True),
    "batch_size": Number("Pictures of one batch.", 1, low=1, high=100, whole=True),
    "n_iter": Number("Batches.", 1, low=1, high=1000, whole=True),
    "denoising_strength": Number("Denoising strength.", 0.75, low=0, high=1),
}
"""Fields of a request that are judged here; the others are the WebUI's affair."""
_OF_REQUESTS = {*FIELDS, "prompt", "negative_prompt", "sampler_name", "scheduler"}
"""Columns that are the request's beside a template of settings."""


@dataclass(frozen=True)
class Job:
    """One request. ``key`` is the hash of ``route`` and ``request``, ``row`` the row of the table that asked for it first."""

    key: str
    row: int
    route: str
    request: Mapping[str, Any] = field(repr=False)
    name: str = ""

    @property
    def settings(self) -> Settings | None:
        """Its regional settings; None without any."""
        found = regional_of(self.request)
        return None if found is None or is_off(found) else Settings.parse(found)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its pictures in pixels."""
        width, height = (int(self.request.get(name, 512)) for name in ("width", "height"))
        return width, height


@dataclass(frozen=True)
class Recipe:
    """How rows become requests: the template (None: a row is the request), values under all requests, and candidates (0: as asked)."""

    template: Mapping[str, Any] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    candidates: int = 0

    def job(self, number: int, row: Values, unseeded: Counter[str]) -> Job:
        """The job of a row. Raises SettingsError.

        A row without a seed gets one from its request; ``unseeded`` counts such rows, so that equal ones are different pictures.
        """
        route, request = self._request(row)
        request = {**self.defaults, **request}
        if "init_images" in request and "route" not in row:
            route = "img2img"
        problems = [*_route_problems(route), *request_problems(request)]
        if problems:
            raise SettingsError(problems)
        request = self._with_candidates(request)
        if request.get("seed", -1) == -1:
            asked = key_of(route, {**request, "seed": -1})
            request["seed"] = int(key_of(asked, {"seed": unseeded[asked]})[:8], 16)
            unseeded[asked] += 1
        return Job(key_of(route, request), number, route, request, str(row.get("name", "")))

    def unused(self, row: Values) -> list[str]:
        """The columns of a row that act on nothing."""
        if self.template is None:
            return []
        own = {"name", "route"} | (_OF_REQUESTS if _SETTINGS & set(self.template) else set())
        return [name for name in unused(self.template, row) if name not in own]

    def _request(self, row: Values) -> tuple[str, dict[str, Any]]:
        route = str(row.get("route", "txt2img"))
        if self.template is None:
            return route, _plain_request(row)
        filled = fill(self.template, row)
        if not _SETTINGS & set(self.template):
            return str(filled.pop("route", route)), filled
        fields = {name: typed(name, value) for name, value in row.items() if name in _OF_REQUESTS}
        return route, _with_settings(fields, filled)

    def _with_candidates(self, request: dict[str, Any]) -> dict[str, Any]:
        found = regional_of(request)
        if not self.candidates or found is None or is_off(found):
            return request
        settings = dict(found if isinstance(found, Mapping) else json.loads(found))
        options = dict(settings.get("options", {}))
        options["scores"] = {"candidates": self.candidates, **options.get("scores", {})}
        return _with_settings(request, {**settings, "options": options})


def key_of(route: str, request: Mapping[str, Any]) -> str:
    """The hash of a request, whatever the order of its keys."""
    text = json.dumps([route, request], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:KEY_LENGTH]


def _plain_request(row: Values) -> dict[str, Any]:
    """A row that is a request: its columns, or the JSON in ``request``, with the settings of ``regional``."""
    given = typed("", row.get("request", {}))
    if not isinstance(given, Mapping):
        raise settings_error("request", given, "a JSON object")
    request = {**given, **{name: typed(name, value) for name, value in row.items() if name not in _OWN}}
    return _with_settings(request, typed("", row["regional"])) if "regional" in row else request


def _with_settings(request: Mapping[str, Any], settings: Any) -> dict[str, Any]:
    scripts = request.get("alwayson_scripts") or {}
    name = next((name for name in scripts if name.lower() == SCRIPT.lower()), SCRIPT)
    return {**request, "alwayson_scripts": {**scripts, name: {"args": [settings]}}}


def regional_of(request: Mapping[str, Any]) -> Any:
    """The argument of this extension's script in a request; None without one. `request_problems` judges the rest."""
    scripts = request.get("alwayson_scripts")
    entry = next((scripts[name] for name in scripts if name.lower() == SCRIPT.lower()), None) if isinstance(scripts, Mapping) else None
    args = entry.get("args") if isinstance(entry, Mapping) else None
    return args[0] if isinstance(args, list) and args else None


def request_problems(request: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with a request: its numbers, its prompts, its regional settings."""
    for name, kind in FIELDS.items():
        if name in request and (allowed := kind.fault(request[name])):
            yield Problem(name, request[name], allowed)
    for name in ("prompt", "negative_prompt"):
        if not isinstance(request.get(name, ""), str):
            yield Problem(name, request[name], "a text")
    scripts = request.get("alwayson_scripts", {})
    if not isinstance(scripts, Mapping) or not all(isinstance(entry, Mapping) for entry in scripts.values()):
        yield Problem("alwayson_scripts", scripts, 'an object such as {"Regional": {"args": [{"enabled": true, …}]}}')
        return
    found = regional_of(request)
    if found is None:
        return
    try:
        settings = Settings.parse(found)
        if settings.enabled:
            settings.check_method()
            settings.layout()
    except SettingsError as error:
        yield from error.problems


def _route_problems(route: str) -> Iterator[Problem]:
    if route not in ROUTES:
        yield Problem("route", route, " or ".join(ROUTES))
