"""What every training stage needs: the schedule of the learning rate, averaged weights, checkpoints and the loss log."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Run:
    """Options of one stage. Steps are the sum over all resumed parts; `save_every` and `log_every` count steps."""

    out: Path
    steps: int
    batch: int
    rate: float = 1e-3
    warmup: int = 100
    decay_from: float = 0.6
    device: str = "cpu"
    seed: int = 0
    save_every: int = 250
    log_every: int = 20

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps and batch must be 1 or more, got {self.steps} and {self.batch}")

    def rate_at(self, step: int) -> float:
        """Warmup, then constant, then a cosine down to 2 % over the last part."""
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        late = (step / self.steps - self.decay_from) / (1 - self.decay_from)
        fall = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, late))))
        return self.rate * warm * fall


class Average:
    """Exponential moving average of a module's weights, with a short memory at the start."""

    def __init__(self, module: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.updates = 0
        self.weights = {name: value.detach().clone().float() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        current = module.state_dict()
        mine = [self.weights[name] for name in current]
        torch._foreach_lerp_(mine, [value.detach().float() for value in current.values()], 1 - decay)

    def state(self) -> dict[str, object]:
        return {"weights": self.weights, "updates": self.updates}

    def load(self, state: dict[str, Any]) -> None:
        self.weights = {name: value.to(self.weights[name].device) for name, value in state["weights"].items()}
        self.updates = int(state["updates"])


class Checkpoint:
    """One file per stage, written whole or not at all, read without unpickling objects."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, step: int, **parts: object) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".part")
        torch.save({"step": step, **parts}, temporary)
        os.replace(temporary, self.path)

    def load(self, device: str = "cpu") -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        state: dict[str, Any] = torch.load(self.path, map_location=device, weights_only=True)
        return state


class Log:
    """Appends rows to a CSV file; the first row names the columns."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path, self.columns = path, columns
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            self._append(columns)

    def write(self, **values: float) -> None:
        self._append([f"{values[name]:.6g}" for name in self.columns])

    def _append(self, row: Iterable[object]) -> None:
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(row)


def steps_of(run: Run, start: int, title: str, quiet: bool = False) -> Iterator[int]:
    """The steps still to do, with a progress bar."""
    from tqdm import tqdm

    yield from tqdm(range(start, run.steps), initial=start, total=run.steps, desc=title, mininterval=5, smoothing=0.05, disable=quiet)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def autocast(device: str) -> torch.autocast:
    """bf16 for the forward pass, which needs no loss scaling; fp32 on a CPU without AVX512_BF16.

    There a bf16 convolution takes 180 times as long as one in fp32 (64 channels, 128² pixels, one thread of an AMD EPYC).
    """
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind != "cpu" or bool(torch.cpu.get_capabilities().get("avx512_bf16")))


def spread(values: list[Tensor]) -> float:
    """Mean of scalars as a float; nan when there are none."""
    return float(torch.stack(values).mean()) if values else math.nan


def fit(
    run: Run, name: str, module: nn.Module, loss: Callable[[np.random.Generator], Tensor], write: Callable[[dict[str, Tensor]], object]
) -> None:
    """AdamW on the weights of ``module``, from the checkpoint ``name`` on where there is one; logged as ``name``.csv.

    ``write`` gets the averaged weights with every checkpoint.
    """
    optimiser = torch.optim.AdamW(module.parameters(), run.rate, betas=(0.9, 0.99), weight_decay=0.01)
    average, checkpoint, start = Average(module, 0.99), Checkpoint(run.out / f"{name}.pt"), 0
    if state := checkpoint.load(run.device):
        module.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.load(state["average"])
        start = state["step"]
    log, losses = Log(run.out / f"{name}.csv", ("step", "loss")), []
    rng = np.random.default_rng([run.seed, start])
    torch.manual_seed(run.seed + start)
    for step in steps_of(run, start, name):
        set_rate(optimiser, run.rate_at(step))
        found = loss(rng)
        optimiser.zero_grad(set_to_none=True)
        found.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        average.update(module)
        losses.append(found.detach())
        if (step + 1) % run.log_every == 0:
            log.write(step=step + 1, loss=spread(losses))
            losses = []
        if (step + 1) % run.save_every == 0 or step + 1 == run.steps:
            checkpoint.save(step + 1, model=module.state_dict(), optimiser=optimiser.state_dict(), average=average.state())
            write(average.weights)
