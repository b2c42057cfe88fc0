"""ControlNet under Forge: an encoder with cross-attention of its own, whose residuals depend on the contexts.

The host runs it before the network, on the same rows. So cross-attention hooks are called in it as in the network, and for methods that
call the network on rows of their own it is run again on these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...engine.calls import ModelCall, RowRoles
from ...engine.patching import method_patch, patched
from ...request.layout.windows import Grid
from ..installing.installer import HookInstaller, Patches
from .rows import ROWS

CallOf = Callable[[RowRoles, Grid], "ModelCall | None"]
"""The call that is about to happen on these rows and latents of this size, None for calls of others."""


def on_controlnets(patcher: Any, installer: HookInstaller, call_of: CallOf) -> Patches:
    """The cross-attention of every ControlNet of ``patcher``, in the host's calls; see `residuals_of`."""
    for number, net in enumerate(patcher.list_controlnets() if installer.hooks.cross_attention is not None else ()):
        if isinstance(getattr(net, "control_model", None), nn.Module):
            yield patched(method_patch(net, "get_control", _announced(installer, call_of)))
            yield from installer.on_attentions(net.control_model, f"controlnet.{number}.")


def _announced(installer: HookInstaller, call_of: CallOf) -> Callable[..., Any]:
    """Wrapper of a net's ``get_control``: the call that its rows are for is the one that runs."""

    def around(inner: Callable[..., Any], x: Tensor, t: Tensor, cond: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        rows: RowRoles | None = cond.get(ROWS)
        call = None if rows is None else call_of(rows, (x.shape[-2], x.shape[-1]))
        with installer.running.during(call):
            return inner(x, t, cond if call is None else installer.with_vectors(call, cond), *args, **kwargs)

    return around


def residuals_of(rest: Mapping[str, Any], x: Tensor, context: Tensor, last: Any = None) -> dict[str, list[Any]] | None:
    """Residuals for rows x (N, C, h, w), scaled as the network's input, with contexts (N, T, D) of their own.

    ``rest`` are the network's other arguments for these rows; the ``last`` net is run where they do not name one (reForge, whose nets get
    the options as an argument). None where the nets cannot be run again: T2I adapters, which read no text, another control picture for
    each image of a batch, and rows of another size than the control picture.
    """
    named, options = rest.get("control_model"), rest["transformer_options"]
    top, nets = last if named is None else named, []
    while top is not None:
        nets.append(top)
        top = top.previous_controlnet
    if not nets or not isinstance(options.get("sigmas"), Tensor) or not all(_repeatable(net, x) for net in nets):
        return None
    sigma = options["sigmas"][:1].expand(len(x))
    scale = nets[0].model_sampling_current.calculate_input(sigma, torch.ones_like(x[:, :1, :1, :1]))
    cond = {"c_crossattn": context, "transformer_options": options, **({} if rest.get("y") is None else {"y": rest["y"]})}
    if named is not None:
        for net in nets:
            net.transformer_options = options
    found: dict[str, list[Any]] | None = nets[0].get_control(x / scale, sigma, cond, len(x), *([options] if named is None else ()))
    return found


def _repeatable(net: Any, x: Tensor) -> bool:
    hint = getattr(net, "cond_hint", None)
    fits = hint is not None and len(hint) == 1 and hint.shape[-2] == x.shape[-2] * 8 and hint.shape[-1] == x.shape[-1] * 8
    return fits and getattr(net, "model_sampling_current", None) is not None
