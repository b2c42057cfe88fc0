"""Which layouts may have regions whose words are found while sampling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..errors import Problem, raise_any
from ..layout.regions import RegionSettings
from ..methods.specs import METHODS
from .search import sought
from .shape import Words


class Asked(Protocol):
    """What is looked at of the settings, which read this module themselves."""

    @property
    def method(self) -> str: ...

    @property
    def regions(self) -> tuple[RegionSettings, ...]: ...


def word_problems(settings: Asked) -> Iterator[Problem]:
    """The problems of regions with words: a method that does not find them, and a seed, whose noise would be there before the mask."""
    finding = [name for name, spec in METHODS.items() if spec.finds]
    for at, shape in sought(settings.regions).items():
        if settings.method not in finding:
            allowed = f"another shape, or words with their mask (found), with the method {settings.method}"
            text = f"words must be {allowed} (methods that find words: {', '.join(finding)}), got {shape.text!r}."
            yield Problem(f"regions[{at}].words", shape.text, allowed, settings.regions[at].label(at), text)
    for at, region in enumerate(settings.regions):
        if region.enabled and region.seed is not None and isinstance(region.shape, Words):
            allowed = "null for a region with words: its noise would have to be there before its place is known"
            yield Problem(f"regions[{at}].seed", region.seed, allowed, region.label(at))


def refuse_unfound(settings: Asked) -> None:
    """Raise SettingsError for words without a mask, in a layout that is not sampled: an edit's source."""
    found = sought(settings.regions)
    allowed = "given (the parameters of a picture have it): words are searched while their picture is made, not in the source of an edit"
    raise_any(Problem(f"regions[{at}].words.found", None, allowed, settings.regions[at].label(at)) for at in found)
