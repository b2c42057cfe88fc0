"""Names of the LoRAs that the running host has, for the panel's lists."""

from __future__ import annotations

import sys
from typing import Any

from ..hosts.registry import loaded


def lora_names() -> tuple[list[str], list[str]]:
    """(names, further names that a tag may have too), each sorted; empty where the host lists none. Reads no file of weights."""
    shelf = getattr(loaded(), "lora_shelf", None)
    if shelf is not None:
        shelf.refresh()
        return sorted(shelf.files), []
    networks: Any = sys.modules.get("networks")
    names = set(getattr(networks, "available_networks", ()))
    return sorted(names), sorted(set(getattr(networks, "available_network_aliases", ())) - names)
