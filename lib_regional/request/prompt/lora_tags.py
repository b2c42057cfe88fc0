"""``<lora:name:te:unet:dyn>`` in prompts: parsed tags, and texts without them, in the syntax of AUTOMATIC1111."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..errors import settings_error, shown

KINDS = ("lora", "lyco")
"""Kinds of tag that name a LoRA; ``lyco`` is the older name."""

OPTIONS = ("te", "unet", "dyn")
"""Options that a tag can name; AUTOMATIC1111 reads the same, and extensions of it read others in the tags of the whole picture."""

_TAG = re.compile(r"<(\w+):([^>]+)>")
"""To be searched for up to the last ">" of a text only: behind it every "<" would be followed to the end of the text."""

_STRENGTH = "a number"
_DYN = "a whole number of 1 or more"
_LONGEST_WHOLE = 18


@dataclass(frozen=True)
class LoraTag:
    """One LoRA as a prompt asks for it: strength in the text encoder and in the UNet, and how many ranks to use (None: all)."""

    name: str
    te: float = 1.0
    unet: float = 1.0
    dyn: int | None = None

    def __str__(self) -> str:
        dyn = "" if self.dyn is None else f":{self.dyn}"
        return f"<lora:{self.name}:{self.te!r}:{self.unet!r}{dyn}>"


@dataclass(frozen=True)
class Tagged:
    """A text without its LoRA tags, and the LoRAs in the order of their tags. Tags of other kinds stay in the text."""

    text: str
    loras: tuple[LoraTag, ...] = field(default=())


def split_tags(text: str, where: str = "", path: str = "prompt") -> Tagged:
    """Take the LoRA tags out of ``text``. Raises SettingsError for a tag that cannot be read, at ``path`` in ``where``."""
    loras: list[LoraTag] = []

    def take(match: re.Match[str]) -> str:
        if match[1] not in KINDS:
            return match[0]
        loras.append(_read(match[0], match[2], where, path))
        return ""

    return Tagged(replace_tags(text, take), tuple(loras))


def replace_tags(text: str, replacement: Callable[[re.Match[str]], str]) -> str:
    """``text`` with every ``<kind:arguments>`` replaced, in linear time."""
    end = text.rfind(">") + 1
    return _TAG.sub(replacement, text[:end]) + text[end:]


def with_tags(text: str, loras: Iterable[LoraTag]) -> str:
    """``text`` with the tags of ``loras`` behind it; `split_tags` takes them out again."""
    return text + "".join(map(str, loras))


def without_tags(text: str) -> str:
    """``text`` without its LoRA tags, valid or not."""
    return replace_tags(text, lambda match: "" if match[1] in KINDS else match[0])


def raw_tags(text: str) -> tuple[str, ...]:
    """The LoRA tags of ``text`` as they are written."""
    return tuple(match[0] for match in _TAG.finditer(text, 0, text.rfind(">") + 1) if match[1] in KINDS)


def ignored_options(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(tag, names) of the LoRA tags of ``text`` with options that nothing in a region reads, such as ``lbw=`` or ``stop=``."""
    found = ((tag, tuple(key.strip() for key in _arguments(tag[1:-1])[1] if key not in OPTIONS)) for tag in raw_tags(text))
    return tuple((tag, names) for tag, names in found if names)


def _arguments(text: str) -> tuple[list[str], dict[str, str]]:
    """(arguments by place, arguments by name) of ``a:b:key=value``."""
    placed: list[str] = []
    named: dict[str, str] = {}
    for item in text.split(":"):
        key, equals, value = item.partition("=")
        if equals and "=" not in value:
            named[key] = value
        else:
            placed.append(item)
    return placed, named


def _read(tag: str, arguments: str, where: str, path: str) -> LoraTag:
    """``name:te:unet:dyn`` by place, or ``te=``, ``unet=``, ``dyn=`` by name; te is 1 by default and unet the same as te."""
    placed, named = _arguments(arguments)
    if not placed or not placed[0].strip():
        raise settings_error(path, tag, "<lora:name:strength>", where=where, text=f"{tag} names no LoRA.")

    def argument(key: str, place: int) -> str | None:
        return named.get(key, placed[place] if len(placed) > place else None)

    te = _number(argument("te", 1), 1.0, tag, where, path)
    unet = _number(argument("unet", 2), te, tag, where, path)
    return LoraTag(placed[0], te, unet, _whole(argument("dyn", 3), tag, where, path))


def _number(text: str | None, default: float, tag: str, where: str, path: str) -> float:
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise settings_error(path, tag, _STRENGTH, where=where, text=f"the strength in {tag} must be {_STRENGTH}, got {shown(text)}.")
    return value


def _whole(text: str | None, tag: str, where: str, path: str) -> int | None:
    if text is None:
        return None
    if not text.strip().isdecimal() or len(text) > _LONGEST_WHOLE or int(text) < 1:
        raise settings_error(path, tag, _DYN, where=where, text=f"the number of ranks in {tag} must be {_DYN}, got {shown(text)}.")
    return int(text)
