"""LoRAs in regions on the small model: objects placed with them, and how much of a style reaches the neighbour.

    python tests/fidelity/loras.py [--count 36] [--out docs]

Writes ``lora_figures.md`` (the tables of docs/lora.md) and ``images/lora.png`` into ``--out``.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from suite import BACKGROUNDS, COLOURS, SHAPES  # noqa: E402

from lib_regional.standalone.app import create  # noqa: E402
from lib_regional.standalone.train.evaluate import find_objects, judge  # noqa: E402

LORAS = ("star", "shift", "outlines")
LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
METHODS = ("attention_couple", "latent_couple")
SAMPLING = {"steps": 20, "sampler_name": "Euler a", "cfg_scale": 5.0, "width": 128, "height": 128, "do_not_save_samples": True}
PAIRS = (("star", None), (None, "star"), ("star", "outlines"), ("shift", None), ("outlines", "shift"), ("shift", "star"))


@dataclass(frozen=True)
class Wish:
    """One object with a LoRA or without: what is said, and what should be seen."""

    lora: str | None
    said: str
    colour: str
    form: str

    def prompt(self, background: str) -> str:
        """The region's text."""
        return f"{self.said} on {background}" + (f" <lora:{self.lora}:1>" if self.lora else "")


def wish(rng: random.Random, lora: str | None, used: Sequence[str] = ()) -> Wish:
    """An object whose seen colour is not among ``used``. The shift shows the colour after the one that is said."""
    seen = rng.choice([colour for colour in COLOURS if colour not in used])
    said = COLOURS[COLOURS.index(seen) - 1] if lora == "shift" else seen
    form = "star" if lora == "star" else rng.choice(SHAPES)
    return Wish(lora, f"a {said} {form}", seen, form)


class Studio:
    """The standalone host in this process."""

    def __init__(self) -> None:
        self.host = create()[1]

    def draw(self, prompts: list[str], seeds: list[int], settings: dict[str, Any] | None = None) -> list[np.ndarray]:
        """A batch; ``settings`` of the regions hold for all of it."""
        p = self.host.processing(False, prompt=prompts, seed=seeds, batch_size=len(prompts), **SAMPLING)
        if settings is not None:
            script = self.host.script("Regional")
            assert script is not None and p.script_args is not None
            args = list(p.script_args)
            args[script.args_from] = {"enabled": True, **settings}
            p.script_args = args
        result = self.host.run(p)
        return [np.asarray(image.convert("RGB")) for image in result.images[result.index_of_first_image :]]


def alone(studio: Studio, lora: str | None, count: int) -> float:
    """Share of pictures of one object over the whole canvas, plain prompt, whose biggest object is as it should be."""
    rng = random.Random(f"alone-{lora}")
    wishes = [wish(rng, lora) for _ in range(count)]
    pictures: list[np.ndarray] = []
    for start in range(0, count, 12):
        some = wishes[start : start + 12]
        seeds = [rng.randrange(2**31) for _ in some]
        pictures += studio.draw([one.prompt(rng.choice(BACKGROUNDS)) for one in some], seeds)
    found = [find_objects(picture) for picture in pictures]
    return float(np.mean([bool(f) and f[0].matches(one.colour, one.form) for f, one in zip(found, wishes, strict=True)]))


def halves(wishes: Sequence[Wish], background: str, method: str) -> dict[str, Any]:
    """Settings of two halves, each with its object; the base is the background."""
    regions = [{"box": list(box), "prompt": one.prompt(background)} for box, one in zip((LEFT, RIGHT), wishes, strict=True)]
    return {"method": method, "regions": regions, "base": {"prompt": background}}


def placed(studio: Studio, method: str, count: int) -> tuple[dict[str | None, list[bool]], list[np.ndarray]]:
    """Whether each region is right, by LoRA, and the pictures."""
    rng, right, pictures = random.Random("placed"), {}, []
    for number in range(count):
        first, second = PAIRS[number % len(PAIRS)]
        left = wish(rng, first)
        wishes = (left, wish(rng, second, (left.colour,)))
        background, seed = rng.choice(BACKGROUNDS), rng.randrange(2**31)
        picture = studio.draw([background], [seed], halves(wishes, background, method))[0]
        judged = judge(picture, [(LEFT, wishes[0].colour, wishes[0].form), (RIGHT, wishes[1].colour, wishes[1].form)])
        for one, region in zip(wishes, judged.regions, strict=True):
            right.setdefault(one.lora, []).append(region.right)
        pictures.append(picture)
    return right, pictures


