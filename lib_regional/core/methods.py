"""Names of the methods and the options each of them has; the methods themselves are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from .fields import Field, Flag

METHODS: Mapping[str, str] = {"attention_couple": "Attention couple"}
"""Name in the settings -> label for people."""

OPTIONS: Mapping[str, Mapping[str, Field]] = {
    "attention_couple": {"cache": Flag("Keep keys and values over the steps: faster, for some memory.", True)},
}
"""Name of a method -> its options."""
