"""ControlNet units as requests give them, in the fields of sd-webui-controlnet."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...request.errors import Problem, RegionalError, SettingsError, raise_any
from ...sources.picture import open_drawn

MODULES = ("none", "invert (from white bg & black line)")
"""Preprocessors: the picture as it is, and its negative (dark lines on paper)."""
CONTROL_MODES = ("Balanced", "My prompt is more important", "ControlNet is more important")
RESIZE_MODES = ("Just Resize", "Crop and Resize", "Resize and Fill")
HR_OPTIONS = ("Both", "Low res only", "High res only")

_ALIASES = {
    "Inner Fit (Scale to Fit)": "Crop and Resize", "Scale to Fit (Inner Fit)": "Crop and Resize",
    "Outer Fit (Shrink to Fit)": "Resize and Fill", "Envelope (Outer Fit)": "Resize and Fill",
    "invert": MODULES[1], "None": "none",
}  # fmt: skip
"""Other names of choices in versions of sd-webui-controlnet."""
_NOT_HERE = ("advanced_weighting", "mask", "mask_image", "ipadapter_input", "pulid_mode_strength", "batch_images")
"""Fields of sd-webui-controlnet's units for what this host has not."""
_NONE = "None"


@dataclass(frozen=True)
class Unit:
    """One unit that is on. ``mask`` (h, w) in 0..1 is where it acts, None everywhere; ``image`` None takes img2img's picture."""

    number: int
    model: str
    image: Image.Image | None = None
    module: str = MODULES[0]
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    control_mode: str = CONTROL_MODES[0]
    resize_mode: str = RESIZE_MODES[1]
    hr_option: str = HR_OPTIONS[0]
    mask: Tensor | None = None

    @property
    def infotext(self) -> str:
        """The unit's settings as sd-webui-controlnet writes them into a picture's parameters."""
        fields = {
            "Module": self.module, "Model": self.model, "Weight": f"{self.weight:g}", "Resize Mode": self.resize_mode,
            "Guidance Start": f"{self.start:g}", "Guidance End": f"{self.end:g}", "Control Mode": self.control_mode,
            "Hr Option": self.hr_option,
        }  # fmt: skip
        return ", ".join(f"{name}: {value}" for name, value in fields.items())


def is_unit(value: object) -> bool:
    """Whether an argument of the script is a unit."""
    return isinstance(value, Mapping)


def is_on(unit: Mapping[str, Any]) -> bool:
    """Whether a unit acts: sd-webui-controlnet switches on what does not say; an empty object is no unit."""
    return bool(unit) and bool(unit.get("enabled", True))


def units_of(arguments: Sequence[object]) -> tuple[Unit, ...]:
    """The units that are on among a script's arguments, numbered as they stand. Raises SettingsError with all that is wrong in them."""
    given = [value for value in arguments if is_unit(value)]
    problems: list[Problem] = []
    units = []
    for number, unit in enumerate(given):
        assert isinstance(unit, Mapping)
        if is_on(unit):
            try:
                units.append(_Reader(number, unit).unit())
            except SettingsError as error:
                problems += error.problems
    raise_any(problems)
    return tuple(units)


def problem(number: int, field: str, value: object, allowed: str) -> Problem:
    """What is wrong with a field of unit ``number``."""
    return Problem(f"controlnet[{number}].{field}", value, allowed, f"ControlNet unit {number}")


