"""Editing by layout: multi-region guided diffusion (Li et al., AAAI-24) and prompt-to-prompt per region, one engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ...engine.calls import DenoiserCall
from ...engine.capabilities import (
    EditingHost,
    GuidanceModel,
    InvertingHost,
    LevelsHost,
    announced,
    decodes_with_gradient,
    editing,
    inverting,
)
from ...engine.hooks import Hooks
from ...engine.plan import Plan, plan_pass
from ...engine.ports import Host
from ...request.edit.pairing import REWORDED, Pair, layout_regions, pair_regions, read_source
from ...request.errors import RegionalError, settings_error
from .edit import Edit, Options
from .guide import Weights, differentiable
from .inversion import Inversion, Inverted, Stopped, cached, ddim_steps
from .keywords import Keywords, Words, check_keywords
from .scenes import Scenes
from .sides import Side, is_base_reworded
from .texts import Texts, check_texts, encode_sides
from .trajectory import SAMPLERS


def mrgd(plan: Plan, host: Host) -> Hooks:
    """Hooks of multi-region guided diffusion; see `request.edit.options.MRGD_FIELDS` for its options."""
    return _edit(plan, host, _guidance)


def p2p(plan: Plan, host: Host) -> Hooks:
    """Hooks of prompt-to-prompt per region: attention control without guidance."""
    return _edit(plan, host, lambda *_: (Options(), (), None))


def _edit(plan: Plan, host: Host, guidance: Any) -> Hooks:
    editing = _check(plan, host)
    option = plan.settings.option
    total = float(option("t_total")) if option("total") else None
    target = Side("target", plan, int(option("halo")), total)
    source, pairs = _source(plan, target)
    sides = [side for side in (source, target) if side is not None]
    texts = Texts(editing, encode_sides(editing, sides))
    guided, keywords, scenes = guidance(editing, plan, source, target, pairs, texts)
    options = Options(
        control=_is_controlled(plan, source, pairs),
        tau=float(option("tau")), tau_own=float(option("tau_own")), self_until=float(option("self_until")),
        reweight=cast("Mapping[str, float]", option("reweight")), lock=bool(option("lock")),
        lock_picture=bool(option("lock_picture")), weights=guided.weights, guided=guided.guided, gain=guided.gain,
    )  # fmt: skip
    invert = _inversion(editing, plan, source, texts)
    return Edit(editing, target, source, pairs, texts, options, keywords, scenes, invert).hooks()


def _is_controlled(plan: Plan, source: Side | None, pairs: tuple[Pair, ...]) -> bool:
    """Whether the target takes maps of the source.

    Behind the lock it has to where something is re-worded, whose old shape it follows. An addition or removal it only ties to what the
    source has in its place, and fewer come out right; the rest is kept as well without (docs/mrgd.md, *choice*).
    """
    option = plan.settings.option
    if not option("control") or not option("lock") or option("lock_control") or source is None:
        return bool(option("control"))
    return any(pair.kind == REWORDED for pair in pairs) or is_base_reworded(source.plan, plan)


def _inversion(host: EditingHost, plan: Plan, source: Side | None, texts: Texts) -> Callable[[DenoiserCall], Inverted] | None:
    """What makes the source's noise from img2img's picture; None for generated pictures. Raises for what cannot be inverted."""
    picture = plan.picture
    if picture is None or source is None or not plan.settings.option("inversion"):
        return None
    if picture.size != plan.size:
        (w, h), (width, height) = picture.size, plan.size
        text = f"The picture is {w}×{h}, but {width}×{height} is asked for: an edit keeps the size."
        raise settings_error("width, height", [width, height], f"{w}×{h}", text=text)
    able = inverting(host)
    if plan.sampler and plan.sampler.lower() != "ddim":
        raise RegionalError(f'The inversion of a picture needs the sampler DDIM, got "{plan.sampler}".')
    clean, inner = picture.latent, int(plan.settings.option("null_text"))

    def invert(call: DenoiserCall) -> Inverted:
        *levels, end = _levels(able, call)
        run = Inversion(
            able, source, texts, levels, call.step.cfg_scale, inner,
            lambda done, total: announced(host, "Inverting the picture", done, total), picture.name, end, call.step.total,
        )  # fmt: skip
        with differentiable():
            try:
                return cached(run, clean[: len(call.x)].to(call.x).clone())
            except Stopped:
                return Inverted(call.x.clone())

    return invert


def _levels(host: InvertingHost, call: DenoiserCall) -> list[int]:
    """Training steps that the sampler goes through, as the host states or evenly from where it begins."""
    if isinstance(host, LevelsHost):
        return list(host.levels())
    first = int((host.alphas_cumprod - call.alpha**2).abs().argmin())
    return [*ddim_steps(first, call.step.total), 0]


def _check(plan: Plan, host: Host) -> EditingHost:
    """Raise for what cannot be edited before anything is sampled."""
    able = editing(host)
    if plan.hires is not None:
        raise RegionalError("Edits work on the first pass alone: switch off hires fix and enlarge the edited picture afterwards.")
    option = plan.settings.option
    edits = option("source") is not None
    if edits and plan.sampler and plan.sampler.lower() not in SAMPLERS:
        raise RegionalError(f'Edits need the sampler DDIM or Euler, got "{plan.sampler}": the others add noise or look further back.')
    if edits and plan.settings.method == "mrgd" and option("gradient") == "decoder" and not decodes_with_gradient(able):
        allowed = f'"linear": {host.name} allows no gradient through its decoder'
        raise settings_error("options.mrgd.gradient", "decoder", allowed)
    check_texts(plan)
    return able


def _source(plan: Plan, target: Side) -> tuple[Side | None, tuple[Pair, ...]]:
    """The source's trajectory and how its regions pair with the target's."""
    given = plan.settings.option("source")
    method = plan.settings.method
    if given is None:
        if plan.settings.option("pairs"):
            raise settings_error(f"options.{method}.pairs", "given", "left out where there is no source layout")
        return None, ()
    settings = read_source(plan.settings, given, method)
    texts = plan_pass(settings, [t.base for t in plan.first.texts], [t.negative for t in plan.first.texts], plan.first.steps)
    own = Plan(settings, settings.layout(), plan.size, texts, None, plan.sampler)
    check_texts(own)
    pairs = pair_regions(layout_regions(settings), tuple(plan.layout.regions), plan.settings.option("pairs"), method)
    return Side("source", own, target.halo, target.total), pairs


def _guidance(
    host: EditingHost, plan: Plan, source: Side | None, target: Side, pairs: tuple[Pair, ...], texts: Texts
) -> tuple[Options, tuple[Keywords, ...], Scenes | None]:
    option = plan.settings.option
    given = check_keywords(option("keywords"), target, texts)
    gain = float(option("kssa_gain"))
    weights = Weights(float(option("lambda_rs")), float(option("lambda_is")), float(option("lambda_ip")))
    model = guidance_model(host, str(option("guidance")), str(option("guidance_path")))
    number, chooses = int(option("keyword_count")), bool(option("keyword_choice"))
    ours = Keywords(target, texts, number, chooses, given)
    if source is None:
        return Options(gain=gain), (ours,), None
    theirs = Keywords(source, texts, number, chooses, _paired_words(given, pairs, source))
    scenes = Scenes(host, source, target, pairs, theirs, ours, model, option("gradient") == "decoder", weights.uses_maps)
    return Options(weights=weights, guided=float(option("guided")), gain=gain), (theirs, ours), scenes


def _paired_words(given: Words, pairs: tuple[Pair, ...], source: Side) -> Words:
    """The source's keywords: those that the user gave its partner and that are in its own prompt."""
    found: list[tuple[str, ...]] = [()] * len(source.plan.layout.regions)
    for pair in pairs:
        if pair.source is not None and pair.target is not None and pair.target < len(given):
            own = source.plan.layout.regions[pair.source].prompt.lower()
            found[pair.source] = tuple(word for word in given[pair.target] if word in own)
    return tuple(found)


def guidance_model(host: EditingHost, name: str, path: str) -> GuidanceModel | None:
    """The model that finds keywords in pictures; None is `attention`. Raises SettingsError where the host has none of that name."""
    if name == "attention":
        return None
    model = host.guidance_model(name) if name != "clipseg" else host.guidance_model(f"clipseg:{path}")
    if model is None:
        text = f'guidance "{name}" is not on disk here' + (f" (looked in {path!r})." if path else ": give its folder in guidance_path.")
        raise settings_error("options.mrgd.guidance", name, '"attention", or a model that is there', text=text)
    return model
