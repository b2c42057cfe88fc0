"""The server side of the page's buttons: generation, infotexts, and transfer between tabs."""

from __future__ import annotations

import itertools
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from ...request import files
from ...request.errors import RegionalError, SettingsError
from ...request.layout.pixels import check_pixels
from ..pipeline.infotext import parse_generation_parameters
from ..pipeline.pictures import parameters_of, png_bytes
from .page_fields import READERS, Fields

if TYPE_CHECKING:
    from ..host import Host
    from ..pipeline.processing import StableDiffusionProcessing

logger = logging.getLogger("regional.standalone")

_LONG_DATA = re.compile(r"data:image/[a-z.+-]{1,20};base64,[A-Za-z0-9+/=]{200,}|rle:[0-9x:*,]{200,}")
"""Masks in an infotext: they are not shown in full."""

_KEPT = 400
"""Pictures of the page that are kept on disk for showing and downloading."""

_FOLDER_PREFIX = "regional-page-"


@dataclass(frozen=True)
class Shown:
    """The pictures that a gallery shows: files and infotexts, the grid first if there is one."""

    files: tuple[str, ...] = ()
    infotexts: tuple[str, ...] = ()

    def infotext(self, index: int) -> str:
        """Infotext of a picture; "" where there is none."""
        return self.infotexts[index] if 0 <= index < len(self.infotexts) else ""


class PictureFolder:
    """A temporary folder of PNG files, made with the first; the oldest go when there are too many."""

    def __init__(self) -> None:
        files.remove_leftovers(Path(tempfile.gettempdir()), _FOLDER_PREFIX, "")
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._numbers = itertools.count()
        self._files: list[Path] = []

    def add(self, image: Image.Image) -> str:
        """Write a picture with its texts; the file's path."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix=files.temporary_name(_FOLDER_PREFIX, "-"))
        path = Path(self._folder.name) / f"{next(self._numbers):05}.png"
        path.write_bytes(png_bytes(image))
        self._files.append(path)
        while len(self._files) > _KEPT:
            self._files.pop(0).unlink(missing_ok=True)
        return str(path)


def generator(host: Host, tab: str, fields: Fields, folder: PictureFolder) -> Callable[..., tuple[Any, ...]]:
    """The function behind "Generate": values of ``fields``, then of the scripts -> (gallery, shown, info, log)."""
    names = list(fields)

    def generate(*values: Any) -> tuple[Any, ...]:
        given, script_values = dict(zip(names, values, strict=False)), values[len(names) :]
        try:
            p = _processing(host, tab, given)
            p.scripts = host.runner(tab == "img2img")
            p.script_args = (0, *script_values)
            processed = host.submit(f"page {tab}", lambda: host.run_busy(p)).result()
        except RegionalError as error:
            return _nothing(error_html(error))
        except Exception as error:
            logger.exception("The generation failed")
            return _nothing(error_html(error))
        images = list(processed.images)
        if not images:
            return _nothing('<div class="page-note">Stopped before a picture was finished.</div>')
        shown = Shown(tuple(folder.add(image) for image in images), tuple(processed.infotexts))
        return list(shown.files), shown, info_html(shown.infotext(0), images[0].size), ""

    return generate


def _nothing(log: str) -> tuple[Any, ...]:
    return [], Shown(), "", log


def _processing(host: Host, tab: str, given: Mapping[str, Any]) -> StableDiffusionProcessing:
    from ..pipeline.img2img import StableDiffusionProcessingImg2Img
    from ..pipeline.txt2img import StableDiffusionProcessingTxt2Img

    common = {
        "sd_model": host.model, "outpath_samples": host.folder(tab == "img2img"),
        "prompt": given["prompt"] or "", "negative_prompt": given["negative"] or "", "seed": _whole(given["seed"], -1),
        "sampler_name": given["sampler"], "scheduler": given["scheduler"],
        "steps": int(given["steps"]), "cfg_scale": float(given["cfg_scale"]),
        "width": _cells(given["width"]), "height": _cells(given["height"]),
        "n_iter": int(given["n_iter"]), "batch_size": int(given["batch_size"]),
        "denoising_strength": float(given["denoising_strength"]),
    }  # fmt: skip
    if tab == "txt2img":
        rest = {name: given[name] for name in ("enable_hr", "hr_upscaler", "hr_scale", "hr_prompt", "hr_negative_prompt")}
        return StableDiffusionProcessingTxt2Img(**common, **rest, hr_second_pass_steps=int(given["hr_second_pass_steps"]))
    if given["image"] is None:
        raise RegionalError("img2img needs a picture: drop one into the field above, or use “Send to img2img” below a picture.")
    mask = given["mask"]
    for name, picture in (("image", given["image"]), ("mask", mask)):
        if picture is not None:
            check_pixels(name, picture.width, picture.height, f"The {name}")
    return StableDiffusionProcessingImg2Img(
        **common, init_images=[given["image"]], mask=mask, resize_mode=int(given["resize_mode"]), mask_blur=int(given["mask_blur"]),
        inpainting_fill=int(given["inpainting_fill"]), inpaint_full_res=bool(given["inpaint_full_res"]) and mask is not None,
        inpaint_full_res_padding=int(given["inpaint_full_res_padding"]),
    )  # fmt: skip


def _whole(value: Any, default: int) -> int:
    return default if value is None else int(value)


def _cells(pixels: Any) -> int:
    """A size in pixels, down to a multiple of 8."""
    return max(8, int(pixels) // 8 * 8)


def error_html(error: Exception) -> str:
    """A red box: every problem of settings on its own line, otherwise the error's message."""
    if isinstance(error, SettingsError):
        lines = [escape(problem.message) for problem in error.problems]
    elif isinstance(error, RegionalError):
        lines = [escape(str(error))]
    else:
        lines = [f"{escape(type(error).__name__)}: {escape(str(error))}"]
    items = "".join(f"<p>{line}</p>" for line in lines)
    return f'<div class="page-error" role="alert"><b>No picture was made.</b>{items}</div>'


