"""The small model in SDXL's form, its LoRAs and its IP-Adapter.

    python -m tests.support.small_xl models/Stable-diffusion/regional-xl.safetensors models/Lora models/regional

Two text encoders whose outputs stand side by side, a pooled text and sizes in a vector, linear layers around the transformers: what makes a
host treat a checkpoint as SDXL. It draws pictures of the same kind, because the first encoder and the UNet are the small model's;
the second encoder, the pooled text and the sizes act weakly, by random weights.

SDXL takes an encoder's last layer but one, before the norm that SD 1.5 puts behind the last. Here that layer writes the norm of what comes
in, times `GAIN`, beside which what it is added to hardly counts; the keys and values of the UNet are smaller by as much.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lib_regional.standalone.model import CHECKPOINT, DIFFUSERS, LORAS, whole

REFERENCES = CHECKPOINT.parent / "references"
UNET, TEXT = "model.diffusion_model.", "cond_stage_model.transformer.text_model."
FIRST, SECOND = "conditioner.embedders.0.transformer.text_model.", "conditioner.embedders.1.model."
GAIN = 256.0
SIZES = 6 * 256
"""Channels of the six sizes in the vector."""
SECOND_SHARE = 0.1
"""Standard deviation of the second encoder's keys and values ÷ that of the first one's."""
VECTOR_SHARE = 0.05
"""The same of what the vector adds to the embedded timestep."""
WIDTH = 64


def random(generator: torch.Generator, *shape: int, scale: float) -> Tensor:
    """Normal weights."""
    return torch.randn(*shape, generator=generator) * scale


def encoder(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The small model's text encoder, by names behind `TEXT`, with the layer that writes the last norm and one that is not read."""
    found = {name.removeprefix(TEXT): tensor.float() for name, tensor in weights.items() if name.startswith(TEXT)}
    for at in (2, 3):
        layer = f"encoder.layers.{at}."
        found |= {
            layer + name.removeprefix("encoder.layers.1."): torch.zeros_like(tensor)
            for name, tensor in found.items()
            if name.startswith("encoder.layers.1.")
        }
    layer, eye = "encoder.layers.2.", torch.eye(WIDTH)
    for part in ("weight", "bias"):
        found[f"{layer}layer_norm2.{part}"] = found[f"final_layer_norm.{part}"].clone()
    # x·σ(1.702 x) - (-x)·σ(-1.702 x) = x: two neurons of quick GELU pass a channel on
    found[f"{layer}mlp.fc1.weight"][: 2 * WIDTH] = torch.cat([eye, -eye])
    found[f"{layer}mlp.fc2.weight"][:, : 2 * WIDTH] = GAIN * torch.cat([eye, -eye], 1)
    return found


