"""The requests of a soak: plain and disabled ones, every method, LoRAs, edits, and those that end badly."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from lib_regional.request.methods.specs import METHODS

Body = dict[str, Any]

SIZES = ((64, 64), (96, 64), (64, 80), (72, 88))
SAMPLERS = ("Euler", "Euler a", "DPM++ 2M", "DDIM", "Heun", "LCM")
BOXES = ([0, 0, 0.5, 1], [0.5, 0, 1, 1], [0.25, 0.25, 0.75, 0.75], [0, 0.6, 1, 1])
LORAS = ("outlines", "shift", "star")
TEXTS = ("a red circle", "a blue square", "a (green:1.3) triangle", "[a star:a red square:0.5]", "", "a blue circle BREAK grass")


def _url(colour: tuple[int, int, int]) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


DRAWING = _url((200, 40, 40))
FIXED: Body = {
    "prompt": "a red circle on grass",
    "width": 64,
    "height": 64,
    "steps": 2,
    "seed": 7,
    "cfg_scale": 4,
    "sampler_name": "Euler a",
}
HIRES: Body = {
    "enable_hr": True,
    "hr_scale": 1.5,
    "hr_upscaler": "Latent",
    "denoising_strength": 0.5,
    "hr_additional_modules": ["Use same choices"],
}
"""A second pass. Forge needs the last field; the other hosts leave it aside."""
VARIANTS: Mapping[str, tuple[str, Body]] = {
    "small": ("txt2img", FIXED),
    "wide": ("txt2img", {**FIXED, "width": 96, "steps": 3, "sampler_name": "DPM++ 2M", "batch_size": 2}),
    "LoRA": ("txt2img", {**FIXED, "prompt": "a red circle <lora:outlines:0.8>"}),
    "img2img": ("img2img", {**FIXED, "init_images": [DRAWING], "steps": 4, "denoising_strength": 0.6}),
    "hires": ("txt2img", {**FIXED, **HIRES}),
}
"""What plain and disabled pictures are made of: (route, request). Each of them has to stay the same to the last byte."""


@dataclass(frozen=True)
class Request:
    """One request: its route and body, the status of its answer, and how it is disturbed.

    ``same`` names the variant whose picture it has to be; an ``inner`` failure happens at that call of the UNet.
    """

    body: Body = field(repr=False)
    route: str = "txt2img"
    status: int = 200
    same: str = ""
    inner: int | None = None
    interrupted_after: float | None = None
    gone_after: float | None = None


def varied(source: random.Random) -> Body:
    """A request of another size, seed, sampler and generator each time."""
    width, height = source.choice(SIZES)
    some = {"width": width, "height": height, "steps": source.randint(2, 3), "seed": source.randrange(10**6)}
    options = {"randn_source": source.choice(("CPU", "NV")), "CLIP_stop_at_last_layers": source.choice((1, 1, 2))}
    return {**FIXED, **some, "sampler_name": source.choice(SAMPLERS), "override_settings": options, "batch_size": source.choice((1, 1, 2))}


def with_settings(body: Body, settings: object) -> Body:
    """The request with Regional's settings."""
    return {**body, "alwayson_scripts": {"Regional": {"args": [settings]}}}


def region(box: object, prompt: str, source: random.Random) -> Body:
    """A region with some of the fields that every method has."""
    more = ({}, {"feather": 0.2}, {"weight": 2}, {"steps": [0, 0.5]}, {"negative": "blurry"}, {"base_share": 0.3})
    return {"box": box, "prompt": prompt, **source.choice(more)}


def regions(source: random.Random, texts: tuple[str, ...] = TEXTS) -> list[Body]:
    """One to three boxes."""
    return [region(box, source.choice(texts), source) for box in source.sample(BOXES, source.randint(1, 3))]


def plain(source: random.Random) -> Request:
    """A picture without settings."""
    name = source.choice(list(VARIANTS))
    return Request(VARIANTS[name][1], VARIANTS[name][0], same=name)


def disabled(source: random.Random) -> Request:
    """The same picture with settings that are switched off, of any method."""
    name = source.choice(list(VARIANTS))
    off = {"enabled": False, "method": source.choice(list(METHODS)), "regions": regions(source)}
    return Request(with_settings(VARIANTS[name][1], off), VARIANTS[name][0], same=name)


def _needs_regions_only() -> tuple[str, ...]:
    return tuple(name for name, row in METHODS.items() if not row.edits and name not in ("repaint", "collage"))


def of_method(source: random.Random) -> Request:
    """A method that needs nothing but regions; at times a detail pass, seeds, or a picture to begin with."""
    method = source.choice(_needs_regions_only())
    found = regions(source)
    if "seed" in METHODS[method].serves and source.random() < 0.3:
        found[0]["seed"] = source.randrange(1000)
    settings: Body = {"enabled": True, "method": method, "regions": found, "overlap": source.choice(("blend", "over"))}
    if source.random() < 0.1:
        settings["options"] = {"detail": {"enabled": True, "scale": 1}}
    body = with_settings(varied(source), settings)
    if source.random() < 0.15:
        return Request({**body, "init_images": [DRAWING], "denoising_strength": 0.6}, "img2img")
    return Request(body)


