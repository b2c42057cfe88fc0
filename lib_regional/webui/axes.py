"""Regional's axes in the WebUI's X/Y/Z plot.

The plot makes a shallow copy of ``p`` for every cell, lets the axes change it, and generates. An axis leaves its value on the copy;
`processing.begin` takes it up from there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..request.axes import AXES, Axis, with_axes
from ..request.errors import RegionalError
from ..request.settings import Settings, is_off

ATTRIBUTE = "_regional_axes"
PREFIX = "[Regional] "


def register() -> None:
    """Add the axes to the plot script, once, however often the page is built; nothing where the WebUI has no such script."""
    module = _plot_module()
    if module is None:
        return
    present = {option.label for option in module.axis_options}
    new = [_option(module, key, axis) for key, axis in AXES.items() if PREFIX + axis.name not in present]
    module.axis_options.extend(new)


def values_of(p: Any) -> dict[str, str]:
    """Values of the axes for this generation: key of the axis -> text."""
    found: dict[str, str] = getattr(p, ATTRIBUTE, None) or {}
    return found


def _plot_module() -> Any:
    from modules import scripts

    for data in getattr(scripts, "scripts_data", ()):
        if data.script_class.__module__.rpartition("scripts.")[2] in ("xyz_grid.py", "xyz_grid"):
            return data.module
    return None


def _option(module: Any, key: str, axis: Axis) -> Any:
    more = {"choices": lambda: list(axis.choices)} if axis.choices else {}
    return module.AxisOption(PREFIX + axis.name, str, _apply(key), format_value=_labelled(axis), confirm=_confirm(key), **more)


def _apply(key: str) -> Callable[[Any, str, Any], None]:
    def apply(p: Any, value: str, _: Any) -> None:
        setattr(p, ATTRIBUTE, {**values_of(p), key: value})  # the dict of p belongs to all of p's copies

    return apply


def _confirm(key: str) -> Callable[[Any, list[str]], None]:
    """The plot draws a cell that fails as an empty picture, so bad values are refused before it begins."""

    def confirm(p: Any, values: list[str]) -> None:
        argument = _argument_of(p)
        if _faulty(argument):  # another axis may mend it
            return
        for value in values:
            changed = with_axes(argument, {key: value})
            if not is_off(changed):
                Settings.parse(changed)

    return confirm


def _faulty(argument: object) -> bool:
    try:
        return not is_off(argument) and Settings.parse(argument) is None
    except RegionalError:
        return True


def _argument_of(p: Any) -> object:
    """The argument of the always-on script for ``p``; None where the host does not show it."""
    for script in getattr(getattr(p, "scripts", None), "alwayson_scripts", ()):
        if script.title() == "Regional":
            found: object = p.script_args[script.args_from]
            return found
    return None


def _labelled(axis: Axis) -> Callable[[Any, Any, str], str]:
    return lambda _p, _option, value: f"{axis.name.partition(' (')[0]}: {value}"
