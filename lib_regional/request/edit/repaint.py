"""Repainting: which regions are made again, and the settings that the picture was made from."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

from ..errors import SettingsError, settings_error
from ..layout.regions import Region
from ..layout.shapes import Shape
from ..methods.specs import METHODS
from ..prompt.region_prompts import plan_texts
from ..settings import Settings
from ..words.checks import refuse_unfound

_SOURCE = "options.repaint.source"

_MAKERS = tuple(name for name, spec in METHODS.items() if not spec.edits and name not in ("sequential", "repaint", "collage"))
"""Methods that make a picture by one sampling run."""


def source_of(settings: Settings) -> Settings | None:
    """The settings that the picture was made from, None where they are not given.

    Raises SettingsError for settings that cannot be read, or that did not make a picture of themselves.
    """
    given = settings.option_of("repaint")("source")
    if given is None:
        return None
    try:
        source = Settings.parse({"enabled": True, **given} if isinstance(given, Mapping) else given)
        source.check_method()
        refuse_unfound(source)
    except SettingsError as error:
        raise error.at(_SOURCE) from error
    if source.text_from != "regions":
        raise settings_error(f"{_SOURCE}.text_from", source.text_from, '"regions", with every region\'s own text in the settings')
    if source.method not in _MAKERS:
        allowed = ", ".join(_MAKERS)
        raise settings_error(f"{_SOURCE}.method", source.method, f"one of {allowed}: repaint the picture that they make")
    return source


def check_texts(settings: Settings, source: Settings, prompt: str, negative: str) -> None:
    """Raise SettingsError where the whole picture's texts, which act outside the regions, are not those of the source."""
    mine, before = plan_texts(settings, prompt, negative), plan_texts(source, prompt, negative)
    for name in ("base", "negative"):
        if getattr(mine, name) != getattr(before, name):
            text = f"the {name} text of the picture must be the same as in the source: what is outside the regions is kept."
            raise settings_error("base", getattr(mine, name), getattr(before, name), text=text)


def repainted(settings: Settings) -> tuple[int, ...]:
    """Positions of the regions that are made again: those asked for, else those that are not as they were in the source.

    Raises SettingsError (field ``options.repaint.regions``) for one that the layout does not have, and where nothing is made again: a
    place that lost its region is, by the base.
    """
    regions, asked = settings.layout().regions, settings.option_of("repaint")("regions")
    field = "options.repaint.regions"
    if asked:
        wrong = [at for at in asked if at >= len(regions)]
        if wrong:
            raise settings_error(field, wrong[0], f"numbers from 0 to {len(regions) - 1}")
        return tuple(asked)
    before = _source_regions(settings)
    found = tuple(at for at, (now, old) in enumerate(zip_longest(regions, before)) if now and not (old and now.same_picture(old)))
    if not found and len(before) <= len(regions):
        raise settings_error(field, [], "a list of the regions to repaint, since none differs from the source")
    return found


def repainted_shapes(settings: Settings) -> tuple[Shape, ...]:
    """The shapes within which the picture changes: those of the regions, and where they were in the source."""
    regions, before = settings.layout().regions, _source_regions(settings)
    shapes: list[Shape] = []
    for at in repainted(settings):
        shapes += [regions[at].shape, *([before[at].shape] if at < len(before) else [])]
    if not settings.option_of("repaint")("regions"):
        shapes += [region.shape for region in before[len(regions) :]]
    return tuple(dict.fromkeys(shapes))


def _source_regions(settings: Settings) -> tuple[Region, ...]:
    source = source_of(settings)
    return () if source is None else source.layout().regions
