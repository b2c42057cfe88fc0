"""Edits of older versions of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def without_lock(data: dict[str, Any]) -> dict[str, Any]:
    """Settings of version 1 as version 2 has them: an MRGD edit, which has a source, was made without the lock unless it asked for it."""
    options = data.get("options", {})
    edit = options.get("mrgd") if isinstance(options, Mapping) else None
    if not isinstance(edit, Mapping) or edit.get("source") is None:
        return data
    return {**data, "options": {**options, "mrgd": {"lock": False, **edit}}}
