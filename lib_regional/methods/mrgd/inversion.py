"""Inversion of a real picture: the noise and the unconditional contexts from which region-wise denoising gives the picture back.

DDIM inversion with guidance 1 (Song et al. 2021), then per step and region an unconditional context that makes the guided step follow
the inverted path (null-text inversion, Mokady et al. 2023, algorithm 1), each region in its own window. What a step still misses is kept
and given back (direct inversion, Ju et al. 2024), so that every step begins on the path.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...engine.calls import Conditioning, StepInfo
from ...engine.capabilities import InvertingHost
from ...request import files
from .sides import Job, Key, Side, fuse
from .texts import Texts

INNER_STEPS = 10
RATE = 1e-2
ENOUGH = 1e-5
"""Mean squared error below which a step is followed well enough; it grows by twice as much with every step."""

NEAR = 0.1
"""Mean difference of two draws from one picture's posterior at most; another autoencoder's latents are further off."""

_START, _CLEAN, _LEFT = "start", "clean", "left"
_VERSION = 2
"""Counted up when the way of inverting changes, so that what was found in another way is not taken for this one's."""

Contexts = dict[tuple[int, int, str], Tensor]
"""(image, step, key as text) -> unconditional context (T, D)."""
Leftovers = dict[tuple[int, int], Tensor]
"""(image, step) -> what the clean prediction of the guided step lacks (C, H, W) to lead along the path."""


@dataclass(frozen=True)
class Inverted:
    """``start`` (B, C, H, W) at the noisiest step, and of every step the unconditional contexts and what they leave over."""

    start: Tensor
    contexts: Contexts = field(default_factory=dict)
    leftovers: Leftovers = field(default_factory=dict)

    def leftover(self, step: int) -> Tensor | None:
        """(B, C, H, W) to be added to the clean prediction of ``step``, None where there is none."""
        found = [self.leftovers.get((image, step)) for image in range(len(self.start))]
        known = [one for one in found if one is not None]
        return torch.stack(known) if found and len(known) == len(found) else None

    def context(self, image: int, step: int, key: Key) -> Tensor | None:
        """The context of a region's unconditional row, None where there is none."""
        return self.contexts.get((image, step, str(key)))


def ddim_steps(first: int, count: int) -> list[int]:
    """Training steps of DDIM from the noisiest, ``first``, down to 1."""
    if count < 2:
        return [first]
    return [round(first - index * (first - 1) / (count - 1)) for index in range(count)]


Announce = Callable[[int, int], bool]
"""Called with (steps done, steps in all); returns whether to go on."""


class Stopped(Exception):
    """The user has stopped the generation during the inversion."""


