"""IP-Adapter files: found in the user's folders, read without running what is in them, and compared with the model that samples.

The format is that of the published files: ``image_proj.*``, and ``ip_adapter.N.to_k_ip.weight`` and ``to_v_ip.weight`` (inner, context),
N counting all attention layers on the way down, on the way up and in the middle, of which every second one is a cross-attention. In
``.bin`` files both parts are dictionaries of their own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from ...engine.references import CrossLayer
from ...request.errors import RegionalError
from ...tensors.references.projections import HEAD, resampler_depth

SUFFIXES = (".safetensors", ".bin")
MOST_FILES = 500
"""Files that are looked at below one root."""

_KINDS = "only IP-Adapter and IP-Adapter-plus files are read"
_PROJECTION, _LAYERS = "image_proj.", "ip_adapter."
_LINEAR = {"proj.weight", "proj.bias", "norm.weight", "norm.bias"}
_RESAMPLER = {"latents", "proj_in.weight", "proj_in.bias", "proj_out.weight", "proj_out.bias", "norm_out.weight", "norm_out.bias"}
_BLOCK = ("0.norm1.weight", "0.norm1.bias", "0.norm2.weight", "0.norm2.bias", "0.to_q.weight", "0.to_kv.weight", "0.to_out.weight",
          "1.0.weight", "1.0.bias", "1.1.weight", "1.3.weight")  # fmt: skip


@dataclass(frozen=True)
class Adapter:
    """The weights of one file; in files that were only looked at, tensors on the meta device.

    ``projection``: those of ``image_proj``. ``layers``: (to_k_ip, to_v_ip) by cross-attention, in the order of their numbers.
    """

    name: str
    projection: Mapping[str, Tensor]
    layers: tuple[tuple[Tensor, Tensor], ...]

    @property
    def resamples(self) -> bool:
        """Whether it is a "plus" adapter, which reads hidden states."""
        return "latents" in self.projection

    @property
    def encoder_width(self) -> int:
        """Numbers that the image encoder gives: of its projected embedding, or of a hidden state where the adapter `resamples`."""
        return int(self.projection["proj_in.weight" if self.resamples else "proj.weight"].shape[1])

    @property
    def context(self) -> int:
        """Numbers in a context token."""
        return int(self.layers[0][0].shape[1])

    def misfit(self, layers: Sequence[CrossLayer]) -> str:
        """Why it does not fit a model with these cross-attentions; "" where it does."""
        own = [tuple(k.shape) for k, _ in self.layers]
        if own == [(layer.inner, layer.context) for layer in layers]:
            return ""
        return (
            f"it is for another model: it has {_described(len(own), self.context)}, this model {_described(len(layers), layers[0].context)}"
        )


_MODELS = {768: "SD1.x", 1024: "SD2.x", 2048: "SDXL"}


def _described(count: int, context: int) -> str:
    known = f" ({_MODELS[context]})" if context in _MODELS else ""
    return f"{count} cross-attention layers with contexts of {context} numbers{known}"


def find_adapters(roots: Sequence[Path]) -> list[Path]:
    """Files whose name says IP-Adapter, in ``roots`` and in folders there: those for faces last, else by name."""
    return sorted((file for file in _files(roots) if "ipadapter" in _plain(file.name)), key=lambda file: ("face" in file.name, file.name))


def adapter_named(roots: Sequence[Path], name: str) -> Path | None:
    """The file ``name``, with or without its suffix; None where there is none."""
    return next((file for file in _files(roots) if name in (file.name, file.stem)), None)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _files(roots: Sequence[Path]) -> Iterator[Path]:
    for root in roots:
        folders = [root, *(one for one in _listed(root) if one.is_dir() and not one.name.startswith("."))]
        found = (file for folder in folders for file in _listed(folder) if file.suffix in SUFFIXES and file.is_file())
        yield from islice(found, MOST_FILES)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # no such folder, or one that may not be read
        return []


def look_at(path: Path) -> Adapter:
    """The shapes in a file (`Adapter` on the meta device); safetensors are not read for it. Raises `RegionalError` as `read_adapter`."""
    with _opened(path) as tensors:
        return _adapter(path.name, {name: torch.empty(one.shape, device="meta") for name, one in tensors.items()})


def read_adapter(path: Path) -> Adapter:
    """The weights of a file in single precision, on the CPU. Raises `RegionalError` for what is no IP-Adapter, or one of another kind."""
    with _opened(path) as tensors:
        return _adapter(path.name, {name: one.read().float() for name, one in tensors.items()})


@dataclass(frozen=True)
class _Stored:
    """A tensor in a file: its shape, and how it is read."""

    shape: Sequence[int]
    read: Callable[[], Tensor]


@contextmanager
def _opened(path: Path) -> Iterator[dict[str, _Stored]]:
    """Tensors by name, those of safetensors as yet unread. Raises `RegionalError` for damaged files."""
    from safetensors import SafetensorError

    try:
        if path.suffix == ".safetensors":
            with _safetensors(path) as stored:
                yield stored
        else:
            content = _flat(torch.load(path, map_location="cpu", weights_only=True))
            yield {name: _Stored(one.shape, functools.partial(_itself, one)) for name, one in content.items()}
    except (OSError, EOFError, KeyError, RuntimeError, UnpicklingError, SafetensorError) as error:
        raise _unusable(path.name, f"the file is damaged, or holds more than weights ({type(error).__name__})") from error


@contextmanager
def _safetensors(path: Path) -> Iterator[dict[str, _Stored]]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        names = list(file.keys())
        yield {name: _Stored(file.get_slice(name).get_shape(), functools.partial(file.get_tensor, name)) for name in names}


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _flat(content: object) -> dict[str, Tensor]:
    """The dictionaries of a ``.bin`` file as one, names joined by dots; what is no tensor is left out."""
    if not isinstance(content, Mapping):
        return {}
    found: dict[str, Tensor] = {}
    for name, value in content.items():
        if isinstance(value, Tensor):
            found[str(name)] = value
        elif isinstance(value, Mapping):
            found.update({f"{name}.{inner}": one for inner, one in value.items() if isinstance(one, Tensor)})
    return found


def _adapter(name: str, tensors: Mapping[str, Tensor]) -> Adapter:
    projection = {key.removeprefix(_PROJECTION): one for key, one in tensors.items() if key.startswith(_PROJECTION)}
    numbered = {key.removeprefix(_LAYERS): one for key, one in tensors.items() if key.startswith(_LAYERS)}
    if not (projection and numbered):
        raise _unusable(name, "it is no IP-Adapter: it has no image_proj and ip_adapter")
    count = sum(key.endswith(".to_k_ip.weight") for key in numbered)
    numbers = range(1, 2 * count, 2)
    expected = {f"{number}.to_{part}_ip.weight" for number in numbers for part in "kv"}
    if not count or set(numbered) != expected:
        raise _unusable(name, f"{_KINDS}: this one has more in its layers (FaceID has LoRAs there)")
    layers = tuple((numbered[f"{number}.to_k_ip.weight"], numbered[f"{number}.to_v_ip.weight"]) for number in numbers)
    made = Adapter(name, projection, layers)
    _check_projection(made)
    return made


def _check_projection(adapter: Adapter) -> None:
    """Raise for another projection than the two, and for shapes that do not go together."""
    names = set(adapter.projection)
    blocks = {f"layers.{at}.{part}" for at in range(resampler_depth(adapter.projection)) for part in _BLOCK}
    if names == _LINEAR:
        width = adapter.projection["norm.weight"].shape[0]
        fits = width == adapter.context and adapter.projection["proj.weight"].shape[0] % width == 0
    elif names == _RESAMPLER | blocks and blocks:
        inner = {adapter.projection[name].shape[0] for name in blocks if name.endswith("to_q.weight")}
        fits = adapter.projection["norm_out.weight"].shape[0] == adapter.context and all(one % HEAD == 0 for one in inner)
    else:
        raise _unusable(adapter.name, f"{_KINDS}: its image_proj is of another kind (full face, FaceID)")
    if not (fits and all(k.shape == v.shape and k.shape[1] == adapter.context for k, v in adapter.layers)):
        raise _unusable(adapter.name, "the shapes of its weights do not go together")


def _unusable(name: str, reason: str) -> RegionalError:
    return RegionalError(f'The IP-Adapter "{name}" cannot be used: {reason}.')
