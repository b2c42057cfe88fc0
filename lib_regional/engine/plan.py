"""Settings + prompts -> Plan: the texts of every image and region, and which regions are active at which step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from ..request.errors import SettingsError
from ..request.layout.regions import Layout
from ..request.prompt.region_prompts import ImageTexts, plan_texts
from ..request.settings import Settings
from ..request.words.search import probe_of
from ..request.words.shape import Words
from .calls import StepInfo
from .collage import Collage
from .records.attention_record import AttentionRecord
from .records.score_record import ScoreRecord
from .records.word_record import WordRecord
from .references import ImagePrompt
from .trajectory import Trajectory


@dataclass(frozen=True)
class PassPlan:
    """One sampling pass (first or hires): texts per image and the number of steps that prompt schedules refer to."""

    texts: tuple[ImageTexts, ...]
    steps: int


@dataclass(frozen=True)
class Picture:
    """The initial picture of img2img: its clean latents (B, C, h, w), and its (width, height) in pixels.

    ``name`` identifies the picture, since latents do not: hosts sample them from the encoder's posterior anew each time.
    """

    latent: Tensor
    size: tuple[int, int]
    name: str = ""


@dataclass(frozen=True)
class Plan:
    """The regional part of one batch. ``size`` is (width, height) in pixels of the first pass, ``sampler`` its label where known.

    ``record`` collects the attention maps of the regions' words, ``scores`` what the regions are scored by, ``words`` finds the masks of
    words; None where they are not wanted. ``earlier`` is what repainting keeps, ``collage`` what collage refine begins with.
    ``references`` are the pictures that act as prompts in regions, by region. ``signed``: words with a negative weight act with the
    opposite sign (`request.prompt.negative_weights`); else their weights are the host's matter.
    """

    settings: Settings
    layout: Layout
    size: tuple[int, int]
    first: PassPlan
    hires: PassPlan | None = None
    sampler: str = ""
    picture: Picture | None = None
    record: AttentionRecord | None = field(default=None, compare=False)
    scores: ScoreRecord | None = field(default=None, compare=False)
    words: WordRecord | None = field(default=None, compare=False)
    earlier: Trajectory | None = field(default=None, compare=False)
    collage: Collage | None = field(default=None, compare=False)
    references: Mapping[int, ImagePrompt] = field(default_factory=dict, compare=False)
    signed: bool = False

    def pass_of(self, step: StepInfo) -> PassPlan:
        """The pass that ``step`` belongs to."""
        return self.hires if step.hires and self.hires is not None else self.first

    @property
    def every_text(self) -> tuple[ImageTexts, ...]:
        """The texts of both passes."""
        return self.first.texts + (() if self.hires is None else self.hires.texts)

    def active(self, step: StepInfo) -> tuple[int, ...]:
        """Positions of the regions that take part at ``step``: enabled, and inside their step range ``[from, to)``.

        Regions with words do not before their masks are known (`Words.probe`).
        """
        probing = not step.hires and step.progress < probe_of(self.layout.regions)
        acting = (i for i, r in enumerate(self.layout.regions) if r.enabled and r.steps[0] <= step.progress < r.steps[1])
        return tuple(i for i in acting if not (probing and isinstance(self.layout.regions[i].shape, Words)))

    def referenced(self, step: StepInfo) -> tuple[int, ...]:
        """Positions of the regions whose reference acts at ``step``: those of `active`, inside the reference's own steps."""
        if not self.references:
            return ()
        return tuple(at for at in self.active(step) if at in self.references and self.layout.regions[at].refers(step.progress))

    def layout_of(self, image: int, active: Sequence[int]) -> Layout:
        """The layout of an image of the batch, with the masks of the ``active`` regions' words where these were found."""
        return self.layout if self.words is None or not self.words.varies(active) else self.words.layout(image)


def plan_pass(settings: Settings, prompts: Sequence[str], negatives: Sequence[str], steps: int, each: Sequence[Settings] = ()) -> PassPlan:
    """Texts of a batch. Raises `SettingsError` where prompts and regions do not pair, or a region asks for what the method cannot do.

    ``each``: the settings of every picture, where texts differ among them.
    """
    settings.check_method()
    own = each or [settings] * len(prompts)
    return PassPlan(tuple(plan_texts(one, p, n) for one, p, n in zip(own, prompts, negatives, strict=True)), steps)


def plan_hires(
    settings: Settings, first: PassPlan, prompts: Sequence[str], negatives: Sequence[str], steps: int, each: Sequence[Settings] = ()
) -> PassPlan:
    """Texts of the hires pass. A hires prompt that does not split into the regions replaces the base text only."""
    texts, own = [], each or [settings] * len(prompts)
    for one, image, prompt, negative in zip(own, first.texts, prompts, negatives, strict=True):
        try:
            texts.append(plan_texts(one, prompt, negative))
        except SettingsError:
            texts.append(replace(image, base=prompt, negative=negative))
    return PassPlan(tuple(texts), steps)
