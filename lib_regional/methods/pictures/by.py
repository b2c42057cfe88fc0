"""How the regions' prompts act in methods that go on from a picture."""

from __future__ import annotations

from collections.abc import Callable

from ...engine.hooks import Hooks
from ...engine.plan import Plan
from ...engine.ports import Host
from ..attention_couple import attention_couple
from ..latent_composite import latent_composite
from ..latent_couple import latent_couple
from ..rag import rag

BY: dict[str, Callable[[Plan, Host], Hooks]] = {
    "attention_couple": attention_couple,
    "latent_couple": latent_couple,
    "latent_composite": latent_composite,
    "rag": rag,
}
"""Option ``by`` -> what prepares the hooks of the regions."""
