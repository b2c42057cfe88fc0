"""Regional Prompter: a prompt with keys and a ratio string, a colour-coded mask, or regions that follow a word's attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import settings_error
from ..layout.grid import cell_values, flip_ratios, grid_of
from ..prompt.splitting import BASE_KEY, COMMON_KEY, REGION_KEYS, join_texts, split_at_words
from .report import Imported, Report, Source, count, quoted

NAME = "Regional Prompter"
TITLES = ("regional prompter",)
ARGUMENTS = (
    "active", "debug", "mode", "matrix", "mask_mode", "prompt_mode", "ratios", "base_ratios", "use_base", "use_common", "use_ncommon",
    "calculation", "options", "lora_te", "lora_unet", "threshold", "mask", "lora_stop", "lora_hires_stop", "flip",
)  # fmt: skip
INFOTEXT = {
    "RP Active": "active", "RP Divide mode": "mode", "RP Matrix submode": "matrix", "RP Prompt submode": "prompt_mode",
    "RP Ratios": "ratios", "RP Base Ratios": "base_ratios", "RP Use Base": "use_base", "RP Use Common": "use_common",
    "RP Use Ncommon": "use_ncommon", "RP Calc Mode": "calculation", "RP LoRA Neg Te Ratios": "lora_te", "RP LoRA Neg U Ratios": "lora_unet",
    "RP threshold": "threshold", "RP LoRA Stop Step": "lora_stop", "RP LoRA Hires Stop Step": "lora_hires_stop", "RP Flip": "flip",
}  # fmt: skip
DIRECTIONS = {"columns": "columns", "horizontal": "columns", "rows": "rows", "vertical": "rows"}


def build(source: Source) -> Imported:
    """Settings of a Regional Prompter layout. Raises SettingsError for malformed ratios and the like."""
    report = Report()
    mode = source.text("mode", "Matrix").split(" ")[0].lower()
    parts = _split(source, with_base_first=mode == "prompt")
    readers = {"matrix": _matrix, "mask": _masks, "prompt": _by_words}
    if mode in DIRECTIONS:  # older versions named the direction here
        source, mode = Source({**source.options, "matrix": mode}, source.prompt, source.negative, source.size), "matrix"
    if mode not in readers:
        raise settings_error("mode", mode, "Matrix, Mask or Prompt")
    layout = readers[mode](source, parts, report)
    layout.update(_texts(source, parts, layout["regions"], report))
    if source.text("calculation", "Attention").lower() == "latent":
        layout.update(report.method("latent_couple", "Latent mode"))
    _tell_lost(source, report)
    return report.result(layout, NAME)


class _Parts:
    """The pieces of a prompt: common, base, regions and the keys between the regions."""

    def __init__(self, common: str, base: str | None, regions: Sequence[str], keys: Sequence[str]) -> None:
        self.common, self.base, self.regions, self.keys = common, base, list(regions), list(keys)


def _split(source: Source, *, with_base_first: bool = False) -> _Parts:
    """Pieces of the main prompt. ADDCOMM and ADDBASE end the common and base parts; without them the flags take the first pieces."""
    return _divide(source.prompt, use_common=source.flag("use_common"), use_base=source.flag("use_base") or with_base_first)


def _divide(text: str, *, use_common: bool, use_base: bool) -> _Parts:
    pieces, keys = split_at_words(text, (COMMON_KEY, BASE_KEY, *REGION_KEYS))
    pieces = [piece.strip() for piece in pieces]
    fronts: dict[str, str] = {}
    for key, wanted in ((COMMON_KEY, use_common), (BASE_KEY, use_base)):
        if (wanted or key in keys) and len(pieces) > 1:
            at = keys.index(key) if key in keys else 0
            fronts[key] = join_texts(*pieces[: at + 1])
            pieces, keys = pieces[at + 1 :], keys[at + 1 :]
    return _Parts(fronts.get(COMMON_KEY, ""), fronts.get(BASE_KEY), pieces, keys)


def _matrix(source: Source, parts: _Parts, report: Report) -> dict[str, Any]:
    named = source.text("matrix", "Columns").lower()
    if named == "random":
        report.lost.append("Random division: a fixed layout is made from the ratios instead.")
    direction = DIRECTIONS.get(named, "columns")
    given = source.text("ratios", "1")
    ratios = flip_ratios(given) if source.flag("flip") else given
    grid = grid_of(parts.keys, ratios, direction)
    report.taken.append(f'Matrix "{given}" in {direction}: a grid of {count(len(parts.regions), "cell")}, {grid.ratios}.')
    regions: list[dict[str, Any]] = [{"feather": 0.0} for _ in parts.regions]
    if parts.base is not None:
        shares = cell_values(parts.keys, source.text("base_ratios", "0.2"), ratios, direction)
        for region, share in zip(regions, shares, strict=True):
            region["base_share"] = min(1.0, share)
        report.taken.append(f"Base ratios {source.text('base_ratios', '0.2')}: base shares.")
    return {"grid": grid.to_json(), "regions": regions}


def _masks(source: Source, parts: _Parts, report: Report) -> dict[str, Any]:
    """Regions of a colour-coded picture. Without a base the lowest colour takes the uncoloured pixels too."""
    picture = source.text("mask")
    if not picture or source.read_masks is None:
        found: list[tuple[int, str]] = []
        report.lost.append("The mask picture is not in this text: load it with Masks; the regions wait in the middle.")
    else:
        found = sorted(source.read_masks(picture))
        report.taken.append(f"Mask picture: {count(len(found), 'coloured region')}.")
    share = min(1.0, float(source.text("base_ratios", "0.2").replace(";", ",").split(",")[0])) if parts.base is not None else 0.0
    regions: list[dict[str, Any]] = []
    for at, _ in enumerate(parts.regions):
        place = {"mask": found[at][1]} if at < len(found) else {"box": [0.25, 0.25, 0.75, 0.75]}
        regions.append({**place, "feather": 0.0, **({"base_share": share} if parts.base is not None else {})})
    if found and len(found) != len(parts.regions):
        report.lost.append(
            f"The picture has {count(len(found), 'colour')} for {count(len(parts.regions), 'prompt')}: the rest is left out."
        )
    return {"regions": regions}


def _by_words(source: Source, parts: _Parts, report: Report) -> dict[str, Any]:
    """Prompt mode has no shapes: its regions are imported disabled, to be drawn."""
    for text in parts.regions:
        effect, _, target = text.rpartition(",")
        what = f"{quoted(effect or text)} belongs where {quoted(target)} is"
        report.lost.append(f"Prompt mode: {what}. A place is needed: draw it and switch the region on.")
    regions = [{"box": [0.25, 0.25, 0.75, 0.75], "enabled": False, "name": text.rpartition(",")[2].strip()[:60]} for text in parts.regions]
    parts.regions = [text.rpartition(",")[0].strip() or text for text in parts.regions]
    return {"regions": regions}


def _texts(source: Source, parts: _Parts, regions: list[dict[str, Any]], report: Report) -> dict[str, Any]:
    """Prompts and negatives into the regions; common and base beside them."""
    for region, text in zip(regions, parts.regions, strict=True):
        region["prompt"] = text
    report.taken.append(f"{count(len(parts.regions), 'prompt')} of regions.")
    result: dict[str, Any] = {"base": {"prompt": parts.base if parts.base is not None else join_texts(parts.common, *parts.regions)}}
    if parts.common:
        result["common"] = parts.common
        report.taken.append(f"Common prompt {quoted(parts.common)}.")
    if parts.base is not None:
        report.taken.append(f"Base prompt {quoted(parts.base)}.")
    negative = _divide(source.negative, use_common=source.flag("use_ncommon"), use_base=False)
    if len(negative.regions) == 1:
        if source.negative.strip():
            result["base"]["negative"] = join_texts(negative.common, *negative.regions)
        return result
    main = join_texts(negative.common, negative.base)
    for region, text in zip(regions, negative.regions, strict=False):
        region["negative"] = text
    result["base"]["negative"] = main
    report.taken.append(f"{count(len(negative.regions), 'negative prompt')} assigned to the regions.")
    if len(negative.regions) > len(regions):
        report.lost.extend(f"Negative part {quoted(text)} has no region." for text in negative.regions[len(regions) :])
    return result


def _tell_lost(source: Source, report: Report) -> None:
    for name, label in (("lora_te", "LoRA in negative text encoder"), ("lora_unet", "LoRA in negative UNet")):
        if source.text(name, "0") not in ("0", "0.0", "[]", "False"):
            report.lost.append(f"{label} ({source.text(name)}): LoRAs of a region act in the region only, so this is not needed.")
    for name, label in (("lora_stop", "LoRA stop step"), ("lora_hires_stop", "LoRA hires stop step")):
        if source.text(name, "0") not in ("0", "False"):
            report.lost.append(f"{label} {source.text(name)}: write the LoRA's steps in the region's prompt instead.")
