"""NegPip (sd-webui-negpip) beside regions: who follows the negative weights in the texts of a generation.

The extension takes ``(hat:-1.2)`` out of the picture's prompts and replaces the cross-attention of the whole network. Where regions act
through cross-attention it is switched off for the batch, and `methods.texts.signed_texts` does the same for all texts, the main prompt
and the negative included. Elsewhere the main prompt stays with the extension, and such a weight in a region's text is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ...engine.capabilities import facts_of
from ...engine.plan import Plan
from ...engine.ports import Host
from ...request.errors import Problem, raise_any
from ...request.methods.specs import METHODS
from ...request.prompt.negative_weights import has_negative
from ...request.prompt.region_prompts import ImageTexts

TITLE = "NegPiP"
FIELD = "NegPiP Active"
"""What the extension writes into the parameters of a picture on which a negative weight acted."""
ATTRIBUTE = "_regional_negpip"


@dataclass(frozen=True)
class _Given:
    """The arguments of all scripts as they were, and as they are with the extension off."""

    before: Any
    after: Any


def is_on(p: Any) -> bool:
    """Whether the extension is there and switched on for ``p``."""
    script = _script_of(p)
    arguments = getattr(p, "script_args", None) or ()
    if script is None or not any(arguments[script.args_from : script.args_from + 1]):
        return False
    from modules import shared

    hidden, active = (getattr(shared.opts, name, usual) for name, usual in (("negpip_hide", False), ("negpip_active", True)))
    return bool(active or not hidden)


def taken_over(p: Any, method: str, host: Host) -> bool:
    """For ``before_process_batch``: switch the extension off where the method does its work; `restore` switches it on again."""
    restore(p)
    if not (is_on(p) and METHODS[method].scored and facts_of(host).cross_attention):
        return False
    before, at = p.script_args, _script_of(p).args_from
    after = [*before[:at], False, *before[at + 1 :]]
    p.script_args = after if isinstance(before, list) else tuple(after)
    setattr(p, ATTRIBUTE, _Given(before, p.script_args))
    return True


def restore(p: Any) -> None:
    """Give ``p`` its arguments back (hosts reuse and copy it, and generations within this one read them)."""
    given = vars(p).pop(ATTRIBUTE, None)
    if given is not None and p.script_args is given.after:
        p.script_args = given.before


def settled(p: Any, plan: Plan, signed: bool) -> Plan:
    """The plan with ``signed``, and the parameters of ``p`` with what the extension writes where negative weights act. See `check`."""
    plan = replace(plan, signed=signed)
    check(p, plan)
    if plan.signed and any(has_negative(text) for texts in plan.every_text for text in _every(texts)):
        p.extra_generation_params[FIELD] = True
    return plan


def check(p: Any, plan: Plan) -> None:
    """Raise SettingsError for negative weights in a region's text that neither the extension nor the method follows."""
    if plan.signed or not is_on(p):
        return
    allowed = f"a text without negative weights: with this model or method ({plan.settings.method}) {TITLE} acts on the main prompt alone"
    problems: dict[str, Problem] = {}
    for texts in plan.every_text:
        for at, region in enumerate(plan.layout.regions):
            for name, text in (("prompt", texts.regions[at]), ("negative", texts.region_negatives[at] or "")):
                own = text if name == "prompt" else text.removeprefix(texts.negative)
                if region.enabled and has_negative(own):
                    problems[f"regions[{at}].{name}"] = Problem(f"regions[{at}].{name}", own, allowed, region.label(at))
    raise_any(problems.values())


def _every(texts: ImageTexts) -> list[str]:
    return [texts.base, texts.negative, *texts.regions, *(text or "" for text in texts.region_negatives)]


def _script_of(p: Any) -> Any:
    for script in getattr(getattr(p, "scripts", None), "alwayson_scripts", None) or ():
        if str(getattr(script, "title", str)()) == TITLE:
            return script
    return None
