"""Best of many: more batches of the same generation with consecutive seeds, of which the pictures of the highest scores are returned.

The host makes them by its own batch count, which is raised before it draws up its prompts and seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..request.axes import with_axes
from ..request.errors import RegionalError, settings_error
from ..request.scoring.fields import MOST_BATCHES
from ..request.scoring.scores import RegionScores, candidate_problems, ranked
from ..request.settings import Settings, is_off
from . import axes

ATTRIBUTE = "_regional_candidates"


@dataclass(frozen=True)
class _Raised:
    """The batch count and the grid switch that ``p`` had, and how many candidates each batch has."""

    batches: int
    without_grid: bool
    count: int
    all: bool


def multiply(p: Any, argument: object) -> None:
    """For ``before_process``: raise the batch count of ``p`` where candidates are asked for. Faults are left to `check`."""
    restore(p)
    try:
        argument = with_axes(argument, axes.values_of(p))
        settings = Settings(enabled=False) if is_off(argument) else Settings.parse(argument)
        if not settings.enabled or _count(settings) == 1 or any(candidate_problems(settings)):
            return
        _check(p, settings, p.n_iter)
    except RegionalError:
        return
    option = settings.option_of("scores")
    setattr(p, ATTRIBUTE, _Raised(p.n_iter, bool(getattr(p, "do_not_save_grid", False)), _count(settings), option("keep") == "all"))
    p.n_iter, p.do_not_save_grid = p.n_iter * _count(settings), True


def check(p: Any, settings: Settings) -> None:
    """Raise `RegionalError` for candidates that this generation cannot have."""
    if _count(settings) > 1:
        _check(p, settings, p.n_iter if _raised(p) is None else _raised(p).batches)
        if _raised(p) is None:
            raise RegionalError("options.scores.candidates must be 1: this WebUI says nothing before it draws up its seeds.")


def chosen(p: Any, processed: Any, scores: dict[int, RegionScores]) -> list[int]:
    """The numbers of the pictures that ``processed`` keeps, in order, after this call; the batch count of ``p`` is what it was."""
    first = getattr(processed, "index_of_first_image", 0)
    made = max(0, min(len(processed.images) - first, len(p.all_seeds)))
    raised = _raised(p)
    restore(p)
    if raised is None:
        return list(range(made))
    order = ranked([scores.get(at, {}) for at in range(made)])
    if not raised.all:
        order = order[: max(1, raised.batches * p.batch_size)]
    _reorder(processed, first, made, order)
    return order


def _reorder(processed: Any, first: int, made: int, order: list[int]) -> None:
    """Pictures and infotexts begin at ``first``; seeds and prompts have one entry a picture."""
    if len(processed.infotexts) == len(processed.images):
        processed.infotexts = _taken(processed.infotexts, first, made, order)
    processed.images = _taken(processed.images, first, made, order)
    for name in ("all_prompts", "all_negative_prompts", "all_seeds", "all_subseeds"):
        setattr(processed, name, _taken(getattr(processed, name), 0, made, order)[: len(order)])
    if order:
        processed.seed, processed.subseed = processed.all_seeds[0], processed.all_subseeds[0]
        processed.info = processed.infotexts[first] if len(processed.infotexts) > first else processed.info


def _taken(values: list[Any], first: int, made: int, order: list[int]) -> list[Any]:
    return [*values[:first], *(values[first + at] for at in order), *values[first + made :]]


def restore(p: Any) -> None:
    """Give ``p`` the batch count back that it had; hosts and scripts use it again."""
    raised = vars(p).pop(ATTRIBUTE, None)
    if raised is not None and p.n_iter == raised.batches * raised.count:
        p.n_iter, p.do_not_save_grid = raised.batches, raised.without_grid


def _raised(p: Any) -> Any:
    return vars(p).get(ATTRIBUTE)


def _count(settings: Settings) -> int:
    return int(settings.option_of("scores")("candidates"))


def _check(p: Any, settings: Settings, batches: int) -> None:
    field, count = "options.scores.candidates", _count(settings)
    if batches * count > MOST_BATCHES:
        allowed = f"{max(1, MOST_BATCHES // batches)} or less with a batch count of {batches}: a WebUI makes {MOST_BATCHES} batches at most"
        raise settings_error(field, count, allowed)
    for name in ("prompt", "seed"):
        if isinstance(getattr(p, name, None), list):
            raise settings_error(field, count, f"1 where every picture has a {name} of its own")
