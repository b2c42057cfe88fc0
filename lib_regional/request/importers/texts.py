"""From pasted text to the importer that reads it: JSON payloads, infotexts, and plain prompts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import RegionalError, settings_error
from ..infotext import KEY, find_in_text
from ..prompt.splitting import BASE_KEY, COLUMN_KEY, COMMON_KEY, REGION_KEYS, ROW_KEY, split_at_words
from ..settings import Settings
from . import forge_couple, latent_couple, regional_prompter, tiled_diffusion
from .report import Imported, MaskReader, Source

FORMATS: Mapping[str, Callable[[Source], Imported]] = {
    "regional_prompter": regional_prompter.build,
    "forge_couple": forge_couple.build,
    "latent_couple": latent_couple.build,
    "tiled_diffusion": tiled_diffusion.build,
}
"""Name of a format -> its importer."""

_PARAMETER = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_FEWEST = 3
_OWN_KEYS = (COMMON_KEY, BASE_KEY, COLUMN_KEY, ROW_KEY)


def import_text(
    text: str, name: str = "auto", *, read_masks: MaskReader | None = None, size: tuple[int, int] = (512, 512), **given: Any
) -> Imported:
    """Settings out of ``text``: a prompt, an API payload (JSON), or the parameters of a picture.

    ``name`` is one of FORMATS, "regional", or "auto" to find out. ``given`` are a plain prompt's missing options (``ratios``,
    ``direction``) and the prompts it belongs to (``prompt``, ``negative``). Raises SettingsError or RegionalError saying what is wrong.
    """
    if name not in ("auto", "regional", *FORMATS):
        raise settings_error("format", name, f"auto, regional or one of {', '.join(FORMATS)}")
    if text.lstrip().startswith(("{", "[")):
        return _from_json(_read_json(text), name, read_masks, size)
    if _parameters(text):
        return _from_infotext(text, name, read_masks)
    return _from_prompt(text, name, given, read_masks, size)


# ---------------------------------------------------------------- JSON


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RegionalError(f"This looks like JSON, but it is broken: {error}.") from error


def _from_json(data: Any, name: str, read_masks: MaskReader | None, size: tuple[int, int]) -> Imported:
    """An API payload, its ``alwayson_scripts`` alone, or settings of our own."""
    if not isinstance(data, Mapping):
        raise RegionalError("This JSON is a list: an API payload or settings are an object.")
    scripts = data.get("alwayson_scripts", data)
    found = _scripts(scripts) if isinstance(scripts, Mapping) else {}
    wanted = name if name in found else next(iter(found), None) if name == "auto" else None
    if wanted is None:
        if name in ("auto", "regional") and ("regions" in data or "version" in data):
            return _own(Settings.parse(dict(data)))
        known = ", ".join(str(key) for key in scripts) if isinstance(scripts, Mapping) else "none"
        raise RegionalError(f"This payload has no layout that Regional reads; its scripts or keys: {known[:200] or 'none'}.")
    if wanted == "regional":
        return _own(Settings.parse(found[wanted]["settings"]))
    prompt, negative = str(data.get("prompt") or ""), str(data.get("negative_prompt") or "")
    measures = (_whole(data.get("width"), size[0]), _whole(data.get("height"), size[1]))
    return FORMATS[wanted](Source(found[wanted], prompt, negative, measures, _whole(data.get("steps"), 0), read_masks))


def _whole(value: object, default: int) -> int:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default


def _scripts(scripts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Format -> options by name, of every known script that is switched on."""
    found: dict[str, dict[str, Any]] = {}
    for title, entry in scripts.items():
        arguments = entry.get("args") if isinstance(entry, Mapping) else entry
        if isinstance(arguments, (list, tuple)) and arguments:
            _add_script(found, str(title).lower(), list(arguments))
    return found


def _add_script(found: dict[str, dict[str, Any]], title: str, arguments: list[Any]) -> None:
    if title == KEY.lower():
        found["regional"] = {"settings": arguments[0]}
    elif title in regional_prompter.TITLES:
        found["regional_prompter"] = _named(regional_prompter.ARGUMENTS, arguments)
    elif title in forge_couple.TITLES:
        found["forge_couple"] = _named(forge_couple.names_of(arguments), arguments)
    elif title in latent_couple.TITLES:
        found["latent_couple"] = _named(latent_couple.ARGUMENTS, arguments)
    elif title in tiled_diffusion.TITLES:
        found["tiled_diffusion"] = tiled_diffusion.options_of(arguments)


