"""NegPip in the shape that it has on a WebUI: a script that strips the prompts in ``process_batch`` and replaces ``attn2``'s forward.

Facts of sd-webui-negpip (dc75fd2): the parts' tokens and the end mark behind them are appended to the row's context, their values
negated; it knows positive from negative rows by their order in a call of twice the batch; the replacement calls no original.
"""

from __future__ import annotations

import re

import torch
from webui import context

PART = re.compile(r"\(([^(:)]*):\s*(-\d+(?:\.\d+)?)\s*\)")


def counted(text: str) -> list[int]:
    """One token for each word of a part ``(words:1.2)``."""
    return [0] * len(text.strip("()").partition(":")[0].split())


def split(text: str) -> tuple[str, torch.Tensor | None]:
    """The text without its negative parts, and the tokens of these (n, D)."""
    found = [(words, weight) for words, weight in PART.findall(text)]
    tokens = [context(f"({words}:{weight[1:]})")[1 : len(words.split()) + 2] for words, weight in found]
    return PART.sub("", text), torch.cat(tokens) if tokens else None


class NegPip:
    """The script; ``layers`` are the network's cross-attention layers, ``negative_first`` the order of rows."""

    args_from, args_to, alwayson = 0, 1, True

    def __init__(self, layers, negative_first=False):
        self.layers, self.negative_first = list(layers), negative_first
        self.acted = 0

    def title(self):
        return "NegPiP"

    def process_batch(self, p, active):
        """Prompts of one image; ``p`` has the lists of its host's double."""
        if not active:
            return
        names = [name for name in ("prompts", "negative_prompts", "negatives") if hasattr(p, name)]
        found = []
        for name in names:
            rest, tokens = split(getattr(p, name)[0])
            getattr(p, name)[0] = rest
            found.append(tokens)
        if any(tokens is not None for tokens in found):
            for layer in self.layers:
                layer.forward = self.forward_of(layer, found)

    def forward_of(self, layer, found):
        order = found[::-1] if self.negative_first else found

        def forward(x, context=None, mask=None, value=None, *args, **kwargs):
            self.acted += 1
            halves = zip(x.chunk(2), context.chunk(2), order, strict=True)
            return torch.cat([self.attend(layer, *half) for half in halves])

        return forward

    @staticmethod
    def attend(layer, x, context, tokens):
        if tokens is not None:
            context = torch.cat([context, tokens.expand(len(x), -1, -1)], 1)
        q, k, v = layer.to_q(x), layer.to_k(context), layer.to_v(context)
        if tokens is not None:
            v = torch.cat([v[:, : -len(tokens)], -v[:, -len(tokens) :]], 1)
        q, k, v = (t.unflatten(-1, (layer.heads, -1)).transpose(1, 2) for t in (q, k, v))
        return layer.to_out(torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def postprocess(self):
        for layer in self.layers:
            vars(layer).pop("forward", None)
