"""The kinds of models of the user's folders: which classes of transformers they are, what each is for, and where one gets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ...request.errors import RegionalError


@dataclass(frozen=True)
class ModelKind:
    """One kind: ``classes`` maps the ``model_type`` of a config.json to the class of transformers; ``options`` go to its constructor.

    ``unused`` are the beginnings of weights that the class has and nothing reads: published files lack them.
    """

    label: str
    use: str
    """What it is for, one sentence."""
    repository: str
    """A model of this kind on Hugging Face, ``owner/name``."""
    classes: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


KINDS: Mapping[str, ModelKind] = {
    "clipseg": ModelKind(
        "CLIPSeg",
        "Masks from words.",
        "CIDAS/clipseg-rd64-refined",
        {"clipseg": "CLIPSegForImageSegmentation"},
    ),
    "grounding_dino": ModelKind(
        "Grounding DINO",
        "Boxes from words.",
        "IDEA-Research/grounding-dino-tiny",
        {"grounding-dino": "GroundingDinoForObjectDetection"},
        {"disable_custom_kernels": True},  # nothing is compiled on the user's machine
    ),
    "sam": ModelKind(
        "SAM",
        "Outlines from clicks and boxes.",
        "facebook/sam-vit-base",
        {"sam": "SamModel"},
    ),
    "depth": ModelKind(
        "Depth",
        "Slices from near to far.",
        "depth-anything/Depth-Anything-V2-Small-hf",
        {
            "dpt": "DPTForDepthEstimation",
            "zoedepth": "ZoeDepthForDepthEstimation",
            "depth_anything": "DepthAnythingForDepthEstimation",
        },
        unused=("neck.fusion_stage.layers.0.residual_layer1.", "backbone.embeddings.mask_token"),
    ),
    "clip_vision": ModelKind(
        "CLIP vision",
        "What an IP-Adapter reads of a reference picture.",
        "h94/IP-Adapter",
        {"clip_vision_model": "CLIPVisionModelWithProjection", "clip": "CLIPVisionModelWithProjection"},
    ),
}
"""Name of a kind -> the kind. The depth models: DPT (MiDaS), ZoeDepth and Depth Anything 1 and 2."""


def kind_of(model_type: object) -> str | None:
    """Name of the kind that a ``model_type`` belongs to; None for other models."""
    return next((name for name, kind in KINDS.items() if model_type in kind.classes), None)


def class_fault(name: str) -> str:
    """Why the class ``name`` of transformers cannot be used here; "" where it can. Loads no model code."""
    try:
        import transformers
    except ImportError:
        return "the Python package transformers is missing here"
    if name in _class_names():
        return ""
    return f"the installed transformers {transformers.__version__} has no {name}"


@cache
def _class_names() -> frozenset[str]:
    """Names in transformers. ``hasattr`` would import the module of a class, and each ``dir`` takes a third of a second."""
    import transformers

    return frozenset(dir(transformers))


def model_class(name: str) -> Any:
    """The class ``name`` of transformers. Raises RegionalError where it is missing."""
    fault = class_fault(name)
    if fault:
        raise RegionalError(f"This model cannot be used: {fault}.")
    import transformers

    return getattr(transformers, name)
