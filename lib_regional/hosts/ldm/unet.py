"""The whole UNet of ``ldm`` and ``sgm`` as a `UNetCall`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ...engine.hooks import UNetHook
from ...request.layout.windows import Grid
from ..installing.running import Running
from ..installing.unet_call import UNetArguments, hooked_unet


def around_unet(unet: nn.Module, hook: UNetHook, running: Running) -> Callable[..., Tensor]:
    """Wrapper for ``unet.forward`` (`patching.patched_forward`): ``hook`` in place of announced calls."""

    def around(
        inner: Callable[..., Tensor], x: Tensor, timesteps: Any = None, context: Tensor | None = None, *args: Any, **kwargs: Any
    ) -> Tensor:
        if running.now is None or context is None or args:
            return inner(x, timesteps, context, *args, **kwargs)

        def predict(part: UNetArguments) -> Tensor:
            with _token_merging_size(unet, part.latent):
                return inner(part.x, part.timesteps, context=part.context, **part.rest)

        def native() -> Tensor:
            return inner(x, timesteps, context=context, **kwargs)

        done = hooked_unet(hook, running, UNetArguments(x, timesteps, context, kwargs), predict, native)
        return native() if done is None else done

    return around


@contextmanager
def _token_merging_size(unet: nn.Module, latent: Grid) -> Iterator[None]:
    """Set the latent size that token merging stored at the host's call to the one of a nested call, until exit."""
    info = getattr(unet, "_tome_info", None)
    if not isinstance(info, dict) or "size" not in info:
        yield
        return
    before = info["size"]
    info["size"] = latent
    try:
        yield
    finally:
        info["size"] = before
