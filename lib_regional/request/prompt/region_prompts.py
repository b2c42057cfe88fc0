"""The base and region texts of one picture, from the settings and the host's prompts."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import raise_any, settings_error
from ..layout.regions import RegionSettings
from ..settings import Settings
from ..words.search import sought_problems
from .lora_tags import split_tags, without_tags
from .schedules import LARGEST_WEIGHT, check_emphasis
from .splitting import PromptParts, join_texts, joined, split_and, split_prompt


@dataclass(frozen=True)
class ImageTexts:
    """Texts of one picture: base, negative of the base, and per region its text and its negative (None: the main one).

    Regions' texts keep their LoRA tags. Base and common texts have none: the host applies their LoRAs to the whole picture.
    With ``base.joined`` every region's text ends with that of the base.

    ``weights`` are factors for the regions' weights that the prompt itself gave (``a AND b:0.5``), 1.0 elsewhere.
    """

    base: str
    negative: str
    regions: tuple[str, ...]
    region_negatives: tuple[str | None, ...]
    weights: tuple[float, ...] = ()


def plan_texts(settings: Settings, prompt: str, negative: str) -> ImageTexts:
    """Texts for one picture with the host's ``prompt`` and ``negative``.

    Raises SettingsError (field ``text_from``) where the prompt has another number of parts than there are regions, and for a region's
    LoRA tag or emphasis that cannot be read, and for words of a mask that the base prompt does not have.
    """
    texts = _plan_texts(settings, prompt, negative)
    raise_any(sought_problems(settings.filled_regions(), texts.base))
    for index, (region, text) in enumerate(zip(settings.filled_regions(), texts.regions, strict=True)):
        plain = split_tags(text, region.label(index), f"regions[{index}].prompt").text
        if region.enabled:
            check_emphasis(plain, region.label(index), f"regions[{index}].prompt")
            check_emphasis(texts.region_negatives[index] or "", region.label(index), f"regions[{index}].negative")
    return texts


def _plan_texts(settings: Settings, prompt: str, negative: str) -> ImageTexts:
    regions, common = settings.filled_regions(), without_tags(settings.common)
    if settings.text_from == "regions":
        base = without_tags(settings.base.prompt if settings.base.prompt is not None else prompt)
        behind = _joined_base(settings, base)
        texts = tuple(join_texts(common, region.prompt, behind) for region in regions)
        main = settings.base.negative if settings.base.negative is not None else negative
        return ImageTexts(base, main, texts, _own_negatives(main, regions), (1.0,) * len(regions))
    parts = split_prompt(prompt, settings.text_from)
    _check_count(settings.text_from, "prompt", len(parts.regions), len(regions))
    _check_weights(parts)
    shared = without_tags(parts.common or "")
    behind = _joined_base(settings, settings.base.prompt if settings.base.prompt is not None else parts.base or "")
    pairs = zip(parts.regions, regions, strict=True)
    texts = tuple(join_texts(shared, common, text, region.prompt, behind) for text, region in pairs)
    main, negatives = _split_negatives(settings, negative, regions)
    return ImageTexts(_base_text(settings, parts), main, texts, negatives, parts.weights)


def _joined_base(settings: Settings, base: str) -> str:
    """The base text as the end of every region's text, "" where it is not joined. AND of a prompt composes pictures: here it is a comma."""
    return join_texts(*(text for text, _ in split_and(without_tags(base)))) if settings.base.joined else ""


def _base_text(settings: Settings, parts: PromptParts) -> str:
    if settings.base.prompt is not None:
        return without_tags(settings.base.prompt)
    return without_tags(joined(parts) if parts.base is None else join_texts(parts.common, parts.base))


def _own_negatives(main: str, regions: tuple[RegionSettings, ...]) -> tuple[str | None, ...]:
    return tuple(join_texts(main, region.negative) if region.negative.strip() else None for region in regions)


def _split_negatives(settings: Settings, negative: str, regions: tuple[RegionSettings, ...]) -> tuple[str, tuple[str | None, ...]]:
    """(main negative, negatives of the regions): a single part applies to all regions, as many parts as regions to one each."""
    parts = split_prompt(negative, settings.text_from)
    whole = joined(parts) if parts.base is None or len(parts.regions) == 1 else join_texts(parts.common, parts.base)
    main = settings.base.negative if settings.base.negative is not None else whole
    if len(parts.regions) == 1:
        return main, _own_negatives(main, regions)
    _check_count(settings.text_from, "negative prompt", len(parts.regions), len(regions))
    negatives = (join_texts(parts.common, text, region.negative) for text, region in zip(parts.regions, regions, strict=True))
    return main, tuple(None if text == main else text for text in negatives)


def _check_count(mode: str, what: str, parts: int, regions: int) -> None:
    if parts != regions:
        allowed = f"a mode that splits the {what} into {regions} parts"
        text = f'text_from "{mode}" splits the {what} into {_count(parts, "part")}, but there {_count(regions, "region", verb=True)}.'
        raise settings_error("text_from", mode, allowed, text=text)


def _count(number: int, noun: str, *, verb: bool = False) -> str:
    words = f"{number} {noun}{'' if number == 1 else 's'}"
    return f"{'is' if number == 1 else 'are'} {words}" if verb else words


def _check_weights(parts: PromptParts) -> None:
    for number, weight in enumerate(parts.weights, 1):
        if not 0 <= weight <= LARGEST_WEIGHT:
            allowed = "0 or more" if weight < 0 else f"{LARGEST_WEIGHT:g} or less"
            text = f"The weight behind AND part {number} of the prompt must be {allowed}, got {weight:g}."
            raise settings_error("text_from", weight, allowed, text=text)
