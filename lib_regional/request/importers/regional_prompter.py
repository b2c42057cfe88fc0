"""Regional Prompter: a prompt with keys and a ratio string, a colour-coded mask, or regions that follow a word's attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import settings_error
from ..layout.grid import cell_values, flip_ratios, grid_of, row_values
from ..prompt.lora_tags import without_tags
from ..prompt.splitting import BASE_KEY, BREAK_KEY, COMMON_KEY, REGION_KEYS, join_texts, split_at_words
from . import regional_prompter_options as peer
from . import regional_prompter_words
from .report import Imported, Report, Source, count, quoted

NAME = "Regional Prompter"
TITLES = ("regional prompter",)
PROMPT_KEY = "ADDP"
ARGUMENTS = (
    "active", "debug", "mode", "matrix", "mask_mode", "prompt_mode", "ratios", "base_ratios", "use_base", "use_common", "use_ncommon",
    "calculation", "options", "lora_te", "lora_unet", "threshold", "mask", "lora_stop", "lora_hires_stop", "flip",
)  # fmt: skip
OLDER = (
    "active", "debug", "mode", "ratios", "base_ratios", "use_base", "use_common", "use_ncommon", "calculation", "options", "lora_te",
    "lora_unet", "threshold", "mask",
)  # fmt: skip
INFOTEXT = {
    "RP Active": "active", "RP Divide mode": "mode", "RP Matrix submode": "matrix", "RP Prompt submode": "prompt_mode",
    "RP Ratios": "ratios", "RP Base Ratios": "base_ratios", "RP Use Base": "use_base", "RP Use Common": "use_common",
    "RP Use Ncommon": "use_ncommon", "RP Calc Mode": "calculation", "RP Options": "options", "RP LoRA Neg Te Ratios": "lora_te",
    "RP LoRA Neg U Ratios": "lora_unet", "RP threshold": "threshold", "RP LoRA Stop Step": "lora_stop",
    "RP LoRA Hires Stop Step": "lora_hires_stop", "RP Flip": "flip",
}  # fmt: skip
DIRECTIONS = {"columns": "columns", "horizontal": "columns", "rows": "rows", "vertical": "rows"}
_PROMPT_MODES = ("prompt", "prompt-ex")
_MIDDLE = [0.25, 0.25, 0.75, 0.75]


def names_of(arguments: Sequence[object]) -> tuple[Sequence[str], str]:
    """Names of the positional arguments, and a note where they are in the order of versions before the tabs (until May 2023)."""
    mode = str(arguments[2]).lower() if len(arguments) > 2 else ""
    if mode in DIRECTIONS or (mode in ("mask", *_PROMPT_MODES) and _is_older(arguments)):
        return OLDER, "The arguments are in the order of a Regional Prompter before June 2023, and were read so."
    return ARGUMENTS, ""


def _is_older(arguments: Sequence[object]) -> bool:
    """Whether ratios or the switch of the base stand where later versions have the submodes, in a list that is no longer than theirs."""
    ratios, use_base = ([*arguments, None, None, None][OLDER.index(name)] for name in ("ratios", "use_base"))
    return len(arguments) <= len(OLDER) and (isinstance(use_base, bool) or any(map(str.isdigit, str(ratios))))


def build(source: Source) -> Imported:
    """Settings of a Regional Prompter layout. Raises SettingsError for malformed ratios and the like."""
    report = Report()
    options = peer.options_of(source)
    source = peer.without_comments(source, options)
    mode = source.text("mode", "Matrix").split(" ")[0].lower()
    if mode in DIRECTIONS:  # older versions named the direction here
        source, mode = replace(source, options={**source.options, "matrix": mode}), "matrix"
    if mode in _PROMPT_MODES or split_at_words(source.prompt, (PROMPT_KEY,))[1]:
        mode = "prompt"
    readers = {"matrix": _matrix, "mask": _masks, "prompt": regional_prompter_words.by_words}
    if mode not in readers:
        raise settings_error("mode", mode, "Matrix, Mask or Prompt")
    parts = _split(source, peer.keys_of(options), with_base_first=mode == "prompt")
    report.check_count(parts.regions)
    layout = readers[mode](source, parts, report)
    layout.update(_texts(source, parts, layout["regions"], report))
    if source.text("calculation", "Attention").lower() == "latent":
        layout.update(report.method("latent_couple", "Latent mode"))
    if mode == "prompt":
        regional_prompter_words.check(layout, report)
    _add_negatives(source, peer.keys_of(options), parts, layout, report)
    peer.flip_regions(options, parts.common, layout, report)
    peer.report_lost(source, options, report)
    return report.result(layout, NAME)


class Parts:
    """The pieces of a prompt: common, base, regions and the keys between the regions."""

    def __init__(self, common: str, base: str | None, regions: Sequence[str], keys: Sequence[str]) -> None:
        self.common, self.base, self.regions, self.keys = common, base, list(regions), list(keys)


def _split(source: Source, keys: Sequence[str], *, with_base_first: bool = False) -> Parts:
    """Pieces of the main prompt. ADDCOMM and ADDBASE end the common and base parts; without them the flags take the first pieces."""
    use_base = source.flag("use_base") or with_base_first
    return _divide(source.prompt, keys, use_common=source.flag("use_common"), use_base=use_base)


def _divide(text: str, region_keys: Sequence[str], *, use_common: bool, use_base: bool) -> Parts:
    pieces, keys = split_at_words(text, (COMMON_KEY, BASE_KEY, PROMPT_KEY, *region_keys))
    pieces = [piece.strip() for piece in pieces]
    fronts: dict[str, str] = {}
    for key, wanted in ((COMMON_KEY, use_common), (BASE_KEY, use_base)):
        if (wanted or key in keys) and len(pieces) > 1:
            at = keys.index(key) if key in keys else 0
            fronts[key] = join_texts(*pieces[: at + 1])
            pieces, keys = pieces[at + 1 :], keys[at + 1 :]
    keys = [key if key in REGION_KEYS else BREAK_KEY for key in keys]
    return Parts(fronts.get(COMMON_KEY, ""), fronts.get(BASE_KEY), pieces, keys)


def _matrix(source: Source, parts: Parts, report: Report) -> dict[str, Any]:
    named = source.text("matrix", "Columns").lower()
    if named == "random":
        report.lost.append("Random division: a fixed layout is made from the ratios instead.")
    direction = DIRECTIONS.get(named, "columns")
    given = source.text("ratios", "1")
    ratios = _filled(flip_ratios(given) if source.flag("flip") else given, "1")
    grid = grid_of(parts.keys, ratios, direction)
    report.taken.append(f'Matrix "{given}" in {direction}: a grid of {count(len(parts.regions), "cell")}, {grid.ratios}.')
    regions: list[dict[str, Any]] = [{"feather": 0.0} for _ in parts.regions]
    if parts.base is not None:
        shares = cell_values(parts.keys, _base_ratios(source), ratios, direction)
        for region, share in zip(regions, shares, strict=True):
            region["base_share"] = min(1.0, share)
        report.taken.append(f"Base ratios {quoted(_base_ratios(source))}: base shares.")
    return {"grid": grid.to_json(), "regions": regions}


def _base_ratios(source: Source) -> str:
    """The base ratios with 0 where a number is left out; 0.2 where the option is missing."""
    return _filled(source.given("base_ratios", "0.2"), "0")


def _filled(ratios: str, number: str) -> str:
    """``ratios`` with ``number`` for every piece between "," and ";" that is empty."""
    return ";".join(",".join(piece.strip() or number for piece in row.split(",")) for row in ratios.split(";"))


def _masks(source: Source, parts: Parts, report: Report) -> dict[str, Any]:
    """Regions of a colour-coded picture. Without a base the lowest colour takes the uncoloured pixels too."""
    picture = source.text("mask")
    if not picture or source.read_masks is None:
        found: list[tuple[int, str]] = []
        report.lost.append("The mask picture is not in this text: load it with Masks; the regions wait in the middle.")
    else:
        found = sorted(source.read_masks(picture, parts.base is None))
        report.taken.append(f"Mask picture: {count(len(found), 'coloured region')}.")
    shares = row_values(_base_ratios(source), len(parts.regions)) if parts.base is not None else ()
    regions: list[dict[str, Any]] = []
    for at, _ in enumerate(parts.regions):
        place = {"mask": found[at][1]} if at < len(found) else {"box": _MIDDLE}
        regions.append({**place, "feather": 0.0, **({"base_share": min(1.0, shares[at])} if shares else {})})
    if found and len(found) != len(parts.regions):
        report.lost.append(
            f"The picture has {count(len(found), 'colour')} for {count(len(parts.regions), 'prompt')}: the rest is left out."
        )
    return {"regions": regions}


def _texts(source: Source, parts: Parts, regions: list[dict[str, Any]], report: Report) -> dict[str, Any]:
    """Prompts into the regions; common and base beside them. LoRA tags of the regions and of the common text stand there alone."""
    joined = without_tags(join_texts(parts.common, *parts.regions))
    for region, text in zip(regions, report.texts(parts.regions), strict=True):
        region["prompt"] = text
    report.taken.append(f"{count(len(parts.regions), 'prompt')} of regions.")
    base = joined if parts.base is None else join_texts(without_tags(parts.common), parts.base)
    result: dict[str, Any] = {"base": {"prompt": base}}
    if parts.common:
        result["common"] = parts.common
        report.taken.append(f"Common prompt {quoted(parts.common)}.")
    if parts.base is not None:
        report.taken.append(f"Base prompt {quoted(base)}.")
    return result


def _add_negatives(source: Source, keys: Sequence[str], parts: Parts, layout: dict[str, Any], report: Report) -> None:
    """Negatives count as the prompt's parts do: where there is a base, the first is the base's."""
    use_base = parts.base is not None and bool(split_at_words(source.negative, (BASE_KEY, *keys))[1])
    negative = _divide(source.negative, keys, use_common=source.flag("use_ncommon"), use_base=use_base)
    regions, base = layout["regions"], layout["base"]
    if len(negative.regions) == 1 and negative.base is None:
        if source.negative.strip():
            base["negative"] = join_texts(negative.common, *negative.regions)
        return
    for region, text in zip(regions, negative.regions, strict=False):
        region["negative"] = text
    base["negative"] = join_texts(negative.common, negative.base)
    report.taken.append(f"{count(len(negative.regions), 'negative prompt')} assigned to the regions.")
    report.lost.extend(f"Negative part {quoted(text)} has no region." for text in negative.regions[len(regions) :])
