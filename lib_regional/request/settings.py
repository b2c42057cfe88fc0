"""The one request object: what panel, API, infotext and presets all produce and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import Problem, SettingsError, raise_any, settings_error
from .fields import REQUIRED, Choice, Field, Flag, Number, Text, declaration_table, read_fields, settle, to_plain
from .layout.grid import GRID_FIELDS, Grid
from .layout.grid import PATTERN as GRID_PATTERN
from .layout.regions import MAX_REGIONS, OVERLAPS, REGION_FIELDS, Layout, Region, RegionSettings
from .layout.shapes import Shape, shape_schemas
from .methods.specs import METHODS, OPTIONS, limited_fields, serving
from .methods.versions import as_version_2, as_version_3, as_version_4
from .parsing import count_problems, place_problems, read_json, read_options, read_part, read_regions
from .prompt.splitting import SPLIT_MODES
from .scoring.scores import candidate_problems
from .words.checks import word_problems

VERSION = 4
"""Version of the settings that this code writes."""

UNNAMED = 1
"""Version of settings that name none: what was asked for before versions differed keeps its meaning."""

UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: as_version_2, 2: as_version_3, 3: as_version_4}
"""For each older version: what turns its JSON into that of the next one."""

BASE_FIELDS: Mapping[str, Field] = {
    "prompt": Text("Prompt of the whole picture; null is the host's main prompt.", None, optional=True),
    "negative": Text("Negative prompt of the whole picture; null is the host's.", None, optional=True),
    "joined": Flag("Whether that prompt is also put behind every region's text; otherwise it acts where no region is.", False),
}
SETTINGS_FIELDS: Mapping[str, Field] = {
    "version": Number("Version of this format; settings that name none are read as version 1.", UNNAMED, low=1, high=VERSION, whole=True),
    "enabled": Flag("Whether the regions act at all."),
    "method": Choice("How the regions act.", "attention_couple", tuple(METHODS)),
    "common": Text("Text put in front of every region's text.", ""),
    "overlap": Choice("Where regions overlap: blend shares by weight, over lets the higher priority cover.", "blend", OVERLAPS),
    "text_from": Choice(
        "Where the regions' texts come from: the regions themselves, or the main prompt split at its keys, lines or ANDs.",
        "regions",
        ("regions", *SPLIT_MODES),
    ),
    "attention_maps": Text(
        "Name under which the attention maps of the regions' words are kept for GET /regional/v1/attention/{name}; empty: none. "
        "It changes no picture and stands in no infotext.",
        "",
        longest=80,
    ),
}
_PARTS = ("regions", "grid", "base", "options")


@dataclass(frozen=True)
class Base:
    """The prompt of the whole picture; None is the host's own. ``joined`` puts it behind every region's text too."""

    prompt: str | None = None
    negative: str | None = None
    joined: bool = False

    def __post_init__(self) -> None:
        raise_any(settle(self, BASE_FIELDS))


@dataclass(frozen=True)
class Settings:
    """The regional part of a generation. Raises SettingsError with every problem. See SETTINGS_FIELDS for the meaning."""

    enabled: bool
    version: int = VERSION
    method: str = "attention_couple"
    regions: tuple[RegionSettings, ...] = ()
    grid: Grid | None = None
    base: Base = Base()
    common: str = ""
    overlap: str = "blend"
    text_from: str = "regions"
    attention_maps: str = ""
    options: Mapping[str, Mapping[str, object]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        problems = settle(self, SETTINGS_FIELDS)
        options, option_problems = read_options(self.options)
        object.__setattr__(self, "options", options)
        object.__setattr__(self, "regions", tuple(self.regions))
        raise_any([*problems, *option_problems, *self._part_problems()])

    def _part_problems(self) -> list[Problem]:
        problems = count_problems(self.regions)
        parts: dict[str, tuple[object, Any]] = {"base": (self.base, Base), "grid": (self.grid, Grid | None)}
        problems += [Problem(name, value, f"a {name.title()}") for name, (value, kind) in parts.items() if not isinstance(value, kind)]
        regions: tuple[object, ...] = self.regions
        for at, region in enumerate(regions):
            if isinstance(region, RegionSettings):
                kinds = [region.shape.KIND] if region.shape else []
                problems += place_problems(f"regions[{at}]", region.label(at), kinds, self.grid is not None)
            else:
                problems.append(Problem(f"regions[{at}]", region, "a RegionSettings"))
        return problems

    @classmethod
    def parse(cls, data: object) -> Settings:
        """Settings from a dict, a JSON text or Settings; None, "" and {} are the disabled default.

        Raises SettingsError with every problem found: unknown keys, wrong types, values out of range, invalid shapes.
        """
        if isinstance(data, Settings):
            return data
        if isinstance(data, str):
            data = read_json(data)
        if data is None or (isinstance(data, Mapping) and not data):
            return cls(enabled=False)
        if not isinstance(data, Mapping):
            raise _not_settings(data)
        return _read_settings(_upgraded(dict(data)))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that :meth:`parse` reads back to equal settings; defaults are left out but for version, enabled, method, regions."""
        kept = ("version", "enabled", "method")
        result: dict[str, Any] = {name: getattr(self, name) for name in kept}
        result["regions"] = [region.fields_json() for region in self.regions]
        if self.grid:
            result["grid"] = self.grid.to_json()
        base = {name: getattr(self.base, name) for name, kind in BASE_FIELDS.items() if getattr(self.base, name) != kind.default}
        if base:
            result["base"] = base
        others = {name: kind for name, kind in SETTINGS_FIELDS.items() if name not in kept}
        changed = {name: getattr(self, name) for name, kind in others.items() if getattr(self, name) != kind.default}
        options = {"options": to_plain(self.options)} if self.options else {}
        return {**result, **changed, **options}

    def option(self, name: str) -> Any:
        """An option of the chosen method, its default where it was not given."""
        return self.option_of(self.method)(name)

    def option_of(self, method: str) -> Callable[[str], Any]:
        """The options of a ``method`` or of a pass by name, defaults where they were not given."""
        given = self.options.get(method, {})
        return lambda name: given.get(name, OPTIONS[method][name].default)

    def check_method(self) -> None:
        """Raise SettingsError where a region, or candidates, ask for what the chosen method cannot do."""
        fields = [name for name in limited_fields() if name not in METHODS[self.method].serves]
        asked = [(at, region, name) for at, region in enumerate(self.regions) for name in fields if getattr(region, name) is not None]
        served = [
            Problem(f"regions[{at}].{name}", getattr(region, name), self._served(name), region.label(at)) for at, region, name in asked
        ]
        raise_any([*served, *candidate_problems(self), *word_problems(self)])

    def _served(self, name: str) -> str:
        return f"null with the method {self.method} (methods that have it: {', '.join(serving(name))})"

    def filled_regions(self) -> tuple[RegionSettings, ...]:
        """The regions, filled up with defaults to the cells of the grid where the texts come from the prompt.

        Raises SettingsError (field ``grid``) where the numbers of regions and cells do not fit.
        """
        cells = len(self.grid.boxes()) if self.grid else len(self.regions)
        missing = cells - len(self.regions)
        if self.grid and (missing < 0 or (missing > 0 and self.text_from == "regions")):
            text = f'grid "{self.grid.ratios}" has {_count(cells, "cell")}, but the settings have {_count(len(self.regions), "region")}.'
            raise settings_error("grid", self.grid.to_json(), f"a grid of {_count(len(self.regions), 'cell')}", text=text)
        return self.regions + (RegionSettings(),) * missing

    def layout(self) -> Layout:
        """All regions with their shapes, disabled ones too. Raises SettingsError (field ``grid``), see :meth:`filled_regions`."""
        regions = self.filled_regions()
        shapes = self.grid.boxes() if self.grid else [region.shape for region in regions]
        return Layout(tuple(_placed(region, shape) for region, shape in zip(regions, shapes, strict=True) if shape), self.overlap)


