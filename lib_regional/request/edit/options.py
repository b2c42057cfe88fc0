"""Options of the methods that edit: those of prompt-to-prompt, and those of multi-region guided diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..fields import Choice, Field, Flag, Number, Text, is_unicode, to_plain

GUIDES = ("attention", "segmenter", "clipseg")
GRADIENTS = ("linear", "decoder")


@dataclass(frozen=True)
class Given(Field):
    """A JSON object or null; its content is checked where it is used."""

    def fault(self, value: object) -> str | None:
        return None if value is None or isinstance(value, Mapping) else "an object or null"

    def read(self, value: object) -> object:
        return to_plain(value) if value is not None else None

    def shape(self) -> dict[str, object]:
        return {"type": ["object", "null"]}


@dataclass(frozen=True)
class WordLists(Field):
    """A list of lists of words."""

    def fault(self, value: object) -> str | None:
        allowed = "a list with a list of words for every region"
        if not isinstance(value, (list, tuple)) or not all(isinstance(words, (list, tuple)) for words in value):
            return allowed
        good = all(isinstance(word, str) and word.strip() and is_unicode(word) for words in value for word in words)
        return None if good else allowed

    def read(self, value: object) -> object:
        assert isinstance(value, (list, tuple))
        return tuple(tuple(words) for words in value)

    def shape(self) -> dict[str, object]:
        return {"type": "array", "items": {"type": "array", "items": {"type": "string", "pattern": r"\S"}}}


@dataclass(frozen=True)
class Pairs(Field):
    """A list of pairs of region numbers from 0, null for none."""

    def fault(self, value: object) -> str | None:
        allowed = "a list of pairs [source, target] of region numbers or null"
        if not isinstance(value, (list, tuple)) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in value):
            return allowed
        return None if all(_is_position(part) for pair in value for part in pair) else allowed

    def read(self, value: object) -> object:
        assert isinstance(value, (list, tuple))
        return tuple(tuple(None if part is None else int(part) for part in pair) for pair in value)

    def shape(self) -> dict[str, object]:
        part = {"type": ["integer", "null"], "minimum": 0}
        return {"type": "array", "items": {"type": "array", "items": part, "minItems": 2, "maxItems": 2}}


@dataclass(frozen=True)
class Positions(Field):
    """A list of region numbers from 0."""

    def fault(self, value: object) -> str | None:
        good = isinstance(value, (list, tuple)) and all(part is not None and _is_position(part) for part in value)
        return None if good else "a list of region numbers from 0"

    def read(self, value: object) -> object:
        assert isinstance(value, (list, tuple))
        return tuple(dict.fromkeys(int(part) for part in value))

    def shape(self) -> dict[str, object]:
        return {"type": "array", "items": {"type": "integer", "minimum": 0}}


def _is_position(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value) and value >= 0)


@dataclass(frozen=True)
class Factors(Field):
    """Words with a factor of 0 to 10 each."""

    def fault(self, value: object) -> str | None:
        factor = Number("", high=10.0)
        good = isinstance(value, Mapping) and all(isinstance(word, str) and factor.fault(number) is None for word, number in value.items())
        return None if good else "an object of words with a factor from 0 to 10 each"

    def read(self, value: object) -> object:
        assert isinstance(value, Mapping)
        return {word: float(number) for word, number in value.items()}

    def shape(self) -> dict[str, object]:
        return {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 10}}


SHARED: Mapping[str, Field] = {
    "source": Given("The layout that the picture was made from: regions, grid, base, common, overlap. null: nothing is edited.", None),
    "pairs": Pairs("Pairs [source, target] of region numbers from 0 where those found are wrong; null for a region without partner.", ()),
    "control": Flag("Attention control: inherent regions take the source's maps, edited texts those of the words in common.", True),
    "tau": Number("Share of the steps in which edited texts follow the source's maps.", 0.5),
    "tau_own": Number("The same for a re-worded region's own prediction: shorter, since later steps settle how it looks.", 0.25),
    "self_until": Number("Share of the steps in which edited texts follow the source's self-attention.", 0.0),
    "reweight": Factors("Words of the target with the factor of their cross-attention.", {}),
    "total": Flag("Whether the whole picture is also predicted with all texts joined.", True),
    "t_total": Number("Share of the steps after which that prediction joins the regions' ones.", 0.0),
    "halo": Number("Cells around each region's box that its prediction also sees.", 0, high=64, whole=True),
    "inversion": Flag("In img2img: the given picture is the source's, and its noise is found by inversion.", True),
    "null_text": Number("Steps in which inversion fits the unconditional text at most; 0 leaves it out.", 10, high=100, whole=True),
    "lock": Flag("Inherent lock: the inherent area is the source's, cell by cell.", False),
    "lock_picture": Flag("With the lock, the inherent area of the finished picture is the source's too, pixel by pixel.", True),
    "lock_control": Flag("With the lock, attention control also where nothing is re-worded; the lock keeps the rest without it.", False),
}  # fmt: skip
"""Options of both methods."""

P2P_FIELDS: Mapping[str, Field] = {
    **SHARED,
    "self_until": replace(SHARED["self_until"], default=0.4),
    "lock_control": replace(SHARED["lock_control"], default=True),
}

MRGD_FIELDS: Mapping[str, Field] = {
    **SHARED,
    "t_total": replace(SHARED["t_total"], default=0.15),
    "lock": replace(SHARED["lock"], default=True),
    "lambda_rs": Number("Weight of the region-specific loss: an object stays in its region.", 1000.0, high=1e6),
    "lambda_is": Number("Weight of the inter-image similarity of the regions' maps.", 2000.0, high=1e6),
    "lambda_ip": Number("Weight of the preservation of the inherent area; the paper has 300.", 3000.0, high=1e6),
    "guided": Number("Share of the steps that are guided, from the first on.", 1.0),
    "guidance": Choice("What finds the keywords in the picture.", "attention", GUIDES),
    "guidance_path": Text("Folder of the guidance model on disk, for clipseg.", ""),
    "gradient": Choice("How the latent becomes a picture in the losses: one linear map, or the decoder itself.", "linear", GRADIENTS),
    "keywords": WordLists("Keywords for every region of the target, used before those found.", ()),
    "keyword_count": Number("Keywords per region: those whose attention is most concentrated.", 15, high=75, whole=True),
    "keyword_choice": Flag("Choose keywords by the entropy of their attention; otherwise every word is one.", True),
    "kssa_gain": Number("Factor of the keywords' image tokens as keys of self-attention; 1 is off.", 1.25, low=0.1, high=10.0),
}

REPAINT_FIELDS: Mapping[str, Field] = {
    "regions": Positions("Numbers from 0 of the regions that are made again; empty: those that are not as they were in the source.", ()),
    "source": Given(
        "The settings that the picture was made from, as its infotext has them. Not needed in img2img, which has the picture.", None
    ),
    "from": Number("Share of the steps in which the regions still follow the earlier picture.", 0.0, high=0.95),
    "by": Choice(
        "How the regions' prompts act while they are made again.",
        "attention_couple",
        ("attention_couple", "latent_couple", "latent_composite", "rag"),
    ),
}
"""Options of repainting."""
