"""One ``p.sample`` of Forge under a method's hooks: what is patched when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from ...engine.calls import StepInfo
from ...engine.hooks import Hooks
from ...engine.patching import patched_forward
from ...request.errors import RegionalError
from ..a1111.model import loaded_model
from ..installing.installer import Patches
from ..webui_family.sampling import Sampling
from .controlnet import on_controlnets
from .denoiser import guided
from .model import diffusion_model_of, identity_of, prepare_again
from .network.network import NetworkInstaller
from .rows import step_before, tag_conditions
from .tiles import tracked_tiles

_NOT_RUN = (
    "The network that makes this picture is not the one of the loaded checkpoint, or another extension runs it without saying which row "
    "is which: the regions had no effect, so the picture was dropped."
)
_NOT_BEGUN = "This WebUI made a picture without announcing its passes, which Regional needs on Forge: the picture was dropped."
_MODIFIERS = "conditioning_modifiers"


class ForgeSampling(Sampling):
    """See `Sampling`."""

    def __init__(self, p: Any, hooks: Hooks) -> None:
        self._network = NetworkInstaller(hooks)
        super().__init__(p, self._network)
        self._latent: tuple[int, int] = (0, 0)
        self._inside = False
        self._fault: Exception | None = None

    def begin(self, model: Any) -> None:
        """See `Sampling`."""
        self._network.install(diffusion_model_of(model), identity_of(model))

    def on_pass(self, denoiser: Any, noise: Tensor | None) -> Patches:
        """See `Sampling`."""
        yield patched_forward(denoiser, self._around_denoiser)

    def raise_fault(self) -> None:
        """See `Sampling`."""
        if self._fault is not None:
            raise self._fault

    # ------------------------------------------------------------------ one guided prediction

    def _around_denoiser(self, inner: Callable[..., Tensor], x: Tensor, sigma: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """In place of ``CFGDenoiser.forward``: x (B, C, H, W) -> clean latent or noise, whatever the sampler expects."""
        denoiser = self._denoiser
        if getattr(denoiser, "p", None) is not self._p and self._p is not None:
            return inner(x, sigma, *args, **kwargs)
        self._latent = (x.shape[-2], x.shape[-1])

        def ask() -> Tensor:
            return self._predict(inner, x, sigma, *args, **kwargs)

        if self._network.hooks.denoiser is None:
            return ask()
        level = float(sigma[0])
        return guided(denoiser, self._network.hooks.denoiser, x, level, step_before(denoiser, level), ask)

    def _predict(self, inner: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        self._network.reset()
        self._inside = True
        try:
            found = inner(*args, **kwargs)
        finally:
            self._inside = False
            self._network.replace("call")
        self.raise_fault()
        if not self._network.ran:
            raise RegionalError(_NOT_RUN)
        self._network.check()
        return found

    def on_cfg_denoiser(self, params: Any) -> None:
        """Called before the network runs, after a refiner's switch. The host would log an error raised here and go on."""
        if self._p is not None and getattr(params.denoiser, "p", None) is not self._p:
            return
        try:
            if not self._inside or params.denoiser is not self._denoiser:
                raise RegionalError(_NOT_BEGUN)
            self._network.replace("call")
            model = loaded_model()
            if self._network.follow(diffusion_model_of(model), identity_of(model)):
                prepare_again(model, params.x)
            self._network.replace("call", self._on_call(params.denoiser, model.forge_objects.unet))
        except Exception as error:  # raised by `_predict`, once the host has answered
            self._fault = self._fault or error

    def _on_call(self, denoiser: Any, patcher: Any) -> Patches:
        """What is patched for one guided prediction: the roles of its rows, ControlNets, tiles."""
        network, options = self._network, patcher.model_options

        def announce(step: StepInfo) -> None:
            unet = loaded_model().forge_objects.unet
            network.announce(step, self._latent, getattr(unet, "controlnet_linked_list", None))

        yield _first_in_list(options, _MODIFIERS, tag_conditions(denoiser, announce, network.hooks.reads_levels))
        yield from on_controlnets(patcher, network, network.call_of)
        yield tracked_tiles(options, network.tile, network.hooks.method, network.hooks.unet is None)


@contextmanager
def _first_in_list(options: dict[str, Any], key: str, item: Any) -> Iterator[None]:
    """``item`` before all others of ``options[key]``. The list there is replaced, not written into: clones may share it.

    ``options`` may be those of the engine's own patcher, so nothing may be left in them; whatever others add meanwhile stays.
    """
    had, before = key in options, options.get(key, [])
    options[key] = [item, *before]
    try:
        yield
    finally:
        left = [other for other in options.get(key, []) if other is not item]
        if left == before:
            left = before
        options[key] = left
        if not had and not left:
            del options[key]
