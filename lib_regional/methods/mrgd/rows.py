"""Region-wise denoising: every region predicted in its own window and fused, for the source and the target side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...engine.calls import Conditioning, Role, Row, UNetCall, UNetRow
from ...request.layout.windows import Grid
from ...tensors.device_copies import Moved
from ..common.rows import is_out_of_memory
from .sides import Job, Key, Side, Tag, fuse
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
    size: Grid
    length: int
    serves: list[tuple[str, int, Job]] = field(default_factory=list)


class RegionWise:
    """The UNet hook: predicts all jobs of both sides; the target's fused noise goes to the host, the source's is kept in ``noise``."""

    def __init__(self, sides: Sequence[Side], texts: Texts, override: Override = lambda side, key, image, step: None) -> None:
        self._sides = sides
        self._texts = texts
        self._override = override
        self._moved = Moved()
        self.latents: dict[str, Tensor] = {}
        """Latents (B, C, H, W) of the sides whose latent is not the host's own, scaled as the UNet's input."""
        self.noise: dict[tuple[str, int, Role], Tensor] = {}
        """Fused outputs (C, H, W) of this step by (side, image, role)."""

    def __call__(self, call: UNetCall) -> Tensor:
        """See `ports.UNetHook`."""
        latent = (call.x.shape[-2], call.x.shape[-1])
        requests = self._requests(call, latent)
        answers: dict[tuple[str, int], list[tuple[Job, Tensor]]] = {}
        for group in _groups(requests):
            for request, y in zip(group, _predicted(call, group, latent), strict=True):
                for side, n, job in request.serves:
                    answers.setdefault((side, n), []).append((job, y))
        fused = {place: fuse(parts, latent, self._moved) for place, parts in answers.items()}
        for (side, n), y in fused.items():
            row = call.model.rows[n]
            self.noise[side, row.image, row.role] = y.float()
        return torch.stack([fused[self._sides[-1].name, n] for n in range(len(call.model.rows))])

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
        told = self._texts.conditioning(row.role, job.text, call.model.step)
        if other is not None:
            told = Conditioning(other, told.vector)
        tag = Tag(side.name, job.key, row.image, row.role)
        return Request(UNetRow(n, job.window.of(x), told, tag), tag, job.window.grid, len(told.crossattn))


def _groups(requests: list[Request]) -> list[list[Request]]:
    """Requests that can share a call. The source's rows run no later than the target's of the same key, which copy from them."""
    alike = len({request.length for request in requests}) == 1
    groups: dict[tuple[object, ...], list[Request]] = {}
    for request in requests:
        groups.setdefault((not alike and request.tag.side != "source", request.size, request.length), []).append(request)
    ordered = sorted(groups.items(), key=lambda entry: bool(entry[0][0]))
    return [sorted(group, key=lambda request: request.tag.side != "source") for _, group in ordered]


def _predicted(call: UNetCall, group: list[Request], latent: Grid) -> list[Tensor]:
    share = group[0].size[0] * group[0].size[1] / (latent[0] * latent[1])
    at_once = max(1, int(AT_ONCE / share))
    parts = (group[i : i + at_once] for i in range(0, len(group), at_once))
    return [y for part in parts for y in _run(call, [request.row for request in part])]


def _run(call: UNetCall, rows: list[UNetRow]) -> list[Tensor]:
    """Predict, in halves where memory does not suffice."""
    try:
        return list(call.run(rows))
    except RuntimeError as error:
        if len(rows) == 1 or not is_out_of_memory(error):
            raise
    half = len(rows) // 2
    return [*_run(call, rows[:half]), *_run(call, rows[half:])]