def with_loras(source: random.Random) -> Request:
    """LoRAs in regions, isolated or not, and in the main prompt."""
    tags = tuple(f"a blue square <lora:{name}:{weight}>" for name in LORAS for weight in (0.5, 1))
    options = {"attention_couple": {"separate": source.choice(("nothing", "attention", "norms", "all"))}}
    body = {**varied(source), "prompt": source.choice(("grass", "grass <lora:star:0.5>"))}
    return Request(with_settings(body, {"enabled": True, "regions": regions(source, (*tags, "grass")), "options": options}))


def edit(source: random.Random) -> Request:
    """An edit of a layout, by either way, or by painting regions anew."""
    method = source.choice([name for name, row in METHODS.items() if row.edits or name == "repaint"])
    before = [{"box": BOXES[0], "prompt": "a red circle"}, {"box": BOXES[1], "prompt": "a blue square"}]
    after = [before[0], {"box": source.choice((BOXES[1], BOXES[2])), "prompt": "a green square"}]
    options = (
        {method: {"source": {"enabled": True, "regions": before}}} if method == "repaint" else {method: {"source": {"regions": before}}}
    )
    body = {**varied(source), "sampler_name": "DDIM", "batch_size": 1}
    return Request(with_settings(body, {"enabled": True, "method": method, "regions": after, "options": options}))


def collage(source: random.Random) -> Request:
    """A picture in a region, on a colour or on a picture that is made first."""
    laid = {"box": source.choice(BOXES), "prompt": "a red circle", "picture": DRAWING, "denoise": source.choice((0, 0.3, 0.8))}
    options = {"collage": {"colour": source.choice((None, "#208020"))}}
    return Request(with_settings(varied(source), {"enabled": True, "method": "collage", "regions": [laid], "options": options}))


def second_pass(source: random.Random) -> Request:
    """A hires pass with regions."""
    settings = {"enabled": True, "method": source.choice(_needs_regions_only()), "regions": regions(source)}
    return Request(
        with_settings({**varied(source), **HIRES, "hr_second_pass_steps": 2, "width": 64, "height": 64, "batch_size": 1}, settings)
    )


def wrong_settings(source: random.Random) -> Request:
    """Settings that cannot be used, or a LoRA that there is not."""
    wrong: list[object] = [{"enabled": True, "x": 1}, {"enabled": True, "regions": [{"box": [1, 0, 0, 1]}]}, {"enabled": "yes"}]
    wrong.append({"enabled": True, "regions": regions(source, ("a <lora:nothing:1>",))})
    return Request(with_settings(varied(source), source.choice(wrong)), status=422)


def refused(source: random.Random) -> Request:
    """Settings that cannot be used, or an option or a number of the host's own with a wrong value."""
    others = [Request({**FIXED, **each}, status=422) for each in ({"override_settings": {"randn_source": "TPU"}}, {"hr_scale": 1e308})]
    return source.choice((wrong_settings(source), *others))


def failing(source: random.Random) -> Request:
    """Any good request in whose sampling memory runs out."""
    good = source.choice((plain, of_method, with_loras, edit, collage, second_pass))(source)
    return Request({**good.body, "steps": 4}, good.route, status=422, inner=source.randrange(2))  # of at least two calls


def interrupted(source: random.Random) -> Request:
    """A generation that somebody interrupts, maybe before it begins or after its end."""
    good = source.choice((of_method, with_loras, edit, second_pass))(source)
    return Request({**good.body, "steps": 8}, good.route, interrupted_after=source.random() * 0.4)


def disconnected(source: random.Random) -> Request:
    """A client that goes away while it waits."""
    good = source.choice((of_method, with_loras, edit, second_pass))(source)
    return Request({**good.body, "steps": 8}, good.route, status=0, gone_after=source.random() * 0.3)


KINDS: Mapping[str, tuple[int, Callable[[random.Random], Request]]] = {
    "plain": (8, plain),
    "disabled": (10, disabled),
    "method": (36, of_method),
    "LoRAs": (12, with_loras),
    "edit": (6, edit),
    "collage": (4, collage),
    "second pass": (6, second_pass),
    "refused": (6, refused),
    "failing": (4, failing),
    "interrupted": (4, interrupted),
    "disconnected": (4, disconnected),
}
"""Kind -> (its share of 100, what makes a request of it)."""

OUTSIDE: Mapping[str, tuple[int, Callable[[random.Random], Request]]] = {
    **{name: row for name, row in KINDS.items() if name != "failing"},
    "refused": (6, wrong_settings),
}
"""The same for a WebUI of which but the address is known: nobody takes its memory away, and what it says of its own fields is its own."""
