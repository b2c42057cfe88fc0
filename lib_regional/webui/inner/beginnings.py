"""What the methods that go on from a picture begin with."""

from __future__ import annotations

from typing import Any

from ...engine.plan import Plan
from ...engine.ports import Host
from .collage import with_collage
from .earlier import EarlierRun
from .repaint import with_repainted

_BEGINNINGS = {"repaint": with_repainted, "collage": with_collage}


def with_beginning(plan: Plan, host: Host, p: Any, first: bool) -> tuple[Plan, EarlierRun | None]:
    """The plan with the picture that its method begins with, and the run that makes it where it is not given; others keep their plan.

    With the ``first`` batch the run joins the progress bar. Raises `RegionalError` for what cannot be, before anything is sampled.
    """
    found = _BEGINNINGS.get(plan.settings.method)
    return (plan, None) if found is None else found(plan, host, p, first)
