"""LoRAs in regions on the small model: objects placed with them, and how much of a LoRA reaches the neighbour.

    python tests/fidelity/loras.py placing [--count 36] [--image docs/images/lora.png]
    python tests/fidelity/loras.py separation [--seeds 8]

Prints the tables of docs/lora.md. *Placed*: the two halves of the canvas have an object each, and it is the one that is found there.
*Separation*: two pictures of every seed, with a LoRA at strength 0.0001 and at 1 in the left half's text; the mean change of the halves'
pixels.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from suite import BACKGROUNDS, COLOURS, SHAPES  # noqa: E402

from lib_regional.standalone.sampling.noise import ImageNoise  # noqa: E402
from lib_regional.standalone.server.app import create  # noqa: E402
from lib_regional.standalone.train.measures.evaluate import CHROMA, find_objects, judge  # noqa: E402

LORAS = ("star", "shift", "outlines")
LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)


def couple(**options: Any) -> dict[str, Any]:
    return {"method": "attention_couple", "options": {"attention_couple": options}}


LATENT = {"method": "latent_couple"}
CROP = {"method": "latent_couple", "options": {"latent_couple": {"mode": "crop", "halo": 0}}}
SHARP = 0.0
"""Feather of regions without a soft border."""
SEPARATION: dict[str, tuple[dict[str, Any], float]] = {
    "attention couple": (couple(), 0.05),
    "… `border`: 0": (couple(border=0), 0.05),
    "… `border`: 0, sharp border": (couple(border=0), SHARP),
    "… `separate_until`: 0.4": (couple(separate_until=0.4), 0.05),
    "… `separate`: norms": (couple(separate="norms", border=0), 0.05),
    "… `separate`: attention": (couple(separate="attention", border=0), 0.05),
    "… `separate`: nothing": (couple(separate="nothing"), 0.05),
    "latent couple": (LATENT, 0.05),
    "latent couple, crops without halo, sharp border": (CROP, SHARP),
}
"""Row of the table -> settings and feather."""
PLACING = {
    "attention couple": couple(),
    "… `border`: 0": couple(border=0),
    "… `separate_until`: 0.4": couple(separate_until=0.4),
    "… `separate`: nothing": couple(separate="nothing"),
    "latent couple": LATENT,
}
OFF = 0.0001
"""A strength that changes nothing and yet is one, so that both pictures are made in the same way: at 0 nothing would be kept apart."""
SAMPLING = {"steps": 20, "sampler_name": "Euler a", "cfg_scale": 5.0, "width": 128, "height": 128, "do_not_save_samples": True}
PAIRS = (("star", None), (None, "star"), ("star", "outlines"), ("shift", None), ("outlines", "shift"), ("shift", "star"))
BATCH = 12
SEEN = 0.1
"""Share of a strip that must be background for its shade to count."""


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

    def views(self, picture: np.ndarray) -> list[np.ndarray]:
        """The picture to judge; of outlined things also the one without holes (rings and crosses stay as they are)."""
        return [picture, solid(picture)] if self.lora == "outlines" else [picture]

    def is_biggest(self, picture: np.ndarray) -> bool:
        """Whether the biggest object is as it should be."""
        found = find_objects(picture)
        return bool(found) and found[0].matches(self.colour, self.form)


def wish(rng: random.Random, lora: str | None, used: Sequence[str] = ()) -> Wish:
    """An object whose seen colour is not among ``used``. The shift shows the colour after the one that is said."""
    seen = rng.choice([colour for colour in COLOURS if colour not in used])
    said = COLOURS[COLOURS.index(seen) - 1] if lora == "shift" else seen
    form = "star" if lora == "star" else rng.choice(SHAPES)
    return Wish(lora, f"a {said} {form}", seen, form)


def solid(picture: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) with the holes of its coloured things in the things' own colours: an outlined circle is a circle."""
    things, count = ndimage.label(np.ptp(picture.astype(int), axis=-1) > CHROMA)
    filled = picture.copy()
    for number in range(1, count + 1):
        thing = things == number
        filled[ndimage.binary_fill_holes(thing) & ~thing] = np.median(picture[thing], axis=0)
    return filled


class Studio:
    """The standalone host in this process; ``latents`` (B, 4, h, w) are those of the pictures drawn last."""

    def __init__(self) -> None:
        self.host = create()[1]
        self.latents = torch.empty(0)
        self.decode = self.host.model.decode
        self.host.model.decode = self._decoded  # type: ignore[method-assign]

    def _decoded(self, latents: torch.Tensor) -> torch.Tensor:
        self.latents = latents
        return self.decode(latents)

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


