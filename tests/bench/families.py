"""Launches of one step ÷ plain of Forge Neo's transformers at their real sizes, on shapes alone (the meta device).

    NEO/venv/bin/python tests/bench/families.py NEO [--families flux1 z-image …] [--regions 2] [--side 64] [--lengths 512 512 512]

``NEO`` is the host's folder: the networks are its own classes, with fewer blocks of each kind than the real ones
(so that a step's other operators weigh more), and PyTorch's attention. One row in fp16, ``--side``² tokens of the picture. *Launches*:
every operator but views, of a later step.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

BLOCKS = 4
"""Of each kind."""


@dataclass(frozen=True)
class Model:
    """``make()`` a network; ``channels`` of its latents, ``cells`` along a token's side, ``width`` of its contexts."""

    make: Callable[[], nn.Module]
    channels: int
    width: int
    cells: int = 2
    temporal: bool = False
    vector: int = 0
    axis: bool = False


def flux1() -> nn.Module:
    from backend.nn.flux import IntegratedFluxTransformer2DModel as Flux

    sizes = {"in_channels": 16, "out_channels": 16, "vec_in_dim": 768, "context_in_dim": 4096, "hidden_size": 3072, "num_heads": 24}
    more = {"axes_dim": [16, 56, 56], "theta": 10000, "patch_size": 2, "qkv_bias": True, "guidance_embed": True}
    made: nn.Module = Flux(**sizes, **more, mlp_ratio=4.0, depth=BLOCKS, depth_single_blocks=2 * BLOCKS)
    return made