def info_html(infotext: str, size: tuple[int, int] | None = None) -> str:
    """An infotext as the WebUI shows it, and the size of the picture."""
    note = f'<p class="page-size">{size[0]} × {size[1]} pixels, shown enlarged.</p>' if size and max(size) <= 320 else ""
    lines = "<br>\n".join(escape(line) for line in _LONG_DATA.sub(_shortened, infotext).split("\n"))
    return f'{note}<div class="infotext"><p>{lines}</p></div>' if infotext else note


def _shortened(match: re.Match[str]) -> str:
    return f"{match[0][:48]}… ({len(match[0])} characters)"


def selected(shown: Shown, event: gr.SelectData) -> tuple[int, str]:
    """A picture of the gallery was clicked: (its position, its infotext)."""
    index = event.index if isinstance(event.index, int) else 0
    return index, info_html(shown.infotext(index), _size_of(shown, index))


def _size_of(shown: Shown, index: int) -> tuple[int, int] | None:
    try:
        with Image.open(shown.files[index]) as image:
            width, height = image.size
            return width, height
    except (IndexError, OSError):
        return None


def last_seed(shown: Shown, index: int) -> Any:
    """The seed of the chosen picture; the field stays as it is when there is no picture."""
    seed = READERS["seed"](parse_generation_parameters(shown.infotext(index)))
    return gr.update() if seed is None else seed


def chosen_picture(shown: Shown, index: int) -> tuple[Image.Image | None, str]:
    """(picture, infotext) of the gallery's chosen entry."""
    if not shown.files:
        return None, ""
    index = index if 0 <= index < len(shown.files) else 0
    with Image.open(shown.files[index]) as image:
        return image.convert("RGB"), shown.infotext(index)


@dataclass(frozen=True)
class Paste:
    """Where an infotext goes in one tab: controls by name, and those of scripts with their own readers."""

    fields: Fields
    script_fields: Sequence[tuple[Any, Any]]

    @property
    def targets(self) -> list[Any]:
        """The components, in the order of :meth:`values`."""
        return [self.fields[name] for name in self._names()] + [component for component, _ in self.script_fields]

    def _names(self) -> list[str]:
        return [name for name in self.fields if name in READERS]

    def values(self, infotext: str) -> list[Any]:
        """One update per component; controls without a field in the infotext stay as they are."""
        if not infotext.strip():
            return [gr.update() for _ in self.targets]
        return [gr.update() if value is None else gr.update(value=value) for value in self._read(parse_generation_parameters(infotext))]

    def _read(self, params: Mapping[str, Any]) -> Iterator[Any]:
        for name in self._names():
            yield READERS[name](params)
        for _, reader in self.script_fields:
            try:
                yield reader(params) if callable(reader) else params.get(reader)
            except RegionalError as error:
                logger.warning("Not taken from the picture's parameters: %s", error)
                gr.Warning(f"Not taken from the picture's parameters: {escape(str(error))}", duration=None)
                yield None


def read_picture(image: Image.Image | None) -> tuple[str, str]:
    """An uploaded picture -> (its infotext, the same for showing)."""
    if image is None:
        return "", ""
    infotext, others = parameters_of(image)
    if not infotext and not others:
        return "", '<div class="page-note">This picture carries no generation parameters.</div>'
    rest = "".join(f"<div><p><b>{escape(key)}</b><br>{escape(value)}</p></div>" for key, value in others.items())
    return infotext, info_html(infotext, image.size) + rest