def tied(noise: torch.Tensor) -> torch.Tensor:
    """Noise (B, C, h, w) whose halves have one mean, of the variance that the mean of a half has."""
    halves = noise.unflatten(-1, (2, -1))
    means = halves.mean((-3, -1), keepdim=True)
    return (halves - means + means.mean(-2, keepdim=True) * 2**0.5).flatten(-2)


def tie_noise() -> None:
    """Every draw of noise in this process is `tied` from now on: isolated halves would draw their brightness each for itself."""
    free = ImageNoise.next
    ImageNoise.next = lambda self: tied(free(self))  # type: ignore[method-assign]


def alone(studio: Studio, lora: str | None, count: int) -> float:
    """Share of pictures of one object over the whole canvas, plain prompt, whose biggest object is as it should be."""
    rng = random.Random(f"alone-{lora}")
    wishes = [wish(rng, lora) for _ in range(count)]
    prompts = [one.prompt(rng.choice(BACKGROUNDS)) for one in wishes]
    pictures: list[np.ndarray] = []
    for start in range(0, count, BATCH):
        some = slice(start, min(count, start + BATCH))
        pictures += studio.draw(prompts[some], [rng.randrange(2**31) for _ in prompts[some]])
    return float(np.mean([any(map(one.is_biggest, one.views(picture))) for picture, one in zip(pictures, wishes, strict=True)]))


def placed(studio: Studio, settings: dict[str, Any], count: int) -> tuple[dict[str | None, list[bool]], list[np.ndarray]]:
    """Whether each half is right, by its LoRA, and the pictures. A batch's prompts are split into base and halves."""
    rng, right, pictures = random.Random("placed"), {}, []
    halves = {"text_from": "break", "grid": {"ratios": "1,1", "direction": "columns"}, **settings}
    for start in range(0, count, BATCH):
        scenes = [_pair(rng, number) for number in range(start, min(count, start + BATCH))]
        prompts = [f"{ground} ADDBASE {left.prompt(ground)} BREAK {other.prompt(ground)}" for left, other, ground in scenes]
        drawn = studio.draw(prompts, [rng.randrange(2**31) for _ in scenes], halves)
        for (left, other, _), picture in zip(scenes, drawn, strict=True):
            for one, box in ((left, LEFT), (other, RIGHT)):
                seen = [judge(view, [(box, one.colour, one.form)]).regions[0].right for view in one.views(picture)]
                right.setdefault(one.lora, []).append(any(seen))
        pictures += drawn
    return right, pictures


def shade_step(pictures: Sequence[np.ndarray], at: int = 64, width: int = 16) -> float:
    """Mean difference in levels of the backgrounds' colour in ``width`` columns left and right of column ``at``."""
    steps = []
    for picture in pictures:
        sides = [picture[:, start : start + width].reshape(-1, 3).astype(float) for start in (at - width, at)]
        grounds = [side[np.ptp(side, axis=-1) <= CHROMA] for side in sides]
        if min(map(len, grounds)) > SEEN * len(sides[0]):
            steps.append(np.abs(grounds[0].mean(0) - grounds[1].mean(0)).mean())
    return float(np.mean(steps))


def _pair(rng: random.Random, number: int) -> tuple[Wish, Wish, str]:
    first, second = PAIRS[number % len(PAIRS)]
    left = wish(rng, first)
    return left, wish(rng, second, (left.colour,)), rng.choice(BACKGROUNDS)


def change(studio: Studio, before: str, after: str, settings: dict[str, Any], feather: float, count: int) -> tuple[float, float, float]:
    """Mean change (left, right, right as sampled) in 8-bit levels when the left half's text changes, without four pixels at the border.

    *As sampled*: the autoencoder's norms spread what is on the left over the picture; here the right half's latents before and after are
    decoded beside one left half.
    """
    latents, pictures = [], []
    for text in (before, after):
        halves = ((LEFT, text), (RIGHT, "a blue square on sky"))
        regions = [{"box": list(box), "prompt": prompt, "feather": feather} for box, prompt in halves]
        drawn = studio.draw(["grass"] * count, list(range(count)), {**settings, "regions": regions})
        latents.append(studio.latents)
        pictures.append(np.stack(drawn).astype(float))
    middle = latents[0].shape[-1] // 2
    mixed = torch.cat([latents[0][..., :middle], latents[1][..., middle:]], -1)
    plain, beside = (studio.decode(one).float().clamp(-1, 1) * 127.5 for one in (latents[0], mixed))
    whole, sampled = np.abs(pictures[0] - pictures[1]).mean((0, 3)), (plain - beside).abs().mean((0, 1))
    return float(whole[:, :60].mean()), float(whole[:, 68:].mean()), float(sampled[:, 68:].mean())


