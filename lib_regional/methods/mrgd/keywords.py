"""Keywords of the regions: the user's, then the words whose attention is most concentrated (MRGD, section 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from ...engine.calls import StepInfo
from ...request.errors import Problem, raise_any
from ...request.layout.regions import region_label
from ...tensors.attention.maps import histogram_entropy, word_maps
from .choice import Choice, Positions
from .control import MapStore
from .sides import TOTAL, Side, Tag, total_text
from .texts import Texts

Words = tuple[tuple[str, ...], ...]
"""Per region of a layout: keywords given by the user."""


def check_keywords(given: Sequence[Sequence[str]], side: Side, texts: Texts) -> Words:
    """The user's keywords as single words. Raises SettingsError for a word that is not in its region's prompt."""
    regions = side.plan.layout.regions
    split = tuple(tuple(word for phrase in words for word in phrase.lower().split()) for words in given)
    if len(split) > len(regions):
        text = f"keywords are given for {len(split)} regions, but there are {len(regions)}."
        raise_any([Problem("options.mrgd.keywords", len(split), f"a list of at most {len(regions)} lists", "", text)])
    problems = []
    for at, words in enumerate(split):
        told = [image.regions[at] for image in side.plan.first.texts]
        for word in words:
            for text in told:
                if word not in texts.positions(text):
                    where = region_label(at, regions[at].name or regions[at].prompt)
                    problems.append(Problem(f"options.mrgd.keywords[{at}]", word, f"a word of its prompt ({text!r})", where))
                    break
    raise_any(problems)
    return split


@dataclass
class Keywords:
    """The keywords of one side by (image, region). Until maps have been seen, every word of a region is one."""

    side: Side
    texts: Texts
    number: int
    chooses: bool = True
    given: Words = ()
    _seen: MapStore = field(default_factory=MapStore)
    _chosen: dict[tuple[int, int], Choice] = field(default_factory=dict)

    def of(self, image: int, region: int, step: StepInfo) -> tuple[str, ...]:
        """Keywords in force."""
        if (image, region) in self._chosen:
            return self._chosen[image, region].names()
        given = self._given(region)
        return given or tuple(self.texts.positions(self.side.plan.pass_of(step).texts[image].regions[region]))

    def own_positions(self, tag: Tag, step: StepInfo) -> list[int] | Positions:
        """Where the keywords stand in the text of a region's own row; none for other rows."""
        if not isinstance(tag.key, int):
            return []
        return self.within(tag.image, tag.key, step, self.texts.positions(self.side.plan.pass_of(step).texts[tag.image].regions[tag.key]))

    def within(self, image: int, region: int, step: StepInfo, places: Mapping[str, tuple[int, ...]]) -> list[int] | Positions:
        """Where a region's keywords stand among ``places``, those of the words of a text."""
        choice = self._chosen.get((image, region))
        if choice is not None:
            return Positions(choice, places)
        return [position for word in self.of(image, region, step) for position in places.get(word, ())]

    def total_positions(self, image: int, step: StepInfo) -> dict[int, dict[str, tuple[int, ...]]]:
        """Per active region, where its words stand in the joined prompt."""
        told = self.side.plan.pass_of(step).texts[image]
        active = self.side.active(image, step)
        parts = [told.base, *(told.regions[i] for i in active)]
        found = self.texts.positions_within(total_text(told, active), parts)
        return dict(zip(active, found[1:], strict=True))

    def learn(self, maps: MapStore, step: StepInfo) -> None:
        """Take in this step's maps of the joined prediction and choose anew."""
        self._seen.absorb(maps)
        if not self.chooses:
            return
        for image in range(len(self.side.plan.first.texts)):
            seen = self._seen.mean(self.side.name, image)
            if seen is None:
                continue
            for region, places in self.total_positions(image, step).items():
                given = tuple(dict.fromkeys(self._given(region)))
                found = word_maps(seen, {word: where for word, where in sorted(places.items()) if word not in given})
                entropy = histogram_entropy(torch.stack(list(found.values()))) if found else seen.new_zeros(0)
                self._chosen[image, region] = Choice(tuple(found), entropy, given, self.number)

    def _given(self, region: int) -> tuple[str, ...]:
        return self.given[region] if region < len(self.given) else ()


def reads_total(tag: Tag) -> bool:
    """Whether a row is the joined prediction."""
    return tag.key == TOTAL
