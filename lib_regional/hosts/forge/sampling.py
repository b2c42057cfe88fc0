"""One ``p.sample`` of Forge under a method's hooks: what is patched when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from ...engine.calls import StepInfo
from ...engine.hooks import Hooks
from ...engine.patching import patched_forward
from ...request.errors import RegionalError
from ..a1111.model import loaded_model
from .controlnet import hooked_controlnets
from .denoiser import guided
from .model import diffusion_model_of, identity_of, prepare_again
from .network.network import Network
from .rows import step_before, tag_conditions
from .tiles import tracked_tiles

_NOT_RUN = (
    "The network that makes this picture is not the one of the loaded checkpoint, or another extension runs it without saying which row "
    "is which: the regions had no effect, so the picture was dropped."
)
_NOT_BEGUN = "This WebUI made a picture without announcing its passes, which Regional needs on Forge: the picture was dropped."
_MODIFIERS = "conditioning_modifiers"


class Sampling:
    """The hooks of one generation: on the network from `installed`, on each pass' denoiser from `begin_pass`."""

    def __init__(self, p: Any, hooks: Hooks) -> None:
        self._p = p
        self._hooks = hooks
        self._installed, self._pass, self._call = ExitStack(), ExitStack(), ExitStack()
        self._network: Network | None = None
        self._unet: nn.Module | None = None
        self._identity: tuple[Any, ...] = ()
        self._denoiser: Any = None
        self._latent: tuple[int, int] = (0, 0)
        self._inside = False
        self._fault: Exception | None = None

    @contextmanager
    def installed(self, model: Any) -> Iterator[None]:
        """Hook ``model`` and the host's denoiser callback until exit."""
        from modules import script_callbacks

        with ExitStack() as stack:
            stack.callback(self._end)
            self._hook(model)
            stack.callback(script_callbacks.remove_callbacks_for_function, self._on_cfg_denoiser)
            script_callbacks.on_cfg_denoiser(self._on_cfg_denoiser)
            yield
            if self._fault is not None:
                raise self._fault

    def begin_pass(self, denoiser: Any) -> None:
        """Patch the pass' own ``CFGDenoiser``, in place of the one of the pass before."""
        self._pass.pop_all().close()
        self._denoiser = denoiser
        self._pass.enter_context(patched_forward(denoiser, self._around_denoiser))

    def _end(self) -> None:
        for stack in (self._call, self._pass, self._installed):
            stack.pop_all().close()
        self._network = self._unet = self._denoiser = None

    def _hook(self, model: Any) -> None:
        """Hook the model's network unless it is hooked, and remember the identity of its weights."""
        self._identity, unet = identity_of(model), diffusion_model_of(model)
        if unet is self._unet:
            return
        self._installed.pop_all().close()
        self._unet = unet
        with ExitStack() as stack:
            self._network = Network(unet, self._hooks)
            stack.enter_context(self._network.hooked())
            self._installed = stack.pop_all()

    # ------------------------------------------------------------------ one guided prediction

    def _around_denoiser(self, inner: Callable[..., Tensor], x: Tensor, sigma: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """In place of ``CFGDenoiser.forward``: x (B, C, H, W) -> clean latent or noise, whatever the sampler expects."""
        denoiser = self._denoiser
        if getattr(denoiser, "p", None) is not self._p and self._p is not None:
            return inner(x, sigma, *args, **kwargs)
        self._latent = (x.shape[-2], x.shape[-1])

        def ask() -> Tensor:
            return self._predict(inner, x, sigma, *args, **kwargs)

        if self._hooks.denoiser is None:
            return ask()
        level = float(sigma[0])
        return guided(denoiser, self._hooks.denoiser, x, level, step_before(denoiser, level), ask)

    def _predict(self, inner: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        assert self._network is not None
        self._network.reset()
        self._inside = True
        try:
            found = inner(*args, **kwargs)
        finally:
            self._inside = False
            self._call.pop_all().close()
        if self._fault is not None:
            raise self._fault
        if not self._network.ran:
            raise RegionalError(_NOT_RUN)
        self._network.check()
        return found

    def _on_cfg_denoiser(self, params: Any) -> None:
        """Called before the network runs, after a refiner's switch. The host would log an error raised here and go on."""
        if self._p is not None and getattr(params.denoiser, "p", None) is not self._p:
            return
        try:
            if not self._inside or params.denoiser is not self._denoiser:
                raise RegionalError(_NOT_BEGUN)
            self._call.pop_all().close()
            model = loaded_model()
            self._follow(model, params.x)
            options = model.forge_objects.unet.model_options
            self._call.enter_context(_first_in_list(options, _MODIFIERS, tag_conditions(params.denoiser, self._tell)))
            assert self._network is not None
            self._call.enter_context(hooked_controlnets(model.forge_objects.unet, self._hooks, self._network.call_of))
            self._call.enter_context(tracked_tiles(options, self._network.tile, self._hooks.method, self._hooks.unet is None))
        except Exception as error:  # raised by `_predict`, once the host has answered
            self._fault = self._fault or error

    def _tell(self, step: StepInfo) -> None:
        assert self._network is not None
        self._network.announce(step, self._latent, getattr(loaded_model().forge_objects.unet, "controlnet_linked_list", None))

    def _follow(self, model: Any, x: Tensor) -> None:
        """Hook the network that runs now, and renew what depends on the old weights, if a refiner or the hires pass changed them."""
        if identity_of(model) == self._identity:
            return
        self._hook(model)
        if self._hooks.renew is None:
            raise RegionalError(
                "The weights changed during sampling (refiner, hires checkpoint or LoRAs), which this method cannot follow."
            )
        self._hooks.renew()
        prepare_again(model, x)


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
