"""Reference pictures of a plan: read, encoded and projected before anything is sampled."""

from __future__ import annotations

from dataclasses import replace

from ..engine.capabilities import cross_layers_of
from ..engine.plan import Plan
from ..engine.ports import Host
from ..hosts.webui_family.held_device import freed_device
from ..request.errors import RegionalError, settings_error
from ..sources.models.loading import PictureModels
from ..sources.references.prompts import References
from . import options


def with_references(plan: Plan, host: Host) -> Plan:
    """The plan with the references of its own regions that act: enabled, with a weight above 0.

    Raises `SettingsError` (field ``regions[n].reference``) for pictures and adapters that cannot be used.
    """
    asked = {at: region.reference for at, region in enumerate(plan.layout.regions) if region.enabled and region.reference is not None}
    acting = {at: reference for at, reference in asked.items() if reference.weight > 0}
    if not acting:
        return replace(plan, references={}) if plan.references else plan
    first = next(iter(acting))
    try:
        layers = cross_layers_of(host)
    except RegionalError as error:
        where = plan.layout.regions[first].label(first)
        raise settings_error(f"regions[{first}].reference", None, "null with this model", where=where, text=str(error)) from error
    known = References(options.adapter_folders(), PictureModels(options.encoder_folders, freed_device, options.encoder_file_folders))
    made = {
        at: known.prompt(reference, layers, f"regions[{at}].reference", plan.layout.regions[at].label(at))
        for at, reference in acting.items()
    }
    return replace(plan, references=made)
