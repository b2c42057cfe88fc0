"""The WebUI's routes beside sampling: upscaling of finished pictures, and a sentence for every route that this host does not have."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ....request.layout.pixels import check_pixels
from ...faults import RequestError
from ...pipeline import pictures
from .arguments import images_of

ABSENT = {
    "interrogate": "it has no model that describes pictures",
    "create/embedding": "it trains no embeddings",
    "create/hypernetwork": "it has no hypernetworks",
    "train/embedding": "it trains no embeddings; its own model is trained by python -m lib_regional.standalone.train",
    "train/hypernetwork": "it has no hypernetworks",
    "unload-checkpoint": "it runs the one model that it was started with",
    "server-kill": "it is stopped by Ctrl+C in its terminal",
    "server-restart": "it is stopped by Ctrl+C in its terminal and started again there",
    "server-stop": "it is stopped by Ctrl+C in its terminal",
}
"""POST routes of the WebUI that this host does not have -> why."""


class ExtrasRequest(BaseModel):
    """What both routes take: by how much, or to which size, and with which upscalers."""

    model_config = ConfigDict(protected_namespaces=())

    resize_mode: Literal[0, 1] = Field(0, description="0: by upscaling_resize, 1: to upscaling_resize_w × upscaling_resize_h")
    show_extras_results: bool = True
    gfpgan_visibility: float = Field(0, ge=0, le=1)
    codeformer_visibility: float = Field(0, ge=0, le=1)
    codeformer_weight: float = Field(0, ge=0, le=1)
    upscaling_resize: float = Field(2, gt=0, le=16)
    upscaling_resize_w: int = Field(512, ge=1)
    upscaling_resize_h: int = Field(512, ge=1)
    upscaling_crop: bool = Field(True, description="With a size: cut what is too much, else the picture fits inside")
    upscaler_1: str = "None"
    upscaler_2: str = "None"
    extras_upscaler_2_visibility: float = Field(0, ge=0, le=1)
    upscale_first: bool = False


class ExtrasSingleRequest(ExtrasRequest):
    """One picture."""

    image: str = ""


class FileData(BaseModel):
    """A picture with its name."""

    data: str
    name: str


class ExtrasBatchRequest(ExtrasRequest):
    """Several pictures."""

    imageList: list[FileData] = Field(..., min_length=1)


def add_extras(router: APIRouter, prefix: str) -> None:
    """Add the routes to ``router`` below ``prefix``."""

    def single(request: ExtrasSingleRequest) -> dict[str, Any]:
        """One picture upscaled."""
        made = upscaled(request, _opened([request.image], "image")[0], "image")
        return {"html_info": _info(request), "image": pictures.to_base64(made)}

    def batch(request: ExtrasBatchRequest) -> dict[str, Any]:
        """Several pictures upscaled, in order."""
        given = _opened([file.data for file in request.imageList], "imageList")
        images = [pictures.to_base64(upscaled(request, image, f"imageList[{at}]")) for at, image in enumerate(given)]
        return {"html_info": _info(request), "images": images}

    def absent(request: Request) -> None:
        name = request.url.path.split(prefix, 1)[1]
        raise HTTPException(404, f"The standalone host has no {name}: {ABSENT[name]}.")

    router.add_api_route(f"{prefix}extra-single-image", single, methods=["POST"], tags=["sdapi"])
    router.add_api_route(f"{prefix}extra-batch-images", batch, methods=["POST"], tags=["sdapi"])
    for name in ABSENT:
        router.add_api_route(prefix + name, absent, methods=["POST"], tags=["sdapi"], include_in_schema=False)


def upscaled(request: ExtrasRequest, image: Image.Image, field: str) -> Image.Image:
    """``image`` at the size that is asked for: the first upscaler's picture, and the second's laid over it by its visibility."""
    _check(request)
    width, height, mode = _size(request, image)
    check_pixels(field, width, height, "the upscaled picture")
    first = _resized(request.upscaler_1, mode, image, width, height)
    if request.upscaler_2 == "None" or not request.extras_upscaler_2_visibility:
        return first
    second = _resized(request.upscaler_2, mode, image, width, height)
    return Image.blend(first, second.convert(first.mode), request.extras_upscaler_2_visibility)


def _check(request: ExtrasRequest) -> None:
    for field in ("upscaler_1", "upscaler_2"):
        if getattr(request, field) not in pictures.PIXEL_UPSCALERS:
            raise RequestError(f"{field} must be one of {', '.join(pictures.PIXEL_UPSCALERS)}, got {getattr(request, field)!r}.")
    for field in ("gfpgan_visibility", "codeformer_visibility"):
        if getattr(request, field):
            raise RequestError(f"{field} must be 0, got {getattr(request, field):g}: the standalone host restores no faces.")


def _size(request: ExtrasRequest, image: Image.Image) -> tuple[int, int, int]:
    """(width, height, mode of `pictures.resize_image`)."""
    if request.resize_mode == 0:
        return (*(max(1, int(side * request.upscaling_resize)) for side in image.size), pictures.JUST_RESIZE)  # type: ignore[return-value]
    wanted = (request.upscaling_resize_w, request.upscaling_resize_h)
    if request.upscaling_crop:
        return (*wanted, pictures.CROP)
    scale = min(wanted[0] / image.width, wanted[1] / image.height)
    return (max(1, round(image.width * scale)), max(1, round(image.height * scale)), pictures.JUST_RESIZE)


def _resized(upscaler: str, mode: int, image: Image.Image, width: int, height: int) -> Image.Image:
    return pictures.resize_image(mode, image, width, height, upscaler)


def _info(request: ExtrasRequest) -> str:
    names = [request.upscaler_1] + [request.upscaler_2] * (request.upscaler_2 != "None" and request.extras_upscaler_2_visibility > 0)
    return f"Upscaled by {' and '.join(names)}."


def _opened(texts: list[str], field: str) -> list[Image.Image]:
    return [_plain(image) for image in images_of(texts, field)]


def _plain(image: Image.Image) -> Image.Image:
    """One of the modes that can be resized and saved; a colour that stands for transparency becomes transparent."""
    if "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in ("RGB", "RGBA", "L") else image.convert("RGB")
