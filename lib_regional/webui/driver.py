"""A generation of a WebUI-like host (``p``, a ``StableDiffusionProcessing``) from settings to session.

All state of one generation is an attribute of ``p``; the script object serves all tabs and requests, and keeps none.
Errors are raised from ``p.sample``, where the hosts pass them on and where all patches are undone.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..engine.capabilities import facts_of, pass_begins
from ..engine.collage import Collage
from ..engine.hooks import PictureHook
from ..engine.plan import PassPlan, Plan, plan_hires, plan_pass
from ..engine.ports import Host
from ..engine.session import Session
from ..hosts.registry import find_host
from ..methods import open_session
from ..request.attention_maps import AttentionMaps
from ..request.axes import with_axes
from ..request.errors import RegionalError
from ..request.infotext import to_infotext
from ..request.layout.regions import unreached
from ..request.prompt.lora_scope import ScopedTags, scope_tags, with_region_tags
from ..request.prompt.negative_weights import without_negative
from ..request.settings import Settings, is_off
from ..sources.lasting import lasting_mask, lasting_pictures, reductions
from . import axes, candidates, options, recording
from .extensions import controlnet_units, negpip
from .extensions.templates import drawn_settings
from .inner.beginnings import with_beginning
from .inner.collage import beginning
from .inner.detail import DetailPass, Patch, detail_pass, patched
from .inner.earlier import EarlierRun
from .inner.initial_picture import initial_picture
from .page_errors import forget_texts, hand_on
from .references import with_references

logger = logging.getLogger(__name__)

ATTRIBUTE = "_regional"
_ACTING = "_regional_sample"
"""Which of the wrappers around ``p.sample`` is in force: one that others patched over cannot be taken away."""


class Generation:
    """The regional part of one ``process_images`` call."""

    def __init__(self, settings: Settings, maps: AttentionMaps | None = None) -> None:
        self._settings = settings
        self.recording = recording.Recording(settings, maps)
        self._layout = settings.layout()
        self._batch: tuple[PassPlan, PassPlan | None] | None = None
        self._host: Host | None = None
        self._scoped: list[ScopedTags] = []
        self._scoped_hires: list[ScopedTags] = []
        self._raw_hires: list[str] = []
        self._pictures: PictureHook | None = None
        self._detail: DetailPass | None = None
        self._earlier: EarlierRun | None = None
        self._collage: Collage | None = None
        self._patches: list[list[Patch]] = []
        self._drawn: tuple[Settings, ...] | None = None
        self._checked = self._masked = self._signed = False

    def _each(self, p: Any, first: int, count: int) -> Sequence[Settings]:
        """The settings of pictures that differ in the texts drawn for them; () where they do not."""
        if self._drawn is None:
            self._drawn = drawn_settings(p, self._settings)
        return self._drawn[first : first + count]

    def _each_of_batch(self, p: Any) -> Sequence[Settings]:
        return self._each(p, getattr(p, "iteration", 0) * getattr(p, "batch_size", len(p.prompts)), len(p.prompts))

    def check(self, p: Any) -> None:
        """Raise for prompts that do not pair with the regions, for every image, before any of them is sampled.

        Not sooner: other extensions (Dynamic Prompts) write the prompts in the same callback in which this generation begins.
        """
        if not self._checked:
            plan_pass(self._settings, p.all_prompts, p.all_negative_prompts, p.steps, self._each(p, 0, len(p.all_prompts)))
            candidates.check(p, self._settings)
            controlnet_units.check_units(p, self._settings)
            for note in unreached(self._layout.regions, p.steps):
                logger.warning("%s", note)
            self._checked = True

    def scope_batch_tags(self, p: Any) -> None:
        """Before the host parses the prompts: remove the regions' tags from ``p.prompts``, append those of the base and common texts."""
        self._signed = negpip.is_on(p) and negpip.taken_over(p, self._settings.method, find_host(p.sd_model, p))
        each = self._each_of_batch(p) or [self._settings] * len(p.prompts)
        self._scoped = [scope_tags(settings, prompt) for settings, prompt in zip(each, p.prompts, strict=True)]
        p.prompts = _like(p.prompts, [scoped.prompt for scoped in self._scoped])
        start = getattr(p, "iteration", 0) * len(p.prompts)
        hires = (getattr(p, "all_hr_prompts", None) or [])[start : start + len(p.prompts)] if getattr(p, "enable_hr", False) else []
        self._scoped_hires = [scope_tags(settings, prompt) for settings, prompt in zip(each, hires, strict=False)]
        self._raw_hires = list(hires)

    def _scope_hires_tags(self, p: Any) -> None:
        """The host parsed the tags of the raw hires prompts: replace them with those of the base and common texts."""
        if self._scoped_hires and [scoped.prompt for scoped in self._scoped_hires] != self._raw_hires:
            from modules import extra_networks

            p.hr_extra_network_data = extra_networks.parse_prompt(self._scoped_hires[0].prompt)[1]

    def begin_batch(self, p: Any) -> None:
        """Plan the batch from its prompts, and leave in ``p`` only the base texts."""
        if not self._masked:
            controlnet_units.mask_prepared(p, self._settings)
            self._masked = True
        each, hires = self._each_of_batch(p), None
        first = _with_tags(plan_pass(self._settings, p.prompts, p.negative_prompts, p.steps, each), self._scoped)
        if getattr(p, "enable_hr", False):
            steps = getattr(p, "hr_second_pass_steps", 0) or p.steps
            prompts, negatives = (
                getattr(p, "hr_prompts", None) or p.prompts,
                getattr(p, "hr_negative_prompts", None) or p.negative_prompts,
            )
            hires = _with_tags(plan_hires(self._settings, first, prompts, negatives, steps, each), self._scoped_hires)
            self._scope_hires_tags(p)
            p.hr_prompts = self._hosts(getattr(p, "hr_prompts", None), [t.base for t in hires.texts])
            p.hr_negative_prompts = self._hosts(getattr(p, "hr_negative_prompts", None), [t.negative for t in hires.texts])
        p.prompts = self._hosts(p.prompts, [t.base for t in first.texts])
        p.negative_prompts = self._hosts(p.negative_prompts, [t.negative for t in first.texts])
        self._batch = (first, hires)

    def _hosts(self, before: Sequence[str] | None, texts: list[str]) -> Sequence[str]:
        """What the host encodes of ``texts``: all but the negative weights that act here."""
        return _like(before, [without_negative(text) for text in texts] if self._signed else texts)

    def session(self, p: Any) -> Session:
        """The patches of the batch that is about to be sampled."""
        self.check(p)
        if self._batch is None:
            self.begin_batch(p)
        assert self._batch is not None
        first, hires = self._batch
        sampler = str(getattr(p, "sampler_name", None) or "")
        self._batch = None
        self._host = find_host(p.sd_model, p)
        records = self.recording.begin_batch(self._host, first, self._signed)
        plan = Plan(self._settings, self._layout, (p.width, p.height), first, hires, sampler, initial_picture(p), *records)
        plan = with_references(negpip.settled(p, plan, self._signed), self._host)
        plan, self._earlier = with_beginning(plan, self._host, p, first=self._earlier is None)
        self._collage = plan.collage
        self._detail = detail_pass(plan, facts_of(self._host), p, first=self._detail is None)
        return open_session(self._host, plan)

    def sample(self, p: Any, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """``p.sample`` under the patches."""
        negpip.restore(p)
        self._pictures, self._patches = None, []
        prepared, tags = self.session(p), [scoped.prompt for scoped in self._scoped]
        stopped = None if self._earlier is None else self._earlier.run(p, tags, functools.partial(inner, *args, **kwargs))
        if stopped is not None:
            return stopped
        with prepared as session, beginning(p, self._collage):
            samples = inner(*args, **kwargs)
            self._pictures = session.finish(samples)
            if options.chosen(options.INFOTEXT):
                p.extra_generation_params.update(session.infotext_fields())
        self.recording.keep(p, self._each_of_batch(p))
        if self._detail is not None:
            self._patches = self._detail.run(p, samples, self._pictures, tags)
        return samples

    def finish(self, images: list[Tensor]) -> list[Tensor]:
        """The batch's decoded pictures (3, H, W) in 0..1, after the method's picture hook and the detail pass."""
        return patched(images if self._pictures is None else list(self._pictures(torch.stack(images))), self._patches)

    def begin_pass(self, p: Any, noise: Any = None) -> None:
        """The sampler of the first or hires pass is ready: call adapters that patch it, or that patch anew for each pass.

        ``noise`` (B, C, H, W), of unit variance, is the initial noise of the pass, None where the host does not pass it.
        """
        if self._host is not None:
            pass_begins(self._host, p, noise)


def _with_tags(part: PassPlan, scoped: Sequence[ScopedTags]) -> PassPlan:
    """A pass with the LoRA tags of the regions, which `Generation.scope_batch_tags` removed from the host's prompts."""
    if len(scoped) != len(part.texts):
        return part
    return replace(part, texts=tuple(with_region_tags(texts, one.tags) for texts, one in zip(part.texts, scoped, strict=True)))


def _like(before: Sequence[str] | None, texts: list[str]) -> list[str]:
    """``texts``, or the very list that was there when nothing changes (hosts compare prompts by identity and by value)."""
    return before if isinstance(before, list) and before == texts else texts


def begin(p: Any, argument: Any, maps: AttentionMaps | None = None) -> None:
    """Read the script's argument and prepare ``p``; call it once per generation, before anything is sampled.

    Raises nothing: errors are raised by ``p.sample``. ``maps`` collects attention maps, if the settings ask for them.
    """
    forget(p)
    try:
        argument = with_axes(argument, axes.values_of(p))
        if is_off(argument):
            return
        settings = Settings.parse(argument)
        generation = Generation(settings, maps)
    except RegionalError as error:
        _wrap(p, functools.partial(_fail, error))
        return
    setattr(p, ATTRIBUTE, generation)
    if maps is not None and settings.attention_maps:
        maps.begin(settings.attention_maps)
    if options.chosen(options.INFOTEXT):
        p.extra_generation_params.update(to_infotext(settings, lasting_mask, lasting_pictures))
        for note in reductions(settings):
            logger.warning("%s", note)
    _wrap(p, functools.partial(_sample, p, generation))


def scope_batch_tags(p: Any) -> None:
    """Hook for ``before_process_batch``; does nothing when `begin` found nothing to do."""
    generation = getattr(p, ATTRIBUTE, None)
    if generation is not None:
        with suppress(RegionalError):  # which the host would only log: `sample` finds it again
            generation.scope_batch_tags(p)


def begin_batch(p: Any) -> None:
    """Hook for ``process_batch``; does nothing when `begin` found nothing to do."""
    generation = getattr(p, ATTRIBUTE, None)
    if generation is not None:
        with suppress(RegionalError):  # as above
            generation.begin_batch(p)


def begin_pass(p: Any, noise: Any = None) -> None:
    """Hook for ``process_before_every_sampling``; does nothing when `begin` found nothing to do."""
    generation = getattr(p, ATTRIBUTE, None)
    if generation is not None:
        generation.begin_pass(p, noise)


def finish_pictures(p: Any, batch: Any) -> None:
    """Hook for ``postprocess_batch_list``, whose ``batch.images`` are tensors; does nothing when `begin` found nothing to do."""
    generation = getattr(p, ATTRIBUTE, None)
    if generation is not None:
        batch.images[:] = generation.finish(batch.images)


def finish(p: Any, processed: Any) -> None:
    """Hook for ``postprocess``: the scores as data, and the best candidates; does nothing when `begin` found nothing to do."""
    generation = getattr(p, ATTRIBUTE, None)
    if generation is not None:
        generation.recording.finish(p, candidates.chosen(p, processed, generation.recording.scores))


def forget(p: Any) -> None:
    """Remove what an earlier generation left on ``p`` (hosts reuse and copy it)."""
    recording.forget(p)
    negpip.restore(p)
    vars(p).pop(ATTRIBUTE, None)
    vars(p).pop(_ACTING, None)
    if getattr(vars(p).get("sample"), "regional", False):
        del p.sample


def _wrap(p: Any, run: Callable[..., Any]) -> None:
    inner = p.sample

    @functools.wraps(inner)
    def sample(*args: Any, **kwargs: Any) -> Any:
        if vars(p).get(_ACTING) is not sample:  # of an earlier generation, left below a wrapper of another extension
            return inner(*args, **kwargs)
        try:
            return run(inner, *args, **kwargs)
        except BaseException as error:
            forget_texts(p)
            if isinstance(error, RegionalError):
                hand_on(error)
            raise

    sample.regional = True  # type: ignore[attr-defined]
    p.sample = sample
    setattr(p, _ACTING, sample)


def _sample(p: Any, generation: Generation, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return generation.sample(p, inner, *args, **kwargs)


def _fail(error: Exception, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    raise error
