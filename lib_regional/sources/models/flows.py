"""Ways of working that take several steps, as settings made in one: style by depth, another background, an object in another picture.

They only put together what there is: masks found in pictures, layers, repainting and collage refine.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...request.errors import settings_error
from ...request.layout.shapes import read_shape
from ...tensors.masks.growth import bounding_box
from ...tensors.masks.weight_maps import shape_mask
from ..channels import mask_url
from ..layers import split
from .fields import read_parameters
from .flow_fields import FLOW_FIELDS
from .loading import PictureModels
from .ways import find_masks

Given = Mapping[str, Any]
Recipe = dict[str, Any]
"""Settings: method, options, regions."""


@dataclass(frozen=True)
class Flow:
    """``needs``: the kinds of models without which it does not work. ``next``: what the user does after it."""

    label: str
    help: str
    needs: tuple[str, ...]
    next: str
    make: Callable[[PictureModels, Image.Image, Given], Recipe]


def _depth(models: PictureModels, picture: Image.Image, given: Given) -> Recipe:
    asked = {name: given[name] for name in ("slices", "softness", "spacing", "model")}
    found = find_masks(models, "depth", picture, asked)
    step = (given["far"] - given["near"]) / (len(found) - 1)
    regions = [{"mask": mask.url, "name": mask.name, "denoise": round(given["near"] + step * at, 4)} for at, mask in enumerate(found)]
    return {"method": "collage", "regions": regions, "options": {"collage": {"by": "attention_couple"}}}


def _background(models: PictureModels, picture: Image.Image, given: Given) -> Recipe:
    thing = _shape_of_thing(models, picture, given)
    if given["grow"]:
        thing = {"combined": {"op": "grow", "of": [thing], "amount": given["grow"]}}
    around = {"combined": {"op": "invert", "of": [thing]}}
    return {
        "method": "repaint",
        "regions": [{**around, "name": "background", "feather": given["feather"]}],
        "options": {"repaint": {"regions": [0]}},
    }


def _object(models: PictureModels, picture: Image.Image, given: Given) -> Recipe:
    ((kind, value),) = _shape_of_thing(models, picture, given).items()
    alpha = shape_mask(read_shape(kind, value), picture.height, picture.width)
    bounds = bounding_box(alpha)
    sides = picture.width, picture.height, picture.width, picture.height
    region = {
        "box": [round(at / side, 4) for at, side in zip(bounds, sides, strict=True)],
        "picture": _data_url(cut_out(picture, alpha).crop(bounds)), "name": "object", "fit": "contain", "denoise": given["denoise"],
    }  # fmt: skip
    return {"method": "collage", "regions": [region], "options": {"collage": {"outside": given["outside"]}}}


def cut_out(picture: Image.Image, alpha: Tensor) -> Image.Image:
    """The picture as RGBA with the opacity ``alpha`` (H, W) in 0..1, the colours at soft edges without what lies behind them."""
    own = picture.convert("RGBA")
    levels = torch.from_numpy(np.array(own, np.float32)).permute(2, 0, 1) / 255
    opacity = alpha * levels[3]
    foreground, _ = split(levels[:3], opacity)
    pixels = torch.cat([foreground, opacity[None]]) * 255
    return Image.fromarray(pixels.round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy(), "RGBA")


def _shape_of_thing(models: PictureModels, picture: Image.Image, given: Given) -> Recipe:
    """A shape of the settings: what the words name, all of it together; what is clicked; or the shape itself.

    Raises SettingsError (field ``words``) where none of them is given.
    """
    if given["words"]:
        asked = {"words": ", ".join(given["words"]), "threshold": given["threshold"], "model": given["model"]}
        found = find_masks(models, "words", picture, asked)
        return {"mask": mask_url(np.maximum.reduce([one.mask for one in found]))}
    if given["clicks"] or given["box"] is not None:
        asked = {"clicks": [list(click) for click in given["clicks"]], "box": given["box"], "model": given["model"]}
        return {"mask": find_masks(models, "click", picture, asked)[0].url}
    if given["shape"] is None:
        raise settings_error("words", "", "what the thing is; or clicks on it, a box around it, or a shape (select the region that has it)")
    return dict(given["shape"])


def _data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


FLOWS: Mapping[str, Flow] = {
    "depth": Flow(
        "Style by depth",
        "Slices from near to far, each with a prompt and a denoising strength of its own",
        ("depth",),
        "Give each slice a prompt. In img2img the given picture changes, in txt2img the one that the prompt and the seed make first.",
        _depth,
    ),
    "background": Flow(
        "Another background",
        "All but one thing of the picture is made again",
        (),
        "Write the new background into the region. Go on in img2img with this picture, at a denoising strength of 0.8 or more.",
        _background,
    ),
    "object": Flow(
        "An object into another picture",
        "One thing of the picture is cut out, and becomes a region's picture",
        (),
        "Move the region to its place, and write what it is. In img2img the object goes into the given picture, in txt2img into the one "
        "that the prompt makes first.",
        _object,
    ),
}
"""Name of a flow -> the flow, in the panel's order."""


def listed_flows() -> list[dict[str, Any]]:
    """What the panel shows of every flow, and the JSON schema of its parameters."""
    return [
        {
            "name": name,
            "label": flow.label,
            "help": flow.help,
            "adds": False,
            "needs": list(flow.needs),
            "fields": {key: field.schema() for key, field in FLOW_FIELDS[name].items()},
        }
        for name, flow in FLOWS.items()
    ]


def flow_settings(models: PictureModels, name: str, picture: Image.Image, given: Mapping[str, object]) -> Recipe:
    """Settings that a flow makes of ``picture``. Raises RegionalError (SettingsError for a parameter) where it cannot."""
    return FLOWS[name].make(models, picture, read_parameters(FLOW_FIELDS[name], given))
