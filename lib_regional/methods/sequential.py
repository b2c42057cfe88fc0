"""Sequential inpainting: a picture by the main prompt, then region after region inpainted by the host (``webui.inner``).

Nothing acts while the picture is sampled; the regions' LoRAs are looked up before, so that a missing one is named in time.
"""

from __future__ import annotations

from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
from .common.region_lora import load_networks


def sequential(plan: Plan, host: Host) -> Hooks:
    """No hooks. Raises `RegionalError` for a LoRA of a region that is missing, damaged or made for another model."""
    load_networks(plan, host)
    return Hooks()
