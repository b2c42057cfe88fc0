"""A UNet of real dimensions on the meta device, which computes shapes alone, with what the diffusers adapter asks of a model.

Steps are those of a WebUI: the batch of conditional and unconditional rows, announced, guided, and under the method's own guidance.
"""

from __future__ import annotations

import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from lib_regional.engine.calls import DenoiserCall, ModelCall, Row, StepInfo
from lib_regional.request.prompt.lora_tags import LoraTag
from lib_regional.tensors.lora.deltas import LayerDelta, NetworkDeltas
from lib_regional.tensors.lora.layers import kind_of

ROWS = (Row(0, "cond"), Row(0, "uncond"))
SCALE = 7.0
STEPS = 20

SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "sd15": {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
    "sdxl": SDXL,
    "toy": {
        "sample_size": 16,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "cross_attention_dim": 16,
        "attention_head_dim": 2,
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    },
}
"""Name of a model -> what its UNet is built from."""
SIDES = {"sd15": 512, "sdxl": 1024, "toy": 128}
"""Name of a model -> the side of its pictures in pixels."""


@dataclass(frozen=True)
class Cond:
    """One encoded text."""

    crossattn: Tensor
    vector: Tensor | None = None


class ShapeModel:
    """A UNet, contexts of 77 tokens for every text, LoRAs of every name."""

    def __init__(self, kind: str, dtype: torch.dtype = torch.float16, device: str = "meta") -> None:
        from diffusers import UNet2DConditionModel

        self.kind, self.device, self.dtype = kind, device, dtype
        config = CONFIGS[kind]
        with torch.device(device):
            self.unet = UNet2DConditionModel(**config).to(dtype).eval()
        self.width = int(config["cross_attention_dim"])
        self.call_listeners: list[Callable[[ModelCall], None]] = []
        self.denoiser_hooks: list[Callable[[DenoiserCall], Tensor]] = []
        self.loras: ShapeLoras | None = None
        self.alphas_cumprod = torch.linspace(0.999, 0.005, 1000)
        self.pair = self._made(2, 77, self.width)
        self.added = {"text_embeds": self._made(2, 1280), "time_ids": self._made(2, 6)} if kind == "sdxl" else None

    def _made(self, *shape: int) -> Tensor:
        return torch.zeros(*shape, dtype=self.dtype, device=self.device)

    def encode_schedules(self, texts: list[str], steps: int, *, negative: bool, size: tuple[int, int]) -> list[Any]:
        """Every text its own context; see `hosts.diffusers.adapter`."""
        vector = self._made(1286) if self.kind == "sdxl" else None
        return [((steps, Cond(self._made(77, self.width), vector)),) for _ in texts]

    def token_pieces(self, text: str) -> list[tuple[int, str, int]]:
        """One token a word."""
        return [(n + 1, word, n) for n, word in enumerate(text.split())]

    def decode_latents(self, latent: Tensor) -> Tensor:
        """(B, 4, h, w) -> (B, 3, 8h, 8w)"""
        return nn.functional.interpolate(latent[:, :3].float(), scale_factor=8.0)

    def latent(self, side: int) -> Tensor:
        """What one picture of ``side`` pixels begins with."""
        return self._made(1, 4, side // 8, side // 8)

    def step(self, x: Tensor, index: int, noise: Tensor | None = None) -> Tensor:
        """x (1, 4, h, w) at one of `STEPS` -> the guided prediction of the clean latent, under the method's own guidance."""
        at = self.alphas_cumprod[999 - index * 1000 // STEPS]
        alpha, beta = float(at.sqrt()), float((1 - at).sqrt())
        info = StepInfo(index, STEPS, beta / alpha, cfg_scale=SCALE)
        if not self.denoiser_hooks:
            return self._guided(x, info, alpha, beta)
        [hook] = self.denoiser_hooks
        call = DenoiserCall(x, info, alpha, beta, lambda: self._guided(x, info, alpha, beta), noise if index == 0 else None)
        return hook(call)

    def _guided(self, x: Tensor, info: StepInfo, alpha: float, beta: float) -> Tensor:
        call = ModelCall(ROWS, info, (x.shape[-2], x.shape[-1]))
        for listener in self.call_listeners:
            listener(call)
        more = {} if self.added is None else {"added_cond_kwargs": self.added}
        noise = self.unet(x.expand(2, -1, -1, -1), 500, self.pair, **more).sample
        cond, uncond = noise[:1], noise[1:]
        return (x - beta * torch.lerp(uncond, cond, SCALE)) / alpha


class ShapeLoras:
    """LoRAs of one rank on the layers that trainers choose: `KINDS`."""

    version = 0

    KINDS: ClassVar[Mapping[str, str]] = {
        "attention alone": r"\.attn[12]\.",
        "attention": r"\.attentions\.",
        "convolutions": r"\.attentions\.|\.resnets\..*\.conv[12]$",
    }
    """Name -> which layers: projections of attention; all of the transformers; those and the convolutions of the blocks."""

    def __init__(self, unet: nn.Module, rank: int = 32, kind: str = "attention") -> None:
        self._unet, self._rank, self._chosen = unet, rank, re.compile(self.KINDS[kind])
        self._known: dict[str, NetworkDeltas] = {}

    @contextmanager
    def on_texts(self, _: object) -> Iterator[None]:
        """Nothing."""
        yield

    def unet_deltas(self, lora: LoraTag) -> NetworkDeltas:
        """Deltas of one LoRA; the same for the same name."""
        if lora.name not in self._known:
            self._known[lora.name] = {name: self._delta(layer) for name, layer in self._layers()}
        return self._known[lora.name]

    def _layers(self) -> Iterator[tuple[str, nn.Module]]:
        for name, layer in self._unet.named_modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d)) and self._chosen.search(name):
                yield name, layer

    def _delta(self, layer: nn.Module) -> LayerDelta:
        weight, kind = layer.weight, kind_of(layer)
        assert isinstance(weight, Tensor) and kind is not None
        out, inner, *kernel = weight.shape
        down = torch.zeros(self._rank, inner, *kernel, device=weight.device, dtype=weight.dtype)
        up = torch.zeros(out, self._rank, *(1 for _ in kernel), device=weight.device, dtype=weight.dtype)
        return LayerDelta(kind, down=down, up=up)


