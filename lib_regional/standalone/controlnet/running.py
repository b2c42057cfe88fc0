"""The ControlNet units of one generation: read from its arguments, loaded, and on the model until it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from ...request.errors import SettingsError
from ..pipeline import pictures
from .control import Prepared
from .hints import brought
from .units import Unit, infotexts, problem, units_of

TITLE = "ControlNet"


@contextmanager
def controlled(p: Any) -> Iterator[None]:
    """Until exit the units among the arguments of ``p`` act in its sampling. Raises RegionalError for what cannot be used."""
    units = _units(p)
    before = p.model.controlnets
    p.controls = tuple(_prepared(p, units))
    p.model.controlnets = tuple(dict.fromkeys(unit.network for unit in p.controls))
    p.extra_generation_params.update(infotexts(units))
    try:
        yield
    finally:
        p.controls, p.model.controlnets = (), before


def _units(p: Any) -> tuple[Unit, ...]:
    script = None if p.scripts is None else p.scripts.find(TITLE, p.scripts.alwayson_scripts)
    if script is None or not p.script_args:
        return ()
    return units_of(p.script_args[script.args_from : script.args_to])


def _prepared(p: Any, units: tuple[Unit, ...]) -> Iterator[Prepared]:
    if not units:
        return
    files = p.model.control_files
    paths = [files.find(unit.model, unit.number) for unit in units]
    given = [_pictures(p, unit) for unit in units]
    for unit, network, own in zip(units, files.networks(paths, p.model.unet), given, strict=True):
        yield Prepared(unit, network, own)


def _pictures(p: Any, unit: Unit) -> tuple[Image.Image, ...]:
    """The unit's picture, or those of img2img; where only a masked part is inpainted, that part of them."""
    own = () if unit.image is None else (unit.image,)
    start = tuple(getattr(p, "init_images", None) or ())
    if not own and not start:
        raise SettingsError([problem(unit.number, "image", None, "a picture: txt2img has none to take instead")])
    given = own or start
    if p.paste_to is None:
        return given
    return tuple(brought(pictures.flatten(one), unit.resize_mode, *start[0].size).crop(p.paste_to) for one in given)
