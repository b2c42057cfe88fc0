"""Good inputs of every kind, and seeded mutations of them."""

from __future__ import annotations

import base64
import io
import json
import random
import warnings
import zlib
from collections.abc import Sequence
from copy import deepcopy

from PIL import Image

from lib_regional.request.layout.pixels import DAMAGED

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="
PARAMETERS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x768"
RP = 'RP Active: True, RP Divide mode: Matrix, RP Matrix submode: Columns, RP Ratios: "1,1", RP Base Ratios: 0.2, RP Use Base: True'
SETTINGS = {
    "version": 1,
    "enabled": True,
    "text_from": "break",
    "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a <lora:x:1>", "steps": [0, 0.5]}, {"mask": PIXEL, "weight": 2, "seed": 5}],
    "options": {"latent_couple": {}},
}
BOX = [True, 0.5, 0, 0.5, 1, "a blue square", "", "Foreground", 0.2, -1]
SCRIPTS: dict[str, list[object]] = {
    "Regional Prompter": [
        True,
        False,
        "Matrix",
        "Rows",
        "Mask",
        "Prompt",
        "1,2;3,4",
        "0.4",
        True,
        True,
        False,
        "Latent",
        [],
        "0",
        "0",
        "0.4",
    ],
    "Forge Couple": [True, False, "Advanced", "", "Horizontal", "None", 0.5, [[0, 0.5, 0, 1, 1.0], [0.5, 1, 0, 1, 1]], "{ }", False, True],
    "Latent Couple extension": [True, "1:1,1:2,1:2", "0:0,0:0,0:1", "0.2,0.8,0.8", 20],
    "Tiled Diffusion": [
        True,
        "MultiDiffusion",
        False,
        True,
        1024,
        1024,
        96,
        96,
        48,
        4,
        "None",
        2,
        False,
        10,
        1,
        1,
        64,
        False,
        True,
        True,
        False,
        *BOX,
    ],
    "Regional": [SETTINGS],
}
SEEDS: Sequence[str] = [
    "sky ADDCOMM two ADDBASE a red cat ADDCOL a blue dog ADDROW (grass:1.2) BREAK [a|b]",
    "bookshelf AND dog:0.5 AND cat <lora:x:0.5:te=1>",
    "a {x:tall} man\n{x} woman, [a:b:0.5]\n(c:1.1)",
    "1,2,1;1,3,4;2",
    "divisions=1:1, 1:2, 1:2 positions=0:0, 0:0, 0:1 weights=0.2,0.8,0.8 end at step=20\na AND b AND c",
    f"a BREAK b BREAK c\nNegative prompt: x BREAK y\n{PARAMETERS}, {RP}\nTemplate: a",
    f"a\nb\n{PARAMETERS}, forge_couple: True, forge_couple_mode: Basic, forge_couple_separator: \\n, forge_couple_common_parser: {{ }}",
    f'a AND b\n{PARAMETERS}, Latent Couple: "divisions=1:1,1:2 positions=0:0,0:1 weights=1,1 end at step=5"',
    f"a\n{PARAMETERS}, Regional: {json.dumps(json.dumps(SETTINGS))}",
    json.dumps(SETTINGS),
    *(
        json.dumps({"prompt": "a BREAK b AND c\nd", "steps": 20, "alwayson_scripts": {title: {"args": args}}})
        for title, args in SCRIPTS.items()
    ),
]
PIECES = (
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        ":",
        ",",
        ";",
        '"',
        "\\",
        "\n",
        "|",
        "=",
        " ",
        "\0",
        "\ud800",
        "漢",
        "1e999",
        "NaN",
        "-1",
        "0",
    ),
    *(
        "BREAK",
        " AND ",
        "ADDCOL",
        "ADDBASE",
        "ADDCOMM",
        "ADDP",
        "<lora:",
        "null",
        "true",
        "[]",
        "{}",
        "9" * 5000,
        "(" * 200,
        "data:image/",
        "rle:",
    ),
)


def mutated(text: str, source: random.Random) -> str:
    """``text`` after one to six changes: pieces put in, taken out, doubled, exchanged or moved."""
    for _ in range(source.randint(1, 6)):
        low, high = sorted(source.randint(0, len(text)) for _ in range(2))
        part = text[low : min(high, low + 40)]
        change = source.randrange(5)
        inside = (source.choice(PIECES), "", part * 2, source.choice(PIECES), part[::-1])[change]
        text = text[:low] + inside + text[low + (0 if change == 0 else len(part)) :]
    return text


