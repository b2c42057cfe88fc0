"""The ways to find masks with models. A new one is one function with a row in `WAYS` and its parameters in `fields.WAY_FIELDS`."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from ...request.errors import settings_error
from ..channels import FoundMask
from .depth import depth_masks, nearness
from .fields import WAY_FIELDS, read_parameters
from .loading import PictureModels
from .outlines import clicked_mask
from .words import boxed_masks, word_maps, word_masks

LOOKED_AT = 1024
"""Longest side in pixels of the picture that models see."""

Given = Mapping[str, Any]
Find = Callable[[PictureModels, Image.Image, Given], list[FoundMask]]


@dataclass(frozen=True)
class Way:
    """``needs``: the kinds of models without which it does not work. ``adds``: its masks become further regions, and replace none."""

    label: str
    help: str
    needs: tuple[str, ...]
    adds: bool
    find: Find


def _words(models: PictureModels, picture: Image.Image, given: Given) -> list[FoundMask]:
    found = models.choose("clipseg", given["model"])
    return word_masks(word_maps(models, found, picture, given["words"]), given["words"], given["threshold"])


def _boxes(models: PictureModels, picture: Image.Image, given: Given) -> list[FoundMask]:
    detector = models.choose("grounding_dino", given["model"])
    outliner = models.choose("sam", given["sam"], "sam") if given["outlines"] else None
    return boxed_masks(models, detector, outliner, picture, given["words"], given["threshold"], given["separate"])


def _click(models: PictureModels, picture: Image.Image, given: Given) -> list[FoundMask]:
    if not given["clicks"] and given["box"] is None:
        raise settings_error("clicks", [], "one point or more, or a box")
    with models.opened(models.choose("sam", given["model"])) as opened:
        return [clicked_mask(opened, picture, given["clicks"], given["box"])]


def _depth(models: PictureModels, picture: Image.Image, given: Given) -> list[FoundMask]:
    borders = [at / given["slices"] for at in range(given["slices"] + 1)]
    return depth_masks(_LAST.of(models, picture, given["model"]), borders, given["softness"], given["spacing"] == "area")


def _slice(models: PictureModels, picture: Image.Image, given: Given) -> list[FoundMask]:
    if not given["near"] < given["far"]:
        raise settings_error("far", given["far"], f"more than near, which is {given['near']}")
    borders = given["near"], given["far"]
    return depth_masks(_LAST.of(models, picture, given["model"]), borders, given["softness"], given["spacing"] == "area")


class _LastDepth:
    """The depth of the picture that was asked for last, so that moving the borders of slices does not run the model again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[object, Tensor] | None = None

    def of(self, models: PictureModels, picture: Image.Image, name: str | None) -> Tensor:
        found = models.choose("depth", name)
        weights = sorted((file.name, file.stat().st_mtime_ns) for file in found.folder.glob("*.safetensors"))
        key = hashlib.sha256(picture.tobytes()).hexdigest(), picture.size, picture.mode, str(found.folder), tuple(weights)
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                self._kept = key, nearness(models, found, picture)
            return self._kept[1]


_LAST = _LastDepth()

WAYS: Mapping[str, Way] = {
    "words": Way("Words", "A region for each phrase, found by CLIPSeg", ("clipseg",), True, _words),
    "boxes": Way("Words, sharp outlines", "Objects found by Grounding DINO, outlined by SAM", ("grounding_dino",), True, _boxes),
    "click": Way("Click or box", "The object under a click or in a box, outlined by SAM", ("sam",), True, _click),
    "depth": Way("Depth slices", "The picture cut into slices from near to far", ("depth",), False, _depth),
    "slice": Way("One depth slice", "What lies between two distances", ("depth",), True, _slice),
}
"""Name of a way -> the way, in the panel's order."""


def listed_ways() -> list[dict[str, Any]]:
    """What the panel shows of every way, and the JSON schema of its parameters."""
    return [
        {
            "name": name,
            "label": way.label,
            "help": way.help,
            "adds": way.adds,
            "needs": list(way.needs),
            "fields": {key: field.schema() for key, field in WAY_FIELDS[name].items()},
        }
        for name, way in WAYS.items()
    ]


def find_masks(models: PictureModels, way: str, picture: Image.Image, given: Mapping[str, object]) -> list[FoundMask]:
    """Masks of ``picture`` by ``way``. Raises RegionalError (SettingsError for a parameter) where there are none."""
    values = read_parameters(WAY_FIELDS[way], given)
    return WAYS[way].find(models, _seen(picture), values)


def _seen(picture: Image.Image) -> Image.Image:
    """The picture as models see it: opaque, and not larger than `LOOKED_AT`."""
    plain = Image.new("RGB", picture.size, "white")
    plain.paste(picture.convert("RGB"), mask=picture.convert("RGBA").getchannel("A"))
    scale = min(1.0, LOOKED_AT / max(picture.size))
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return plain if scale == 1 else plain.resize(size, Image.Resampling.LANCZOS)
