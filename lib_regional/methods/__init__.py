"""The methods, and the first of the two phases of a generation: a method prepares (needs the host), then its hooks run (need no host)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
from ..engine.session import Session
from ..request.errors import RegionalError
from ..request.methods.specs import METHODS
from .references.acting import with_references
from .texts.signed_texts import own_texts
from .word_search import searching

Prepare = Callable[[Plan, Host], Hooks]
"""What a method's module offers: texts encoded, LoRAs loaded, hooks that need no host."""


def preparation(method: str) -> Prepare:
    """The ``prepare`` function of a method's row in `request.methods.specs`."""
    module, function = METHODS[method].prepare.split(":")
    found: Prepare = getattr(import_module(f"{__name__}.{module}"), function)
    return found


def prepare(plan: Plan, host: Host) -> Hooks:
    """Encode the texts, load the LoRAs and build the hooks of the plan's method. Raises `RegionalError` for what the host cannot serve."""
    method = plan.settings.method
    _check_signed(plan)
    hooks = with_references(plan, host, preparation(method)(plan, host))
    return replace(searching(plan, hooks), method=method)


def _check_signed(plan: Plan) -> None:
    """Raise `RegionalError` for negative weights in texts that would not act (`Plan.signed`)."""
    method, option = plan.settings.method, plan.settings.option_of(plan.settings.method)
    own = not METHODS[method].scored or (method == "latent_composite" and option("after") == "nothing")
    if plan.signed and own and any(own_texts(texts, role) for texts in plan.every_text for role in ("cond", "uncond")):
        after = ' with after "nothing"' if METHODS[method].scored else ""
        raise RegionalError(
            f"Negative weights (NegPip) in the main prompt or the negative do not act with {method}{after}: use another method, or switch "
            "NegPip off."
        )


def open_session(host: Host, plan: Plan) -> Session:
    """A session of the plan's method, prepared; nothing is patched before it is entered."""
    return Session(host, prepare(plan, host))