@contextmanager
def apart(unet: torch.nn.Module) -> Iterator[None]:
    """Self-attention that does not look across the middle of a square canvas."""
    sites: list[Any] = [module for name, module in unet.named_modules() if name.endswith(".attn1")]
    before = [site.processor for site in sites]
    for site in sites:
        site.processor = _masked
    try:
        yield
    finally:
        for site, processor in zip(sites, before, strict=True):
            site.processor = processor


def _masked(attn: Any, x: Tensor, *_: Any, **__: Any) -> Tensor:
    side = int(x.shape[1] ** 0.5)
    right = torch.arange(x.shape[1]) % side >= side // 2
    q, k, v = (project(x).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for project in (attn.to_q, attn.to_k, attn.to_v))
    heard = F.scaled_dot_product_attention(q, k, v, right[:, None] == right, scale=attn.scale)
    done: Tensor = attn.to_out[0](heard.transpose(1, 2).flatten(2))
    return done


def change(studio: Studio, before: str, after: str, method: str, count: int) -> tuple[float, float]:
    """Mean change (left, right) in 8-bit levels when the left half's text changes; four pixels at the border are left out."""
    drawn = []
    for text in (before, after):
        regions = [{"box": list(LEFT), "prompt": text}, {"box": list(RIGHT), "prompt": "a blue square on sky"}]
        drawn.append(np.stack(studio.draw(["grass"] * count, list(range(count)), {"method": method, "regions": regions})).astype(float))
    difference = np.abs(drawn[0] - drawn[1]).mean((0, 3))
    return float(difference[:, :60].mean()), float(difference[:, 68:].mean())


def separation(studio: Studio, count: int) -> Iterator[str]:
    """Rows: how much the right half changes when a LoRA or a word is added on the left."""
    text = "a red circle on grass"
    cases = [(f"LoRA {lora} on the left", f"{text} <lora:{lora}:1>") for lora in LORAS]
    cases.append(("another background on the left, no LoRA", "a red circle on snow"))
    yield "| change | method | left | right | right ÷ left |"
    yield "|---|---|---|---|---|"
    for label, after in cases:
        for method in METHODS:
            left, right = change(studio, text, after, method, count)
            yield f"| {label} | {method} | {left:.1f} | {right:.1f} | {right / left:.1%} |"
        with apart(studio.host.model.unet):
            left, right = change(studio, text, after, "attention_couple", count)
        yield f"| {label} | attention_couple, self-attention cut at the border | {left:.1f} | {right:.1f} | {right / left:.1%} |"


def placing(studio: Studio, count: int) -> tuple[list[str], list[np.ndarray]]:
    """Rows of the table of placing, and pictures of attention couple."""
    single = {lora: alone(studio, lora, count) for lora in (None, *LORAS)}
    lines = ["| LoRA of the region | alone, plain prompt | method | placed | ÷ alone |", "|---|---|---|---|---|"]
    shown: list[np.ndarray] = []
    for method in METHODS:
        right, pictures = placed(studio, method, 2 * count)
        shown = shown or pictures
        for lora, hits in right.items():
            rate = float(np.mean(hits))
            lines.append(f"| {lora or 'none'} | {single[lora]:.0%} | {method} | {rate:.0%} of {len(hits)} | {rate / single[lora]:.2f} |")
        hits = [(hit, single[lora]) for lora, some in right.items() if lora for hit in some]
        rate, alone_rate = (float(np.mean([pair[i] for pair in hits])) for i in (0, 1))
        lines.append(f"| all with a LoRA | {alone_rate:.0%} | {method} | {rate:.0%} of {len(hits)} | {rate / alone_rate:.2f} |")
    return lines, shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=36, help="pictures per row of the table of objects alone; twice as many pairs")
    parser.add_argument("--seeds", type=int, default=8, help="pictures per row of the table of separation")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    args = parser.parse_args()
    studio = Studio()
    lines, pictures = placing(studio, args.count)
    text = "\n".join([*lines, "", *separation(studio, args.seeds), ""])
    (args.out / "images").mkdir(parents=True, exist_ok=True)
    (args.out / "lora_figures.md").write_text(text, encoding="utf-8")
    rows = [np.concatenate(pictures[start : start + 6], 1) for start in range(0, 24, 6)]
    Image.fromarray(np.concatenate(rows)).resize((6 * 192, 4 * 192)).quantize(128).save(args.out / "images" / "lora.png", optimize=True)
    print(text)


if __name__ == "__main__":
    main()
