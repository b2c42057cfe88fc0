"""The options of Regional Prompter that change how a prompt is read, and those that nothing here corresponds to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from ..prompt.splitting import AND_KEY, BREAK_KEY, REGION_KEYS
from .report import Report, Source

_KEEP_AND, _CHUNKS, _FLIP, _COMMENTS = "disable convert 'and' to 'break'", "use break to change chunks", "flip prompts", "comment out `#`"
_ONLY_HIRES, _NOT_HIRES = "enabled only in hires fix", "disabled in hires fix"
_NOWHERE = {"use loha or other", "debug", "debug2", "no options", ""}
"""Options that change no picture."""


def options_of(source: Source) -> frozenset[str]:
    """The options that are on, in small letters. Older versions had one checkbox in their place: AND stays AND."""
    given = source.options.get("options")
    if isinstance(given, bool) or str(given).lower() in ("true", "false"):
        return frozenset([_KEEP_AND] if str(given).lower() == "true" else [])
    names = given if isinstance(given, (list, tuple)) else str(given or "").split(",")
    return frozenset(str(name).strip().lower() for name in names if not isinstance(name, bool))


def keys_of(options: Collection[str]) -> Sequence[str]:
    """The keys between regions."""
    kept = {AND_KEY} if _KEEP_AND in options else set()
    kept |= {BREAK_KEY} if _CHUNKS in options else set()
    return [key for key in REGION_KEYS if key not in kept]


def without_comments(source: Source, options: Collection[str]) -> Source:
    """``source`` with what follows a "#" taken out of every line of its prompts, where that option is on."""
    if _COMMENTS not in options:
        return source
    prompt, negative = (_uncommented(text) for text in (source.prompt, source.negative))
    return replace(source, prompt=prompt, negative=negative)


def _uncommented(text: str) -> str:
    lines = (line.partition("#")[0].strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def flip_regions(options: Collection[str], common: str, layout: dict[str, Any], report: Report) -> None:
    """The prompts in reverse order, which Regional Prompter does where there is a common prompt."""
    if _FLIP not in options:
        return
    if not common:
        report.lost.append('"Flip prompts" does nothing without a common prompt, in Regional Prompter too.')
        return
    prompts = [region["prompt"] for region in layout["regions"]]
    for region, prompt in zip(layout["regions"], reversed(prompts), strict=True):
        region["prompt"] = prompt
    report.taken.append("Flip prompts: the regions' prompts are in reverse order.")


def report_lost(source: Source, options: Collection[str], report: Report) -> None:
    """Say what the settings cannot hold."""
    if _ONLY_HIRES in options:
        report.lost.append("Enabled only in Hires Fix: the regions act in both passes here.")
    if _NOT_HIRES in options:
        report.lost.append("Disabled in Hires Fix: the regions act in both passes here.")
    unknown = set(options) - _NOWHERE - {_KEEP_AND, _CHUNKS, _FLIP, _COMMENTS, _ONLY_HIRES, _NOT_HIRES}
    report.lost.extend(f'The option "{name[:60]}" is not known here.' for name in sorted(unknown)[:5])
    for name, label in (("lora_te", "LoRA in negative text encoder"), ("lora_unet", "LoRA in negative UNet")):
        if source.text(name, "0") not in ("0", "0.0", "[]", "False"):
            report.lost.append(f"{label} ({source.text(name)[:60]}): LoRAs of a region act in the region only, so this is not needed.")
    for name, label in (("lora_stop", "LoRA stop step"), ("lora_hires_stop", "LoRA hires stop step")):
        if source.text(name, "0") not in ("0", "0.0", "False"):
            what = "no prompt syntax ends a LoRA earlier; the steps of a region (From step, To step) end its LoRAs together with its prompt"
            report.lost.append(f"{label} {source.text(name)[:60]}: {what}.")
