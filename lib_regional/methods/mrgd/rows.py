"""Region-wise denoising: every region predicted in its own window and fused, for the source and the target side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...engine.calls import Conditioning, Role, Row, UNetCall, UNetRow
from ...request.layout.windows import Grid
from ...tensors.device_copies import Moved
from ...tensors.latents.fusing import Fusion
from ..common.rows import Passes
from .sides import Job, Key, Side, Tag
from .texts import Texts

AT_ONCE = 16
"""Rows of the whole latent's size that one call of the UNet predicts at most; smaller windows count by their area."""

Override = Callable[[str, Key, int, int], "Tensor | None"]
"""(side, key, image, step) -> an unconditional context (T, D) in place of the negative prompt's, or None."""


@dataclass
class Request:
    """One row for the UNet and all the jobs (side, host row) that its answer serves."""

    row: UNetRow
    tag: Tag
    length: int
    serves: list[tuple[str, int, Job]] = field(default_factory=list)


class RegionWise:
    """The UNet hook: predicts all jobs of both sides; the target's fused noise goes to the host, the source's is kept in ``noise``."""

    def __init__(self, sides: Sequence[Side], texts: Texts, override: Override = lambda side, key, image, step: None) -> None:
        self._sides = sides
        self._texts = texts
        self._override = override
        self._moved = Moved()
        self._passes = Passes(rows=AT_ONCE)
        self.latents: dict[str, Tensor] = {}
        """Latents (B, C, H, W) of the sides whose latent is not the host's own, scaled as the UNet's input."""
        self.noise: dict[tuple[str, int, Role], Tensor] = {}
        """Fused outputs (C, H, W) of this step by (side, image, role)."""

    def __call__(self, call: UNetCall) -> Tensor:
        """See `ports.UNetHook`."""
        latent = (call.x.shape[-2], call.x.shape[-1])
        requests = self._requests(call, latent)
        fusion = Fusion(latent)
        for group in _in_turn(requests):
            for at, y in self._passes(call, [request.row for request in group], latent[0] * latent[1]):
                for side, n, job in group[at].serves:
                    fusion.add((side, n), job.window, y, self._moved(job.weight, y))
        for n, row in enumerate(call.model.rows):
            for name in (side.name for side in self._sides):
                self.noise[name, row.image, row.role] = fusion.of((name, n)).float()
        return torch.stack([fusion.of((self._sides[-1].name, n)) for n in range(len(call.model.rows))])

    def _requests(self, call: UNetCall, latent: Grid) -> list[Request]:
        found: dict[tuple[object, ...], Request] = {}
        for n, row in enumerate(call.model.rows):
            for side in self._sides:
                for job in side.jobs(row.image, row.role, call.model.step, latent):
                    other = self._override(side.name, job.key, row.image, call.model.step.index) if row.role == "uncond" else None
                    same = (n, side.name, job.window, row.role, job.text, None if other is None else job.key)
                    name = (*same, job.key) if row.role == "cond" else same
                    if name not in found:
                        found[name] = self._request(call, n, row, side, job, other)
                    found[name].serves.append((side.name, n, job))
        return list(found.values())

    def _request(self, call: UNetCall, n: int, row: Row, side: Side, job: Job, other: Tensor | None) -> Request:
        x = self.latents[side.name][row.image].to(call.x) if side.name in self.latents else call.x[n]
        conditioning = self._texts.conditioning(row.role, job.text, call.model.step)
        if other is not None:
            conditioning = Conditioning(other, conditioning.vector)
        tag = Tag(side.name, job.key, row.image, row.role)
        return Request(UNetRow(n, job.window.of(x), conditioning, tag, job.window), tag, len(conditioning.crossattn))


def _in_turn(requests: list[Request]) -> list[list[Request]]:
    """All requests, the source's first; the source's in calls of their own where texts differ in length.

    The source's rows run no later than the target's of the same key, which copy from them.
    """
    source = [request for request in requests if request.tag.side == "source"]
    target = [request for request in requests if request.tag.side != "source"]
    alike = len({request.length for request in requests}) == 1
    return [[*source, *target]] if alike else [part for part in (source, target) if part]
