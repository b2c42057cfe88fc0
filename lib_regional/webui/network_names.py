"""LoRAs and embeddings that the running host has, for the panel's lists. Reads no file of weights."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..hosts.registry import loaded
from ..request.prompt.networks import Networks


def networks() -> Networks:
    """What the host lists, sorted by name; empty where it lists none."""
    embeddings = _sorted(_embeddings())
    shelf = getattr(loaded(), "lora_shelf", None)
    if shelf is not None:
        shelf.refresh()
        return Networks(_sorted({name: file.path for name, file in shelf.files.items()}), (), embeddings)
    listed: Any = sys.modules.get("networks")
    files = {name: Path(getattr(entry, "filename", name)) for name, entry in getattr(listed, "available_networks", {}).items()}
    aliases = sorted(set(getattr(listed, "available_network_aliases", ())) - set(files))
    return Networks(_sorted(files), tuple(aliases), embeddings)


def _embeddings() -> dict[str, Path]:
    """Those of AUTOMATIC1111's text encoder, else those that the page of Forge and Forge Neo lists."""
    hijack = getattr(sys.modules.get("modules.sd_hijack"), "model_hijack", None)
    page = sys.modules.get("modules.ui_extra_networks_textual_inversion")
    database = getattr(hijack, "embedding_db", None) or getattr(page, "embedding_db", None)
    known = {**getattr(database, "skipped_embeddings", {}), **getattr(database, "word_embeddings", {})}
    return {name: Path(getattr(entry, "filename", None) or name) for name, entry in known.items()}


def _sorted(files: Mapping[str, Path]) -> dict[str, Path]:
    return dict(sorted(files.items()))
