"""One ``p.sample`` of a WebUI under a method's hooks: the host's callbacks, the denoiser of each pass, and errors that it would swallow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor

from ..installing.installer import HookInstaller, Patches


class Sampling:
    """Hooks are on the network from `installed`, and on each pass' own denoiser from `begin_pass`."""

    callbacks: tuple[str, ...] = ("on_cfg_denoiser",)
    """Callbacks of the host's ``script_callbacks``, answered by the methods of these names while installed."""

    def __init__(self, p: Any, installer: HookInstaller) -> None:
        self._p = p
        self._installer = installer
        self._denoiser: Any = None

    def begin(self, model: Any) -> None:
        """Hook the network of ``model``. Raises `RegionalError` where it cannot be hooked."""
        raise NotImplementedError

    def on_pass(self, denoiser: Any, noise: Tensor | None) -> Patches:
        """What is patched for a pass, on its own ``CFGDenoiser``."""
        raise NotImplementedError

    def raise_fault(self) -> None:
        """Raise the error of a callback, which the host would only have logged."""
        raise NotImplementedError

    @contextmanager
    def installed(self, model: Any) -> Iterator[None]:
        """Hook ``model`` and the host's callbacks until exit."""
        from modules import script_callbacks

        with ExitStack() as stack:
            stack.callback(self._installer.close)
            self.begin(model)
            for name in self.callbacks:
                listener: Callable[[Any], None] = getattr(self, name)
                stack.callback(script_callbacks.remove_callbacks_for_function, listener)
                getattr(script_callbacks, name)(listener)
            yield
            self.raise_fault()

    def begin_pass(self, denoiser: Any, noise: Tensor | None = None) -> None:
        """A pass begins; ``noise`` is its initial noise, None where the host does not pass it."""
        self._denoiser = denoiser
        self._installer.replace("pass", self.on_pass(denoiser, noise))
