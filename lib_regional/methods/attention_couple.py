"""Attention couple: every region's context acts through cross-attention where its weight map is, in one UNet pass.

Design, section 1. The row's own context (the host's main prompt) is the base; regions share the canvas by their weight maps.
"""

from __future__ import annotations

import logging

from ..engine.capabilities import facts_of
from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
from ..tensors.masks.pyramid import Pyramid
from .common.pooled_texts import WholeTexts
from .common.prepared import Prepared
from .common.region_lora import ByPlace, layer_hooks
from .common.region_noise import region_noise
from .common.token_attributes import side_by_side, strength_attributes
from .couple import Couple
from .isolation.layers import Separation
from .isolation.spans import Spans, spans_of
from .key_values import KeyValueCache

_log = logging.getLogger("regional")


def attention_couple(plan: Plan, host: Host) -> Hooks:
    """Hooks for one generation, for models with cross-attention and for those where text and picture share one (`tensors.attention.joint`).

    ``options.attention_couple.cache`` (default true) keeps keys and values over the steps; ``separate``, ``separate_until`` and
    ``border`` keep regions with different LoRAs apart, on UNets (`methods.isolation`); ``isolate_until`` keeps all regions apart in the
    first steps, on UNets, in joint attention and in the self-attention of transformers, and ``local_until`` in norms and convolutions of
    UNets for longer.
    """
    prepared = Prepared(plan, host)
    return prepared.renewed_by(couple_hooks(plan, prepared))


def couple_hooks(plan: Plan, prepared: Prepared) -> Hooks:
    """The same with what is ``prepared`` already, and renewed by whoever prepared it."""
    option = plan.settings.option_of("attention_couple")
    cache = KeyValueCache() if option("cache") else KeyValueCache(limit=0)
    networks, pyramid, facts = prepared.networks, Pyramid(plan.layout, plan.words), facts_of(prepared.host)
    apart = Separation(plan, pyramid, _spans(plan, prepared.host))
    placement = ByPlace(plan, pyramid)
    attributes = [strength_attributes(placement)] if networks.layers else []
    attributes += [apart.token_attributes] if apart.wanted else []
    couple, whole = Couple(plan, prepared, pyramid, cache), WholeTexts(plan, prepared, pyramid, _joint_until(plan, prepared.host))
    return Hooks(
        cross_attention=couple,
        joint=whole.shares,
        vector=whole.vectors,
        self_attention=apart.self_attention if apart.wanted and facts.self_attention else None,
        projected_self_attention=apart.self_attention if apart.wanted and not facts.self_attention else None,
        spatial=apart.spatial if apart.wanted and apart.reaches_layers else None,
        isolates=apart.acts if apart.wanted else None,
        token_attributes=side_by_side(*attributes) if attributes else None,
        layers=layer_hooks(networks, placement, contexts=False, isolation=apart if apart.reaches_layers else None),
        denoiser=region_noise(plan, prepared.host),
        renew=couple.renew,
        close=cache.clear,
    )


def _spans(plan: Plan, host: Host) -> Spans:
    """What is kept apart in a UNet's layers, and of transformers' self-attention in the first steps; nothing in joint attention."""
    option, facts = plan.settings.option_of("attention_couple"), facts_of(host)
    if not facts.self_attention:
        until = float(option("isolate_until")) if facts.projected_self_attention else 0.0
        return spans_of(plan, "nothing", 0.0, 0.0, until, deepest="attention")
    names = ("separate_until", "border", "isolate_until", "local_until")
    separate_until, border, isolate_until, local_until = (float(option(name)) for name in names)
    return spans_of(plan, str(option("separate")), separate_until, border, isolate_until, local_until)


def _joint_until(plan: Plan, host: Host) -> float:
    """Until which share of the first pass regions are kept apart in joint attention. Logs a line for models that have no way to do so."""
    until, facts = float(plan.settings.option_of("attention_couple")("isolate_until")), facts_of(host)
    if until and facts.cross_attention and not (facts.self_attention or facts.projected_self_attention):
        _log.warning(
            "Regional: options.attention_couple.isolate_until does nothing on this model, whose self-attention cannot be isolated."
        )
    return 0.0 if facts.cross_attention else until
