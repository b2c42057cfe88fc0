"""LoRA files as the WebUIs' built-in Lora extension lists them: finding one and refusing what must not or cannot be read.

AUTOMATIC1111 and Forge both have a module ``networks`` with the same lists. Nothing is ever left in its ``loaded_networks``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...request.errors import RegionalError
from ...request.prompt.lora_tags import LoraTag
from ...tensors.lora.keys import LayerName, NetworkError, Parts, split_network

_READABLE = (".safetensors",)


def extension() -> Any:
    """The built-in extension's module. Raises `RegionalError` where it is switched off."""
    found = sys.modules.get("networks")
    if found is None or not hasattr(found, "available_networks"):
        raise RegionalError("LoRAs in regions need the WebUI's built-in Lora extension, which is not running.")
    return found


def find(lora: LoraTag) -> Any:
    """The extension's entry for ``lora``, by name or alias as the host reads tags. Raises `RegionalError` where there is none."""
    networks = extension()
    for _ in range(2):
        entry = _listed(networks, lora.name)
        if entry is not None:
            break
        networks.list_available_networks()
    else:
        there = ", ".join(sorted(networks.available_networks)) or "none"
        raise RegionalError(f'there is no LoRA "{lora.name}" (there are: {there}).')
    if Path(entry.filename).suffix.lower() not in _READABLE:
        raise RegionalError(
            f"{Path(entry.filename).name} is a pickle file, which may run code when it is read: convert it to .safetensors."
        )
    return entry


def _listed(networks: Any, name: str) -> Any:
    forbidden = name.lower() in getattr(networks, "forbidden_network_aliases", {})
    return networks.available_networks.get(name) if forbidden else networks.available_network_aliases.get(name)


def checked(entry: Any, weights: Any) -> dict[LayerName, Parts]:
    """The file's tensors by layer. Raises `RegionalError` that names it for a damaged one, NaN, infinite numbers and rank 0."""
    name = Path(entry.filename).name
    try:
        layers = split_network(weights)
    except NetworkError as error:
        raise RegionalError(f"{name} cannot be used: {error}") from error
    empty = next((layer for layer, parts in layers.items() if any(part.numel() == 0 for part in parts.values())), None)
    if empty is not None:
        raise RegionalError(f"{name} cannot be used: layer {empty.path}: it has rank 0.")
    return layers


_RARE = {"oft_blocks": "OFT", "oft_diag": "OFT", "on_input": "IA3"}
"""Kinds of networks by a part that they alone have, which not every WebUI reads."""


def check_family(entry: Any, matched: int, layers: Mapping[LayerName, Parts]) -> None:
    """Raise where most of a file's ``layers`` are not in the loaded model, or of a kind that the host leaves out."""
    name, count = Path(entry.filename).name, len(layers)
    rare = {_RARE[part] for parts in layers.values() for part in parts if part in _RARE}
    if not matched and rare:
        raise RegionalError(f"{name} cannot be used: this WebUI does not read networks of its kind ({', '.join(sorted(rare))}).")
    if matched * 2 < count:
        raise RegionalError(
            f"{name} cannot be used: it was made for another kind of model ({count - matched} of its {count} layers are not in this one)."
        )


def unreadable(entry: Any, error: Exception) -> RegionalError:
    """The error to raise when the host could not read the file of ``entry``."""
    return RegionalError(f"{Path(entry.filename).name} is not a readable LoRA ({' '.join(str(error).split())[:200]}).")
