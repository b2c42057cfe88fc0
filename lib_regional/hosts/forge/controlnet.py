"""ControlNet under Forge: an encoder with cross-attention of its own, whose residuals depend on the contexts.

The host runs it before the network, on the same rows. So the hooks of attention, norms and convolutions are called in it as in the network,
and for methods that call the network on rows of their own it is run again on these rows, where they are windows of the canvas on these
parts of its picture and mask. In the host's tiles it is run for one tile after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...engine.calls import ModelCall, RowRoles
from ...engine.patching import method_patch, patched
from ...request.layout.windows import Grid, Tile, Window, canvas_of
from ..installing.installer import HookInstaller, Patches
from .rows import ROWS, rows_of

CallOf = Callable[[RowRoles, Grid], "ModelCall | None"]
"""The call that is about to happen on these rows and latents of this size, None for calls of others."""
Place = tuple[int, int]
"""First row and column of a tile."""
Inside = Callable[[Tile], AbstractContextManager[None]]
"""``inside(tile)``: the network's calls are for this tile until exit."""
_MASK = "advanced_mask_weighting"


def on_controlnets(patcher: Any, installer: HookInstaller, call_of: CallOf) -> Patches:
    """The layers of every ControlNet of ``patcher``, in the host's calls; see `residuals_of`."""
    hooks = installer.hooks
    hooked = hooks.cross_attention is not None or hooks.self_attention is not None or hooks.spatial is not None
    for number, net in enumerate(patcher.list_controlnets() if hooked else ()):
        if isinstance(getattr(net, "control_model", None), nn.Module):
            yield patched(method_patch(net, "get_control", _announced(installer, call_of)))
            yield from installer.on_controlnet(net.control_model, number)


