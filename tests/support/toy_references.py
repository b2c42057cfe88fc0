"""Reference pictures with drawn adapters, for the toy network."""

from __future__ import annotations

from dataclasses import replace

import ip_adapter_files as files
import torch
from toy import WIDTH

from lib_regional.engine.references import ImagePrompt
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.sources.references.adapters import Adapter
from lib_regional.sources.references.prompts import projected

URL = files.picture_url()


def features(seed=0, plus=False):
    """What an encoder gives of a picture, and of none."""
    if plus:
        return files.random(2, 17, files.HIDDEN, seed=seed, scale=1)
    return torch.cat([files.random(1, files.EMBEDDING, seed=seed, scale=1), torch.zeros(1, files.EMBEDDING)])


def weights_of(layers, plus=False):
    return {"image_proj": files.resampler(WIDTH) if plus else files.linear(WIDTH), "ip_adapter": files.attention(layers)}


def prompt_of(model, seed=0, plus=False):
    layers = DiffusersHost(model).cross_layers()
    parts = weights_of(layers, plus)
    pairs = [tuple(parts["ip_adapter"][f"{2 * n + 1}.to_{part}_ip.weight"] for part in "kv") for n in range(len(layers))]
    made = projected(Adapter("toy", parts["image_proj"], tuple(pairs)), features(seed, plus))
    return ImagePrompt({layer.name: pair for layer, pair in zip(layers, made, strict=True)})


def reference(**more):
    return {"image": URL, **more}


def referring(model, plan, plus=False):
    """The plan with another picture for every region that has a reference."""
    asked = [at for at, region in enumerate(plan.layout.regions) if region.reference]
    return replace(plan, references={at: prompt_of(model, at, plus) for at in asked})