def _named(names: Sequence[str], arguments: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(names, arguments, strict=False))


def _own(settings: Settings) -> Imported:
    number = len(settings.regions)
    return Imported(settings, "Regional settings", (f"{number} region{'' if number == 1 else 's'}.",))


# ---------------------------------------------------------------- infotext


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a picture's text, {} where its last line is none of parameters."""
    last = text.strip().rpartition("\n")[2]
    found = _PARAMETER.findall(last)
    return dict(found) if len(found) >= _FEWEST and re.search(r"\bSteps: \d+", last) else {}


def _from_infotext(text: str, name: str, read_masks: MaskReader | None) -> Imported:
    if name in ("auto", "regional"):
        own = find_in_text(text)
        if own:
            return _own(own)
    parameters = {key: _plain(value) for key, value in _parameters(text).items()}
    found = _infotext_options(parameters)
    wanted = name if name in found else next(iter(found), None) if name == "auto" else None
    if wanted is None:
        raise RegionalError("The parameters of this picture hold no regions of a tool that Regional reads.")
    prompt, negative = _prompts(text)
    width, _, height = parameters.get("Size", "512x512").partition("x")
    size = (int(width), int(height)) if width.isdecimal() and height.isdecimal() else (512, 512)
    return FORMATS[wanted](Source(found[wanted], prompt, negative, size, int(parameters.get("Steps", "0") or 0), read_masks))


def _plain(value: str) -> str:
    """A value without the quotes of an infotext."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value[1:-1]
    return value.strip()


def _infotext_options(parameters: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    tables = (("regional_prompter", "RP Active", regional_prompter.INFOTEXT), ("forge_couple", "forge_couple", forge_couple.INFOTEXT))
    for name, key, table in tables:
        if parameters.get(key, "").lower() == "true":
            found[name] = {table[label]: value for label, value in parameters.items() if label in table}
    couple = latent_couple.options_of(parameters.get("Latent Couple", ""))
    tiled = tiled_diffusion.options_of_infotext(parameters.get("Tiled Diffusion", ""))
    return {**found, **({"latent_couple": couple} if couple else {}), **({"tiled_diffusion": tiled} if tiled else {})}


def _prompts(text: str) -> tuple[str, str]:
    """(prompt, negative prompt) of a picture's text."""
    above = text.strip().rpartition("\n")[0]
    prompt, _, negative = f"\n{above}".partition("\nNegative prompt:")
    return prompt.strip(), negative.strip()


# ---------------------------------------------------------------- plain prompts


def _from_prompt(text: str, name: str, given: Mapping[str, Any], read_masks: MaskReader | None, size: tuple[int, int]) -> Imported:
    """A prompt on its own; missing values come from ``given``."""
    main, negative = str(given.get("prompt") or ""), str(given.get("negative") or "")
    couple = latent_couple.options_of(text)
    if couple:
        rest = latent_couple.PATTERN.sub("", text).strip()
        return latent_couple.build(Source(couple, rest or main, negative, size, int(given.get("steps") or 0), read_masks))
    wanted = _guess(text) if name == "auto" else name
    options = {key: value for key, value in given.items() if key not in ("prompt", "negative", "steps")}
    direction = str(options.get("direction") or "Columns")
    source = Source({"mode": "Basic", **options}, text, negative, size, 0, read_masks)
    if wanted == "regional_prompter":
        return regional_prompter.build(replace(source, options={**options, "mode": "Matrix", "matrix": direction}))
    if wanted == "forge_couple":
        return forge_couple.build(source)
    raise RegionalError(f"Text alone is not enough for {wanted.replace('_', ' ')}: paste its API payload or the parameters of a picture.")


def _guess(text: str) -> str:
    keys = split_at_words(text, (*_OWN_KEYS, *REGION_KEYS))[1]
    if keys:
        return "regional_prompter"
    if len([line for line in text.splitlines() if line.strip()]) > 1:
        return "forge_couple"
    raise RegionalError(
        "This text is one piece: there is no BREAK, no ADDCOL or ADDROW, no second line, and no parameters of a picture in it."
    )