def _announced(installer: HookInstaller, call_of: CallOf) -> Callable[..., Any]:
    """Wrapper of a net's ``get_control``: the call that its rows are for is the one that runs."""

    def around(inner: Callable[..., Any], x: Tensor, t: Tensor, cond: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        rows: RowRoles | None = cond.get(ROWS)
        call = None if rows is None else call_of(rows, (x.shape[-2], x.shape[-1]))
        with installer.running.during(call):
            return inner(x, t, cond if call is None else installer.with_vectors(call, cond), *args, **kwargs)

    return around


def residuals_of(
    rest: Mapping[str, Any], x: Tensor, context: Tensor, last: Any = None, windows: Sequence[Window | None] = ()
) -> dict[str, list[Any]] | None:
    """Residuals for rows x (N, C, h, w), scaled as the network's input, with contexts (N, T, D) of their own.

    ``windows`` of the canvas that the rows are, None for all of it. ``rest`` are the network's other arguments for these rows; the
    ``last`` net is run where they do not name one (reForge, whose nets get the options as an argument). None where the nets cannot be run
    again: T2I adapters, which read no text, another control picture for each image of a batch, and rows whose place is unknown.
    """
    named, options = rest.get("control_model"), rest["transformer_options"]
    nets = _chain(last if named is None else named)
    if not nets or not isinstance(options.get("sigmas"), Tensor) or not all(_repeatable(net, x, windows) for net in nets):
        return None
    sigma = options["sigmas"][:1].expand(len(x))
    scale = nets[0].model_sampling_current.calculate_input(sigma, torch.ones_like(x[:, :1, :1, :1]))
    cond = {"c_crossattn": context, "transformer_options": options, **({} if rest.get("y") is None else {"y": rest["y"]})}
    if named is not None:
        for net in nets:
            net.transformer_options = options
    with _at_places(nets, windows):
        found: dict[str, list[Any]] | None = nets[0].get_control(x / scale, sigma, cond, len(x), *([options] if named is None else ()))
    return found


def _chain(top: Any) -> list[Any]:
    """A net and those before it."""
    nets = []
    while top is not None:
        nets.append(top)
        top = top.previous_controlnet
    return nets


def _repeatable(net: Any, x: Tensor, windows: Sequence[Window | None]) -> bool:
    hint, mask, size = getattr(net, "cond_hint", None), getattr(net, _MASK, None), (x.shape[-2], x.shape[-1])
    if hint is None or len(hint) != 1 or getattr(net, "model_sampling_current", None) is None:
        return False
    canvas = _canvas_of(hint)
    if not any(windows):
        return canvas == size
    places = [canvas_of(canvas) if window is None else window for window in windows]
    inside = all(one.grid == size and one.bottom <= canvas[0] and one.right <= canvas[1] for one in places)
    return inside and (not isinstance(mask, Tensor) or len(mask) == 1)


def _canvas_of(hint: Tensor) -> Grid:
    return hint.shape[-2] // 8, hint.shape[-1] // 8


@contextmanager
def _at_places(nets: Sequence[Any], windows: Sequence[Window | None]) -> Iterator[None]:
    """The nets' pictures and masks for rows that are these windows of the canvas."""
    if not any(windows):
        yield
        return
    canvas = _canvas_of(nets[0].cond_hint)
    tiles = [Tile(canvas, canvas_of(canvas) if window is None else window) for window in windows]

    def part(name: str, whole: Tensor) -> Tensor:
        return torch.cat([_part(whole, tile) if name == _MASK else _picture_part(whole, tile.window) for tile in tiles])

    with _replaced(nets, part):
        yield


@contextmanager
def on_tiles(top: Any, x: Tensor, calls: Iterator[Sequence[Place]], inside: Inside) -> Iterator[None]:
    """Until exit the net ``top`` and those before it run for one tile of x (B, C, H, W) after the other; ``calls``: the tiles of each call.

    The host cuts their pictures into tiles and brings them in rows. Masks of units it lays into every tile whole: here each tile has its
    part. T2I adapters, which keep what they made of a picture, are left as they are.
    """
    nets, canvas = _chain(top), (x.shape[-2], x.shape[-1])
    if not nets or not all(isinstance(getattr(net, "control_model", None), nn.Module) for net in nets):
        yield
        return

    def around(inner: Callable[..., Any], tiles: Tensor, t: Tensor, cond: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        found, size = [], (tiles.shape[-2], tiles.shape[-1])
        for number, (row, column) in enumerate(next(calls, ())):
            rows = slice(number * len(x), (number + 1) * len(x))
            tile = Tile(canvas, Window(row, column, row + size[0], column + size[1]))
            with inside(tile), _cut(nets, tile, rows, len(tiles)):
                found.append(inner(tiles[rows], t[rows], rows_of(cond, rows, len(tiles)), *args, **kwargs))
        return _joined(found)

    with patched(method_patch(top, "get_control", around)):
        yield


@contextmanager
def _cut(nets: Sequence[Any], tile: Tile, rows: slice, of: int) -> Iterator[None]:
    """The nets' pictures, of which there are ``of`` rows, and their masks for one tile."""

    def part(name: str, whole: Tensor) -> Tensor:
        return _part(whole, tile) if name == _MASK else whole[rows] if len(whole) == of else whole

    with _replaced(nets, part):
        yield


@contextmanager
def _replaced(nets: Sequence[Any], part: Callable[[str, Tensor], Tensor]) -> Iterator[None]:
    """Until exit ``part(name, whole)`` in place of the nets' pictures and masks."""
    before = [
        (net, name, getattr(net, name)) for net in nets for name in ("cond_hint", _MASK) if isinstance(getattr(net, name, None), Tensor)
    ]
    try:
        for net, name, whole in before:
            setattr(net, name, part(name, whole))
        yield
    finally:
        for net, name, whole in before:
            setattr(net, name, whole)


def _picture_part(picture: Tensor, window: Window) -> Tensor:
    """A picture (b, c, 8H, 8W) of the whole canvas -> that of a window."""
    return picture[..., window.top * 8 : window.bottom * 8, window.left * 8 : window.right * 8]


def _part(mask: Tensor, tile: Tile) -> Tensor:
    """A mask (b, 1, h, w) of the whole picture -> that of a tile, on latent cells."""
    at = tile.window
    return F.interpolate(mask, tile.canvas, mode="bilinear")[..., at.top : at.bottom, at.left : at.right]


def _joined(found: Sequence[Any]) -> dict[str, list[Tensor | None]] | None:
    """Residuals of tiles, one after the other; None outside of the nets' steps."""
    if not found or found[0] is None:
        return None
    return {
        name: [None if parts[0] is None else torch.cat(parts) for parts in zip(*(tile[name] for tile in found), strict=True)]
        for name in found[0]
    }
