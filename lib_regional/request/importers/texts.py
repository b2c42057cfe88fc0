"""From pasted text to the importer that reads it: JSON payloads, infotexts, and plain prompts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..errors import RegionalError, settings_error
from ..infotext import find_in_text
from ..parameters import FEWEST, PictureText, parse_picture_text, read_parameters
from ..prompt.splitting import BASE_KEY, COLUMN_KEY, COMMON_KEY, REGION_KEYS, ROW_KEY, split_at_words
from . import forge_couple, latent_couple, regional_prompter, tiled_diffusion
from .payloads import FORMATS, Context, Script, choose, finished, from_json, own
from .report import Imported, MaskReader

LONGEST = 4 * 1024 * 1024
"""Characters of a pasted text: a payload with a few mask pictures."""

_OWN_KEYS = (COMMON_KEY, BASE_KEY, COLUMN_KEY, ROW_KEY, regional_prompter.PROMPT_KEY)
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
_FOREIGN = re.compile(r"<(?:region|object|segment):|\bCOUPLE(?:MASK)?[:(]|\b(?:IMASK|MASK|AREA)\(")
_FOREIGN_NAMES = 'SwarmUI ("<region:…>", "<object:…>") or ComfyUI prompt-control (COUPLE, MASK, AREA)'


def import_text(
    text: str, name: str = "auto", *, read_masks: MaskReader | None = None, size: tuple[int, int] = (512, 512), **given: Any
) -> Imported:
    """Settings out of ``text``: a prompt, an API payload (JSON), or the parameters of a picture.

    ``name`` is one of FORMATS, "regional", or "auto" to find out. ``given`` are a plain prompt's missing options (``ratios``,
    ``direction``) and the prompts it belongs to (``prompt``, ``negative``). Raises SettingsError or RegionalError saying what is wrong.
    """
    if name not in ("auto", "regional", *FORMATS):
        raise settings_error("format", name, f"auto, regional or one of {', '.join(FORMATS)}")
    if len(text) > LONGEST:
        raise settings_error("text", f"{len(text)} characters", f"at most {LONGEST} characters long")
    context = Context(str(given.pop("prompt", "") or ""), str(given.pop("negative", "") or ""), size, read_masks)
    if text.lstrip().startswith(("{", "[")) and not _is_prompt(text):
        return from_json(text, name, context)
    picture = _picture_text(text)
    if picture.parameters:
        return _from_infotext(text, picture, name, context)
    return _from_prompt(text, name, given, context)


def _is_prompt(text: str) -> bool:
    """Whether a text in brackets is a prompt: ``[a|b] BREAK c``, ``{a: red}`` or lines with a picture's parameters, and no JSON."""
    start = text.lstrip()[1:].lstrip()
    return not start.startswith(('"', "{", "[", "}", "]")) and not start[:1].isdigit() and start != ""


# ---------------------------------------------------------------- infotext


def _picture_text(text: str) -> PictureText:
    """The parts of a picture's text; its parameters may be a script's alone, without any steps."""
    parts = parse_picture_text(text)
    if not parts.parameters:
        above, _, last = text.strip().rpartition("\n")
        found = dict(read_parameters(last))
        if len(found) >= FEWEST and _scripts(found):
            return parse_picture_text(above)._replace(parameters=found)
    return parts


def _from_infotext(text: str, picture: PictureText, name: str, context: Context) -> Imported:
    if name in ("auto", "regional"):
        settings = find_in_text(text)
        if settings:
            return own(settings)
    parameters = {key: _plain(value) for key, value in picture.parameters.items()}
    chosen = choose(_scripts(parameters), name)
    if chosen is None:
        raise RegionalError("The parameters of this picture hold no regions of a tool that Regional reads.")
    numbers = _numbers(parameters)
    return finished(FORMATS[chosen.name](context.source(chosen.options, picture.prompt, picture.negative, numbers)), numbers)


def _numbers(parameters: Mapping[str, str]) -> dict[str, int]:
    """Size, steps and seed, as far as they are there."""
    size = _SIZE.fullmatch(parameters.get("Size", ""))
    found = {"width": int(size[1]), "height": int(size[2])} if size else {}
    for key, label in (("steps", "Steps"), ("seed", "Seed")):
        value = parameters.get(label, "")
        if value.isdecimal() and len(value) <= 16:
            found[key] = int(value)
    return found


def _plain(value: str) -> str:
    """A value without the quotes of an infotext."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except (ValueError, RecursionError):
            return value[1:-1]
    return value.strip()


def _scripts(parameters: Mapping[str, str]) -> list[Script]:
    """The tools that have written into the parameters."""
    found = []
    tables = (("regional_prompter", "RP Active", regional_prompter), ("forge_couple", "forge_couple", forge_couple))
    for name, key, module in tables:
        if key in parameters:
            options = {module.INFOTEXT[label]: value for label, value in parameters.items() if label in module.INFOTEXT}
            found.append(Script(name, module.NAME, options, parameters[key].strip().lower() == "true"))
    couple = latent_couple.options_of(parameters.get("Latent Couple", ""))
    tiled = tiled_diffusion.options_of_infotext(parameters.get("Tiled Diffusion", ""))
    found += [Script("latent_couple", latent_couple.NAME, couple, True)] if couple else []
    return [*found, *([Script("tiled_diffusion", tiled_diffusion.NAME, tiled, True)] if tiled else [])]


# ---------------------------------------------------------------- plain prompts


def _from_prompt(text: str, name: str, given: Mapping[str, Any], context: Context) -> Imported:
    """A prompt on its own; missing values come from ``given``."""
    couple = latent_couple.options_of(text)
    steps = {"steps": given["steps"]} if isinstance(given.get("steps"), int) else {}
    if couple:
        return FORMATS["latent_couple"](context.source(couple, latent_couple.PATTERN.sub("", text).strip(' "\n'), "", steps))
    if _FOREIGN.search(text):
        raise RegionalError(f"These are regions of {_FOREIGN_NAMES}: Regional does not read them. Write BREAK between the regions' texts.")
    wanted = _guess(text) if name == "auto" else name
    options = {key: value for key, value in given.items() if key != "steps"}
    if wanted == "regional_prompter":
        mode = "Prompt" if regional_prompter.PROMPT_KEY in text else "Matrix"
        direction = str(options.get("direction") or "Columns")
        return FORMATS[wanted](context.source({**options, "mode": mode, "matrix": direction}, text, "", {}))
    if wanted == "forge_couple":
        return FORMATS[wanted](context.source({"mode": "Basic", **options}, text, "", {}))
    raise RegionalError(f"Text alone is not enough for {wanted.replace('_', ' ')}: paste its API payload or the parameters of a picture.")


def _guess(text: str) -> str:
    keys = split_at_words(text, (*_OWN_KEYS, *REGION_KEYS))[1]
    if keys:
        return "regional_prompter"
    if sum(1 for line in text.splitlines() if line.strip()) > 1:
        return "forge_couple"
    raise RegionalError(
        "This text is one piece: there is no BREAK, no ADDCOL or ADDROW, no second line, and no parameters of a picture in it."
    )
