"""Masks from words in a generation: the record of a batch, and the errors of models whose words cannot be found."""

from __future__ import annotations

import functools

from ..engine.capabilities import TokenHost, facts_of
from ..engine.plan import PassPlan
from ..engine.ports import Host
from ..engine.records.word_record import WordRecord
from ..request.errors import RegionalError, settings_error
from ..request.prompt.lora_tags import split_tags
from ..request.prompt.negative_weights import without_negative
from ..request.settings import Settings
from ..request.words.search import sought
from .attention_maps import word_places


def word_record(settings: Settings, host: Host, first: PassPlan, signed: bool = False) -> WordRecord | None:
    """The record of a batch whose first pass is given, None without words to find. ``signed``: see `Plan`.

    Raises SettingsError that names the region, for words that are not in the base prompt and for models whose words cannot be found.
    """
    layout = settings.layout()
    found = sought(layout.regions)
    if not found:
        return None
    bases = [without_negative(text) if signed else text for text in (split_tags(texts.base).text for texts in first.texts)]
    missing = _missing(host, bases)
    if missing:
        at, shape = next(iter(found.items()))
        text = f"words cannot be found with this model: {missing}. Give the region another shape."
        raise settings_error(f"regions[{at}].words", shape.text, "another shape", where=layout.regions[at].label(at), text=text)
    return WordRecord(layout, bases, first.steps, functools.cache(word_places(host)))


def _missing(host: Host, bases: list[str]) -> str:
    """What keeps words from being found, "" for nothing."""
    if not facts_of(host).cross_attention:
        return "it has no cross-attention, text and picture share one attention"
    if not isinstance(host, TokenHost):
        return f"{host.name} does not state the tokens of a prompt"
    try:
        host.tokens(bases[0] if bases else "")
    except (RegionalError, AttributeError, LookupError) as error:
        return f"its tokens cannot be distinguished ({error})"
    return ""
