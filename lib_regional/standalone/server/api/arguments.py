"""Requests -> the arguments of processing and of the scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fastapi import HTTPException
from PIL import Image
from pydantic import BaseModel

from ....request.errors import RegionalError, shown
from ....request.infotext import KEY
from ...faults import RequestError
from ...host import Host
from ...model.stable_diffusion import CELL
from ...pipeline import pictures
from ...pipeline.infotext import parse_generation_parameters
from ...pipeline.processing import StableDiffusionProcessing
from ...pipeline.txt2img import SAME
from ...sampling.samplers import split_name
from ...scripts.runner import ScriptRunner
from ...scripts.script import Script
from .builtin_scripts import check_builtin, is_builtin

LARGEST = 8192
LARGEST_SEED = 2**63 - 1

_NOT_FOR_PROCESSING = {
    "script_name",
    "script_args",
    "alwayson_scripts",
    "send_images",
    "save_images",
    "include_init_images",
    "infotext",
    "sampler_index",
    "init_images",
    "mask",
}

NUMBERS: Mapping[str, tuple[float, float]] = {
    "cfg_scale": (-100, 1000), "subseed_strength": (0, 1), "eta": (0, 10), "s_churn": (0, 1000), "s_tmin": (0, 1000),
    "s_tmax": (0, 1e9), "s_noise": (0, 10), "s_min_uncond": (0, 100), "refiner_switch_at": (0, 1), "token_merging_ratio": (0, 1),
    "token_merging_ratio_hr": (0, 1), "hr_scale": (0, LARGEST), "hr_second_pass_steps": (0, 1000), "mask_blur": (0, 1000),
    "mask_blur_x": (0, 1000), "mask_blur_y": (0, 1000), "inpaint_full_res_padding": (0, LARGEST), "initial_noise_multiplier": (0, 10),
    "resize_mode": (0, 3), "inpainting_fill": (0, 3), "denoising_strength": (0, 1),
}  # fmt: skip
"""What numbers of a request may be."""

PASTED: dict[str, tuple[str, type]] = {
    "Prompt": ("prompt", str),
    "Negative prompt": ("negative_prompt", str),
    "Steps": ("steps", int),
    "Sampler": ("sampler_name", str),
    "Schedule type": ("scheduler", str),
    "CFG scale": ("cfg_scale", float),
    "Seed": ("seed", int),
    "Size-1": ("width", int),
    "Size-2": ("height", int),
    "Batch size": ("batch_size", int),
    "Variation seed": ("subseed", int),
    "Variation seed strength": ("subseed_strength", float),
    "Denoising strength": ("denoising_strength", float),
    "Hires upscale": ("hr_scale", float),
    "Hires steps": ("hr_second_pass_steps", int),
    "Hires upscaler": ("hr_upscaler", str),
    "Hires resize-1": ("hr_resize_x", int),
    "Hires resize-2": ("hr_resize_y", int),
    "Hires sampler": ("hr_sampler_name", str),
    "Hires schedule type": ("hr_scheduler", str),
    "Hires prompt": ("hr_prompt", str),
    "Hires negative prompt": ("hr_negative_prompt", str),
    "Mask blur": ("mask_blur", int),
    "Masked area padding": ("inpaint_full_res_padding", int),
}
"""Infotext key -> field of the request and its type."""

PASTED_OPTIONS: dict[str, tuple[str, type]] = {"Clip skip": ("CLIP_stop_at_last_layers", int), "RNG": ("randn_source", str)}
"""Infotext key -> option that it overrides and its type."""


def paste_infotext(request: BaseModel, runner: ScriptRunner) -> dict[int, Any]:
    """Set what the request left open from its ``infotext``; returns the scripts' arguments it contains, by position.

    Raises `RegionalError` for what cannot be made here, unless it belongs to a script that the request gives arguments of its own.
    """
    text = getattr(request, "infotext", None)
    if not text:
        return {}
    params = parse_generation_parameters(text)
    given = request.model_fields_set
    for key, (name, kind) in PASTED.items():
        if key in params and name in type(request).model_fields and name not in given:
            setattr(request, name, _converted(key, params[key], kind))
    if "enable_hr" in type(request).model_fields and "enable_hr" not in given and _asks_for_hires(params):
        request.enable_hr = True  # type: ignore[attr-defined]
    options = {name: _converted(key, params[key], kind) for key, (name, kind) in PASTED_OPTIONS.items() if key in params}
    request.override_settings = {**options, **(request.override_settings or {})}  # type: ignore[attr-defined]
    places = {id(component): index for index, component in enumerate(runner.inputs) if component is not None}
    given_by_request = _given_places(request, runner)
    values = _pasted_values(runner.infotext_fields, params, lambda component: places.get(id(component)) in given_by_request)
    return {places[id(component)]: _plain(component, value) for component, value in values if id(component) in places}


def _pasted_values(fields: Sequence[Any], params: Mapping[str, Any], leave_out: Callable[[Any], bool]) -> Iterator[tuple[Any, Any]]:
    """(component, value) of every infotext field that ``params`` contains; a callable key computes its value.

    Raises `RegionalError` for a value that cannot be read or made here, unless ``leave_out`` says that its component has another one.
    """
    for entry in fields:
        component, key = (entry[0], entry[1]) if isinstance(entry, tuple) else (entry.component, entry.label)
        try:
            value = key(params) if callable(key) else params.get(key)
        except RegionalError:
            if not leave_out(component):
                raise
            continue
        if value is not None:
            yield component, value


def _given_places(request: Any, runner: ScriptRunner) -> set[int | None]:
    """Positions of the arguments of scripts to which the request gives any."""
    named = request.alwayson_scripts or {}
    scripts = [runner.find(title) for title, given in named.items() if isinstance(given, Mapping) and given.get("args")]
    return {place for one in scripts if one is not None for place in range(one.args_from or 0, one.args_to or 0)}


def _converted(key: str, value: str, kind: type) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise RequestError(f"infotext: {key} must be {kind.__name__}, got {value!r}.") from error


def _asks_for_hires(params: Mapping[str, Any]) -> bool:
    return any(key in params for key in ("Hires upscale", "Hires resize-1", "Hires upscaler"))


def _plain(component: Any, value: Any) -> Any:
    """The value itself, in the type of the component's own, as the WebUI converts it."""
    if isinstance(value, dict) and "__type__" in value:
        value = value.get("value")
    own = getattr(component, "value", None)
    return value if own is None or isinstance(value, type(own)) else type(own)(value)


