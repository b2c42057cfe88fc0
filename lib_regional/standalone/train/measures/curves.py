"""Draws the loss logs as PNG files. Needs matplotlib, which only the training extra brings."""

from __future__ import annotations

import csv
from pathlib import Path

TITLES = {"autoencoder": "Autoencoder", "polish": "Decoder polish", "unet": "UNet and text encoder"}


def read_log(path: Path) -> dict[str, list[float]]:
    """Columns of a CSV log, ordered by step; of steps that were run twice after an interruption the later run counts."""
    with path.open(newline="") as file:
        rows = {float(row["step"]): row for row in csv.DictReader(file)}
    columns = next(iter(rows.values())).keys() if rows else ()
    return {name: [float(rows[step][name]) for step in sorted(rows)] for name in columns}


def smooth(values: list[float], weight: float = 0.9) -> list[float]:
    """Exponential moving average with a short memory at the start, where the loss falls steeply."""
    result: list[float] = []
    for i, value in enumerate(values):
        keep = min(weight, i / (i + 8))
        result.append(value if not result else keep * result[-1] + (1 - keep) * value)
    return result


def draw_curves(out: Path, folder: Path) -> list[Path]:
    """Writes `model_loss_<stage>.png` into `folder` for every log in the training folder `out`."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    paths = []
    for name, title in TITLES.items():
        if not (out / f"{name}.csv").exists():
            continue
        log = read_log(out / f"{name}.csv")
        figure, axis = pyplot.subplots(figsize=(5, 2.8), layout="constrained")
        axis.semilogy(log["step"], log["loss"], color="#b8c4d6", linewidth=0.8)
        axis.semilogy(log["step"], smooth(log["loss"]), color="#2a4d8f")
        axis.set(xlabel="step", ylabel="loss", title=title)
        if "psnr" in log:
            right = axis.twinx()
            right.plot(log["step"], smooth(log["psnr"]), color="#b5642a")
            right.set_ylabel("PSNR in dB", color="#b5642a")
        paths.append(folder / f"model_loss_{name}.png")
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(paths[-1], dpi=96)
        pyplot.close(figure)
    return paths
