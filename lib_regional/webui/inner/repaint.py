"""The picture that repainting starts from: the given one of img2img, or one made anew from its settings by a run before this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ...engine.capabilities import facts_of
from ...engine.plan import Plan, plan_hires, plan_pass
from ...engine.ports import Host
from ...engine.session import Session
from ...engine.trajectory import Trajectory
from ...methods import prepare
from ...request.edit.repaint import check_texts, repainted, source_of
from ...request.errors import RegionalError, settings_error
from . import host as inner
from .detail import DetailPass, detail_pass, patched

_WITHIN = 0.25
"""Added to a level of 0 to 255, so that neither rounding nor cutting off gives another one."""


class EarlierRun:
    """The run that makes the source's picture, from the same noise as the run that repaints it."""

    def __init__(self, host: Host, source: Plan, detail: DetailPass | None, trajectory: Trajectory) -> None:
        self.trajectory = trajectory
        hooks = prepare(source, host)
        self._finish = hooks.finish
        self._detail = detail
        self._session = Session(host, trajectory.recording(hooks))

    def run(self, p: Any, prompts: Sequence[str], sample: Callable[[], Any]) -> Any:
        """Sample the earlier picture, and leave ``p`` ready to sample again. Returns what ``sample`` gave if somebody stopped it, or None.

        The LoRA tags of ``prompts``, one per picture, are those of the whole picture.
        """
        start_again = inner.restart(p)
        with self._session:
            samples = sample()
        if inner.stopped():
            return samples
        pictures, hook = inner.decoded(p, samples), None if self._finish is None else self._finish(samples)
        patches = [] if self._detail is None else self._detail.run(p, samples, hook, prompts)
        if inner.stopped():
            return samples
        self.trajectory.pictures = torch.stack(patched(list(pictures if hook is None else hook(pictures)), patches))
        start_again()
        return None


def with_earlier(plan: Plan, host: Host, p: Any, first: bool) -> tuple[Plan, EarlierRun | None]:
    """The plan with the picture that it repaints, and the run that makes this picture where it is not given.

    Other methods keep their plan. Raises `RegionalError` for what cannot be repainted, before anything is sampled.
    """
    if plan.settings.method != "repaint":
        return plan, None
    repainted(plan.settings)
    if plan.picture is not None:
        return replace(plan, earlier=_given(p, plan)), None
    source = _source_plan(plan, p)
    inner.check_restart(p)
    if first:
        inner.announce(p.n_iter * (2 if plan.hires is not None else 1))
    trajectory = Trajectory()
    detail = detail_pass(source, facts_of(host), p, first)
    return replace(plan, earlier=trajectory), EarlierRun(host, source, detail, trajectory)


def _given(p: Any, plan: Plan) -> Trajectory:
    """The initial pictures of img2img, which have to be of the generation's size."""
    from modules import images, shared

    assert plan.picture is not None
    background = getattr(shared.opts, "img2img_background_color", "#ffffff")
    pictures = [images.flatten(picture, background) for picture in p.init_images]
    wrong = [picture.size for picture in pictures if picture.size != (p.width, p.height)]
    if wrong or getattr(p, "paste_to", None) is not None:
        size = f"{p.width}×{p.height}"
        raise RegionalError(
            f"Repainting needs the whole picture in the generation's size, {size}, got {wrong[0] if wrong else 'a part of it'}."
        )
    levels = torch.stack([torch.from_numpy(np.asarray(picture, dtype=np.float32)).permute(2, 0, 1) for picture in pictures])
    many = len(plan.first.texts)
    return Trajectory(plan.picture.latent, ((levels + _WITHIN) / 255).expand(many, -1, -1, -1))


def _source_plan(plan: Plan, p: Any) -> Plan:
    source = source_of(plan.settings)
    if source is None:
        allowed = "the settings that the picture was made from (txt2img), or use img2img with the picture"
        raise settings_error("options.repaint.source", None, allowed)
    for prompt, negative in zip(p.all_prompts, p.all_negative_prompts, strict=True):
        check_texts(plan.settings, source, prompt, negative)
    bases, negatives = [texts.base for texts in plan.first.texts], [texts.negative for texts in plan.first.texts]
    first, hires = plan_pass(source, bases, negatives, plan.first.steps), None
    if plan.hires is not None:
        texts = plan.hires.texts
        hires = plan_hires(source, first, [one.base for one in texts], [one.negative for one in texts], plan.hires.steps)
    return replace(plan, settings=source, layout=source.layout(), first=first, hires=hires, record=None)
