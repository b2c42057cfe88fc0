"""Templates of the Dynamic Prompts extension in texts that it does not process: all but the host's own prompts.

It draws ``{red|blue}`` and ``__colour__`` in the main prompt, also where that is split among regions, but not in the texts of the
settings. These are drawn here, by its own library and from its own wildcard files.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...request.errors import Problem, raise_any, shown
from ...request.settings import Settings

TITLE = "Dynamic Prompts"
_MARKS = {"variant_start": "{", "variant_end": "}", "wildcard_wrap": "__"}
_UNLINKED = 11
"""Place of "Unlink seed from prompt" among its arguments; the first is its checkbox."""
_STRIDE = 1_000_003
"""Between the seeds of a picture's texts, so that regions with one template draw by themselves."""


def drawn_settings(p: Any, settings: Settings) -> tuple[Settings, ...]:
    """``settings`` of every picture of ``p`` with all templates drawn by the picture's seed; () where no text has a template.

    Without the extension braces are text. Raises SettingsError where it is switched off, where a method compares the regions' texts with
    those of a source, and for templates that cannot be drawn.
    """
    script, arguments = _script_of(p)
    templates = _templates(settings) if script is not None else {}
    if script is None or not templates:
        return ()
    reason = _refused(settings, arguments)
    if reason:
        raise_any(_problem(settings, field, template, reason) for field, template in templates.items())
    draw = _drawing(script, arguments)
    return tuple(_drawn(settings, templates, draw, int(seed)) for seed in p.all_seeds)


def _script_of(p: Any) -> tuple[Any, list[Any]]:
    """The extension's script among those of ``p``, with its arguments; None where it is not there."""
    for script in getattr(getattr(p, "scripts", None), "alwayson_scripts", None) or ():
        if str(getattr(script, "title", str)()).startswith(TITLE):
            return script, list(getattr(p, "script_args", None) or ())[script.args_from : script.args_to]
    return None, []


def _refused(settings: Settings, arguments: list[Any]) -> str:
    """Why no template can be drawn; "" where it can."""
    if not (arguments and arguments[0]):
        return f"which {TITLE} draws where it is switched on: switch it on, or write a text without templates."
    if settings.options.get(settings.method, {}).get("source"):
        return f"which cannot be compared with the source that {settings.method} goes out from: write a text without templates."
    return ""


def _templates(settings: Settings) -> dict[str, str]:
    """Field of every text of the settings with a template -> the first template in it."""
    find = _finder()
    return {field: template for field, text in _texts(settings) if (template := find(text))}


def _marks() -> dict[str, str]:
    """Variants and wildcards as the user has chosen to write them."""
    from modules import shared

    return {name: str(getattr(shared.opts, f"dp_parser_{name}", None) or usual) for name, usual in _MARKS.items()}


def _finder() -> Callable[[str], str]:
    """Text -> its first variant or wildcard, "" where it has none."""
    start, end, wrap = _marks().values()
    wildcard = re.compile(rf"{re.escape(wrap)}\S+?{re.escape(wrap)}")

    def find(text: str) -> str:
        first = text.find(start)
        last = text.find(end, first + len(start)) if first >= 0 else -1
        found = wildcard.search(text) if last < 0 else None
        return text[first : last + len(end)] if last >= 0 else found[0] if found else ""

    return find


def _texts(settings: Settings) -> Iterator[tuple[str, str]]:
    """(field, text) of every text that the settings bring."""
    for index, region in enumerate(settings.regions):
        if region.enabled:
            yield f"regions[{index}].prompt", region.prompt
            yield f"regions[{index}].negative", region.negative
    yield "common", settings.common
    yield "base.prompt", settings.base.prompt or ""
    yield "base.negative", settings.base.negative or ""


def _drawing(script: Any, arguments: list[Any]) -> Callable[[str, int], str]:
    """(template, seed) -> text, by the extension's library as its own generation of the main prompt is set up."""
    from modules import shared

    unlinked = len(arguments) > _UNLINKED and bool(arguments[_UNLINKED])
    generators, parsers = (importlib.import_module(f"dynamicprompts.{name}") for name in ("generators", "parser.config"))
    generator = generators.RandomPromptGenerator(
        script._wildcard_manager,
        parser_config=parsers.ParserConfig(**_marks()),
        unlink_seed_from_prompt=unlinked,
        ignore_whitespace=bool(getattr(shared.opts, "dp_ignore_whitespace", False)),
    )

    def draw(template: str, seed: int) -> str:
        (text,) = generator.generate(template, 1, seeds=None if unlinked else [seed])
        return str(text)

    return draw


def _drawn(settings: Settings, templates: Mapping[str, str], draw: Callable[[str, int], str], seed: int) -> Settings:
    """The settings of one picture. Raises SettingsError for every text that cannot be drawn, or that still has a template."""
    find, texts, problems = _finder(), dict[str, str](), []
    for number, (field, text) in enumerate(_texts(settings)):
        if field not in templates:
            continue
        try:
            texts[field] = draw(text, seed + _STRIDE * number)
        except Exception as error:  # whatever the library finds wrong with a template, its parser's faults included
            problems.append(_problem(settings, field, templates[field], f"which {TITLE} cannot draw: {error}"))
            continue
        if left := find(texts[field]):
            problems.append(_problem(settings, field, left, f"which {TITLE} left as it is: no file of its wildcards has that name."))
    raise_any(problems)
    return _with_texts(settings, texts)


def _with_texts(settings: Settings, texts: Mapping[str, str]) -> Settings:
    regions = [
        replace(
            region,
            prompt=texts.get(f"regions[{at}].prompt", region.prompt),
            negative=texts.get(f"regions[{at}].negative", region.negative),
        )
        for at, region in enumerate(settings.regions)
    ]
    before = settings.base
    base = replace(before, prompt=texts.get("base.prompt", before.prompt), negative=texts.get("base.negative", before.negative))
    return replace(settings, regions=tuple(regions), base=base, common=texts.get("common", settings.common))


def _problem(settings: Settings, field: str, template: str, reason: str) -> Problem:
    index = re.fullmatch(r"regions\[(\d+)\]\..*", field)
    where = settings.regions[int(index[1])].label(int(index[1])) if index else ""
    name = field.rpartition(".")[2] if where else field
    text = dict(_texts(settings))[field]
    return Problem(field, text, "a text without templates", where, f"{name} has the template {shown(template)}, {reason}")