def script_arguments(request: Any, host: Host, is_img2img: bool, pasted: Mapping[int, Any]) -> list[Any]:
    """Arguments of all scripts: defaults, overridden by the infotext, then by the request. HTTP 422 for unknown scripts."""
    runner = host.runner(is_img2img)
    args = host.default_args(is_img2img)
    for place, value in pasted.items():
        args[place] = value
    if request.script_name:
        chosen = find_script(runner, request.script_name)
        if chosen not in runner.selectable_scripts:
            raise HTTPException(422, f"Script '{request.script_name}' cannot be selected")
        args[chosen.args_from : chosen.args_to] = request.script_args
        args[0] = runner.selectable_scripts.index(chosen) + 1
    for title, given in (request.alwayson_scripts or {}).items():
        if runner.find(title) is None and is_builtin(title):
            check_builtin(title, given, request)
        else:
            _put_arguments(args, find_script(runner, title), given)
    return args


def find_script(runner: ScriptRunner, title: str) -> Script:
    """The script with this title in any case; HTTP 422 when there is none."""
    script = runner.find(title)
    if script is None:
        raise HTTPException(422, f"Script '{title}' not found")
    return script


def _put_arguments(args: list[Any], script: Script, given: Any) -> None:
    if not script.alwayson:
        raise HTTPException(422, "Cannot have a selectable script in the always on scripts params")
    values = given.get("args", []) if isinstance(given, Mapping) else None
    if script.title() == KEY and isinstance(given, Mapping) and "args" not in given:
        values = None
    if not isinstance(values, list):
        raise RequestError(f'alwayson_scripts: "{script.title()}" must be {{"args": [...]}} with a list, got {shown(given)}.')
    start, stop = script.args_from or 0, script.args_to or 0
    for place, value in zip(range(start, stop), values, strict=False):
        args[place] = value


