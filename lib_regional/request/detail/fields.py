"""What a detail pass may be asked for, for all regions (``options.detail``) or for one (a region's ``detail``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..fields import Field, Flag, Given, Number, read_fields

DETAIL_FIELDS: Mapping[str, Field] = {
    "denoise": Number("Denoising strength: 0.4 adds detail to what is there, 1 makes the region anew.", 0.4, low=0.01),
    "steps": Number("Sampling steps; null is the picture's.", None, low=1, high=1000, whole=True, optional=True),
    "scale": Number(
        "Factor by which the region and its margin are enlarged; null: to the size the model was trained on, where they are smaller.",
        None,
        low=0.25,
        high=8,
        optional=True,
    ),
    "margin": Number("Pixels around the region that the pass also sees.", 32, high=1024, whole=True),
    "mask_feather": Number(
        "Width of the soft border inside the edge of what is made anew, as a share of the picture's shorter side.", 0.02, high=0.5
    ),
}
"""What one region's pass is asked for."""

PASS_FIELDS: Mapping[str, Field] = {
    "enabled": Flag("Whether every region with a text is made again in detail once the picture is made.", False),
    **DETAIL_FIELDS,
}
"""``options.detail``: the pass of all regions; a region's own ``detail`` goes before it."""

SEQUENTIAL_FIELDS: Mapping[str, Field] = {**DETAIL_FIELDS, "denoise": replace(DETAIL_FIELDS["denoise"], default=1.0)}


@dataclass(frozen=True)
class OwnDetail(Field):
    """A region's own detail pass: null (as ``options.detail`` has it), true or false, or an object of `DETAIL_FIELDS`."""

    def fault(self, value: object) -> str | None:
        if value is None or isinstance(value, bool):
            return None
        allowed = "null, true, false or an object"
        if not isinstance(value, Mapping):
            return allowed
        problems = read_fields(value, DETAIL_FIELDS)[1]
        return f"{allowed} ({problems[0].message.rstrip('.')})" if problems else None

    def read(self, value: object) -> object:
        return Given(read_fields(value, DETAIL_FIELDS)[0]) if isinstance(value, Mapping) else value

    def shape(self) -> dict[str, object]:
        properties = {name: kind.schema() for name, kind in DETAIL_FIELDS.items()}
        return {"type": ["object", "boolean", "null"], "properties": properties, "additionalProperties": False}
