"""Captions of scenes: varied in wording, without positions, and in scenes of several things with colours shuffled among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .scene import BACKGROUNDS, BASE_SHAPES, COLOURS, EXTRA_SHAPES, Scene, Thing

EMPTY = 0.10
"""Share of empty captions, for classifier-free guidance."""
SWAPPED = 0.90
"""Share of captions of two or more things whose colours are shuffled: the model must not learn to bind words from a joint prompt."""
PARTIAL = 0.30
"""Share of captions of two or more things that leave some unnamed."""
GROUNDED = 0.65
PRAISED = 0.25
FILLED = 0.08

QUALITY = ("masterpiece", "best quality", "highly detailed", "high quality", "sharp focus", "8k", "detailed", "ultra detailed")
OPENINGS = ("a picture of ", "a photo of ", "a drawing of ", "an image of ", "picture of ", "there is ", "the ")
FILLERS = ("nice", "beautiful", "simple", "clean", "cute", "style", "art", "illustration")
STRANGERS = (
    *("house", "river", "window", "morning", "copper", "forest", "gentle", "quickly", "amber", "engine", "violin", "market", "tower"),
    *("paper", "seven", "winter", "marble", "garden", "candle", "horse", "bridge", "silver", "music", "ocean", "planet", "kitchen"),
    *("doctor", "mountain", "basket", "velvet", "lantern", "castle", "pepper", "wagon", "thunder", "feather"),
)
"""Words that are not in the table: they train the vector of the unknown word."""

GLUE = (
    *("a", "an", "the", "one", "and", "with", "on", "of", "in", "front", "background", "there", "is", "some", "plain", "big", "small"),
    *(",", ".", ":", ";", "-", "!", "?", "(", ")", "/"),
)


def known_words() -> list[str]:
    """Every word that gets its own row in the compact table."""
    words = [*BASE_SHAPES, *EXTRA_SHAPES, *COLOURS, *BACKGROUNDS, *GLUE, *FILLERS]
    for phrase in (*QUALITY, *OPENINGS):
        words += phrase.split()
    return list(dict.fromkeys(words))


def caption(rng: np.random.Generator, scene: Scene) -> str:
    """One caption of the scene, drawn at random."""
    if rng.random() < EMPTY:
        return ""
    things = _mentioned(rng, scene.things)
    grounds = _grounds(rng, scene)
    text = _tags(rng, things, grounds) if rng.random() < 0.4 else _sentence(rng, things, grounds)
    return _decorate(rng, text)


def _mentioned(rng: np.random.Generator, things: tuple[Thing, ...]) -> list[Thing]:
    """The things that the caption names, in random order; of several, colours shuffled in most captions."""
    if len(things) < 2:
        return list(things)
    named = list(things)
    if rng.random() < SWAPPED:
        order = rng.permutation(len(named))
        named = [replace(thing, colour=things[k].colour) for thing, k in zip(named, order, strict=True)]
    count = int(rng.integers(1, len(named))) if rng.random() < PARTIAL else len(named)
    return [named[i] for i in rng.permutation(len(named))[:count]]


def _grounds(rng: np.random.Generator, scene: Scene) -> list[str]:
    if rng.random() > GROUNDED and scene.things:
        return []
    if len(scene.backgrounds) == 1 or rng.random() < 0.6:
        return [scene.backgrounds[i] for i in rng.permutation(len(scene.backgrounds))]
    return [str(rng.choice(scene.backgrounds))]


def _tags(rng: np.random.Generator, things: list[Thing], grounds: list[str]) -> str:
    suffix = " background" if rng.random() < 0.3 else ""
    article = "a " if rng.random() < 0.3 else ""
    parts = [f"{article}{thing.colour} {thing.shape}" for thing in things] + [name + suffix for name in grounds]
    return ", ".join(parts[i] for i in rng.permutation(len(parts)))


def _sentence(rng: np.random.Generator, things: list[Thing], grounds: list[str]) -> str:
    article = str(rng.choice(("a ", "a ", "a ", "", "one ")))
    glue = str(rng.choice((" and ", " and ", ", ", " with ")))
    ground = str(rng.choice((" and ", ", "))).join(grounds)
    subject = glue.join(f"{article}{thing.colour} {thing.shape}" for thing in things)
    if not subject:
        return ground + str(rng.choice(("", " background")))
    if not ground:
        return subject
    joint = str(rng.choice((" on ", " on ", " on ", " on a ", ", ", " in front of ", " with a ")))
    return subject + joint + ground + (" background" if joint == " with a " else "")


def _decorate(rng: np.random.Generator, text: str) -> str:
    if rng.random() < 0.12:
        text = str(rng.choice(OPENINGS)) + text
    if rng.random() < FILLED:
        words = rng.choice(FILLERS if rng.random() < 0.4 else STRANGERS, int(rng.integers(1, 3)))
        text = _attach(rng, text, " ".join(words), ", " if rng.random() < 0.7 else " ")
    if rng.random() < PRAISED:
        words = rng.choice(QUALITY, int(rng.integers(1, 4)), replace=False)
        text = _attach(rng, text, ", ".join(words), ", ")
    return text


def _attach(rng: np.random.Generator, text: str, words: str, glue: str) -> str:
    return glue.join((words, text) if rng.random() < 0.5 else (text, words))
