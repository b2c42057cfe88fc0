"""Random weights with the shapes and names of SD 1.5, CLIP ViT-H/14 and IP-Adapters, for hosts whose own IP-Adapter counts on them.

``python -m tests.support.random_sd15 MODELS`` writes into a WebUI's ``models`` folder (3.6 GB). The pictures mean nothing: the UNet
predicts its input and a share of what its random layers make of it, so that sampling ends at latents of the usual size; autoencoder and
text encoder are the small model's in SD 1.5's widths. References and texts change the picture.

Regional reads the image encoder in ``regional/image_encoder``. Forge and Forge Neo look for a copy of its ``model.safetensors`` at
``ControlNetPreprocessor/CLIP-ViT-H-14.safetensors``, sd-webui-controlnet for its weights at
``annotator/downloads/clip_vision/clip_h.pth`` of its own folder (``--pth FILE`` writes them). Beside the two adapters lie files that
Regional has to refuse.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lib_regional.standalone.model import CHECKPOINT, whole
from lib_regional.standalone.model.wide import UNET_PREFIX, wide_weights

CONTEXT, TIME = 768, 1280
WIDTHS = (320, 640, 1280, 1280)
"""Channels of the levels; the last one has no attention."""
CARRIED = 40
"""Channels that carry the network's input: 4, each ten times with changing sign, which are the first four groups of the last group norm."""
VISION = {
    "architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model", "hidden_size": 1280, "intermediate_size": 5120,
    "projection_dim": 1024, "num_hidden_layers": 32, "num_attention_heads": 16, "num_channels": 3, "image_size": 224, "patch_size": 14,
    "hidden_act": "gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
Shapes = dict[str, tuple[int, ...]]


def random_weights(shapes: Shapes, seed: int) -> dict[str, Tensor]:
    """Layers keep the size of what they are given, last layers of residual branches halve it; norms are 1 and 0, biases small."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            norm = any(part in name for part in ("norm", "in_layers.0", "out_layers.0", "out.0.", "layrnorm", ".1.0."))
            found[name] = torch.ones(shape) if norm and name.endswith("weight") else torch.randn(shape, generator=generator) * 0.05
        else:
            last = ("out_layers.3", "proj_out.", "to_out", "net.2", "out_proj", "fc2", "1.3.weight")
            inputs = max(1, torch.Size(shape).numel() // shape[0])
            found[name] = torch.randn(shape, generator=generator) * ((0.5 if any(one in name for one in last) else 1) / inputs**0.5)
    return {name: one.half() for name, one in found.items()}


# ------------------------------------------------------------------------------------------------------------------ the UNet


def unet_shapes() -> Shapes:
    """Names as in the published checkpoints, without the prefix."""
    found: Shapes = {**_linear("time_embed.0", 320, TIME), **_linear("time_embed.2", TIME, TIME), **_conv("input_blocks.0.0", 4, 320)}
    skips, at, width = [320], 1, 320
    for level, wide in enumerate(WIDTHS):
        for _ in range(2):
            found |= _block(f"input_blocks.{at}", width, wide, level < 3)
            width, at = wide, at + 1
            skips.append(width)
        if level < 3:
            found |= _conv(f"input_blocks.{at}.0.op", width, width)
            at += 1
            skips.append(width)
    found |= _residual("middle_block.0", width, width) | _transformer("middle_block.1", width) | _residual("middle_block.2", width, width)
    at = 0
    for level, wide in reversed(list(enumerate(WIDTHS))):
        for n in range(3):
            found |= _block(f"output_blocks.{at}", width + skips.pop(), wide, level < 3)
            if n == 2 and level:
                found |= _conv(f"output_blocks.{at}.{2 if level < 3 else 1}.conv", wide, wide)
            width, at = wide, at + 1
    return {**found, **_norm("out.0", 320), **_conv("out.2", 320, 4)}


def cross_layers() -> list[int]:
    """Width of every cross-attention, in the order in which IP-Adapters number them: down, up, middle."""
    down = [width for width in WIDTHS[:3] for _ in range(2)]
    return [*down, *(width for width in reversed(WIDTHS[:3]) for _ in range(3)), WIDTHS[-1]]


def _linear(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _conv(name: str, inputs: int, outputs: int, kernel: int = 3) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _block(name: str, inputs: int, outputs: int, attends: bool) -> Shapes:
    return _residual(f"{name}.0", inputs, outputs) | (_transformer(f"{name}.1", outputs) if attends else {})


def _residual(name: str, inputs: int, outputs: int) -> Shapes:
    skip = _conv(f"{name}.skip_connection", inputs, outputs, 1) if inputs != outputs else {}
    return {
        **_norm(f"{name}.in_layers.0", inputs), **_conv(f"{name}.in_layers.2", inputs, outputs),
        **_linear(f"{name}.emb_layers.1", TIME, outputs),
        **_norm(f"{name}.out_layers.0", outputs), **_conv(f"{name}.out_layers.3", outputs, outputs), **skip,
    }  # fmt: skip


def _transformer(name: str, width: int) -> Shapes:
    block = f"{name}.transformer_blocks.0"
    found = {**_norm(f"{name}.norm", width), **_conv(f"{name}.proj_in", width, width, 1), **_conv(f"{name}.proj_out", width, width, 1)}
    for attention, context in (("attn1", width), ("attn2", CONTEXT)):
        found |= {f"{block}.{attention}.to_{part}.weight": (width, width if part == "q" else context) for part in "qkv"}
        found |= _linear(f"{block}.{attention}.to_out.0", width, width)
    found |= _linear(f"{block}.ff.net.0.proj", width, 8 * width) | _linear(f"{block}.ff.net.2", 4 * width, width)
    return {**found, **{key: shape for n in (1, 2, 3) for key, shape in _norm(f"{block}.norm{n}", width).items()}}


def unet(seed: int = 1, share: float = 0.5) -> dict[str, Tensor]:
    """The network predicts its input (right where the latents are noise), and ``share`` of what its layers make of it and of the texts."""
    found = random_weights(unet_shapes(), seed)
    signs = torch.tensor([1.0, -1.0]).repeat(CARRIED // 2).half()
    rows = torch.arange(CARRIED)
    channel = rows // (CARRIED // 4)
    first, last = found["input_blocks.0.0.weight"], "output_blocks.11."
    first[:CARRIED] = 0
    first[rows, channel, 1, 1] = signs
    found["input_blocks.0.0.bias"][:CARRIED] = 0
    skip = found[f"{last}0.skip_connection.weight"]
    skip[:CARRIED] = 0
    skip[rows, 320 + rows] = 1
    for name in ("0.skip_connection.bias", "0.out_layers.3.weight", "0.out_layers.3.bias", "1.proj_out.weight", "1.proj_out.bias"):
        found[last + name][:CARRIED] = 0
    found["out.0.bias"][:CARRIED] = 0
    for name in found:
        if name.endswith("attn2.to_out.0.weight"):
            found[name] *= 3
    out = found["out.2.weight"]
    out *= share
    out[:, :CARRIED] = 0
    out[channel, rows, 1, 1] = signs * (8 / CARRIED)
    return found


def checkpoint(seed: int = 1) -> dict[str, Tensor]:
    """A whole SD 1.5 checkpoint; autoencoder, text encoder and the schedule's buffers are the small model's, widened."""
    rest = {name: one for name, one in wide_weights(whole(load_file(CHECKPOINT))).items() if not name.startswith(UNET_PREFIX)}
    return {**rest, **{UNET_PREFIX + name: one for name, one in unet(seed).items()}}


# ------------------------------------------------------------------------------------------------- image encoder and adapters


def vision(seed: int = 2) -> dict[str, Tensor]:
    """``CLIPVisionModelWithProjection`` of ViT-H/14, in the names of transformers."""
    import transformers as hf

    with torch.device("meta"):
        model = hf.CLIPVisionModelWithProjection(hf.CLIPVisionConfig(**{k: v for k, v in VISION.items() if k != "architectures"}))
    return random_weights({name: tuple(one.shape) for name, one in model.state_dict().items() if not name.endswith("position_ids")}, seed)


def adapter(plus: bool, strength: float = 1.0, seed: int = 3) -> dict[str, Tensor]:
    """``ip-adapter_sd15`` or ``ip-adapter-plus_sd15``; ``strength``: size of the values."""
    shapes = _named("image_proj.", _resampler() if plus else _projection())
    for at, width in enumerate(cross_layers()):
        shapes |= _layer(2 * at + 1, width, CONTEXT)
    found = random_weights(shapes, seed + plus)
    return {name: one * strength if "to_v_ip" in name else one for name, one in found.items()}


def _named(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def _layer(number: int, width: int, context: int) -> Shapes:
    return {f"ip_adapter.{number}.to_{part}_ip.weight": (width, context) for part in "kv"}


def _projection() -> Shapes:
    return {**_linear("proj", 1024, 4 * CONTEXT), **_norm("norm", CONTEXT)}


def _resampler() -> Shapes:
    found: Shapes = {"latents": (1, 16, CONTEXT), **_linear("proj_in", 1280, CONTEXT), **_linear("proj_out", CONTEXT, CONTEXT)}
    for at in range(4):
        name = f"layers.{at}"
        found |= {**_norm(f"{name}.0.norm1", CONTEXT), **_norm(f"{name}.0.norm2", CONTEXT), **_norm(f"{name}.1.0", CONTEXT)}
        found |= {f"{name}.0.to_q.weight": (CONTEXT, CONTEXT), f"{name}.0.to_kv.weight": (2 * CONTEXT, CONTEXT)}
        found |= {f"{name}.0.to_out.weight": (CONTEXT, CONTEXT)}
        found |= {f"{name}.1.1.weight": (4 * CONTEXT, CONTEXT), f"{name}.1.3.weight": (CONTEXT, 4 * CONTEXT)}
    return {**found, **_norm("norm_out", CONTEXT)}


# -------------------------------------------------------------------------------------------------------------------- files


def files(models: Path) -> Iterator[tuple[Path, dict[str, Tensor]]]:
    """What is written where, made one after the other."""
    yield models / "Stable-diffusion" / "random-sd15.safetensors", checkpoint()
    yield models / "ControlNet" / "ip-adapter_sd15.safetensors", adapter(plus=False)
    yield models / "ControlNet" / "ip-adapter-plus_sd15.safetensors", adapter(plus=True)
    yield models / "regional" / "image_encoder" / "model.safetensors", vision()
    yield models / "ControlNet" / "control_wrong.safetensors", {"input_hint_block.0.weight": torch.zeros(16, 3, 3, 3)}
    other = random_weights({"image_proj.proj.weight": (8192, 8), "image_proj.proj.bias": (8192,), **_layer(1, 640, 2048)}, 5)
    yield (
        models / "ControlNet" / "ip-adapter_wrong-model.safetensors",
        {**other, **random_weights(_named("image_proj.", _norm("norm", 2048)), 6)},
    )
    faces = {"ip_adapter.0.to_q_lora.down.weight": torch.zeros(4, 320), **adapter(plus=False)}
    yield models / "ControlNet" / "ip-adapter-faceid_wrong.safetensors", faces


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser("python -m tests.support.random_sd15")
    parser.add_argument("models", type=Path)
    parser.add_argument("--pth", type=Path, metavar="FILE", help="the image encoder once more, for sd-webui-controlnet")
    given = parser.parse_args()
    for path, weights in files(given.models):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: one.contiguous() for name, one in weights.items()}, path, {"format": "pt"})
        print(path)
    (given.models / "ControlNet" / "ip-adapter_wrong-damaged.safetensors").write_bytes(b"damaged")
    encoder = given.models / "regional" / "image_encoder"
    if given.pth is not None:
        torch.save(load_file(encoder / "model.safetensors"), given.pth)
    (encoder / "config.json").write_text(json.dumps(VISION, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
