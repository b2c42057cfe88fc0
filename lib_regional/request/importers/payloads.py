"""Layouts in JSON: API payloads, their scripts alone, Tiled Diffusion's own files, and settings of this extension."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import RegionalError, settings_error
from ..infotext import KEY
from ..settings import Settings, is_off
from . import forge_couple, latent_couple, regional_prompter, tiled_diffusion
from .report import Imported, MaskReader, Source

FORMATS: Mapping[str, Callable[[Source], Imported]] = {
    "regional_prompter": regional_prompter.build,
    "forge_couple": forge_couple.build,
    "latent_couple": latent_couple.build,
    "tiled_diffusion": tiled_diffusion.build,
}
"""Name of a format -> its importer."""

_PICTURE = ("width", "height", "steps", "seed")
_LARGEST = 2**53


@dataclass(frozen=True)
class Context:
    """What a pasted text belongs to: the prompts and the size of the page, and what reads mask pictures."""

    prompt: str = ""
    negative: str = ""
    size: tuple[int, int] = (512, 512)
    read_masks: MaskReader | None = None

    def source(self, options: Mapping[str, Any], prompt: str, negative: str, picture: Mapping[str, int]) -> Source:
        """The input of an importer; prompts that the text does not bring are the page's."""
        size = picture.get("width", self.size[0]), picture.get("height", self.size[1])
        return Source(options, prompt or self.prompt, negative or self.negative, size, picture.get("steps", 0), self.read_masks)


@dataclass(frozen=True)
class Script:
    """A script of a payload: the name of its format, its title, its options by name, and whether it is switched on."""

    name: str
    title: str
    options: Mapping[str, Any]
    is_on: bool
    note: str = ""


def from_json(text: str, name: str, context: Context) -> Imported:
    """Settings out of JSON. Raises RegionalError for broken JSON, and where it holds no layout that is switched on."""
    data = _read(text)
    if not isinstance(data, Mapping):
        raise RegionalError("This JSON is a list: an API payload or settings are an object.")
    scripts = data.get("alwayson_scripts", data)
    found = list(_scripts(scripts, data)) if isinstance(scripts, Mapping) else []
    chosen = choose(found, name)
    if chosen is None:
        if name in ("auto", "regional") and ("regions" in data or "version" in data):
            return own(Settings.parse(dict(data)))
        known = ", ".join(str(key) for key in scripts) if isinstance(scripts, Mapping) else "none"
        raise RegionalError(f"This payload has no layout that Regional reads; its scripts or keys: {known[:200] or 'none'}.")
    if chosen.name == "regional":
        return own(Settings.parse(chosen.options["settings"]))
    picture = {key: number for key in _PICTURE if (number := _whole(data.get(key))) is not None}
    prompt, negative = (_text(data.get(key)) for key in ("prompt", "negative_prompt"))
    return finished(FORMATS[chosen.name](context.source(chosen.options, prompt, negative, picture)), picture, chosen.note)


def choose(found: Sequence[Script], name: str) -> Script | None:
    """The first script that is on and of the wanted format. Raises RegionalError where those of the format are all switched off."""
    wanted = [script for script in found if name in ("auto", script.name)]
    chosen = next((script for script in wanted if script.is_on), None)
    if wanted and chosen is None:
        titles = ", ".join(script.title for script in wanted)
        raise RegionalError(f"Nothing is switched on in this text: {titles} {'is' if len(wanted) == 1 else 'are all'} off.")
    return chosen


def finished(imported: Imported, picture: Mapping[str, int], note: str = "") -> Imported:
    """``imported`` with the numbers of the whole picture, which the report offers."""
    words = [f"{picture['width']} × {picture['height']} pixels"] if {"width", "height"} <= set(picture) else []
    words += [f"{key} {picture[key]}" for key in ("steps", "seed") if key in picture]
    offered = [f"The picture has {', '.join(words)}: these are the WebUI's own fields, set them there."] if words else []
    taken = (*([note] if note else ()), *imported.taken, *offered)
    return replace(imported, taken=taken, picture=dict(picture))


def own(settings: Settings) -> Imported:
    """Settings of this extension, as they are."""
    number = len(settings.regions)
    return Imported(settings, "Regional settings", (f"{number} region{'' if number == 1 else 's'}.",))


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RegionalError(f"This looks like JSON, but it is broken: {str(error)[:200]}.") from error


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value[0]) if isinstance(value, list) and value else ""


def _whole(value: object) -> int | None:
    """A number of 0 to 2^53 as a whole one, None for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    return int(value) if is_number else None  # type: ignore[call-overload]  # judged above


# ---------------------------------------------------------------- scripts


def _scripts(scripts: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    """Every known script of a payload."""
    boxes = data.get("bbox_controls")
    if isinstance(boxes, list):
        yield Script("tiled_diffusion", "Tiled Diffusion", tiled_diffusion.options_of_file(boxes), True)
    for title, entry in scripts.items():
        given = entry.get("args") if isinstance(entry, Mapping) else entry
        kind = _TITLES.get(str(title).lower())
        if kind is not None and given:
            arguments, note = _listed(str(title), given, is_own=kind == "regional")
            yield _script(kind, str(title), arguments, note)


_TITLES: Mapping[str, str] = {
    KEY.lower(): "regional",
    **dict.fromkeys(regional_prompter.TITLES, "regional_prompter"),
    **dict.fromkeys(forge_couple.TITLES, "forge_couple"),
    **dict.fromkeys(latent_couple.TITLES, "latent_couple"),
    **dict.fromkeys(tiled_diffusion.TITLES, "tiled_diffusion"),
}
"""Title of a script in small letters -> name of its format."""


def _listed(title: str, given: Any, *, is_own: bool) -> tuple[list[Any], str]:
    """Arguments as a list, also those of an object with numbers as keys, and a note on that. Raises SettingsError for other kinds."""
    inner = given[0] if isinstance(given, (list, tuple)) and len(given) == 1 and not is_own else given
    if isinstance(inner, Mapping) and inner and all(str(key).isdecimal() and len(str(key)) < 4 for key in inner):
        numbered = {int(key): value for key, value in inner.items()}
        return [numbered.get(at) for at in range(max(numbered) + 1)], f"The arguments of {title} were read by their numbers."
    if isinstance(inner, Mapping) or not isinstance(given, (list, tuple)):
        text = f'The args of "{title}" must be a list of values in their order, got {type(inner).__name__}.'
        raise settings_error(f"alwayson_scripts.{title}.args", inner, "a list of values", text=text)
    return list(given), ""


def _script(kind: str, title: str, arguments: list[Any], note: str) -> Script:
    if kind == "regional":
        return Script(kind, title, {"settings": arguments[0]}, not is_off(arguments[0]), note)
    if kind == "tiled_diffusion":
        return Script(kind, title, tiled_diffusion.options_of(arguments), tiled_diffusion.is_on(arguments), note)
    if kind == "latent_couple":
        names: Sequence[str] = latent_couple.ARGUMENTS
    else:
        module = regional_prompter if kind == "regional_prompter" else forge_couple
        names, older = module.names_of(arguments)
        note = " ".join(filter(None, (note, older)))
    return Script(kind, title, dict(zip(names, arguments, strict=False)), is_true(arguments[0]), note)


def is_true(value: object) -> bool:
    """A switch of a payload: true, 1 or "true"."""
    return value.strip().lower() in ("true", "1") if isinstance(value, str) else bool(value)