def _picture(kind: str, mode: str, **options: object) -> bytes:
    image = Image.new("RGB", (24, 16), (200, 30, 30))
    image.paste((30, 30, 200), (12, 0, 24, 16))
    image.info["parameters"] = f"a BREAK b\n{PARAMETERS}"
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


PICTURES: Sequence[bytes] = (
    *(_picture("PNG", mode) for mode in ("1", "L", "P", "RGB", "RGBA", "I")),
    _picture("JPEG", "RGB", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    _picture("WEBP", "RGBA"),
    _picture("TIFF", "F"),
    _picture("BMP", "RGB"),
)
RUNS = ("rle:24x16:0*192,255*192", "rle:4x4:0*4,128,255*11")


LARGEST = 4_000_000
"""Pixels of a changed picture: what decoding of up to 64 megapixels takes is no parser's."""


def _pixels(raw: bytes) -> int:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            width, height = Image.open(io.BytesIO(raw)).size
    except Image.DecompressionBombError:
        return LARGEST + 1
    except DAMAGED:
        return 0
    return int(width * height)


def mutated_picture(source: random.Random) -> str:
    """A picture file as a data URL after one to four changes of its bytes, or a changed run-length mask."""
    if source.random() < 0.15:
        return mutated(source.choice(RUNS), source)
    raw = bytearray(source.choice(PICTURES))
    for _ in range(source.randint(1, 4)):
        at, change = source.randrange(len(raw)), source.randrange(5)
        if change == 0:
            raw[at] ^= 1 << source.randrange(8)
        elif change == 1:
            raw[at] = source.choice((0, 1, 127, 128, 255))
        elif change == 2:
            raw[at:at] = raw[at : at + source.randrange(1, 20)]
        elif change == 3:
            del raw[at : at + source.randrange(1, 20)]
        elif len(raw) > 60:
            del raw[source.randrange(40, len(raw)) :]
        raw = raw or bytearray(b"x")
    if source.random() < 0.6:
        mend_sums(raw)
    if _pixels(bytes(raw)) > LARGEST:
        return source.choice(RUNS)
    label = source.choice(("png", "png", "png", "jpeg", "x"))
    return f"data:image/{label};base64,{base64.b64encode(bytes(raw)).decode()}"


def mend_sums(raw: bytearray) -> None:
    """Write the right checksums into the chunks of a PNG, so that what reads it gets as far as the changed bytes."""
    at = 8
    while raw[:4] == b"\x89PNG" and at + 12 <= len(raw):
        end = at + 8 + int.from_bytes(raw[at : at + 4], "big")
        if end + 4 > len(raw):
            return
        raw[end : end + 4] = zlib.crc32(raw[at + 4 : end]).to_bytes(4, "big")
        at = end + 4


VALUES: Sequence[object] = (
    None, True, False, 0, 1, -1, 0.5, 1e308, -1e308, 1e-320, 10**30, 10**400, float("nan"), float("inf"), "", "a", "1", "\ud800", "\0",
    [], [[]], {}, {"x": 1}, [0, 0, 1, 1], [0, 0], "rle:1x1:255", PIXEL, "9" * 400, ["a"] * 300, [[[[[[[[[[]]]]]]]]]],
)  # fmt: skip


def mutated_json(value: object, source: random.Random) -> object:
    """A copy of a JSON value in which some parts are others: exchanged, doubled, taken out or put under another key."""
    copy = json.loads(json.dumps(value))
    for _ in range(source.choice((1, 1, 2, 4))):
        inner = copy
        while isinstance(inner, (dict, list)) and inner:
            key = source.choice(list(inner)) if isinstance(inner, dict) else source.randrange(len(inner))
            if not isinstance(inner[key], (dict, list)) or not inner[key] or source.random() < 0.3:
                _change(inner, key, source)
                break
            inner = inner[key]
    return copy


def _change(inner: dict[str, object] | list[object], key: object, source: random.Random) -> None:
    change = source.randrange(6)
    if change == 0:
        del inner[key]  # type: ignore[arg-type]
    elif change == 1 and isinstance(inner, list):
        inner += inner[:3]
    elif change == 1:
        inner[source.choice(("x", "\ud800", "enabled", "mask", "box"))] = deepcopy(source.choice(VALUES))  # type: ignore[index]
    elif change == 2 and isinstance(inner[key], str):  # type: ignore[index]
        inner[key] = mutated(inner[key], source)  # type: ignore[index]
    elif change == 3:
        inner[key] = mutated_picture(source)  # type: ignore[index]
    else:
        inner[key] = deepcopy(source.choice(VALUES))  # type: ignore[index]
