"""ControlNet units that act in regions alone: a region's ``controlnet`` is the number of a unit.

sd-webui-controlnet (AUTOMATIC1111) has an effective region mask for each unit among its arguments, read when the generation begins, and so
has the standalone host; Forge's built-in ControlNet keeps a mask beside each prepared unit. Weight, steps and everything else are the
unit's own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...request.axes import with_axes
from ...request.errors import Problem, RegionalError, raise_any
from ...request.settings import Settings, is_off
from ...request.words.shape import Words
from ...tensors.masks.weight_maps import weight_maps
from .. import axes

TITLE = "ControlNet"
ATTRIBUTE = "_regional_units"
_MASK = "effective_region_mask"
_FORGE_MASKS = ("control_mask", "control_mask_for_hr_fix")
_TAKES_MASKS = ("latest_network", "takes_region_masks")
"""Attributes of scripts that read units' masks: sd-webui-controlnet's, and the standalone host's."""
_CELL = 8


@dataclass(frozen=True)
class _Given:
    """The arguments of all scripts as they were, and as they are with masks on units."""

    before: Any
    after: Any


def mask_arguments(p: Any, argument: object) -> None:
    """For ``before_process``: give units of sd-webui-controlnet their regions' masks. Faults are left to `check_units`."""
    restore(p)
    script = _script_of(p)
    if script is None or _is_forges(script):
        return
    try:
        argument = with_axes(argument, axes.values_of(p))
        settings = Settings(enabled=False) if is_off(argument) else Settings.parse(argument)
        if not settings.enabled or not _units_of(settings) or any(_problems(p, settings)):
            return
        masks = _masks(p, settings)
    except RegionalError:
        return
    before = p.script_args
    after = list(before)
    for number, at in enumerate(_places(p, script)):
        if number in masks:
            after[at] = _with_mask(after[at], masks[number])
    p.script_args = after if isinstance(before, list) else tuple(after)
    setattr(p, ATTRIBUTE, _Given(before, p.script_args))


def mask_prepared(p: Any, settings: Settings) -> None:
    """After the hosts' ``process``: multiply the masks of Forge's prepared units by their regions'; call it once per generation."""
    script = _script_of(p)
    if script is None or not _is_forges(script) or not _units_of(settings):
        return
    check_units(p, settings)
    switched_on = [number for number, at in enumerate(_places(p, script)) if _is_on(p.script_args[at])]
    for number, mask in _masks(p, settings).items():
        prepared = script.current_params[switched_on.index(number)]
        for name in _FORGE_MASKS:
            current = getattr(prepared, name, None)
            setattr(prepared, name, mask[None, None] if current is None else current * _resized(mask, current).to(current))


def check_units(p: Any, settings: Settings) -> None:
    """Raise SettingsError for regions whose unit is not there or off, and where this host has none that takes a mask."""
    if not _units_of(settings):
        return
    raise_any(_problems(p, settings))
    if not _is_forges(_script_of(p)) and getattr(p, ATTRIBUTE, None) is None:
        raise RegionalError("regions[…].controlnet must be null: this WebUI says nothing before ControlNet reads its units.")


@contextmanager
def at_rest(p: Any) -> Iterator[None]:
    """Until exit sd-webui-controlnet leaves the UNet to itself: pictures that are made within the generation ``p`` are none of its.

    It runs the UNet from the beginning of ``p`` to its end, whoever samples, with control pictures of the size of ``p``.
    """
    unet = getattr(getattr(_script_of(p), "latest_network", None), "model", None)
    if unet is None or "_original_forward" not in vars(unet):
        yield
        return
    running = unet.forward
    unet.forward = unet._original_forward
    try:
        yield
    finally:
        unet.forward = running


def restore(p: Any) -> None:
    """Take the masks of an earlier generation from the arguments of ``p`` (hosts reuse and copy it)."""
    given = vars(p).pop(ATTRIBUTE, None)
    if given is not None and p.script_args is given.after:
        p.script_args = given.before


def _script_of(p: Any) -> Any:
    for script in getattr(getattr(p, "scripts", None), "alwayson_scripts", None) or ():
        if str(getattr(script, "title", str)()) == TITLE and (_is_forges(script) or any(hasattr(script, name) for name in _TAKES_MASKS)):
            return script
    return None


def _is_forges(script: Any) -> bool:
    return hasattr(script, "current_params")


def _places(p: Any, script: Any) -> list[int]:
    """Where the units stand among the arguments of all scripts, in order."""
    return [at for at in range(script.args_from, script.args_to) if _is_unit(p.script_args[at])]


def _units_before(p: Any, script: Any) -> list[Any]:
    """The units as the user gave them."""
    given = getattr(p, ATTRIBUTE, None)
    arguments = p.script_args if given is None else given.before
    return [arguments[at] for at in _places(p, script)]


def _is_unit(value: Any) -> bool:
    return isinstance(value, Mapping) or (hasattr(value, "enabled") and hasattr(value, "module"))


def _is_on(unit: Any) -> bool:
    return bool(unit.get("enabled", True) if isinstance(unit, Mapping) else unit.enabled)


def _units_of(settings: Settings) -> dict[int, list[int]]:
    """Number of a unit -> the regions that it acts in."""
    found: dict[int, list[int]] = {}
    for at, region in enumerate(settings.regions):
        if region.enabled and region.controlnet is not None:
            found.setdefault(region.controlnet, []).append(at)
    return found


def _problems(p: Any, settings: Settings) -> Iterator[Problem]:
    script = _script_of(p)
    units = [] if script is None else _units_before(p, script)
    there = [number for number, unit in enumerate(units) if _is_on(unit)]
    allowed = "null: this WebUI has no ControlNet"
    if script is not None:
        allowed = f"the number of a ControlNet unit that is switched on ({', '.join(map(str, there)) or 'there is none'})"
    for number, regions in _units_of(settings).items():
        for at in regions:
            region, field = settings.regions[at], f"regions[{at}].controlnet"
            if number not in there:
                yield Problem(field, number, allowed, region.label(at))
            elif not _is_forges(script) and _own_mask(units[number]) is not None:
                yield Problem(field, number, f"null where the unit has an {_MASK} of its own", region.label(at))
            elif isinstance(region.shape, Words):
                yield Problem(field, number, "null in a region of words, whose place is found while sampling", region.label(at))


def _masks(p: Any, settings: Settings) -> dict[int, Tensor]:
    """Number of a unit -> (h, w), the sum of its regions' weight maps before the base share, on the cells of the first pass."""
    shares = weight_maps(settings.layout(), max(1, p.height // _CELL), max(1, p.width // _CELL)).share
    return {number: shares[regions].sum(0).clamp_max(1) for number, regions in _units_of(settings).items()}


def _resized(mask: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(mask[None, None], tuple(like.shape[-2:]), mode="bilinear")


def _own_mask(unit: Any) -> Any:
    return unit.get(_MASK) if isinstance(unit, Mapping) else getattr(unit, _MASK, None)


def _with_mask(unit: Any, mask: Tensor) -> Any:
    """A copy of the unit with the mask."""
    levels = _levels(mask)
    if isinstance(unit, Mapping):
        return {**unit, _MASK: levels}
    masked = copy.copy(unit)
    setattr(masked, _MASK, levels)
    return masked


def _levels(mask: Tensor) -> np.ndarray[Any, Any]:
    """(h, w) of 0..1 -> pixels (h, w, 3) of 0..255, as the extension's own."""
    return (mask * 255).round().to(torch.uint8)[..., None].expand(-1, -1, 3).contiguous().numpy()
