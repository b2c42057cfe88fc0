"""Seeded mutations of good inputs: whatever comes in, every parser gives a result or an error of ours, within a second."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Sequence

import pytest

from lib_regional.api.strict_json import parse_body
from lib_regional.request.errors import RegionalError
from lib_regional.request.importers import import_text
from lib_regional.request.infotext import find_in_text
from lib_regional.request.layout.grid import Grid, cell_values, grid_of
from lib_regional.request.prompt.lora_scope import scope_tags
from lib_regional.request.prompt.region_prompts import plan_texts
from lib_regional.request.prompt.schedules import parse_emphasis, prompt_schedule
from lib_regional.request.settings import Settings
from lib_regional.standalone.pipeline.infotext import parse_generation_parameters

CASES = int(os.environ.get("REGIONAL_FUZZ_CASES", "20000"))
SEED = int(os.environ.get("REGIONAL_FUZZ_SEED", "18"))
SLOWEST = 1.0

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


def grids(text: str) -> None:
    Grid(text)
    grid_of(["ADDCOL", "BREAK", "ADDROW"], text, "rows")
    cell_values(["ADDCOL"], text, "1")


PARSERS: Sequence[Callable[[str], object]] = (
    import_text,
    import_text,
    find_in_text,
    parse_generation_parameters,
    Settings.parse,
    lambda text: plan_texts(Settings.parse(SETTINGS), text, text),
    lambda text: scope_tags(Settings.parse(SETTINGS), text),
    parse_emphasis,
    lambda text: prompt_schedule(text, 20, 10),
    grids,
    lambda text: parse_body(text.encode("utf-8", "surrogatepass")),
    lambda text: import_text(text, "forge_couple", ratios=text, separator=text),
)


@pytest.mark.parametrize("part", range(4))
def test_every_parser_answers_every_mutation(part: int) -> None:
    source = random.Random(SEED * 1000 + part)
    slow: list[tuple[float, str]] = []
    for _ in range(CASES // 4):
        parse, text = source.choice(PARSERS), mutated(source.choice(SEEDS), source)
        start = time.process_time()
        try:
            parse(text)
        except RegionalError as error:
            assert str(error), text
            json.dumps(error.to_dict(), allow_nan=False).encode()
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} ({error}) for {text!r}") from error
        taken = time.process_time() - start
        slow += [(taken, text)] if taken > SLOWEST else []
    assert not slow
