"""ControlNet files of the user's: listed by name, and loaded for the UNet that they are to steer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...request.errors import SettingsError, shown
from ...tensors.out_of_memory import is_out_of_memory
from ..model.checkpoints import CheckpointError, no_memory, read
from .units import problem

if TYPE_CHECKING:
    from torch import Tensor

SHIPPED = Path(__file__).resolve().parents[1] / "model" / "controlnets"
"""Where the small model's own is."""
SHIPPED_NAME = "regional-outlines"
ENDINGS = (".safetensors", ".pth", ".ckpt")
_PREFIX = "control_model."
_OF_UNIONS = ("task_embedding", "control_add_embedding", "transformer_layes")
_OTHER_KINDS = ("shuffle", "inpaint")
"""In a file's name: nets that read the picture in a way of their own, which this host has not."""


@dataclass
class ControlFiles:
    """The files of some folders, and the networks of the last generation that had any."""

    folders: tuple[Path, ...] = (SHIPPED,)
    _loaded: dict[tuple[Path, int], Any] = field(default_factory=dict, repr=False)

    def listed(self) -> dict[str, Path]:
        """Files by the name without its ending, from all folders and the folders in them; of two with one name, the first."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
                if path.suffix.lower() in ENDINGS and path.is_file():
                    found.setdefault(path.stem, path)
        return found

    def find(self, name: str, number: int) -> Path:
        """The file of a unit's model, also with its ending or an "[a1b2c3d4]" behind it. Raises SettingsError with the names there are."""
        files = self.listed()
        bare = name.partition(" [")[0]
        path = files.get(bare) or files.get(Path(bare).stem)
        if path is None:
            there = ", ".join(sorted(files)) or "there is none: start the host with --controlnet-dir and the folder that they are in"
            raise SettingsError([problem(number, "model", name, f"the name of a ControlNet model ({there})")])
        return path

    def networks(self, paths: Sequence[Path], unet: Any) -> list[Any]:
        """The networks of files for a UNet, on its device and in its precision; those of earlier generations are let go.

        Raises `CheckpointError` for a file that is damaged or made for another model.
        """
        wanted = {(path, path.stat().st_mtime_ns): path for path in paths}
        self._loaded = {key: network for key, network in self._loaded.items() if key in wanted}
        for key, path in wanted.items():
            if key not in self._loaded:
                self._loaded[key] = load(path, unet)
        return [self._loaded[path, path.stat().st_mtime_ns] for path in paths]


def load(path: Path, unet: Any) -> Any:
    """A published ControlNet file, in the original layout or in diffusers', as diffusers' network in the topology of ``unet``."""
    kind = next((kind for kind in _OTHER_KINDS if kind in path.stem.lower()), None)
    if kind is not None:
        raise CheckpointError(f"{path.name}: {kind} models read the picture in a way of their own, which the standalone host has not.")
    weights = read(path)
    try:
        network = _network(weights, unet)
    except (RuntimeError, ValueError, KeyError, MemoryError) as error:
        if is_out_of_memory(error):
            raise no_memory(path) from error
        raise CheckpointError(f"{path.name} is no ControlNet for this model ({shown(str(error).partition(chr(10))[0])}).") from error
    return network.to(unet.device, unet.dtype).eval().requires_grad_(False)


def _network(weights: Mapping[str, Tensor], unet: Any) -> Any:
    from diffusers import ControlNetModel
    from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

    network = ControlNetModel.from_unet(unet, load_weights_from_unet=False)
    own = {name: value for name, value in weights.items() if name.startswith(_PREFIX)} or weights  # the first files held the model too
    plain = {name.removeprefix(_PREFIX): value for name, value in own.items()}
    if any(name.startswith(_OF_UNIONS) for name in plain):
        raise ValueError("it is a union of several nets, which this host has not")
    if "time_embed.0.weight" in plain:
        plain = {name: value for name, value in convert_controlnet_checkpoint(plain, network.config).items() if value is not None}
    expected = network.state_dict()
    missing = [name for name in expected if name not in plain]
    if missing:
        raise ValueError(f"it lacks {missing[0]} and {len(missing) - 1} more of {len(expected)} tensors")
    wrong = next((name for name, value in expected.items() if plain[name].shape != value.shape), None)
    if wrong is not None:
        raise ValueError(f"{wrong} is {tuple(plain[wrong].shape)} and not {tuple(expected[wrong].shape)}")
    network.load_state_dict({name: plain[name] for name in expected})
    return network