def is_off(data: object) -> bool:
    """Whether ``data`` disables Regional: None, "", {}, or ``enabled`` false; its other keys are not checked then."""
    if isinstance(data, Settings):
        return not data.enabled
    found = read_json(data) if isinstance(data, str) else data
    return found is None or (isinstance(found, Mapping) and (not found or found.get("enabled") is False))


def _placed(region: RegionSettings, shape: Shape) -> Region:
    return Region(shape, **{name: getattr(region, name) for name in REGION_FIELDS})


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _not_settings(data: object) -> SettingsError:
    return settings_error("", data, "an object", text=f"The settings must be a JSON object, got {type(data).__name__}.")


def _upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """Settings of an older version in the form of this one; a newer one is an error."""
    version = data.get("version", UNNAMED)
    if isinstance(version, float) and version.is_integer():
        version = int(version)
    if isinstance(version, bool) or not isinstance(version, int):
        return data
    if version > VERSION:
        text = f"These settings have version {version}, made by a newer Regional: this one reads up to {VERSION}. Please update it."
        raise settings_error("version", version, f"{VERSION} or less", text=text)
    for old in range(version, VERSION):
        if old not in UPGRADES:
            return data
        data = {**UPGRADES[old](data), "version": old + 1}
    return data


def _read_settings(data: dict[str, Any]) -> Settings:
    values, problems = read_fields(data, SETTINGS_FIELDS, _PARTS)
    grid, grid_problems = read_part("grid", data.get("grid"), GRID_FIELDS, Grid)
    base, base_problems = read_part("base", data.get("base", {}), BASE_FIELDS, Base)
    options, option_problems = read_options(data.get("options", {}))
    regions, region_problems = read_regions(data.get("regions", []), data.get("grid") is not None)
    raise_any([*problems, *region_problems, *grid_problems, *base_problems, *option_problems])
    return Settings(**values, grid=grid, base=base or Base(), options=options, regions=regions)


