"""Attention couple: every region's context acts through cross-attention where its weight map is, in one UNet pass.

Design, section 1. The row's own context (the host's main prompt) is the base; regions share the canvas by their weight maps.
"""

from __future__ import annotations

from ..engine.capabilities import facts_of
from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
from ..request.errors import RegionalError
from ..tensors.masks.pyramid import Pyramid
from .common.isolation import Separation
from .common.pooled_texts import WholeTexts
from .common.prepared import Prepared
from .common.region_lora import ByPlace, layer_hooks
from .common.region_noise import region_noise
from .common.token_attributes import side_by_side, strength_attributes
from .couple import Couple
from .key_values import KeyValueCache


def attention_couple(plan: Plan, host: Host) -> Hooks:
    """Hooks for one generation, for models with cross-attention and for those where text and picture share one (`tensors.attention.joint`).

    ``options.attention_couple.cache`` (default true) keeps keys and values over the steps; ``separate``, ``separate_until`` and
    ``border`` keep regions with different LoRAs apart (`methods.common.isolation`), on models whose self-attention can be hooked;
    ``isolate_until`` keeps all regions apart in joint attention.
    """
    prepared = Prepared(plan, host)
    return prepared.renewed_by(couple_hooks(plan, prepared))


def couple_hooks(plan: Plan, prepared: Prepared) -> Hooks:
    """The same with what is ``prepared`` already, and renewed by whoever prepared it."""
    option = plan.settings.option_of("attention_couple")
    cache = KeyValueCache() if option("cache") else KeyValueCache(limit=0)
    networks, pyramid = prepared.networks, Pyramid(plan.layout, plan.words)
    shares = (float(option(name)) for name in ("separate_until", "border"))
    apart = Separation(plan, pyramid, str(option("separate")) if facts_of(prepared.host).self_attention else "nothing", *shares)
    placement = ByPlace(plan, pyramid)
    strengths = strength_attributes(placement)
    couple, whole = Couple(plan, prepared, pyramid, cache), WholeTexts(plan, prepared, pyramid, _isolate_until(plan, prepared.host))
    return Hooks(
        cross_attention=couple,
        joint=whole.shares,
        vector=whole.vectors,
        self_attention=apart.self_attention if apart.wanted else None,
        spatial=apart.spatial if apart.wanted and apart.reaches_layers else None,
        token_attributes=side_by_side(strengths, apart.token_attributes if apart.wanted else None) if networks.layers else None,
        layers=layer_hooks(networks, placement, contexts=False, isolation=apart if apart.reaches_layers else None),
        denoiser=region_noise(plan, prepared.host),
        renew=couple.renew,
        close=cache.clear,
    )


def _isolate_until(plan: Plan, host: Host) -> float:
    """The option's value. Raises `RegionalError` for models that it does nothing on."""
    until = float(plan.settings.option_of("attention_couple")("isolate_until"))
    if until and facts_of(host).cross_attention:
        raise RegionalError(
            f"options.attention_couple.isolate_until is {until:g}, but text and picture share no attention in this model. It must be 0 "
            'here; "separate" isolates regions with different LoRAs on UNets.'
        )
    return until
