"""One ``p.sample`` of AUTOMATIC1111: what it announces before each call of the UNet, and what it would swallow.

The host logs what a callback raises and goes on, so errors found there are kept for the UNet's next call or the end of sampling.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...engine.hooks import Hooks
from ...engine.patching import patched_forward
from ...request.errors import RegionalError
from ..installing.installer import Patches
from ..webui_family.sampling import Sampling
from .denoiser import around_denoiser
from .model import has_ended, identity_of, interrupt, loaded_model, refuse_replaced_unet
from .network import UNetInstaller
from .rows import Announced, read_rows, read_step

_NOT_RUN = (
    "The UNet that makes this picture is not the one of the loaded checkpoint (another extension runs its own): "
    "the regions had no effect, so the picture was dropped."
)
_REPLACED = (
    "Another extension put its own cross-attention in place of Regional's: the regions had no effect, so the picture was dropped. "
    "Disable one of the two."
)
_NOT_BEGUN = "This WebUI does not announce its passes (AUTOMATIC1111 does since 1.9), which this method needs: choose another one."


class A1111Sampling(Sampling):
    """See `Sampling`."""

    callbacks = ("on_cfg_denoiser", "on_cfg_denoised")

    def __init__(self, p: Any, hooks: Hooks) -> None:
        self._unet = UNetInstaller(p, hooks)
        super().__init__(p, self._unet)

    def begin(self, model: Any) -> None:
        """See `Sampling`."""
        refuse_replaced_unet()
        self._unet.install(model.model.diffusion_model, identity_of(model))

    def on_pass(self, denoiser: Any, noise: Tensor | None) -> Patches:
        """See `Sampling`."""
        if self._unet.hooks.denoiser is not None:
            yield patched_forward(denoiser, around_denoiser(denoiser, self._unet.hooks.denoiser, self._ended, noise))

    def _ended(self) -> bool:
        return self._unet.fault is not None or has_ended()

    def raise_fault(self) -> None:
        """See `Sampling`."""
        self._check_run()
        if self._unet.fault is not None:
            raise self._unet.fault

    def on_cfg_denoiser(self, params: Any) -> None:
        """The host is about to call the UNet."""
        self._unet.running.begin(None)
        try:
            self._check_run()
            self._unet.announced = None
            if self._p is None or params.denoiser.p is self._p:
                self._follow()
                if self._unet.hooks.denoiser is not None and params.denoiser is not self._denoiser:
                    raise RegionalError(_NOT_BEGUN)
                latent = (params.x.shape[-2], params.x.shape[-1])
                self._unet.announced = Announced(read_rows(params), read_step(params, self._unet.hooks.reads_levels), latent)
        except Exception as error:  # the host would log it and go on without the regions
            self._fail(error)

    def on_cfg_denoised(self, params: Any) -> None:
        """The UNet has run: calls that follow are not announced."""
        self._check_run()
        announced, self._unet.announced = self._unet.announced, None
        if announced is not None and self._unet.unasked:
            self._fail(RegionalError(_REPLACED))
        elif announced is not None and announced.taken:
            try:
                self._unet.check()
            except RegionalError as error:  # the host would log it and go on without the regions
                self._fail(error)
        self._unet.running.begin(None)

    def _check_run(self) -> None:
        if self._unet.announced is not None and not self._unet.announced.taken:
            self._fail(RegionalError(_NOT_RUN))

    def _fail(self, error: Exception) -> None:
        """Keep the first error for the UNet's next call or the end of sampling to raise, and interrupt."""
        self._unet.fault = self._unet.fault or error
        interrupt()

    def _follow(self) -> None:
        refuse_replaced_unet()
        model = loaded_model()
        self._unet.follow(model.model.diffusion_model, identity_of(model))
