"""What one generation records: attention maps where they are asked for, and a score for every region."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..engine.capabilities import facts_of
from ..engine.plan import PassPlan
from ..engine.ports import Host
from ..engine.records.attention_record import AttentionRecord
from ..engine.records.score_record import ScoreRecord
from ..engine.records.word_record import WordRecord
from ..request.attention_maps import AttentionMaps
from ..request.errors import RegionalError
from ..request.infotext import FOUND_KEY, KEY, found_text, to_infotext
from ..request.prompt.negative_weights import without_negative
from ..request.scoring.scores import DATA, NAME, RegionScores, score_data, score_text, scored
from ..request.settings import Settings
from ..sources.lasting import lasting_mask, lasting_pictures
from . import options
from .attention_maps import kept_maps, word_places, word_positions
from .found_words import word_record

logger = logging.getLogger(__name__)

Found = TypeVar("Found")


class PerPicture(str):
    """An infotext value with another text for each picture of a batch: hosts call it with ``index``, older ones write all of them.

    ``whole`` is what older ones write in their place, and what stands in the text of a grid of pictures.
    """

    _texts: tuple[str, ...]
    _whole: str | None

    def __new__(cls, texts: tuple[str, ...], whole: str | None = None) -> PerPicture:
        made = super().__new__(cls, "; ".join(text for text in texts if text) if whole is None else whole)
        made._texts, made._whole = texts, whole
        return made

    def __call__(self, index: int = 0, use_main_prompt: bool = False, **_: Any) -> str | None:
        """The text of a picture; None for one without, and for a grid of pictures where there is none of the whole."""
        return self._whole if use_main_prompt or index >= len(self._texts) else self._texts[index] or None


class Recording:
    """State of one generation; ``scores`` are those of every picture by its number."""

    def __init__(self, settings: Settings, maps: AttentionMaps | None) -> None:
        self._settings = settings
        self._maps = maps if settings.attention_maps else None
        self._record: AttentionRecord | None = None
        self._now: ScoreRecord | None = None
        self._words: WordRecord | None = None
        self.scores: dict[int, RegionScores] = {}

    def begin_batch(
        self, host: Host, first: PassPlan, signed: bool = False
    ) -> tuple[AttentionRecord | None, ScoreRecord | None, WordRecord | None]:
        """The records of the next batch, whose first pass is given; None where they are not wanted, or cannot be. ``signed`` as in `Plan`.

        Raises `RegionalError` where candidates were asked for that then have no score, and where words cannot be found.
        """
        reads = facts_of(host).cross_attention
        self._record = AttentionRecord(_encoded(word_positions(host), signed)) if self._maps is not None and reads else None
        self._words = word_record(self._settings, host, first, signed)
        self._now = self._score_record(host, reads, signed) if scored(self._settings) else None
        return self._record, self._now, self._words

    def _score_record(self, host: Host, reads: bool, signed: bool) -> ScoreRecord | None:
        """None, with a line in the log, where the model has no cross-attention or its words cannot be found."""
        places, missing = functools.cache(_encoded(word_places(host), signed)), "" if reads else "it has no cross-attention"
        try:
            places("a")
        except (RegionalError, AttributeError, ImportError, LookupError, TypeError) as error:
            missing = missing or f"its words cannot be found ({error})"
        if not missing:
            return ScoreRecord(self._settings.layout(), places, self._words)
        if self._settings.option_of("scores")("candidates") > 1:
            raise RegionalError(f"options.scores.candidates must be 1 with this model: regions have no scores, since {missing}.")
        logger.info("Regions have no scores with this model: %s.", missing)
        return None

    def keep(self, p: Any, each: Sequence[Settings] = ()) -> None:
        """A batch is sampled: keep its maps and scores, and write scores and found masks where regions are written into the infotext.

        ``each``: the settings of every picture, where texts differ among them.
        """
        if each and options.chosen(options.INFOTEXT):
            own = tuple(to_infotext(settings, lasting_mask, lasting_pictures)[KEY] for settings in each)
            p.extra_generation_params[KEY] = PerPicture(own, str(p.extra_generation_params.get(KEY, "")))
        if self._maps is not None and self._record is not None:
            self._maps.add(self._settings.attention_maps, kept_maps(self._record.maps(), len(p.prompts)))
            self._record = None
        if self._words is not None and options.chosen(options.INFOTEXT):
            masks = [found_text(self._words.found(at)) for at in range(len(p.prompts))]
            p.extra_generation_params[FOUND_KEY] = PerPicture(tuple(masks))
        if self._now is None:
            return
        found, self._now = self._now.scores(), None
        first = getattr(p, "iteration", 0) * getattr(p, "batch_size", len(p.prompts))
        self.scores.update((first + at, found.get(at, {})) for at in range(len(p.prompts)))
        if options.chosen(options.INFOTEXT) and found:
            p.extra_generation_params[NAME] = PerPicture(tuple(score_text(found.get(at, {})) for at in range(len(p.prompts))))

    def finish(self, p: Any, order: list[int]) -> None:
        """Leave the scores of the pictures in this ``order`` as data of the answer."""
        if self.scores:
            regions = len(self._settings.layout().regions)
            p.extra_generation_params[DATA] = [score_data(self.scores.get(at, {}), regions) for at in order]


def _encoded(places: Callable[[str], Found], signed: bool) -> Callable[[str], Found]:
    """``places`` in the first tokens of a text's context; those of words with a negative weight (``signed``) stand behind them."""
    return (lambda text: places(without_negative(text))) if signed else places


def forget(p: Any) -> None:
    """Remove what an earlier generation left in the parameters of ``p``."""
    for name in (NAME, DATA, FOUND_KEY):
        (getattr(p, "extra_generation_params", None) or {}).pop(name, None)
