"""Models of the user's folders: listed, chosen by kind, loaded for one use on the host's device, and unloaded after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...request.errors import RegionalError, settings_error
from ...tensors.out_of_memory import is_out_of_memory
from ...tensors.precision import full_precision
from .encoder_files import SUFFIXES, find_encoder_files, weights_of
from .folders import FoundModel, find_models
from .kinds import KINDS, class_fault, model_class

Device = Callable[[int], AbstractContextManager[torch.device]]
"""Bytes that a model needs -> the device, held alone until exit, with that much memory free where the host can arrange it."""

_CONSTANT = ".position_ids"
"""What transformers up to 4.30 (AUTOMATIC1111's) keeps among the weights and later ones do not save: the class makes them itself."""
_on_cpu = threading.Lock()


@contextmanager
def cpu_device(_: int) -> Iterator[torch.device]:
    """The CPU, for one model at a time: a `Device` where there is no host."""
    with _on_cpu:
        yield torch.device("cpu")


@dataclass(frozen=True)
class OpenModel:
    """A loaded model on its device."""

    model: Any
    folder: Path
    device: torch.device

    def processor(self, name: str) -> Any:
        """The processor class ``name`` of transformers, from the model's folder. Raises RegionalError naming what is missing."""
        try:
            return model_class(name).from_pretrained(self.folder, local_files_only=True)
        except (OSError, ValueError, TypeError, KeyError) as error:
            what = "tokenizer files" if "Tokenizer" in name else "preprocessor_config.json or tokenizer files"
            raise RegionalError(f'The model "{self.folder.name}" has no usable {what}: {_reason(error, self.folder)}') from error


class PictureModels:
    """``folders`` are the roots and ``files`` folders of encoders that are one file, asked for anew each time; ``device`` is the host's."""

    def __init__(
        self,
        folders: Callable[[], Sequence[Path]] = tuple,
        device: Device = cpu_device,
        files: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        self._folders = folders
        self._files = files
        self._device = device

    def found(self) -> list[FoundModel]:
        """All models that lie there."""
        return [*find_models(self._folders()), *find_encoder_files(self._files())]

    def listed(self) -> dict[str, Any]:
        """Folders, models, and of every kind what it is for, whether it can be used, and where one gets it."""
        found = self.found()
        models = [
            {"name": one.name, "kind": one.kind or None, "type": one.model_type, "usable": not one.fault, "fault": one.fault or None}
            for one in found
        ]
        return {
            "folders": [_shown(folder) for folder in self._folders()],
            "models": models,
            "kinds": [self._kind(name, found) for name in KINDS],
        }

    def _kind(self, name: str, found: Sequence[FoundModel]) -> dict[str, Any]:
        kind = KINDS[name]
        lacking = {text for each in kind.classes.values() if (text := class_fault(each))}
        usable = [one.name for one in found if one.kind == name and not one.fault]
        row = {"name": name, "label": kind.label, "use": kind.use, "repository": kind.repository, "types": list(kind.classes)}
        return {**row, "models": usable, "missing": None if usable else self.missing(name), "lacking": sorted(lacking)}

    def missing(self, kind: str) -> str:
        """What to do where no model of ``kind`` is there."""
        row = KINDS[kind]
        lacking = [text for each in row.classes.values() if (text := class_fault(each))]
        if len(lacking) == len(row.classes):
            return f"{row.label} cannot be used: {lacking[0]}."
        folders = [_shown(folder) for folder in self._folders()]
        place = f"{folders[0]}/{row.repository.partition('/')[2]}" if folders else "a folder named in Regional's settings"
        example = f"{row.repository} from Hugging Face"
        return f"There is no {row.label} model: put one, for example {example}, into {place}. Nothing is downloaded by itself."

    def choose(self, kind: str, name: str | None = None, field: str = "model") -> FoundModel:
        """The model ``name`` of ``kind``, without a name the first usable one. Raises RegionalError naming what is there."""
        found = self.found()
        usable = [one for one in found if one.kind == kind and not one.fault]
        if name is None:
            if not usable:
                raise RegionalError(self.missing(kind))
            return usable[0]
        for one in found:
            if one.name == name:
                if one in usable:
                    return one
                fault = one.fault or f"it is {KINDS[one.kind].label}, and {KINDS[kind].label} is needed"
                raise settings_error(field, name, self._allowed(usable, kind), text=f'{field} "{name}" cannot be used: {fault}.')
        raise settings_error(field, name, self._allowed(usable, kind))

    def _allowed(self, usable: Sequence[FoundModel], kind: str) -> str:
        return f"one of {', '.join(one.name for one in usable)}" if usable else f"left out: there is no {KINDS[kind].label} model"

    @contextmanager
    def opened(self, found: FoundModel) -> Iterator[OpenModel]:
        """Load a model until exit, on the host's device and in single precision. Raises RegionalError where it cannot be."""
        size = sum(file.stat().st_size for file in found.files if file.suffix in SUFFIXES)
        with self._device(size) as device, torch.no_grad(), full_precision(device):
            try:
                with _unloaded(_loaded(found)) as model:
                    yield OpenModel(model.to(device), found.folder, device)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                megabytes = round(size / 1024**2)
                raise RegionalError(
                    f'The model "{found.name}" ({megabytes} MB) ran out of memory on {device}: use a smaller one.'
                ) from error


@contextmanager
def _unloaded(model: Any) -> Iterator[Any]:
    """Drop a model's weights at exit, whoever still holds it: the device gives back only memory that nothing refers to."""
    try:
        yield model
    finally:
        model.to("meta")


def _loaded(found: FoundModel) -> Any:
    """The model on the CPU, complete. Weights that are missing would be random: they are an error."""
    kind = KINDS[found.kind]
    try:
        model, report = _read(found, output_loading_info=True, torch_dtype=torch.float32, **kind.options)
    except Exception as error:  # files of strangers: transformers and safetensors raise what they like
        if is_out_of_memory(error):
            raise
        raise RegionalError(f'The model "{found.name}" cannot be loaded: {_reason(error, found.folder)}') from error
    missing = [key for key in report["missing_keys"] if not str(key).endswith(_CONSTANT)]
    wrong = [key for key in (*missing, *report["mismatched_keys"]) if not str(key).startswith(kind.unused)]
    if wrong:
        raise RegionalError(f'The model "{found.name}" is incomplete: {len(wrong)} weights are missing, the first is {wrong[0]}.')
    return model.eval().requires_grad_(False)


def _read(found: FoundModel, **options: Any) -> Any:
    """What ``from_pretrained`` gives of a folder, or of one file with its config."""
    own = model_class(found.class_name)
    if found.file is None:
        return own.from_pretrained(found.folder, local_files_only=True, use_safetensors=True, **options)
    return own.from_pretrained(None, config=own.config_class(**(found.config or {})), state_dict=weights_of(found.file), **options)


def _shown(folder: Path) -> str:
    """The end of a path, such as models/regional: answers do not show where things lie on the machine."""
    return "/".join(folder.parts[-2:])


def _reason(error: Exception, folder: Path) -> str:
    """The first line of what was raised, without the path."""
    first = (str(error).splitlines() or [""])[0].replace(str(folder), folder.name)[:300]
    return first or type(error).__name__
