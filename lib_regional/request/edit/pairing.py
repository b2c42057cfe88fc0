"""An edit: the layout that a picture was made from, and which of its regions the target layout adds, removes, re-words or keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import Problem, SettingsError, raise_any, settings_error
from ..layout.boxes import Box
from ..layout.regions import RegionSettings
from ..layout.shapes import Shape
from ..methods.specs import METHODS
from ..settings import Settings
from ..words.checks import refuse_unfound

SOURCE_KEYS = ("regions", "grid", "base", "common", "overlap")
"""Settings that a source layout may have; all others are the same in both."""

INHERENT, ADDED, REMOVED, REWORDED = "inherent", "added", "removed", "reworded"

SAME_PLACE = 0.9
"""Intersection over union of the boxes around two regions from which on they are in the same place."""


@dataclass(frozen=True)
class Pair:
    """A region of the edit: its position in the source layout, in the target layout, and what happened to it."""

    source: int | None
    target: int | None
    kind: str


def read_source(target: Settings, data: Mapping[str, Any], method: str = "mrgd") -> Settings:
    """The source as whole settings: missing keys of ``data`` are taken from ``target``. Raises SettingsError with the option's path.

    A source without ``base`` has the target's base, one without ``regions`` has none.
    """
    path = f"options.{method}.source"
    if target.text_from != "regions":
        raise settings_error("text_from", target.text_from, '"regions": an edit compares the texts that the regions themselves have')
    unknown = [Problem(key, data[key], f"one of {', '.join(SOURCE_KEYS)}") for key in data if key not in SOURCE_KEYS]
    raise_any(problem.at(path) for problem in unknown)
    plain = target.to_json()
    kept: dict[str, Any] = {key: plain[key] for key in ("base", "common", "overlap") if key in plain}
    try:
        whole: dict[str, Any] = {"enabled": True, "method": target.method, **kept, **data}
        source = Settings.parse(whole)
        refuse_unfound(source)
    except SettingsError as error:
        raise error.at(path) from error
    return source


def pair_regions(
    source: Sequence[RegionSettings],
    target: Sequence[RegionSettings],
    explicit: Sequence[Sequence[int | None]] | None = None,
    method: str = "mrgd",
) -> tuple[Pair, ...]:
    """Pairs of regions of ``source`` and ``target``. Disabled regions and those without text are left out.

    Paired by area, then by text: equal text in the same area is inherent, another text there is re-worded, regions without a partner are
    removed or added (a region that moved is both). ``explicit`` pairs ``[s, t]`` (null for none) have precedence.
    Raises SettingsError where they do not fit the layouts.
    """
    fixed = _explicit_pairs(explicit or (), source, target, f"options.{method}.pairs")
    left = [i for i, region in enumerate(source) if _has_text(region) and all(i != s for s, _ in fixed)]
    right = [i for i, region in enumerate(target) if _has_text(region) and all(i != t for _, t in fixed)]
    found = [*fixed, *_matches(source, target, left, right)]
    rest = [i for i in left if all(i != s for s, _ in found)]
    pairs = [*found, *((s, None) for s in rest), *((None, t) for t in right if all(t != known for _, known in found))]
    return tuple(Pair(s, t, _kind(source, target, s, t)) for s, t in pairs)


def edited_shapes(pairs: Sequence[Pair], source: Sequence[RegionSettings], target: Sequence[RegionSettings]) -> list[RegionSettings]:
    """The regions within which the picture changes: added, removed and re-worded, with the shapes of both sides."""
    changed = [pair for pair in pairs if pair.kind != INHERENT]
    before = [source[pair.source] for pair in changed if pair.source is not None]
    return [*before, *(target[pair.target] for pair in changed if pair.target is not None)]


def _has_text(region: RegionSettings) -> bool:
    return region.enabled and bool(region.prompt.strip())


def _kind(source: Sequence[RegionSettings], target: Sequence[RegionSettings], s: int | None, t: int | None) -> str:
    if s is None or t is None:
        return ADDED if s is None else REMOVED
    return INHERENT if _says_the_same(source[s], target[t]) else REWORDED


def _says_the_same(first: RegionSettings, second: RegionSettings) -> bool:
    def words(region: RegionSettings) -> tuple[list[str], list[str]]:
        return region.prompt.split(), region.negative.split()

    return words(first) == words(second)


def _matches(
    source: Sequence[RegionSettings], target: Sequence[RegionSettings], left: Sequence[int], right: Sequence[int]
) -> list[tuple[int, int]]:
    """Best pairs first: same place and same text, then the greatest overlap; every region once."""
    scored = [((_says_the_same(source[s], target[t]), overlap(source[s].shape, target[t].shape)), s, t) for s in left for t in right]
    near = sorted((entry for entry in scored if entry[0][1] >= SAME_PLACE), key=lambda entry: (entry[0], -entry[1], -entry[2]))
    pairs: list[tuple[int, int]] = []
    for _, s, t in reversed(near):
        if all(s != a and t != b for a, b in pairs):
            pairs.append((s, t))
    return sorted(pairs)


def overlap(first: Shape | None, second: Shape | None) -> float:
    """Intersection over union of the boxes around two shapes."""
    if first is None or second is None:
        return 0.0
    a, b = first.bounds, second.bounds
    across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    both = max(0.0, across) * max(0.0, down)
    return both / (_area(a) + _area(b) - both)


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _explicit_pairs(
    explicit: Sequence[Sequence[int | None]], source: Sequence[RegionSettings], target: Sequence[RegionSettings], path: str
) -> list[tuple[int | None, int | None]]:
    pairs = [(pair[0], pair[1]) for pair in explicit]
    problems: list[Problem] = []
    for side, regions in enumerate((source, target)):
        name = ("source", "target")[side]
        numbers = [number for pair in pairs if (number := pair[side]) is not None]
        for at, pair in enumerate(pairs):
            number = pair[side]
            if number is not None and not 0 <= number < len(regions):
                problems.append(Problem(f"{path}[{at}][{side}]", number, f"a region of the {name} (0 to {len(regions) - 1}) or null"))
            elif number is not None and not _has_text(regions[number]):
                problems.append(Problem(f"{path}[{at}][{side}]", number, f"a region of the {name} that is on and has a prompt"))
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        problems += [Problem(path, number, f"a list that names each {name} region once") for number in twice]
    raise_any(problems)
    problems = [
        Problem(f"{path}[{at}]", [s, t], f"two regions in one place; a moved region is [{s}, null], [null, {t}]")
        for at, (s, t) in enumerate(pairs)
        if s is not None and t is not None and overlap(source[s].shape, target[t].shape) < SAME_PLACE
    ]
    raise_any(problems)
    return pairs


def layout_regions(settings: Settings) -> tuple[RegionSettings, ...]:
    """The regions with their shapes, also those from a grid."""
    return tuple(settings.layout().regions)


def edit_of(settings: Settings) -> list[dict[str, Any]] | None:
    """The changes of an edit: ``{"source", "target"}`` positions or null, and the ``kind``. None for settings that edit nothing.

    Raises SettingsError for a source that cannot be read or does not pair.
    """
    given = settings.option("source") if METHODS[settings.method].edits else None
    if given is None:
        return None
    source = layout_regions(read_source(settings, given, settings.method))
    pairs = pair_regions(source, layout_regions(settings), settings.option("pairs"), settings.method)
    return [{"source": pair.source, "target": pair.target, "kind": pair.kind} for pair in pairs]


def as_source(settings: Settings) -> dict[str, Any]:
    """The value of ``options.….source`` that makes the picture of ``settings`` the source."""
    plain = replace(settings, options={}).to_json()
    return {key: plain[key] for key in SOURCE_KEYS if key in plain}
