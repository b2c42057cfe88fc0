"""The registry: name in Settings -> function that makes the hooks. A new method is a new line here."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
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
