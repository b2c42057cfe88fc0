"""Attention layers of ``ldm`` and ``sgm``: one of them as an `AttentionCall`, and which calls are left to the host or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor

from ...engine.calls import AttentionCall, ModelCall, Site
from ...engine.hooks import AttentionHook
from ...engine.patching import foreign_forward, owner_of
from ...request.errors import RegionalError
from ...request.layout.windows import Grid
from ...tensors.precision import autocasts, full_precision

Project = Callable[..., Tensor]


def left_to_host(mask: Any, rest: dict[str, Any]) -> bool:
    """Whether a call has arguments that only the host's own attention supports: a mask, ``additional_tokens``, cross-frame attention."""
    return mask is not None or any(value is not None and not (isinstance(value, int) and value == 0) for value in rest.values())


def check_shape(site: Site, x: Tensor, grid: Grid | None, model: ModelCall) -> bool:
    """Whether ``x`` (B, L, C) is the whole layer's input. Self-attention may get parts of it (Hypertile, token merging)."""
    if grid is not None and x.shape[:2] == (len(model.rows), grid[0] * grid[1]):
        return True
    if site.kind == "self":
        return False
    expected = "an unknown grid" if grid is None else f"{len(model.rows)} rows of {grid[0]}×{grid[1]} tokens"
    raise RegionalError(
        f"Regional expected {expected}, but {site.name} runs {x.shape[0]} rows of {x.shape[1]} tokens: another extension changes "
        "cross-attention in a way that Regional cannot follow."
    )


def run_hook(
    hook: AttentionHook,
    site: Site,
    attn: Any,
    grid: Grid,
    model: ModelCall,
    x: Tensor,
    context: Tensor | None,
    token_attributes: Tensor | None = None,
) -> Tensor | None:
    """Call ``hook`` in the host's numeric precision, with its hypernetworks applied to the contexts."""
    from modules import devices, shared

    wide = bool(getattr(shared.opts, "upcast_attn", False))
    ambient: Callable[[], AbstractContextManager[Any]] = devices.autocast if wide and autocasts(x.device) else nullcontext
    to_q, to_k, to_v = (_projection(project, wide, ambient) for project in (attn.to_q, _keys(attn), _values(attn)))

    def out(y: Tensor) -> Tensor:
        with ambient():
            done: Tensor = attn.to_out(y.to(x.dtype))
        return done

    call = AttentionCall(
        site, grid, model, x, x if context is None else context, attn.heads, _scale(attn), to_q, to_k, to_v, out, token_attributes
    )
    with full_precision(x.device) if wide else nullcontext():
        return hook(call)


def with_adapters(attn: Any, inner: Project, foreign: object | None, done: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``done``, the hook's output, plus what a ``foreign`` forward below it adds to this layer.

    IP-Adapters (ControlNet's list them on the layer) add an image's attention before the output projection, which is linear: their
    contribution is the layer's output with the list minus its output without it. Raises `RegionalError` for a replacement of another
    kind, whose contribution the hook's output would drop.
    """
    if foreign is None:
        return done
    adapters = getattr(attn, "ipadapter_hacks", None)
    if not adapters:
        raise undone(foreign)
    theirs = inner(*args, **kwargs)
    attn.ipadapter_hacks = []
    try:
        added: Tensor = theirs - inner(*args, **kwargs)
    finally:
        attn.ipadapter_hacks = adapters
    return done + added


def undone(foreign: object) -> RegionalError:
    """The error for a hook's output that would replace the output of a ``foreign`` forward."""
    return RegionalError(
        f"Another extension ({owner_of(foreign)}) has its own cross-attention, which Regional would undo: disable one of the two."
    )


def refuse_foreign_texts(attn: Any) -> None:
    """Raise `RegionalError` for a replaced cross-attention where the regions' texts are rows of their own.

    Such a replacement (NegPip's) selects tokens by their positions in the host's own texts, and would select the same positions in the
    regions' texts. IP-Adapters do not depend on the text.
    """
    foreign = foreign_forward(attn)
    if foreign is not None and not getattr(attn, "ipadapter_hacks", None):
        raise RegionalError(
            f"Another extension ({owner_of(foreign)}) has its own cross-attention, which knows nothing of the regions' texts: disable one "
            "of the two."
        )


def _projection(project: Project, wide: bool, ambient: Callable[[], AbstractContextManager[Any]]) -> Project:
    """``project`` as it is, or in 32 bits where the user asked for attention to be upcast."""
    if not wide:
        return project

    def upcast(tokens: Tensor) -> Tensor:
        with ambient():
            return project(tokens).float()

    return upcast


def _keys(attn: Any) -> Project:
    return attn.to_k if not _hypernetworks() else lambda tokens: attn.to_k(_through_hypernetworks(tokens)[0])


def _values(attn: Any) -> Project:
    return attn.to_v if not _hypernetworks() else lambda tokens: attn.to_v(_through_hypernetworks(tokens)[1])


def _hypernetworks() -> Sequence[Any]:
    from modules import shared

    return getattr(shared, "loaded_hypernetworks", None) or ()


def _through_hypernetworks(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Contexts for keys and for values after the host's hypernetworks."""
    from modules.hypernetworks import hypernetwork

    keys, values = hypernetwork.apply_hypernetworks(_hypernetworks(), tokens)
    return keys, values


def _scale(attn: Any) -> float:
    found = getattr(attn, "scale", None)
    return float(found) if found is not None else float(attn.to_q.out_features // attn.heads) ** -0.5
