"""ControlNet under Forge: an encoder with cross-attention of its own, whose residuals depend on the contexts.

The host runs it before the network, on the same rows. So cross-attention hooks are called in it as in the network, and for methods that
call the network on rows of their own it is run again on these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...engine.calls import ModelCall, RowRoles, Site
from ...engine.hooks import AttentionHook, Hooks
from ...engine.patching import method_patch, patched, patched_forward
from ...request.layout.windows import Grid
from ..ldm.sites import check_shape, grid_hook, sites_of, transformer_of
from .network.attention import attention_call, check_values
from .rows import ROWS

CallOf = Callable[[RowRoles, Grid], "ModelCall | None"]
"""The call that is about to happen on these rows and latents of this size, None for calls of others."""


@contextmanager
def hooked_controlnets(patcher: Any, hooks: Hooks, call_of: CallOf) -> Iterator[None]:
    """Hook the cross-attention of every ControlNet of ``patcher`` until exit, in the host's calls; see `residuals_of`."""
    with ExitStack() as stack:
        if hooks.cross_attention is not None:
            for number, net in enumerate(patcher.list_controlnets()):
                if isinstance(getattr(net, "control_model", None), nn.Module):
                    stack.enter_context(_Encoder(f"controlnet.{number}.", net, hooks, call_of).hooked())
        yield


class _Encoder:
    """One ControlNet under ``hooks``. The prefix keeps the names of its sites apart from the network's."""

    def __init__(self, prefix: str, net: Any, hooks: Hooks, call_of: CallOf) -> None:
        self._prefix, self._net, self._hooks, self._call_of = prefix, net, hooks, call_of
        self._grids: dict[str, Grid] = {}
        self._now: ModelCall | None = None

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Patch until exit."""
        hook, model = self._hooks.cross_attention, self._net.control_model
        assert hook is not None
        with ExitStack() as stack:
            stack.enter_context(patched(method_patch(self._net, "get_control", self._around)))
            sites = [(site, attn) for site, attn in sites_of(model) if site.kind == "cross"]
            for name in dict.fromkeys(transformer_of(site) for site, _ in sites):
                stack.callback(model.get_submodule(name).register_forward_pre_hook(grid_hook(self._grids, name), with_kwargs=True).remove)
            for site, attn in sites:
                stack.enter_context(patched_forward(attn, self._around_site(site, attn, hook)))
            yield

    def _around(self, inner: Callable[..., Any], x: Tensor, t: Tensor, cond: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        rows: RowRoles | None = cond.get(ROWS)
        before = self._now
        self._now = None if rows is None else self._call_of(rows, (x.shape[-2], x.shape[-1]))
        if self._now is not None and self._hooks.vector is not None and cond.get("y") is not None:
            changed = self._hooks.vector(self._now, cond["y"])
            cond = cond if changed is None else {**cond, "y": changed}
        try:
            return inner(x, t, cond, *args, **kwargs)
        finally:
            self._now = before

    def _around_site(self, site: Site, attn: Any, hook: AttentionHook) -> Callable[..., Tensor]:
        own, transformer = Site(self._prefix + site.name, "cross", controlnet=True), transformer_of(site)

        def around(inner: Callable[..., Tensor], x: Tensor, context: Any = None, value: Any = None, *args: Any, **kwargs: Any) -> Tensor:
            model, grid, done = self._now, self._grids.get(transformer), None
            if model is not None and context is not None and check_shape(own, x, grid, model):
                check_values(own, context, value)
                assert grid is not None
                done = hook(attention_call(own, attn, grid, model, x, context))
            return inner(x, context, value, *args, **kwargs) if done is None else done

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