def processing_fields(request: Any) -> dict[str, Any]:
    """Keyword arguments for the processing class; what is None takes the default there. Raises `RequestError`."""
    declared = {name: one.default for name, one in type(request).model_fields.items() if name not in _NOT_FOR_PROCESSING}
    given = {name: default if (value := getattr(request, name)) is None else value for name, default in declared.items()}
    fields = {name: value for name, value in given.items() if value is not None}
    fields["sampler_name"] = request.sampler_name or request.sampler_index
    for name in ("width", "height"):
        _check(name, fields[name], CELL, LARGEST, CELL)
    for name in ("hr_resize_x", "hr_resize_y"):
        if name in fields:
            _check(name, fields[name], 0, LARGEST, CELL)
    for name, most in (("steps", 1000), ("batch_size", 64), ("n_iter", 1000)):
        _check(name, fields[name], 1, most, 1)
    for name, (low, high) in NUMBERS.items():
        value = fields.get(name)
        if isinstance(value, (int, float)) and not low <= value <= high:
            raise RequestError(f"{name} must be a number from {low:g} to {high:g}, got {shown(value)}.")
    if fields.get("enable_hr"):
        _check_hires(fields)
    for name in ("seed", "subseed"):
        _check(name, fields.get(name, -1), -1, LARGEST_SEED, 1)
    return fields


def _check_hires(fields: Mapping[str, Any]) -> None:
    """Raise `RequestError` for a size, a sampler or an upscaler of the second pass that there is not."""
    name, schedule = (None if fields.get(key) in SAME else fields[key] for key in ("hr_sampler_name", "hr_scheduler"))
    split_name(name, schedule)
    upscaler = fields.get("hr_upscaler")
    known = (*pictures.LATENT_UPSCALERS, *pictures.PIXEL_UPSCALERS)
    if upscaler is not None and upscaler not in known:
        raise RequestError(f'hr_upscaler "{upscaler}" is not one of: {", ".join(known)}.')
    if fields.get("hr_resize_x") or fields.get("hr_resize_y"):
        return
    scale = fields.get("hr_scale", 2.0)
    largest = LARGEST / max(fields["width"], fields["height"])
    if not 1 <= scale <= largest:
        raise RequestError(f"hr_scale must be a number from 1 to {largest:g} for this size, got {shown(scale)}.")


def _check(name: str, value: int, least: int, most: int, unit: int) -> None:
    if not least <= value <= most or value % unit:
        multiple = f", a multiple of {unit}" if unit > 1 else ""
        raise RequestError(f"{name} must be between {least} and {most}{multiple}, got {shown(value)}.")


def prepared(p: StableDiffusionProcessing, host: Host, is_img2img: bool, args: list[Any], save: bool) -> StableDiffusionProcessing:
    """``p`` with its scripts, their arguments, and where to save."""
    p.is_api = True
    p.do_not_save_samples = p.do_not_save_grid = not save
    p.outpath_samples = host.folder(is_img2img)
    p.scripts = host.runner(is_img2img)
    p.script_args = args
    return p


def images_of(texts: Sequence[str], field: str) -> list[Image.Image]:
    """Pictures from base64. Raises RequestError or SettingsError (``field``) for what is no picture or too large."""
    try:
        return pictures.all_from_base64(texts, field)
    except RegionalError:
        raise
    except ValueError as error:
        raise RequestError(f"{error}.".replace("..", ".")) from error