def _object_schema(fields: Mapping[str, Field], extra: Mapping[str, object] | None = None) -> dict[str, Any]:
    required = [name for name, kind in fields.items() if kind.default is REQUIRED]
    properties = {**{name: kind.schema() for name, kind in fields.items()}, **(extra or {})}
    return {"type": "object", "properties": properties, "additionalProperties": False, **({"required": required} if required else {})}


def _region_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """(schema of a region, the condition that ties its shape to the grid)."""
    shapes = shape_schemas()
    one_shape = [{"required": [kind]} for kind in shapes]
    with_grid = {"properties": {"regions": {"items": {"not": {"anyOf": one_shape}}}}}
    without_grid = {"properties": {"regions": {"items": {"oneOf": one_shape}}}}
    condition = {"if": {"properties": {"grid": {"type": "object"}}, "required": ["grid"]}, "then": with_grid, "else": without_grid}
    schema = _object_schema(REGION_FIELDS, shapes)
    for name, row in declaration_table(RegionSettings).items():
        schema["properties"][name]["title"] = row.label
    return schema, condition


def json_schema() -> dict[str, Any]:
    """The settings as a JSON schema (draft 2020-12).

    It accepts what :meth:`Settings.parse` accepts, except for what a schema cannot express: that numbers are ordered (x0 < x1, steps),
    that an area is not zero, that a mask's picture is whole, and the sizes of ratios.
    """
    region, condition = _region_schemas()
    grid = _object_schema(GRID_FIELDS)
    grid["properties"]["ratios"]["pattern"] = GRID_PATTERN
    grid.update(type=["object", "null"], default=None, description="Makes the boxes of the regions in reading order.")
    options = {name: _object_schema(fields) for name, fields in OPTIONS.items()}
    parts = {
        "regions": {"type": "array", "items": region, "maxItems": MAX_REGIONS, "default": [], "description": "The regions, in order."},
        "grid": grid,
        "base": {**_object_schema(BASE_FIELDS), "default": {}, "description": "The prompt of the whole picture."},
        "options": {
            "type": "object",
            "properties": options,
            "additionalProperties": False,
            "default": {},
            "description": "One object of options per method, and one per pass that any method may have.",
        },
    }
    schema = _object_schema(SETTINGS_FIELDS, parts)
    del schema["required"]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Regional settings", **schema}
    return {**head, **condition, "anyOf": [{"required": ["enabled"]}, {"maxProperties": 0}]}
