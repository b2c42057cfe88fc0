"""The text in a picture's ``parameters`` chunk: written and read in the WebUI's form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...request.parameters import FEWEST, read_parameters

VERSION = "regional-standalone"

_SIZE = re.compile(r"^(\d+)x(\d+)$")


def quote(value: Any) -> Any:
    """JSON-quoted when it holds a comma, a colon or a line break."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",:\n") else value


def unquote(text: str) -> str:
    """The inverse of `quote`; text that is not quoted JSON stays as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return value if isinstance(value, str) else text


def assemble(prompt: str, negative: str, params: Mapping[str, Any]) -> str:
    """The whole infotext; parameters without a value are left out."""
    fields = ", ".join(key if key == value else f"{key}: {quote(value)}" for key, value in params.items() if value is not None)
    below = f"\nNegative prompt: {negative}" if negative else ""
    return f"{prompt}{below}\n{fields}".strip()


def create_infotext(
    p: Any,
    all_prompts: Sequence[str],
    all_seeds: Sequence[int],
    all_subseeds: Sequence[int],
    comments: Any = None,
    iteration: int = 0,
    position_in_batch: int = 0,
    use_main_prompt: bool = False,
    index: int | None = None,
    all_negative_prompts: Sequence[str] | None = None,
) -> str:
    """The infotext of one picture of ``p``."""
    place = position_in_batch + iteration * p.batch_size if index is None else index
    negatives = p.all_negative_prompts if all_negative_prompts is None else all_negative_prompts
    options, model = p.host.options, p.sd_model
    params: dict[str, Any] = {
        "Steps": p.steps,
        "Sampler": p.sampler_name,
        "Schedule type": p.schedule_in_infotext,
        "CFG scale": p.cfg_scale,
        "Seed": p.all_seeds[0] if use_main_prompt else all_seeds[place],
        "Size": f"{p.width}x{p.height}",
        "Model hash": model.hash if options.add_model_hash_to_info else None,
        "Model": model.name.replace(",", "").replace(":", "") if options.add_model_name_to_info else None,
        "Clip skip": options.CLIP_stop_at_last_layers if (options.CLIP_stop_at_last_layers or 1) > 1 else None,
        "Variation seed": None if p.subseed_strength == 0 else (p.all_subseeds[0] if use_main_prompt else all_subseeds[place]),
        "Variation seed strength": p.subseed_strength or None,
        "RNG": options.randn_source if options.randn_source != "GPU" else None,
    }
    about = {"p": p, "index": place, "use_main_prompt": use_main_prompt}
    params.update((key, value(**about) if callable(value) else value) for key, value in p.extra_generation_params.items())
    params["Version"] = VERSION if options.add_version_to_infotext else None
    prompt = p.main_prompt if use_main_prompt else all_prompts[place]
    negative = p.main_negative_prompt if use_main_prompt else negatives[place]
    return assemble(prompt, negative, params)


def parse_generation_parameters(text: str, skip_fields: Sequence[str] | None = None) -> dict[str, Any]:
    """Infotext -> parameters by name; prompts under ``Prompt`` and ``Negative prompt``, sizes also as ``Size-1`` and ``Size-2``."""
    *lines, last = (text or "").strip().split("\n")
    found = list(read_parameters(last))
    if len(found) < FEWEST:
        lines, found = [*lines, last], []
    result: dict[str, Any] = dict(zip(("Prompt", "Negative prompt"), _prompts(lines), strict=True))
    for key, value in found:
        plain = unquote(value)
        size = _SIZE.match(plain)
        if size:
            result[f"{key}-1"], result[f"{key}-2"] = size.groups()
        else:
            result[key] = plain
    result.setdefault("Clip skip", "1")
    for key in ("Hires prompt", "Hires negative prompt"):
        result.setdefault(key, "")
    for key in skip_fields or ():
        result.pop(key, None)
    return result


def _prompts(lines: Sequence[str]) -> tuple[str, str]:
    prompt: list[str] = []
    negative: list[str] = []
    here = prompt
    for line in (line.strip() for line in lines):
        if line.startswith("Negative prompt:"):
            here, line = negative, line[len("Negative prompt:") :].strip()
        here.append(line)
    return "\n".join(prompt), "\n".join(negative)
