"""Group normalisation whose backward pass is fast on CPUs: PyTorch's own takes half of the autoencoder's training time in bf16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        n, c = x.shape[:2]
        x = x.contiguous()
        output, mean, rstd = torch.native_group_norm(x, weight.to(x.dtype), bias.to(x.dtype), n, c, x[0, 0].numel(), groups, eps)
        ctx.save_for_backward(x, weight, mean.float(), rstd.float())
        ctx.groups = groups
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, rstd = ctx.saved_tensors
        n, c = x.shape[:2]
        groups, size = ctx.groups, x[0, 0].numel()
        grad = grad.contiguous()
        # Sums over the plane per sample and channel, accumulated in fp32.
        total = grad.view(n, c, size).sum(-1, dtype=torch.float32)
        moment = (grad * x).view(n, c, size).sum(-1, dtype=torch.float32)
        mean, rstd = (value.repeat_interleave(c // groups, 1) for value in (mean.view(n, groups), rstd.view(n, groups)))
        centred = (moment - mean * total) * rstd
        mean_grad = _group_mean(total * weight, groups, size)
        mean_centred = _group_mean(centred * weight, groups, size)
        slope = -mean_centred * rstd * rstd
        offset = -mean_grad * rstd - slope * mean
        shape = (n, c, 1, 1)
        result = torch.addcmul(offset.view(shape).to(x.dtype), x, slope.view(shape).to(x.dtype))
        result = result.addcmul_(grad, (weight * rstd).view(shape).to(x.dtype))
        return result, centred.sum(0).to(weight.dtype), total.sum(0).to(weight.dtype), None, None


def _group_mean(values: Tensor, groups: int, size: int) -> Tensor:
    """(N,C) sums over planes -> (N,C) means over the group that each channel is in."""
    n, c = values.shape
    mean = values.view(n, groups, c // groups).sum(-1) / (size * (c // groups))
    return mean.repeat_interleave(c // groups, 1)


class QuickGroupNorm(nn.GroupNorm):
    """Same weights and same output as nn.GroupNorm on (N,C,H,W)."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.device.type != "cpu":
            return super().forward(x)
        normalise: Callable[..., Tensor] = _Normalise.apply
        return normalise(x, self.weight, self.bias, self.num_groups, self.eps)


def quicken(module: nn.Module) -> nn.Module:
    """Gives every group norm of 4-d data in the module the quick backward pass, in place."""
    for part in module.modules():
        if type(part) is nn.GroupNorm:
            part.__class__ = QuickGroupNorm
    return module
