"""What older versions of the settings meant, written in the form of the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WITH_SHARP_STEPS = ("multidiffusion", "latent_couple")
"""Methods whose option ``soft_from`` is above 0 from version 2 on."""

GOES_ON = {"repaint": "by", "latent_composite": "after"}
"""Methods that leave steps to another one -> the option that names it."""


def as_version_2(data: dict[str, Any]) -> dict[str, Any]:
    """Settings of version 1: MRGD edits had no lock, and borders were soft from the first step, unless something else was asked for.

    Only what the settings use is written out, so that others stay what they were.
    """
    edit = _options(data, "mrgd")
    if edit is not None and edit.get("source") is not None:
        data = _with(data, "mrgd", {"lock": False, **edit})
    goes_on = [(_options(data, name) or {}).get(key) for name, key in GOES_ON.items()]
    for method in WITH_SHARP_STEPS:
        given = _options(data, method) if method in (data.get("method"), *goes_on) else None
        if given is not None and (method != "latent_couple" or given.get("mode") == "crop"):
            data = _with(data, method, {"soft_from": 0.0, **given})
    return data


def as_version_3(data: dict[str, Any]) -> dict[str, Any]:
    """Settings of version 2: guidance of MRGD edits kept the rest with the paper's weight, unless another one was asked for."""
    edit = _options(data, "mrgd")
    if edit is None or edit.get("source") is None:
        return data
    return _with(data, "mrgd", {"lambda_ip": 300.0, **edit})


def as_version_4(data: dict[str, Any]) -> dict[str, Any]:
    """Settings of version 3: MRGD's joined prediction took part from the first step, and attention control acted beside the lock."""
    edit = _options(data, "mrgd")
    if edit is None or not (edit or data.get("method") == "mrgd"):
        return data
    beside = {} if edit.get("source") is None else {"lock_control": True}
    return _with(data, "mrgd", {"t_total": 0.0, **beside, **edit})


def _options(data: Mapping[str, Any], method: str) -> Mapping[str, Any] | None:
    """The options of a method, empty where there are none; None for what cannot be options, which `Settings.parse` reports."""
    options = data.get("options", {})
    found = options.get(method, {}) if isinstance(options, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _with(data: dict[str, Any], method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, "options": {**data.get("options", {}), method: dict(options)}}