def separation(studio: Studio, loras: Sequence[str], rows: Sequence[str], count: int) -> Iterator[str]:
    """Rows: how much the right half changes when a LoRA or a word is added on the left."""
    text = "a red circle on grass"
    cases = [(f"LoRA {lora} on the left", f"{text} <lora:{lora}:{OFF}>", f"{text} <lora:{lora}:1>") for lora in loras]
    if not loras:
        cases = [("another background on the left, no LoRA", text, "a red circle on snow")]
    yield "| change | method | left | right | right as sampled | right ÷ left | as sampled ÷ left |"
    yield "|---|---|---|---|---|---|---|"
    for label, before, after in cases:
        for name in rows:
            left, right, sampled = change(studio, before, after, *SEPARATION[name], count)
            yield f"| {label} | {name} | {left:.1f} | {right:.2f} | {sampled:.2f} | {right / left:.1%} | {sampled / left:.1%} |"


def _chosen(table: dict[str, Any], numbers: Sequence[int] | None) -> list[str]:
    return [name for number, name in enumerate(table) if numbers is None or number in numbers]


def placing(studio: Studio, names: Sequence[str], count: int) -> tuple[list[str], list[np.ndarray]]:
    """Rows of the table of placing, and pictures of attention couple."""
    single = {lora: alone(studio, lora, count) for lora in (None, *LORAS)}
    lines = ["| LoRA of the region | alone, plain prompt | method | placed | ÷ alone |", "|---|---|---|---|---|"]
    shown: list[np.ndarray] = []
    for name in names:
        right, pictures = placed(studio, PLACING[name], 2 * count)
        shown = shown or pictures
        lines.append(f"| | | {name} | step of the background: {shade_step(pictures):.1f}, within a half {shade_step(pictures, 32):.1f} | |")
        for lora, hits in right.items():
            rate = float(np.mean(hits))
            ratio = rate / max(single[lora], 1e-9)
            lines.append(f"| {lora or 'none'} | {single[lora]:.0%} | {name} | {rate:.0%} of {len(hits)} | {ratio:.2f} |")
        hits = [(hit, single[lora]) for lora, some in right.items() if lora for hit in some]
        rate, alone_rate = (float(np.mean([pair[i] for pair in hits])) for i in (0, 1))
        lines.append(f"| all with a LoRA | {alone_rate:.0%} | {name} | {rate:.0%} of {len(hits)} | {rate / alone_rate:.2f} |")
    return lines, shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("placing", "separation"))
    parser.add_argument("--count", type=int, default=36, help="placing: pictures of objects alone for each LoRA; twice as many pairs")
    parser.add_argument("--image", type=Path, help="placing: write the first pairs of attention couple here")
    parser.add_argument("--seeds", type=int, default=8, help="separation: pictures per row")
    parser.add_argument("--loras", nargs="*", default=LORAS, help="separation: LoRAs on the left; none: another background")
    parser.add_argument("--rows", nargs="+", type=int, help="numbers of the methods to measure, from 0 (default: all)")
    parser.add_argument("--steps", type=int, default=SAMPLING["steps"], help="sampling steps")
    parser.add_argument("--tied-noise", action="store_true", help="placing: noise with one mean in both halves")
    args = parser.parse_args()
    SAMPLING["steps"] = args.steps
    if args.tied_noise:
        tie_noise()
    studio = Studio()
    if args.what == "separation":
        for line in separation(studio, args.loras, _chosen(SEPARATION, args.rows), args.seeds):
            print(line, flush=True)
        return
    lines, pictures = placing(studio, _chosen(PLACING, args.rows), args.count)
    print("", *lines, sep="\n")
    if args.image is not None:
        rows = [np.concatenate(pictures[start : start + 6], 1) for start in range(0, 24, 6)]
        Image.fromarray(np.concatenate(rows)).save(args.image, optimize=True)


if __name__ == "__main__":
    main()