@dataclass
class Inversion:
    """Inverts pictures under the texts and places of ``side``. ``scale`` is the guidance scale with which they are to come back.

    ``steps``: the training steps that the sampler will predict at, from the noisiest; ``end``: the one that it leaves the picture at;
    ``total``: how many steps it announces (0: as many as it makes).
    """

    host: InvertingHost
    side: Side
    texts: Texts
    steps: Sequence[int]
    scale: float
    inner: int = INNER_STEPS
    announce: Announce = lambda done, total: True
    picture: str = ""
    """What names the picture; without it the latents themselves do."""
    end: int = 0
    total: int = 0

    def invert(self, clean: Tensor) -> Inverted:
        """clean latents (B, C, H, W) -> noise and contexts."""
        self._begin(len(clean))
        path = self.path(clean)
        contexts: Contexts = {}
        leftovers: Leftovers = {}
        for image in range(len(clean)):
            found, left = self._follow(image, [x[image] for x in path])
            contexts.update(found)
            leftovers.update(left)
        return Inverted(path[-1], contexts, leftovers)

    def path(self, clean: Tensor) -> list[Tensor]:
        """DDIM inversion: the latents (B, C, H, W) from ``clean`` up to the noisiest step, in fp32."""
        found = [clean.float()]
        for index in range(len(self.steps) - 1, -1, -1):
            x = found[-1]
            self._tell()
            noise = torch.stack([self._fused(image, x[image], index) for image in range(len(x))])
            found.append(_moved(x, noise, self._alpha(index + 1), self._alpha(index)))
        return found

    def _begin(self, images: int) -> None:
        self._done, self._total = 0, len(self.steps) * (1 + images)

    def _tell(self) -> None:
        """Say how far it is; raises `Stopped` if the user wants no more."""
        if not self.announce(self._done, self._total):
            raise Stopped
        self._done += 1

    def _info(self, index: int) -> StepInfo:
        return StepInfo(index, self.total or len(self.steps), cfg_scale=self.scale)

    def _alpha(self, index: int) -> float:
        """ᾱ of a step; past the last one that of the sampler's end."""
        step = self.steps[index] if index < len(self.steps) else self.end
        return float(self.host.alphas_cumprod[step])

    def _fused(self, image: int, x: Tensor, index: int) -> Tensor:
        """Noise (C, H, W) of all regions without guidance."""
        jobs = self.side.jobs(image, "cond", self._info(index), (x.shape[-2], x.shape[-1]))
        return fuse([(job, self._noise(job, x, index)) for job in jobs], (x.shape[-2], x.shape[-1]))

    def _noise(self, job: Job, x: Tensor, index: int, conditioning: Conditioning | None = None) -> Tensor:
        conditioning = conditioning or self.texts.conditioning("cond", job.text, self._info(index))
        return self.host.predict(job.window.of(x)[None], self.steps[index], [conditioning])[0].float()

    def _follow(self, image: int, path: list[Tensor]) -> tuple[Contexts, Leftovers]:
        """Null-text optimisation of one image along its ``path`` (from clean to noise)."""
        found: Contexts = {}
        left: Leftovers = {}
        x, latent = path[-1], (path[-1].shape[-2], path[-1].shape[-1])
        last: dict[Key, Conditioning] = {}
        for index in range(len(self.steps)):
            self._tell()
            wanted = path[len(self.steps) - index - 1]
            negatives = {job.key: job.text for job in self.side.jobs(image, "uncond", self._info(index), latent)}
            parts = []
            for job in self.side.jobs(image, "cond", self._info(index), latent):
                negative = negatives.get(job.key)
                if negative is None:
                    continue
                start = last.get(job.key) or self.texts.conditioning("uncond", negative, self._info(index))
                cond = self._noise(job, x, index)
                last[job.key] = self._optimised(job, x, wanted, cond, start, index)
                found[image, index, str(job.key)] = last[job.key].crossattn
                parts.append((job, self._guided(job, x, cond, last[job.key], index)))
            now, following = self._alpha(index), self._alpha(index + 1)
            left[image, index] = (wanted - _moved(x, fuse(parts, latent), now, following)) / _reach(now, following)
            x = wanted
        return found, left

    def _guided(self, job: Job, x: Tensor, cond: Tensor, conditioning: Conditioning, index: int) -> Tensor:
        uncond = self._noise(job, x, index, conditioning)
        return uncond + self.scale * (cond - uncond)

    def _optimised(self, job: Job, x: Tensor, wanted: Tensor, cond: Tensor, start: Conditioning, index: int) -> Conditioning:
        """``start`` with the context with which the guided step of one window comes nearest to ``wanted``, where the prediction counts.

        Context, loss and Adam are in fp32. The gradient is that of the sum, divided afterwards: that of the mean by a single value
        would vanish in a network of half precision.
        """
        here, aim, counts = job.window.of(x), job.window.of(wanted), (job.weight > 0).to(x)
        number = float(counts.sum().clamp_min(1)) * len(here)
        with torch.enable_grad():
            context = start.crossattn.detach().float().clone().requires_grad_(True)
            adam = torch.optim.Adam([context], lr=RATE * (1 - index / 100))
            for _ in range(self.inner):
                conditioning = replace(start, crossattn=context.to(start.crossattn.dtype))
                noise = self._guided(job, x, cond, conditioning, index)
                missed = ((_moved(here, noise, self._alpha(index), self._alpha(index + 1)) - aim).square() * counts).sum()
                if float(missed.detach()) / number < ENOUGH * (1 + 2 * index):
                    break
                context.grad = torch.autograd.grad(missed, [context])[0] / number
                adam.step()
        return replace(start, crossattn=context.detach())


