"""The picture that repainting starts from: the given one of img2img, or one made anew from its settings by a run before this one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from ...engine.capabilities import facts_of
from ...engine.plan import Plan, plan_hires, plan_pass
from ...engine.ports import Host
from ...engine.trajectory import Trajectory
from ...methods import prepare
from ...request.edit.repaint import check_texts, repainted, source_of
from ...request.errors import settings_error
from ..references import with_references
from . import host as inner
from .detail import detail_pass
from .earlier import EarlierRun
from .given import given_pictures


def with_repainted(plan: Plan, host: Host, p: Any, first: bool) -> tuple[Plan, EarlierRun | None]:
    """The plan with the picture that it repaints, and the run that makes this picture where it is not given.

    Raises `RegionalError` for what cannot be repainted, before anything is sampled.
    """
    repainted(plan.settings)
    if plan.picture is not None:
        many = len(plan.first.texts)
        pictures = given_pictures(p).expand(many, -1, -1, -1)
        return replace(plan, earlier=Trajectory(plan.picture.latent, pictures)), None
    source = with_references(_source_plan(plan, p), host)
    inner.check_restart(p)
    if first:
        inner.announce(p.n_iter * (2 if plan.hires is not None else 1))
    trajectory = Trajectory()
    detail = detail_pass(source, facts_of(host), p, first)

    def keep(pictures: Tensor) -> None:
        trajectory.pictures = pictures

    return replace(plan, earlier=trajectory), EarlierRun(host, trajectory.recording(prepare(source, host)), keep, detail)


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
    return replace(plan, settings=source, layout=source.layout(), first=first, hires=hires, record=None, scores=None)
