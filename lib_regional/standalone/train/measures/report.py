"""Measures a trained model: pictures of prompts, the share that matches the prompt, sample sheets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.drawing import sheet
from ..data.latents import decode, scaled_autoencoder
from ..data.scene import BACKGROUNDS, BASE_SHAPES, COLOURS
from ..sampling import sample
from ..stages.autoencoder import to_pictures
from ..stages.diffusion import Models, load_models
from .evaluate import Found, find_objects, judge

Pictures = Callable[[list[str], int], NDArray[np.uint8]]
"""(prompts, seed) -> pictures (B,H,W,3) uint8."""


@dataclass(frozen=True)
class Score:
    """Shares 0..1 over `count` pictures of one prompt each."""

    count: int
    right: float
    colour: float
    shape: float
    alone: float

    def __str__(self) -> str:
        shares = f"right {self.right:.1%}, colour {self.colour:.1%}, shape {self.shape:.1%}, exactly one object {self.alone:.1%}"
        return f"{self.count} pictures: {shares}"


def single_prompts(count: int) -> list[tuple[str, str, str]]:
    """(prompt, colour, shape): every pair of colour and shape in turn, backgrounds going round; half of them without a background."""
    pairs = [(colour, shape) for colour in COLOURS for shape in BASE_SHAPES]
    prompts = []
    for i in range(count):
        colour, shape = pairs[i % len(pairs)]
        ground = f" on {BACKGROUNDS[(i + i // len(pairs)) % len(BACKGROUNDS)]}" if (i // len(pairs)) % 2 == 0 else ""
        prompts.append((f"a {colour} {shape}{ground}", colour, shape))
    return prompts


def double_prompts(count: int, seed: int = 3) -> list[tuple[str, tuple[str, str], tuple[str, str]]]:
    """(prompt, (colour, shape) left, (colour, shape) right), colours and shapes distinct, drawn at random."""
    rng = np.random.default_rng(seed)
    prompts = []
    for _ in range(count):
        hues, kinds = rng.choice(len(COLOURS), 2, replace=False), rng.choice(len(BASE_SHAPES), 2, replace=False)
        left, right = ((tuple(COLOURS)[h], BASE_SHAPES[k]) for h, k in zip(hues, kinds, strict=True))
        ground = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
        prompts.append((f"a {left[0]} {left[1]} and a {right[0]} {right[1]} on {ground}", left, right))
    return prompts


def score_singles(pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], prompts: Sequence[tuple[str, str, str]]) -> Score:
    """A picture is right when its biggest object is clear, of the colour and of the shape; `alone` counts those with just one object."""
    rows = [_single(find_objects(picture), colour, shape) for picture, (_, colour, shape) in zip(pictures, prompts, strict=True)]
    right, colour, shape, alone = np.asarray(rows, float).mean(0)
    return Score(len(rows), right, colour, shape, alone)


def _single(found: list[Found], colour: str, shape: str) -> tuple[bool, bool, bool, bool]:
    if not found:
        return False, False, False, False
    first = found[0]
    alone = len(found) == 1
    return first.matches(colour, shape), first.colour == colour, first.shape == shape, alone


def score_doubles(
    pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], prompts: Sequence[tuple[str, tuple[str, str], tuple[str, str]]]
) -> float:
    """Share of the pictures with both objects as named, left and right."""
    halves = ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0))
    rights = [
        judge(picture, [(halves[0], *left), (halves[1], *right)]).all_right
        for picture, (_, left, right) in zip(pictures, prompts, strict=True)
    ]
    return float(np.mean(rights))


def trained_pictures(out: Path, device: str = "cpu", steps: int = 20, guidance: float = 5.0, batch: int = 36) -> Pictures:
    """Pictures from the checkpoints of a training folder."""
    models: Models = load_models(out, device)
    autoencoder = scaled_autoencoder(out, device)

    def pictures(prompts: list[str], seed: int = 0) -> NDArray[np.uint8]:
        parts = []
        for start in range(0, len(prompts), batch):
            latents = sample(models.unet, models.text, prompts[start : start + batch], (128, 128), steps, guidance, seed + start)
            with torch.no_grad():
                parts.append(to_pictures(decode(autoencoder, latents)))
        return np.concatenate(parts)

    return pictures


def report(out: Path, device: str = "cpu", count: int = 72, steps: int = 20, guidance: float = 5.0, seed: int = 0) -> dict[str, object]:
    """Draws `count` single and `count` double prompts, writes both sheets into `out`, and returns the scores."""
    pictures = trained_pictures(out, device, steps, guidance)
    singles, doubles = single_prompts(count), double_prompts(count)
    one = pictures([prompt for prompt, *_ in singles], seed)
    save_sheet(one, out / "singles.png")
    result: dict[str, object] = {"single": score_singles(one, singles)}
    two = pictures([prompt for prompt, *_ in doubles], seed + 1)
    save_sheet(two, out / "doubles.png")
    return {**result, "double": score_doubles(two, doubles)}


def save_sheet(pictures: NDArray[np.uint8], path: Path, columns: int = 12) -> None:
    """Writes pictures side by side as a PNG."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet(list(pictures), columns)).save(path, optimize=True)
