"""One model, several processes: each draws its own part of a batch, and the gradients are averaged.

``python -m torch.distributed.run --nproc_per_node 2 -m lib_regional.standalone.train unet …`` starts them. On a CPU two processes of one
thread each are half as fast again as one process of two threads: the layers are too small to share.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


def join(device: str) -> tuple[int, int]:
    """(rank, number of processes), after meeting the others where there are any."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count > 1 and not dist.is_initialized():
        dist.init_process_group("gloo" if torch.device(device).type == "cpu" else "nccl")
    return (dist.get_rank(), count) if count > 1 else (0, 1)


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every gradient by its mean over the processes; nothing to do for one process."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
