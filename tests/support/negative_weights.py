"""Negative weights (NegPip) by hand on the toy model: texts taken apart, and attention written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from isolation_cases import called
from toy import ToyModel

from lib_regional.engine.calls import AttentionCall
from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.diffusers.adapter import DiffusersHost

TEXT = "a (hat:-1.2) in the (old park: -0.5)"
REST, PARTS = "a  in the ", ("(hat:1.2)", "(old park:0.5)")
"""What is left of it without the words of negative weight, and these words with the weight's size."""


class CountedModel(ToyModel):
    """The toy model with tokens: one for each word."""

    @classmethod
    def of(cls, model: ToyModel) -> CountedModel:
        return cls(model.unet)

    def token_pieces(self, text: str) -> list[tuple[int, str, int]]:
        words = text.partition(":")[0].strip("()").split()
        return [(at + 1, word, at) for at, word in enumerate(words)]


def signed(plan):
    return replace(plan, signed=True)


def negpip(model, text):
    """The context (T, D) of a text by hand, and the number of its last tokens whose values are turned: words and the end mark."""
    if text != TEXT:
        return model.context(text), 0
    parts = [model.context(part)[1 : count + 2] for part, count in zip(PARTS, (1, 2), strict=True)]
    return torch.cat([model.context(REST), *parts]), sum(map(len, parts))


def layer(call: AttentionCall, n: int, context: torch.Tensor, turned: int) -> torch.Tensor:
    """One row's attention in double precision, head by head: keys as they are, the last values turned."""
    q, k, v = (project(x).double() for project, x in ((call.to_q, call.x[n]), (call.to_k, context), (call.to_v, context)))
    v = torch.cat([v[: len(v) - turned], -v[len(v) - turned :]])
    width = q.shape[-1] // call.heads
    parts = [slice(at * width, (at + 1) * width) for at in range(call.heads)]
    return torch.cat([torch.softmax(q[:, p] @ k[:, p].T * call.scale, -1) @ v[:, p] for p in parts], -1).to(call.x.dtype)


def reference(model, x, order, texts: Sequence[str]):
    """The network in which every row's attention is NegPip's of its text."""

    def hook(call):
        made = [layer(call, n, *negpip(model, text)) for n, text in enumerate(texts)]
        return call.out(torch.stack(made))

    with torch.no_grad(), DiffusersHost(model).patched(Hooks(cross_attention=hook)):
        return called(model, x, order, ["" for _ in texts])
