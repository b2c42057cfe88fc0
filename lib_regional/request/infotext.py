"""Settings in the text that pictures carry (the "parameters" of AUTOMATIC1111's WebUI)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .errors import SettingsError
from .layout.mask_codecs import PNG_PREFIX, RLE_PREFIX, check_mask
from .layout.shapes import MaskImage
from .parameters import FEWEST, parse_picture_text, read_parameters
from .settings import Settings
from .words.shape import Words

KEY = "Regional"

FOUND_KEY = "Regional words"
"""The masks of a picture's words: ``1 rle:…; 3 rle:…``, the numbers of the regions from 1 with their masks."""


ReducePictures = Callable[[Sequence["str | None"]], Sequence["str | None"]]


def to_infotext(
    settings: Settings, reduce_mask: Callable[[str], str] | None = None, reduce_pictures: ReducePictures | None = None
) -> dict[str, str]:
    """``{"Regional": compact JSON}``, or ``{}`` where the settings are off. Quoting is the host's work.

    ``reduce_mask`` makes of every mask text, also of those in an edit's source, the one that is written; ``reduce_pictures`` of the
    regions' pictures and of their references' those that are. A reference whose picture is not written is not written either.
    """
    if not settings.enabled:
        return {}
    if reduce_pictures is not None and any(region.picture or region.reference for region in settings.regions):
        settings = _with_pictures(settings, reduce_pictures)
    lasting = replace(settings, attention_maps="", options=_of_one_picture(settings.options)).to_json()
    return {KEY: json.dumps(_with_masks(lasting, reduce_mask) if reduce_mask else lasting, ensure_ascii=False, separators=(",", ":"))}


def picture_texts(settings: Settings) -> list[str | None]:
    """The pictures of all regions, then those of all references; None where there is none."""
    regions = settings.regions
    return [*(region.picture for region in regions), *(region.reference.image if region.reference else None for region in regions)]


def _with_pictures(settings: Settings, reduce_pictures: ReducePictures) -> Settings:
    """``settings`` with the pictures that are written."""
    kept = reduce_pictures(picture_texts(settings))
    count = len(settings.regions)
    regions = []
    for region, picture, image in zip(settings.regions, kept[:count], kept[count:], strict=True):
        reference = region.reference.with_image(image) if region.reference and image else None
        regions.append(replace(region, picture=picture, reference=reference))
    return replace(settings, regions=tuple(regions))


def _of_one_picture(options: Mapping[str, Mapping[str, object]]) -> dict[str, Mapping[str, object]]:
    """``options`` without candidates: a picture's settings make that picture again, from its own seed."""
    kept = {name: value for name, value in options.get("scores", {}).items() if name not in ("candidates", "keep")}
    others = {owner: given for owner, given in options.items() if owner != "scores"}
    return {**others, "scores": kept} if kept else others


def _with_masks(value: Any, reduce_mask: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {name: reduce_mask(part) if is_mask(name, part) else _with_masks(part, reduce_mask) for name, part in value.items()}
    return [_with_masks(part, reduce_mask) for part in value] if isinstance(value, (list, tuple)) else value


def is_mask(name: str, value: object) -> bool:
    """Whether a key of the settings' JSON holds a mask text."""
    return name in (MaskImage.KIND, "found") and isinstance(value, str) and value.startswith((PNG_PREFIX, RLE_PREFIX))


def from_infotext(fields: Mapping[str, str]) -> Settings | None:
    """Settings from the parameters of a picture, None where it has none. Raises SettingsError where they are damaged."""
    text = fields.get(KEY)
    if not text:
        return None
    settings, found = Settings.parse(_unquoted(text) if isinstance(text, str) else text), fields.get(FOUND_KEY)
    return _with_found(settings, _unquoted(found)) if isinstance(found, str) and found else settings


def found_text(masks: Mapping[int, str]) -> str:
    """Masks by region -> the value of `FOUND_KEY`."""
    return "; ".join(f"{region + 1} {mask}" for region, mask in sorted(masks.items()))


def _with_found(settings: Settings, text: str) -> Settings:
    """``settings`` whose words have the masks of a `found_text`.

    Hosts that write the texts of all pictures of a batch into each have the first picture's first.
    """
    masks: dict[str, str] = {}
    for entry in text.split("; "):
        number, _, mask = entry.partition(" ")
        masks.setdefault(number, mask)
    regions = []
    for at, region in enumerate(settings.regions):
        shape, given = region.shape, masks.get(str(at + 1))
        if given and isinstance(shape, Words):
            try:
                check_mask(given)
            except SettingsError as error:
                raise error.at(FOUND_KEY) from error
            region = replace(region, shape=shape.with_mask(given))
        regions.append(region)
    return replace(settings, regions=tuple(regions))


def find_in_text(infotext: str) -> Settings | None:
    """Settings from a whole parameters text (prompt, negative prompt, line of parameters); None where it has none.

    Only the line of parameters counts (three or more; other extensions may write lines behind it), so that a prompt cannot pass for
    settings. Raises SettingsError where the settings are damaged.
    """
    if f"{KEY}:" not in infotext:
        return None
    last = list(read_parameters(infotext.strip().rpartition("\n")[2]))
    return from_infotext(dict(last) if len(last) >= FEWEST else parse_picture_text(infotext).parameters)


def _unquoted(text: str) -> str:
    """A value without the quotes that the WebUI puts around text with ``,``, ``:`` or a newline."""
    if len(text) < 2 or not (text[0] == text[-1] == '"'):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text