VIEWS = frozenset(
    "view reshape flatten transpose permute t expand expand_as view_as unsqueeze squeeze slice select narrow split chunk unbind detach "
    "unflatten alias as_strided movedim swapaxes mT _unsafe_view _reshape_alias split_with_sizes diagonal unfold".split()
)
"""Operators that move no data, by their names."""


class Launches(TorchDispatchMode):
    """Counts operators: ``all`` but views, and those ``made`` whose result is no part of what they were given.

    The second leaves out what does nothing (dropout at rest, a conversion to what is there). A reshape that copies is no view. Attention's
    results lie in memory as all fused kernels of PyTorch leave them (B, L, heads, d), so that heads are joined without a copy.
    """

    def __init__(self) -> None:
        super().__init__()
        self.all: Counter[str] = Counter()
        self.made: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        done = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        if name == "scaled_dot_product_attention":
            done = done.transpose(1, 2).contiguous().transpose(1, 2)
        makes = name.endswith("_") or not _of(done) <= _of((args, kwargs))
        if makes or name not in VIEWS:
            self.all[name] += 1
        if makes:
            self.made[name] += 1
        return done


class Brought(TorchDispatchMode):
    """Notes operators that make a tensor on ``device`` out of one on the CPU: copies, which wait for what is queued on a GPU."""

    def __init__(self, device: str = "meta") -> None:
        super().__init__()
        self.device = device
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        done = func(*args, **(kwargs or {}))
        given = [value for value in leaves((args, kwargs)) if isinstance(value, Tensor) and value.device.type == "cpu" and value.dim()]
        if given and any(isinstance(value, Tensor) and value.device.type == self.device for value in leaves(done)):
            here = [frame for frame in traceback.extract_stack() if "lib_regional" in frame.filename]
            self.found.append(f"{func} {tuple(given[0].shape)}" + (f" at {here[-1].filename}:{here[-1].lineno}" if here else ""))
        return done


def leaves(tree: Any) -> list[Any]:
    """The values in nested lists, tuples and dictionaries."""
    found: list[Any] = tree_flatten(tree)[0]
    return found


def _of(values: Any) -> set[int]:
    """The storages that tensors lie in."""
    found: set[int] = set()
    for value in leaves(values):
        if isinstance(value, Tensor):
            found.add(value.untyped_storage()._cdata)
    return found
