"""Command line: python -m lib_regional.standalone.train STAGE --out DIR. Every stage resumes where it was interrupted."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .progress import Run

DEFAULTS = {
    "autoencoder": (1500, 4, 1e-3, 0.45),
    "polish": (1200, 4, 4e-4, 0.55),
    "unet": (8000, 32, 1e-3, 0.6),
    "lora": (1400, 16, 1.5e-3, 0.5),
    "lcm": (400, 8, 2e-3, 0.5),
    "reference": (3500, 48, 1.5e-3, 0.5),
    "control": (2500, 16, 5e-4, 0.6),
}
"""Steps, batch, learning rate and where its decay starts, as a share of the steps."""


def _run(arguments: argparse.Namespace) -> Run:
    from .progress import Run

    steps, batch, rate, decay = DEFAULTS[arguments.stage]
    return Run(
        out=arguments.out,
        steps=arguments.steps or steps,
        batch=arguments.batch or batch,
        rate=arguments.rate or rate,
        decay_from=decay if arguments.decay_from is None else arguments.decay_from,
        device=arguments.device,
        seed=arguments.seed,
        save_every=arguments.save_every,
    )


def draw_sheet(arguments: argparse.Namespace) -> None:
    """Writes a sheet of drawn pictures and prints their captions."""
    import numpy as np

    from .data.captions import caption
    from .data.drawing import draw
    from .data.scene import random_scene
    from .measures.report import save_sheet

    rng = np.random.default_rng(arguments.seed)
    scenes = [random_scene(rng) for _ in range(arguments.count)]
    save_sheet(np.stack([draw(scene) for scene in scenes]), arguments.out / "drawn.png")
    for scene in scenes:
        print(caption(rng, scene))


def autoencoder(arguments: argparse.Namespace) -> None:
    from .stages.autoencoder import train_autoencoder

    train_autoencoder(_run(arguments))


def latents(arguments: argparse.Namespace) -> None:
    from .data.latents import encode_pictures

    print(encode_pictures(arguments.out, arguments.count, arguments.device, seed=arguments.seed))


def unet(arguments: argparse.Namespace) -> None:
    from .stages.diffusion import train_unet

    train_unet(_run(arguments))


def lora(arguments: argparse.Namespace) -> None:
    from .stages.lora import train_lora

    print(train_lora(_run(arguments), arguments.name, arguments.count, arguments.model))


def lcm(arguments: argparse.Namespace) -> None:
    from .stages.consistency import train_lcm

    print(train_lcm(_run(arguments), arguments.count, arguments.model))


def reference(arguments: argparse.Namespace) -> None:
    from .stages.reference import train_reference

    print(train_reference(_run(arguments), arguments.count, arguments.model))


def control(arguments: argparse.Namespace) -> None:
    from .stages.control import train_control

    print(train_control(_run(arguments), arguments.count, arguments.model))


def polish(arguments: argparse.Namespace) -> None:
    from .stages.autoencoder import train_autoencoder

    if not arguments.shipped:
        train_autoencoder(_run(arguments), polish=True)
        return
    from .stages.export import replace_decoder, shipped_autoencoder

    polished = train_autoencoder(_run(arguments), polish=True, trained=shipped_autoencoder())
    print(replace_decoder(polished, arguments.model))


def export(arguments: argparse.Namespace) -> None:
    from .stages.export import export_model

    print(export_model(arguments.out, arguments.model))


def curves(arguments: argparse.Namespace) -> None:
    from .measures.curves import draw_curves

    print(*draw_curves(arguments.out, arguments.images or arguments.out), sep="\n")


def sample(arguments: argparse.Namespace) -> None:
    from .measures.report import report

    for name, score in report(arguments.out, arguments.device, arguments.count, seed=arguments.seed).items():
        print(f"{name}: {score}")


STAGES: dict[str, tuple[Callable[[argparse.Namespace], None], str, int]] = {
    "draw-sheet": (draw_sheet, "write drawn.png and print captions", 60),
    "autoencoder": (autoencoder, "train the autoencoder", 0),
    "latents": (latents, "encode the training pictures once", 9000),
    "unet": (unet, "train the UNet and the text encoder", 0),
    "lora": (lora, "train a LoRA for the shipped model", 2400),
    "lcm": (lcm, "distil the shipped model into a LoRA for few steps", 200),
    "reference": (reference, "train an image encoder and an IP-Adapter for the shipped model", 288),
    "control": (control, "train a ControlNet of outlines for the shipped model", 3000),
    "polish": (polish, "train the decoder further with the encoder frozen", 0),
    "export": (export, "write the model's files in original key layout", 0),
    "curves": (curves, "draw the loss logs", 0),
    "sample": (sample, "write sample sheets and measure them", 72),
}


def parser() -> argparse.ArgumentParser:
    """The command line, one subcommand per stage."""
    root = argparse.ArgumentParser(prog="python -m lib_regional.standalone.train", description=__doc__)
    stages = root.add_subparsers(dest="stage", required=True)
    for name, (_, text, count) in STAGES.items():
        stage = stages.add_parser(name, help=text, description=text)
        stage.add_argument("--out", type=Path, required=True, help="folder of the checkpoints and logs")
        stage.add_argument("--device", default="cpu", help="cpu or cuda")
        stage.add_argument("--seed", type=int, default=0)
        if count:
            stage.add_argument("--count", type=int, default=count, help="number of pictures")
        if name in DEFAULTS:
            stage.add_argument("--steps", type=int, help=f"steps in all, resumed parts included (default {DEFAULTS[name][0]})")
            stage.add_argument("--batch", type=int)
            stage.add_argument("--rate", type=float, help="learning rate")
            stage.add_argument("--decay-from", type=float, help="share of the steps after which the rate falls")
            stage.add_argument("--save-every", type=int, default=250, help="steps between checkpoints")
        if name == "lora":
            stage.add_argument("name", choices=("outlines", "shift", "star"), help="what it learns")
        if name == "polish":
            stage.add_argument("--shipped", action="store_true", help="start from the shipped model, and put the decoder into its file")
        if name in ("export", "lora", "lcm", "reference", "control", "polish"):
            stage.add_argument("--model", type=Path, help="folder to write to (default: the one of the project)")
        if name == "curves":
            stage.add_argument("--images", type=Path, help="folder to write to (default: the one of the checkpoints)")
    return root


def main(words: list[str] | None = None) -> None:
    """Runs one stage."""
    arguments = parser().parse_args(words)
    STAGES[arguments.stage][0](arguments)


if __name__ == "__main__":
    main()
