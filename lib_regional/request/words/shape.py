"""A mask that is found while sampling: where the base prompt's words have the network's attention (design, section 13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..errors import SettingsError, raise_any
from ..fields import Field, Flag, Number, Text, not_an_object, read_fields
from ..layout import mask_codecs
from ..layout.boxes import WHOLE, Box

LONGEST = 200


@dataclass(frozen=True)
class Phrase(Text):
    """A text with a letter or a digit in it."""

    def fault(self, value: object) -> str | None:
        allowed = super().fault(value)
        if allowed or not isinstance(value, str):
            return allowed
        return None if any(letter.isalnum() for letter in value) else "words of the base prompt"

    def shape(self) -> dict[str, object]:
        return {**super().shape(), "pattern": r"\S"}


@dataclass(frozen=True)
class FoundMask(Field):
    """A mask text, or null."""

    def fault(self, value: object) -> str | None:
        if value is None:
            return None
        try:
            mask_codecs.check_mask(value)  # type: ignore[arg-type]  # judged there
        except SettingsError as error:
            return error.problems[0].allowed
        return None

    def read(self, value: object) -> object:
        return mask_codecs.relabelled(value) if isinstance(value, str) else None

    def shape(self) -> dict[str, object]:
        return {"type": ["string", "null"], "pattern": mask_codecs.PATTERN}


WORD_FIELDS: Mapping[str, Field] = {
    "text": Phrase("Words of the base prompt. Several are one phrase; where it stands more than once, all places count.", longest=LONGEST),
    "threshold": Number("Share of the words' highest attention from which on a place is inside: more is a smaller mask.", 0.4),
    "exclusive": Flag("A place belongs to that of the exclusive regions whose words have the most attention there.", False),
    "probe": Number("Share of the steps in which the base prompt alone makes the picture and the words are searched.", 0.3, low=0.01),
    "found": FoundMask("The mask that was found; given, nothing is searched, and the region acts after the same steps.", None),
}


@dataclass(frozen=True)
class Words:
    """The place of ``text`` in the picture that the base prompt makes, known after the share ``probe`` of the steps.

    ``found`` is that place as a mask text, None before it is known.
    """

    text: str
    threshold: float = 0.4
    exclusive: bool = False
    probe: float = 0.3
    found: str | None = None
    KIND: ClassVar[str] = "words"

    @classmethod
    def from_json(cls, value: object) -> Words:
        """``"hat"`` or ``{"text": "hat", "threshold": 0.4, …}`` -> shape. Raises SettingsError whose fields begin with ``words``."""
        given = {"text": value} if isinstance(value, str) else value
        raise_any([not_an_object(cls.KIND, value, "a text, threshold and exclusive")] if not isinstance(given, Mapping) else [])
        assert isinstance(given, Mapping)
        values, problems = read_fields(given, WORD_FIELDS)
        raise_any(problem.at(cls.KIND) for problem in problems)
        return cls(**values)

    def with_mask(self, found: str) -> Words:
        """The same words with the mask that was found for them."""
        return replace(self, found=found)

    @property
    def bounds(self) -> Box:
        """The whole picture: the words may be anywhere."""
        return WHOLE

    def to_json(self) -> dict[str, Any]:
        """``{"words": {"text": …}}`` with the fields that differ from their defaults."""
        changed = {name: getattr(self, name) for name, field in WORD_FIELDS.items() if getattr(self, name) != field.default}
        return {self.KIND: changed}


def words_schema() -> dict[str, object]:
    """JSON schema of the key."""
    properties = {name: field.schema() for name, field in WORD_FIELDS.items()}
    whole = {"type": "object", "properties": properties, "required": ["text"], "additionalProperties": False}
    note = "Words of the base prompt whose place in the picture is found while it is made."
    return {"oneOf": [whole, WORD_FIELDS["text"].shape()], "description": note}