def flux2() -> nn.Module:
    from backend.nn.flux import IntegratedFluxTransformer2DModel as Flux

    sizes = {"in_channels": 128, "out_channels": 128, "vec_in_dim": None, "context_in_dim": 7680, "hidden_size": 3072, "num_heads": 24}
    more = {"axes_dim": [32] * 4, "theta": 2000, "patch_size": 1, "qkv_bias": False, "guidance_embed": False, "txt_ids_dims": [3]}
    kind = {"global_modulation": True, "mlp_silu_act": True, "ops_bias": False, "default_ref_method": "index", "ref_index_scale": 10.0}
    made: nn.Module = Flux(**sizes, **more, **kind, mlp_ratio=3.0, depth=BLOCKS // 2, depth_single_blocks=2 * BLOCKS)
    return made


def chroma() -> nn.Module:
    from backend.nn.chroma import IntegratedChromaTransformer2DModel as Chroma

    sizes = {"in_channels": 64, "out_channels": 64, "context_in_dim": 4096, "hidden_size": 3072, "num_heads": 24, "vec_in_dim": 768}
    more = {"axes_dim": [16, 56, 56], "theta": 10000, "patch_size": 2, "qkv_bias": True, "txt_ids_dims": []}
    guide = {"in_dim": 64, "out_dim": 3072, "hidden_dim": 5120, "n_layers": 5}
    made: nn.Module = Chroma(**sizes, **more, **guide, mlp_ratio=4.0, depth=BLOCKS, depth_single_blocks=2 * BLOCKS)
    return made


def lumina(z_image: bool) -> nn.Module:
    from backend.nn.lumina import NextDiT

    one = {"dim": 3840, "n_heads": 30, "n_kv_heads": 30, "cap_feat_dim": 2560, "axes_dims": [32, 48, 48], "pad_tokens_multiple": 32}
    two = {"dim": 2304, "n_heads": 24, "n_kv_heads": 8, "cap_feat_dim": 2304, "axes_dims": [32, 32, 32]}
    sizes: dict[str, Any] = {**(one if z_image else two), "z_image_modulation": z_image, "axes_lens": [1536, 512, 512]}
    made: nn.Module = NextDiT(patch_size=2, in_channels=16, n_layers=2 * BLOCKS, n_refiner_layers=2, qk_norm=True, **sizes)
    return made


def qwen() -> nn.Module:
    from backend.nn.qwen import QwenImageTransformer2DModel as Qwen

    made: nn.Module = Qwen(num_layers=BLOCKS)
    return made


def krea() -> nn.Module:
    from backend.nn.krea import SingleStreamDiT

    made: nn.Module = SingleStreamDiT(layers=BLOCKS)
    return made


def ernie() -> nn.Module:
    from backend.nn.ernie import ErnieImageModel

    made: nn.Module = ErnieImageModel(num_layers=BLOCKS)
    return made


MODELS = {
    "flux1": Model(flux1, 16, 4096, vector=768),
    "chroma": Model(chroma, 16, 4096),
    "flux2": Model(flux2, 128, 7680, cells=1),
    "z-image": Model(lambda: lumina(True), 16, 2560),
    "lumina": Model(lambda: lumina(False), 16, 2304),
    "qwen": Model(qwen, 16, 3584, temporal=True),
    "krea": Model(krea, 16, 12 * 2560, axis=True),
    "ernie": Model(ernie, 128, 3072, cells=1),
}
REGIONS = {"hard borders": {"feather": 0}, "soft borders, as by default": {}, "a base share of 0.2": {"base_share": 0.2}}


def shares_of(count: int, region: dict[str, float], side: int, lengths: Sequence[int], width: int) -> list[Any]:
    """Texts of one row of ``count`` regions on a grid, with their weights; the row's own first, where it acts."""
    from steps import GRIDS

    from lib_regional.engine.calls import TextShare
    from lib_regional.request.settings import Settings
    from lib_regional.tensors.masks.weight_maps import weight_maps

    grid = {"ratios": GRIDS[count], "direction": "columns"}
    regions = [{"prompt": f"a thing{number}", **region} for number in range(count)]
    maps = weight_maps(Settings.parse({"enabled": True, "grid": grid, "regions": regions}).layout(), side, side)
    own = [TextShare(None, maps.base)] if float(maps.base.max()) > 0 else []
    texts = [torch.empty(lengths[1 + at % (len(lengths) - 1)], width, dtype=torch.float16, device="meta") for at in range(count)]
    return [*own, *(TextShare(text, weights) for text, weights in zip(texts, maps.regions, strict=True))]


def launches(model: Model, network: nn.Module, side: int, length: int, shares: list[Any] | None) -> int:
    """Operators of a later step; ``shares`` None: of a plain one."""
    from shapes import Launches

    from lib_regional.engine.calls import JointRows, Row, StepInfo
    from lib_regional.engine.hooks import Hooks
    from lib_regional.hosts.forge.network.network import NetworkInstaller
    from lib_regional.hosts.forge.rows import ROWS

    cells = side * model.cells
    shape = (1, model.channels, 1, cells, cells) if model.temporal else (1, model.channels, cells, cells)
    x, times = torch.empty(*shape, dtype=torch.float16, device="meta"), torch.empty(1, device="meta")
    context = torch.empty(1, *((1,) if model.axis else ()), length, model.width, dtype=torch.float16, device="meta")
    rest: dict[str, Any] = {"transformer_options": {}}
    if model.vector:
        rest["guidance"] = torch.empty(1, device="meta")
        rest["y"] = torch.empty(1, model.vector, dtype=torch.float16, device="meta")
    rows = None if shares is None else JointRows([shares])
    installer = NetworkInstaller(Hooks(joint=lambda *_: rows))
    counts = []
    with torch.inference_mode():
        if shares is not None:
            installer.install(network)
        for step in range(2):
            if shares is not None:
                installer.reset()
                installer.announce(StepInfo(step, 20), (cells, cells))
                rest[ROWS] = (Row(0, "cond"),)
            with Launches() as counted:
                network(x, times, context=context, **rest)
            counts.append(counted.all.total())
        installer.close()
    return counts[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("neo", type=Path)
    parser.add_argument("--families", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--regions", type=int, nargs="+", choices=(1, 2, 4, 16), default=[2])
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 512, 512], help="of the row's own text and the regions' in turn")
    args = parser.parse_args()
    sys.argv = [sys.argv[0], "--cpu", "--use-pytorch-cross-attention"]
    sys.path[:0] = [str(args.neo), str(args.neo / "modules_forge" / "packages")]
    import backend.memory_management  # noqa: F401  # the host's modules import each other in this order

    print("| network | case | plain | with regions | ÷ plain |\n|---|---|---|---|---|")
    for name in args.families:
        model = MODELS[name]
        with torch.device("meta"):
            network = model.make().to(torch.float16).eval().requires_grad_(False)
        plain = launches(model, network, args.side, args.lengths[0], None)
        for count in args.regions:
            for case, region in REGIONS.items():
                shares = shares_of(count, region, args.side, args.lengths, model.width)
                found = launches(model, network, args.side, args.lengths[0], shares)
                print(f"| {name} | {count} regions, {case} | {plain} | {found} | {found / plain:.3f} |", flush=True)


if __name__ == "__main__":
    main()
