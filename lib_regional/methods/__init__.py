"""The methods, and the first of the two phases of a generation: a method prepares (needs the host), then its hooks run (need no host)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
from ..engine.session import Session
from .attention_couple import attention_couple
from .latent_composite import latent_composite
from .latent_couple import latent_couple
from .mask_conditioning import mask_conditioning
from .mrgd import mrgd, p2p
from .multidiffusion import multidiffusion

METHODS: dict[str, Callable[[Plan, Host], Hooks]] = {
    "attention_couple": attention_couple,
    "latent_couple": latent_couple,
    "multidiffusion": multidiffusion,
    "latent_composite": latent_composite,
    "mask_conditioning": mask_conditioning,
    "mrgd": mrgd,
    "p2p": p2p,
}


def prepare(plan: Plan, host: Host) -> Hooks:
    """Encode the texts, load the LoRAs and build the hooks of the plan's method. Raises `RegionalError` for what the host cannot serve."""
    method = plan.settings.method
    return replace(METHODS[method](plan, host), method=method)


def open_session(host: Host, plan: Plan) -> Session:
    """A session of the plan's method, prepared; nothing is patched before it is entered."""
    return Session(host, prepare(plan, host))
