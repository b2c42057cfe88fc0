"""The registry: name in Settings -> function that makes the hooks. A new method is a new line here."""

from __future__ import annotations

from collections.abc import Callable

from ..plan import Plan
from ..ports import Hooks, Host
from .attention_couple import attention_couple

METHODS: dict[str, Callable[[Plan, Host], Hooks]] = {
    "attention_couple": attention_couple,
}
