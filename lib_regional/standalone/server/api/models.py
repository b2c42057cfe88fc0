"""Shapes of requests and responses, as the WebUI has them. Unknown fields of a request are ignored, as there."""

from __future__ import annotations

import dataclasses
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from ...pipeline.img2img import StableDiffusionProcessingImg2Img
from ...pipeline.processing import StableDiffusionProcessing
from ...pipeline.txt2img import StableDiffusionProcessingTxt2Img

HIDDEN = {
    "sd_model",
    "outpath_samples",
    "outpath_grids",
    "sampler_index",
    "extra_generation_params",
    "overlay_images",
    "do_not_reload_embeddings",
    "seed_enable_extras",
    "prompt_for_display",
    "ddim_discretize",
    "latent_mask",
}
"""Parameters that requests cannot set."""

_TEXT = {"prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt"}
_NUMBER = {"seed", "subseed"}

_COMMON: dict[str, Any] = {
    "sampler_index": (str, "Euler"),
    "script_name": (str | None, None),
    "script_args": (list[Any], Field(default_factory=list)),
    "send_images": (bool, True),
    "save_images": (bool, False),
    "alwayson_scripts": (dict[str, Any], Field(default_factory=dict)),
    "force_task_id": (str | None, None),
    "infotext": (str | None, None),
}


def _config() -> Any:
    """Model configuration for Pydantic 1 (a WebUI with Gradio 3) and 2."""
    options = {"extra": "ignore", "arbitrary_types_allowed": True, "protected_namespaces": ()}
    return ConfigDict(**options) if hasattr(BaseModel, "model_config") else type("Config", (), options)  # type: ignore[typeddict-item]


def _request_model(name: str, kind: type[StableDiffusionProcessing], extra: dict[str, Any]) -> type[BaseModel]:
    hints = get_type_hints(kind)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if not field.init or field.name in HIDDEN:
            continue
        default = field.default if field.default is not dataclasses.MISSING else None
        fields[field.name] = (_type(field.name, hints[field.name]) | None, default)
    fields.update(_COMMON)
    fields.update(extra)
    return create_model(name, __config__=_config(), **fields)


def _type(name: str, hint: Any) -> Any:
    return str if name in _TEXT else int if name in _NUMBER else hint


Txt2ImgRequest = _request_model("StableDiffusionProcessingTxt2Img", StableDiffusionProcessingTxt2Img, {})
Img2ImgRequest = _request_model(
    "StableDiffusionProcessingImg2Img",
    StableDiffusionProcessingImg2Img,
    {
        "init_images": (list[str] | None, None),
        "mask": (str | None, None),
        "denoising_strength": (float | None, 0.75),
        "include_init_images": (bool, False),
    },
)


class ImageResponse(BaseModel):
    """Answer to txt2img and img2img."""

    images: list[str] | None = Field(default=None, description="The generated images in base64 format.")
    parameters: dict[str, Any]
    info: str


class PngInfoRequest(BaseModel):
    """A picture to read the parameters of."""

    image: str = Field(description="The base64 encoded PNG image")


class PngInfoResponse(BaseModel):
    """The parameters stored in a picture."""

    info: str
    items: dict[str, Any]
    parameters: dict[str, Any]


class ProgressResponse(BaseModel):
    """Progress of the running generation."""

    progress: float
    eta_relative: float
    state: dict[str, Any]
    current_image: str | None = None
    textinfo: str | None = None


class ScriptsList(BaseModel):
    """Titles of scripts."""

    txt2img: list[Any] | None = None
    img2img: list[Any] | None = None


class ScriptArg(BaseModel):
    """One argument of a script."""

    label: str | None = None
    value: Any | None = None
    minimum: Any | None = None
    maximum: Any | None = None
    step: Any | None = None
    choices: list[str] | None = None


class ScriptInfo(BaseModel):
    """One script of one tab."""

    name: str | None = None
    is_alwayson: bool | None = None
    is_img2img: bool | None = None
    args: list[ScriptArg]
