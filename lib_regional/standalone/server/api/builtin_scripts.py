"""Scripts that a WebUI brings along and that payloads list: this host runs none of them, and refuses those that would do something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ....request.errors import shown
from ...faults import RequestError

SWITCHED = (
    "Refiner", "Hypertile", "Soft Inpainting", "Comments", "Extra options", "API payload", "FreeU Integrated",
    "HyperTile Integrated", "Kohya HRFix Integrated", "LatentModifier Integrated", "MultiDiffusion Integrated", "Never OOM Integrated",
    "SelfAttentionGuidance Integrated", "StyleAlign Integrated", "DynamicThresholding (CFG-Fix) Integrated",
)  # fmt: skip
"""Scripts of AUTOMATIC1111 and Forge whose first argument, or ``enabled`` in any of their objects, switches them on."""

FIELDS: Mapping[str, tuple[str | None, ...]] = {
    "Seed": ("seed", None, "subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h"),
    "Sampler": ("steps", "sampler_name", "scheduler"),
}
"""Scripts that write the request's own fields -> the field of each argument."""

_TITLES = {title.lower(): title for title in (*SWITCHED, *FIELDS)}


def is_builtin(title: str) -> bool:
    """Whether a WebUI brings a script of this title along, in any case."""
    return title.lower() in _TITLES


def check_builtin(title: str, given: Any, request: Any) -> None:
    """Raise RequestError where a script of a WebUI's is on, or says something else than the request's own fields."""
    name = _TITLES[title.lower()]
    values = given.get("args", []) if isinstance(given, Mapping) else None
    if not isinstance(values, list):
        raise RequestError(f'alwayson_scripts: "{name}" must be {{"args": [...]}} with a list, got {shown(given)}.')
    if name in FIELDS:
        _check_fields(name, values, request)
    elif _is_on(values):
        raise RequestError(f"alwayson_scripts: the standalone host has no {name}: switch it off.")


def _is_on(values: Iterable[Any]) -> bool:
    return any(value is True and at == 0 or isinstance(value, Mapping) and value.get("enabled") is True for at, value in enumerate(values))


def _check_fields(name: str, values: Iterable[Any], request: Any) -> None:
    listed = list(values)
    fields = FIELDS[name] if name != "Seed" or listed[1:2] == [True] else FIELDS[name][:1]
    for field, value in zip(fields, listed, strict=False):
        own = getattr(request, field) if field else value
        if field and own is not None and value != own:
            raise RequestError(f"{field} is {shown(own)} in the request and {shown(value)} in its script {name}: give one of them.")
