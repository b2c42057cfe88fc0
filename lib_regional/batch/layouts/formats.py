"""The formats of layouts by name, and the rows that they give to a batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...request.errors import RegionalError, SettingsError, settings_error
from ...request.layout.regions import MAX_REGIONS
from ..jobs.requests import Job
from ..jobs.tables import Row, read_table
from .benchmarks import read_7bench, read_layoutsam
from .boxes import BoxLayout, Part
from .coco import read_coco, read_json
from .lists import read_creatilayout, read_gligen, read_instancediffusion, read_layoutdiffusion, read_lmd, to_gligen, to_instancediffusion
from .omost import read_omost

Layouts = Iterator[tuple[int, BoxLayout | SettingsError]]
Reader = Callable[[Any, int], BoxLayout]


@dataclass(frozen=True)
class Format:
    """A format: the reader of one layout, and whether a layout is a text rather than an object."""

    read: Reader
    is_text: bool = False


FORMATS: Mapping[str, Format] = {
    "7bench": Format(read_7bench),
    "layoutsam": Format(read_layoutsam),
    "gligen": Format(read_gligen),
    "layoutdiffusion": Format(read_layoutdiffusion),
    "instancediffusion": Format(read_instancediffusion),
    "creatilayout": Format(read_creatilayout),
    "lmd": Format(read_lmd, is_text=True),
    "omost": Format(read_omost, is_text=True),
}
"""Name -> format, but COCO, whose layouts lie over several lists of one file."""
NAMES = ("coco", *FORMATS)
EXPORTS = ("gligen", "instancediffusion")


def read_layouts(path: Path, name: str, captions: Path | None = None) -> Layouts:
    """The layouts of a file: one object or text, a list of them in JSON, or a table. Raises `RegionalError` for a file that is none."""
    if name == "coco":
        return read_coco(path, captions)
    if name not in FORMATS:
        raise settings_error("--format", name, ", ".join(("jobs", *NAMES)))
    form = FORMATS[name]
    return _read(_texts(path) if form.is_text else _objects(path), form.read)


def _texts(path: Path) -> Iterable[tuple[int, Any]]:
    """The texts of a file: those of a folder are the files in it; a JSON list has one in each place."""
    if path.is_dir():
        return [(number, file.read_text(encoding="utf-8")) for number, file in enumerate(sorted(path.iterdir()), 1) if file.is_file()]
    if path.suffix.lower() == ".json":
        found = read_json(path)
        return enumerate(found if isinstance(found, list) else [found], 1)
    if not path.is_file():
        raise RegionalError(f"There is no file {path}.")
    return [(1, path.read_text(encoding="utf-8"))]


def _objects(path: Path) -> Iterable[Row]:
    if path.suffix.lower() != ".json":
        return read_table(path)
    found = read_json(path)
    return enumerate(found if isinstance(found, list) else [found], 1)


def _read(rows: Iterable[tuple[int, Any]], read: Reader) -> Layouts:
    for number, row in rows:
        try:
            if isinstance(row, SettingsError):
                raise row
            if not isinstance(row, (Mapping, str)):
                raise settings_error("", row, "an object")
            yield number, read(row, number)
        except SettingsError as error:
            yield number, error


def rows_of(layouts: Layouts, size: tuple[int, int], method: str = "attention_couple") -> Iterator[Row]:
    """Layouts as rows of jobs."""
    for number, layout in layouts:
        if isinstance(layout, SettingsError):
            yield number, layout
        elif not 1 <= len(layout.parts) <= MAX_REGIONS:
            yield number, settings_error("boxes", len(layout.parts), f"1 to {MAX_REGIONS}")
        else:
            yield number, layout.row(size, method)


def layout_of(job: Job) -> BoxLayout:
    """The layout of a job: its regions' boxes, of other shapes the box around them."""
    settings = job.settings
    regions = () if settings is None else settings.layout().regions
    boxes = [(region, region.shape.bounds) for region in regions if region.enabled]
    parts = tuple(Part(region.prompt, (box.x0, box.y0, box.x1, box.y1)) for region, box in boxes)
    return BoxLayout(job.name or str(job.row), str(job.request.get("prompt", "")), parts, str(job.request.get("negative_prompt", "")))


def exported(jobs: Iterable[Job], name: str) -> str:
    """Jobs as JSON of one of `EXPORTS`: a list of layouts."""
    found = [to_gligen(layout_of(job)) if name == "gligen" else to_instancediffusion(layout_of(job), job.size) for job in jobs]
    return json.dumps(found, ensure_ascii=False, indent=1)