def _moved(x: Tensor, noise: Tensor, now: float, following: float) -> Tensor:
    """A deterministic step between two ᾱ, in either direction."""
    clean = (x - (1 - now) ** 0.5 * noise) / now**0.5
    moved: Tensor = following**0.5 * clean + (1 - following) ** 0.5 * noise
    return moved


def _reach(now: float, following: float) -> float:
    """How far a step between two ᾱ moves with its clean prediction: the derivative of `_moved`, with the noise that goes with it."""
    return float(following**0.5 - ((1 - following) * now / (1 - now)) ** 0.5)


def cached(inversion: Inversion, clean: Tensor, folder: Path | None = None) -> Inverted:
    """`Inversion.invert`, kept on disk by picture, layout, texts, steps and model, so that several edits of a picture share it."""
    folder = folder or Path(tempfile.gettempdir()) / "regional" / "inversions"
    file = folder / f"{_key(inversion, clean)}.npz"
    kept = _kept(file, clean) if file.exists() else None
    if kept is not None:
        return kept
    done = inversion.invert(clean)
    contexts = {f"{image} {step} {key}": value.cpu().float().numpy() for (image, step, key), value in done.contexts.items()}
    left = {f"{_LEFT} {image} {step}": value.cpu().float().numpy() for (image, step), value in done.leftovers.items()}
    _keep(file, {_START: done.start.cpu().float().numpy(), _CLEAN: clean.cpu().float().numpy(), **contexts, **left})
    return done


def _keep(file: Path, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Write ``file`` whole or not at all, readable by its owner only: it holds what the picture shows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    files.remove_leftovers(file.parent, older=r"tmp\w{8}\.part")
    with files.replacing(file, mode=0o600) as beside, beside.open("wb") as part:
        np.savez(part, **dict(arrays))


def _kept(file: Path, like: Tensor) -> Inverted | None:
    """What is kept of a picture with the latents ``like``; None where another autoencoder made others of it, or the file is damaged.

    NumPy's format, since WebUIs replace ``torch.load`` by one that knows only checkpoints.
    """
    try:
        with np.load(file, allow_pickle=False) as kept:
            found = {name: torch.from_numpy(kept[name]).to(like) for name in kept.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        return None
    if not {_START, _CLEAN} <= found.keys() or float((found.pop(_CLEAN) - like).abs().mean()) > NEAR:
        return None
    start, contexts, leftovers = found.pop(_START), Contexts(), Leftovers()
    for name, value in found.items():
        first, second, third = name.split(" ", 2)
        if first == _LEFT:
            leftovers[int(second), int(third)] = value
        else:
            contexts[int(first), int(second), third] = value
    return Inverted(start, contexts, leftovers)


def _key(inversion: Inversion, clean: Tensor) -> str:
    """A hash of all that the inversion depends on; the model by what it predicts for a noise that is always the same."""
    side = inversion.side
    jobs = [
        side.jobs(n, role, StepInfo(0, 1), (clean.shape[-2], clean.shape[-1])) for n in range(len(clean)) for role in ("cond", "uncond")
    ]
    noise = torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(0)).to(clean)
    probe = [inversion._noise(job, noise, len(inversion.steps) - 1).flatten()[:64] for job in jobs[0][:1]]
    digest = hashlib.sha256(inversion.picture.encode())
    for tensor in (*probe, *(() if inversion.picture else (clean,))):
        digest.update(tensor.detach().cpu().float().numpy().round(3).tobytes())
    pieces = [[(str(job.key), job.text, job.window, job.weight.sum().item()) for job in row] for row in jobs]
    identity = (_VERSION, pieces, tuple(clean.shape), list(inversion.steps), inversion.end, inversion.scale, inversion.inner, side.total)
    digest.update(repr(identity).encode())
    return digest.hexdigest()[:32]
