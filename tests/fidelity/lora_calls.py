"""How much of a LoRA on the left half reaches the right half within one prediction, and by which layers, on the small model.

    python tests/fidelity/lora_calls.py [--lora outlines] [--pictures 4]

Drawn pictures of a red circle on the left and a blue square on the right are noised to three levels and predicted once with the LoRA at
strength 0.0001 and once at 1, at CFG 5. Printed is the mean change of the right half's predicted noise ÷ that of the left half's; the two
cells at the border are left out. Sampling repeats this at every step and adds its own: see ``loras.py separation``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from loras import LEFT, OFF, RIGHT, SEPARATION  # noqa: E402

from lib_regional.engine.calls import ModelCall, Row, StepInfo  # noqa: E402
from lib_regional.engine.plan import Plan, plan_pass  # noqa: E402
from lib_regional.hosts.diffusers.adapter import DiffusersHost  # noqa: E402
from lib_regional.methods import open_session  # noqa: E402
from lib_regional.request.settings import Settings  # noqa: E402
from lib_regional.standalone.model.loading import load_model  # noqa: E402
from lib_regional.standalone.model.stable_diffusion import StandaloneModel  # noqa: E402
from lib_regional.standalone.train.data.drawing import draw  # noqa: E402
from lib_regional.standalone.train.data.scene import Scene, Thing  # noqa: E402
from lib_regional.standalone.train.stages.autoencoder import to_tensor  # noqa: E402

TIMES = (950, 500, 50)
SCALE = 5.0
SIZE, CELLS = (128, 128), (16, 16)


def latents(model: StandaloneModel, count: int) -> Tensor:
    """Clean latents (N, 4, 16, 16) of what the regions say."""
    things = [(Thing("circle", "red", 30 + i, 64 - 4 * i, 20), Thing("square", "blue", 98 - i, 60 + 4 * i, 20)) for i in range(count)]
    pictures = np.stack([draw(Scene(*SIZE, ("grass", "sky"), pair, 1, 64)) for pair in things])
    return model.vae.encode(to_tensor(pictures).to(model.dtype)).latent_dist.mean.float() * model.vae.config.scaling_factor


def predicted(model: StandaloneModel, settings: dict[str, Any], feather: float, left: str, x: Tensor, time: int) -> Tensor:
    """Guided noise of ``x`` (N, 4, 16, 16) at a training time."""
    count = len(x)
    regions = [{"box": list(box), "prompt": text, "feather": feather} for box, text in ((LEFT, left), (RIGHT, "a blue square on sky"))]
    parsed = Settings.parse({"enabled": True, "regions": regions, **settings})
    plan = Plan(parsed, parsed.layout(), SIZE, plan_pass(parsed, ["grass"] * count, [""] * count, 20))
    rows = tuple(Row(image, role) for role in ("cond", "uncond") for image in range(count))
    with open_session(DiffusersHost(model), plan):
        for listener in list(model.call_listeners):
            listener(ModelCall(rows, StepInfo(20 - time // 50, 20, 1.0, False, SCALE), CELLS))
        encoded = [
            model.encode_schedules([text], 20, negative=role, size=SIZE)[0][0][1].crossattn for text, role in (("grass", 0), ("", 1))
        ]
        contexts = torch.stack([encoded[0]] * count + [encoded[1]] * count).to(model.dtype)
        noise = model.unet(torch.cat([x, x]).to(model.dtype), time, encoder_hidden_states=contexts).sample.float()
    cond, uncond = noise.chunk(2)
    return uncond + SCALE * (cond - uncond)


def table(model: StandaloneModel, lora: str, count: int) -> Iterator[str]:
    """Rows by method."""
    yield f"| LoRA {lora} on the left | " + " | ".join(f"noise level {time} of 1000" for time in TIMES) + " |"
    yield "|---" * (len(TIMES) + 1) + "|"
    clean, alphas = latents(model, count), model.alphas_cumprod
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    for name, (settings, feather) in SEPARATION.items():
        shares = []
        for time in TIMES:
            x = alphas[time].sqrt() * clean + (1 - alphas[time]).sqrt() * noise
            off, on = (predicted(model, settings, feather, f"a red circle on grass <lora:{lora}:{s}>", x, time) for s in (OFF, 1))
            change = (on - off).abs()
            shares.append(float(change[..., 9:].mean() / change[..., :7].mean()))
        yield f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lora", default="outlines")
    parser.add_argument("--pictures", type=int, default=4)
    args = parser.parse_args()
    with torch.no_grad():
        for line in table(load_model(device="cpu"), args.lora, args.pictures):
            print(line, flush=True)


if __name__ == "__main__":
    main()