def open_clip(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """An encoder by OpenCLIP's names, as SDXL's files have the second one."""
    renamed: dict[str, Tensor] = {}
    table = {
        "embeddings.position_embedding.weight": "positional_embedding",
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "final_layer_norm.": "ln_final.",
        "encoder.layers.": "transformer.resblocks.",
        "layer_norm": "ln_",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
        "self_attn.": "attn.",
    }
    for name, tensor in weights.items():
        for old, new in table.items():
            name = name.replace(old, new)
        renamed[name] = tensor
    for name in [name for name in renamed if ".q_proj." in name]:
        parts = [renamed.pop(name.replace(".q_proj.", f".{part}_proj.")) for part in "qkv"]
        renamed[name.replace(".q_proj.", ".in_proj_")] = torch.cat(parts)
    return renamed


def unet(weights: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """The UNet with a context twice as wide, linear layers around its transformers and an embedding of the vector."""
    found = {}
    for name, tensor in weights.items():
        if not name.startswith(UNET):
            continue
        tensor = tensor.float()
        if name.endswith(("proj_in.weight", "proj_out.weight")):
            tensor = tensor.flatten(1)
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")):
            second = random(generator, *tensor.shape, scale=SECOND_SHARE * tensor.std().item())
            tensor = torch.cat([tensor, second], 1) / GAIN
        found[name] = tensor
    wide = 4 * WIDTH
    found[f"{UNET}label_emb.0.0.weight"] = random(generator, wide, WIDTH + SIZES, scale=(WIDTH + SIZES) ** -0.5)
    found[f"{UNET}label_emb.0.2.weight"] = random(generator, wide, wide, scale=VECTOR_SHARE * wide**-0.5)
    for part in (0, 2):
        found[f"{UNET}label_emb.0.{part}.bias"] = torch.zeros(wide)
    return found


def small_xl(seed: int = 0) -> dict[str, Tensor]:
    """State dict of the checkpoint, fp32."""
    generator = torch.Generator().manual_seed(seed)
    weights = whole(load_file(CHECKPOINT))
    text = encoder(weights)
    second = open_clip(text) | {"text_projection": random(generator, WIDTH, WIDTH, scale=WIDTH**-0.5)}
    found = {name: tensor.float() for name, tensor in weights.items() if name.startswith("first_stage_model.")}
    found |= unet(weights, generator)
    found |= {FIRST + name: tensor for name, tensor in text.items()} | {SECOND + name: tensor for name, tensor in second.items()}
    return {name: tensor.clone().contiguous() for name, tensor in found.items()}


def small_xl_lora(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """A LoRA of the small model for the first encoder and the UNet of this one."""
    found = {}
    for name, tensor in weights.items():
        tensor = tensor.float()
        if "_proj_in." in name or "_proj_out." in name:
            tensor = tensor.flatten(1) if tensor.dim() > 1 else tensor
        if name.endswith(("attn2_to_k.lora_down.weight", "attn2_to_v.lora_down.weight")):
            tensor = torch.cat([tensor, torch.zeros_like(tensor)], 1) / GAIN
        found[name.replace("lora_te_", "lora_te1_")] = tensor.contiguous()
    return found


def small_xl_adapter(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The small model's IP-Adapter for the UNet of this one: tokens twice as wide, whose second half repeats the first and is not read.

    So their norm's mean and deviation stay what they are.
    """
    found = {}
    for name, tensor in weights.items():
        tensor = tensor.float()
        if name.startswith("image_proj.proj."):
            tensor = tensor.unflatten(0, (-1, WIDTH)).repeat_interleave(2, 0).flatten(0, 1)
        elif name.startswith("image_proj.norm."):
            tensor = tensor.repeat(2)
        else:
            tensor = torch.cat([tensor, torch.zeros_like(tensor)], 1)
        found[name] = tensor.contiguous()
    return found


def write_config(folder: Path) -> Path:
    """A configuration folder as diffusers keeps them, with two encoders and tokenizers; a host reads the parts' sizes from it."""
    shutil.copytree(DIFFUSERS, folder, dirs_exist_ok=True)
    text = json.loads((DIFFUSERS / "text_encoder" / "config.json").read_text("utf-8")) | {"num_hidden_layers": 4}
    index = json.loads((DIFFUSERS / "model_index.json").read_text("utf-8"))
    for name in ("text_encoder", "text_encoder_2"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(text), "utf-8")
        index[name] = index["text_encoder"]
    shutil.copytree(DIFFUSERS / "tokenizer", folder / "tokenizer_2", dirs_exist_ok=True)
    index |= {"_class_name": "StableDiffusionXLPipeline", "tokenizer_2": index["tokenizer"]}
    (folder / "model_index.json").write_text(json.dumps(index), "utf-8")
    return folder


def main(path: str, loras: str | None = None, adapters: str | None = None) -> None:
    """Write the checkpoint, into a second folder the LoRAs, into a third one the IP-Adapter."""
    for folder in (Path(path).parent, *map(Path, filter(None, (loras, adapters)))):
        folder.mkdir(parents=True, exist_ok=True)
    save_file(small_xl(), Path(path))
    for source in sorted(LORAS.glob("*.safetensors")) if loras else ():
        save_file(small_xl_lora(load_file(source)), Path(loras, f"{source.stem}-xl.safetensors"))
    if adapters:
        shipped = load_file(next(REFERENCES.glob("*.safetensors")))
        save_file(small_xl_adapter(shipped), Path(adapters, "ip-adapter_regional-xl.safetensors"))


if __name__ == "__main__":
    main(*sys.argv[1:])
