"""From a region's reference to keys and values: picture and adapter read, the picture encoded, tokens projected for every layer."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ...engine.references import CrossLayer, ImagePrompt
from ...request.errors import RegionalError, SettingsError, settings_error
from ...request.references.fields import Reference
from ...tensors.precision import full_precision
from ...tensors.references.projections import linear_tokens, resampled_tokens
from ..models.folders import FoundModel
from ..models.loading import PictureModels
from ..picture import open_drawn
from .adapters import Adapter, adapter_named, find_adapters, look_at, read_adapter
from .vision import encoded, encoder_for

KEPT = 4
"""Pictures whose tokens are kept, so that the next generation does not encode them anew."""


@dataclass(frozen=True)
class References:
    """``roots``: folders of adapters. ``models``: where image encoders are."""

    roots: Sequence[Path]
    models: PictureModels

    def prompt(self, reference: Reference, layers: Sequence[CrossLayer], field: str, where: str) -> ImagePrompt:
        """Keys and values of a reference for these layers.

        ``field`` is its place in the request, ``where`` in the user's terms. Raises `SettingsError` naming what cannot be used.
        """
        picture = _picture(reference.image, f"{field}.image", where)
        try:
            path = self._adapter(reference.model, layers)
            shapes = look_at(path)
            encoder = encoder_for(self.models, shapes.resamples, shapes.encoder_width)
            digest = hashlib.sha256(reference.image.encode()).hexdigest()
            make = functools.partial(_made, self.models, encoder, path, [picture])
            made = _layers(_Asked(digest, (_stamp(path), *_stamp_of(encoder)), make))
        except SettingsError:
            raise
        except RegionalError as error:
            allowed = "an IP-Adapter for this model with its CLIP vision model"
            raise settings_error(f"{field}.model", reference.model, allowed, where=where, text=str(error)) from error
        names = (layer.name for layer in layers)
        return ImagePrompt(dict(zip(names, made, strict=True)))

    def _adapter(self, name: str | None, layers: Sequence[CrossLayer]) -> Path:
        """The file ``name``, without a name the first that fits. Raises `RegionalError`."""
        found = find_adapters(self.roots)
        if name is not None:
            path = adapter_named(self.roots, name)
            if path is None:
                raise RegionalError(f'There is no IP-Adapter "{name}"; {_there(found)}.')
            misfit = look_at(path).misfit(layers)
            if misfit:
                raise RegionalError(f'The IP-Adapter "{path.name}" cannot be used: {misfit}.')
            return path
        faults = []
        for path in found:
            try:
                misfit = look_at(path).misfit(layers)
            except RegionalError as error:
                faults.append(str(error))
                continue
            if not misfit:
                return path
            faults.append(f'The IP-Adapter "{path.name}" cannot be used: {misfit}.')
        raise RegionalError(f"There is no IP-Adapter for this model; {_there(found)}.{''.join(f' {fault}' for fault in faults[:4])}")


def _there(found: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in found[:12])
    return f"there are {names}" if names else "put one, for example ip-adapter_sd15.safetensors of h94/IP-Adapter, into models/ControlNet"


def _picture(text: str, field: str, where: str) -> Image.Image:
    try:
        return open_drawn(text, field)
    except SettingsError:
        raise
    except RegionalError as error:
        raise settings_error(field, text, "a picture", where=where, text=f"the reference picture cannot be used. {error}") from error


_Stamp = tuple[str, int, int]


def _stamp(path: Path) -> _Stamp:
    """What a file is known by: its place, size and time."""
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns


def _stamp_of(encoder: FoundModel) -> tuple[_Stamp, ...]:
    return tuple(map(_stamp, encoder.files))


Layers = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values (2, T, C) of a picture by cross-attention layer."""


@dataclass(frozen=True)
class _Asked:
    """A picture (hash of its text), an adapter and an encoder; ``make`` is called once, and only where it is not known."""

    picture: str
    files: tuple[_Stamp, ...]
    make: Callable[[], Layers] = field(compare=False)


@functools.lru_cache(maxsize=KEPT)
def _layers(asked: _Asked) -> Layers:
    return asked.make()


def _made(models: PictureModels, encoder: FoundModel, path: Path, given: list[Image.Image]) -> Layers:
    """The picture is taken out of ``given``, so that nothing holds it afterwards."""
    adapter = read_adapter(path)
    return projected(adapter, encoded(models, encoder, given.pop(), adapter.resamples))


def projected(adapter: Adapter, features: Tensor) -> Layers:
    """What an encoder gives (2, …) -> keys and values of every layer, in single precision."""
    with torch.no_grad(), full_precision(features.device):
        weights = adapter.projection
        tokens = resampled_tokens(weights, features) if adapter.resamples else linear_tokens(weights, features, adapter.context)
        return tuple((F.linear(tokens, k), F.linear(tokens, v)) for k, v in adapter.layers)