class _Reader:
    """Reads one unit; every field that is wrong is named."""

    def __init__(self, number: int, given: Mapping[str, Any]) -> None:
        self._number = number
        self._given = given
        self._problems: list[Problem] = []

    def unit(self) -> Unit:
        """The unit. Raises SettingsError."""
        if not isinstance(self._given.get("enabled", True), bool):
            self._wrong("enabled", "true or false")
        for name in _NOT_HERE:
            if (value := self._given.get(name)) is not None and value is not False and not (isinstance(value, str) and not value):
                self._wrong(name, "null: this host has none of it")
        start, end = self._fraction("guidance_start", 0.0), self._fraction("guidance_end", 1.0)
        if start > end:
            self._wrong("guidance_start", f"at most guidance_end ({end:g})")
        unit = Unit(
            self._number,
            self._model(),
            self._image(),
            self._choice("module", MODULES, 0),
            self._number_of("weight", 1.0, 2.0),
            start,
            end,
            self._choice("control_mode", CONTROL_MODES, 0),
            self._choice("resize_mode", RESIZE_MODES, 1),
            self._choice("hr_option", HR_OPTIONS, 0),
            self._mask(),
        )
        raise_any(self._problems)
        return unit

    def _wrong(self, field: str, allowed: str) -> None:
        self._problems.append(problem(self._number, field, self._given.get(field), allowed))

    def _model(self) -> str:
        model = self._given.get("model", _NONE)
        if not isinstance(model, str) or model in ("", _NONE):
            self._wrong("model", "the name of a ControlNet model")
            return ""
        return model

    def _number_of(self, field: str, default: float, most: float) -> float:
        value = self._given.get(field, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or not 0 <= value <= most:
            self._wrong(field, f"a number from 0 to {most:g}")
            return default
        return float(value)

    def _fraction(self, field: str, default: float) -> float:
        return self._number_of(field, default, 1.0)

    def _choice(self, field: str, choices: Sequence[str], default: int) -> str:
        """One of the choices by its label, in any case, or by its number."""
        value = self._given.get(field)
        if value is None:
            return choices[default]
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(choices):
            return choices[value]
        name = _ALIASES.get(value, value) if isinstance(value, str) else None
        found = next((choice for choice in choices if isinstance(name, str) and choice.lower() == name.lower()), None)
        if found is None:
            self._wrong(field, f"one of {', '.join(choices)}")
            return choices[default]
        return found

    def _image(self) -> Any:
        """A picture, or None."""
        field = "image" if self._given.get("image") is not None else "input_image"
        value = self._given.get(field)
        if isinstance(value, Mapping):  # the form of an editor with a layer for masks
            value = value.get("image")
        return self._picture(field, value, lambda image: image)

    def _mask(self) -> Any:
        """Levels (h, w), or None."""
        return self._picture("effective_region_mask", self._given.get("effective_region_mask"), _levels)

    def _picture(self, field: str, value: object, read: Callable[[Any], Any]) -> Any:
        if value is None or (isinstance(value, str) and not value):
            return None
        try:
            if isinstance(value, Image.Image):
                return read(value)
            if isinstance(value, np.ndarray):
                return read(Image.fromarray(value))
            if isinstance(value, str):
                return read(open_drawn(value, field))
        except SettingsError as error:
            self._problems += [one.at("", f"ControlNet unit {self._number}") for one in error.problems]
            return None
        except (RegionalError, TypeError, ValueError) as error:
            self._wrong(field, f"a picture ({error})".replace(".)", ")"))
            return None
        self._wrong(field, "a picture as a data URL or in base64, or null")
        return None


def _levels(picture: Image.Image) -> Tensor:
    """A mask's grey levels (h, w) in 0..1."""
    return torch.from_numpy(np.array(picture.convert("L"), dtype=np.float32)) / 255


_WRITTEN = {
    "Module": "module", "Model": "model", "Weight": "weight", "Resize Mode": "resize_mode", "Guidance Start": "guidance_start",
    "Guidance End": "guidance_end", "Control Mode": "control_mode", "Hr Option": "hr_option",
}  # fmt: skip
_NUMBERS = ("weight", "guidance_start", "guidance_end")
_FIELD = re.compile(rf"({'|'.join(_WRITTEN)}): (.*?)(?=, [A-Z][A-Za-z ]*: |$)")


def unit_of_infotext(text: str) -> dict[str, Any]:
    """`Unit.infotext`, or sd-webui-controlnet's, as the fields of a request's unit; empty for what is no unit that this host can make."""
    found: dict[str, Any] = {_WRITTEN[name]: value for name, value in _FIELD.findall(text)}
    try:
        found.update({name: float(found[name]) for name in _NUMBERS if name in found})
        (unit,) = units_of([found]) if found else (None,)
    except (SettingsError, ValueError):
        return {}
    if unit is None:
        return {}
    named = {"module": unit.module, "resize_mode": unit.resize_mode, "control_mode": unit.control_mode, "hr_option": unit.hr_option}
    return {**found, **named}


def infotexts(units: Sequence[Unit]) -> Iterator[tuple[str, str]]:
    """(key, value) of a picture's parameters."""
    for unit in units:
        yield f"ControlNet {unit.number}", unit.infotext
