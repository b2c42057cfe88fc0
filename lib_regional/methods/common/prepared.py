"""What a generation needs of its host before it runs: contexts, LoRA deltas, the seeds' noise. Made once, however many methods share it."""

from __future__ import annotations

from dataclasses import replace

from ...engine.hooks import Hooks
from ...engine.plan import Plan
from ...engine.ports import Host
from .contexts import Contexts, Others, encode_plan
from .region_lora import load_networks


class Prepared:
    """Contexts of the regions' texts (and of ``others``) and the deltas of their LoRAs.

    Raises `SettingsError` for LoRAs that cannot be used. Hooks read `contexts` at each call: it is another object after `renew`.
    """

    def __init__(self, plan: Plan, host: Host, others: Others | None = None) -> None:
        self._plan = plan
        self._others = others
        self.host = host
        self.networks = load_networks(plan, host)
        self.contexts: Contexts = encode_plan(plan, host, others)

    def renew(self) -> None:
        """Read LoRAs and encode texts anew: the model's weights have changed."""
        self.networks.renew(self._plan, self.host)
        self.contexts = encode_plan(self._plan, self.host, self._others)

    def renewed_by(self, hooks: Hooks) -> Hooks:
        """``hooks`` whose ``renew`` first renews what is prepared, once, and then what the hooks themselves have kept."""
        own = hooks.renew

        def renew() -> None:
            self.renew()
            if own is not None:
                own()

        return replace(hooks, renew=renew)
