"""Forge's networks, small, with random weights: a UNet of three blocks and a Flux-like one. Facts 9, 11 to 13 and 16 of `forge_double`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn
from webui import context

WIDTH, VECTOR = 16, 4
__all__ = ["FluxNetwork", "Network", "attend", "attention_function", "context", "vector_of"]


def vector_of(text: str) -> torch.Tensor:
    """A text's own pooled vector."""
    return context("pooled " + text)[0, :VECTOR]


class Attention(nn.Module):
    """Fact 16."""

    def __init__(self, dim, context_dim, heads=2):
        super().__init__()
        self.heads, self.dim_head = heads, dim // heads
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k, self.to_v = (nn.Linear(context_dim, dim, bias=False) for _ in "kv")
        self.to_out = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(0.0))

    def forward(self, x, context=None, value=None, mask=None, transformer_options=None):
        context = x if context is None else context
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context if value is None else value)
        q, k, v = (z.unflatten(-1, (self.heads, self.dim_head)).transpose(1, 2) for z in (q, k, v))
        scores = q @ k.transpose(-1, -2) * self.dim_head**-0.5
        scores -= scores.amax(-1, keepdim=True)
        torch.exp(scores, out=scores)
        return self.to_out((scores @ v / scores.sum(-1, keepdim=True)).transpose(1, 2).flatten(2))


def attend(q, k, v, heads):
    """softmax(q kᵀ/√d) v, written out."""
    (b, n, c), t = q.shape, k.shape[1]
    q, k, v = (z.reshape(b, length, heads, c // heads).transpose(1, 2) for z, length in ((q, n), (k, t), (v, t)))
    scores = q @ k.transpose(-1, -2) / math.sqrt(c // heads)
    return (scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c)


class Block(nn.Module):
    """Facts 12, 16."""

    def __init__(self, dim):
        super().__init__()
        self.attn1, self.attn2 = Attention(dim, dim), Attention(dim, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x, context, options):
        extra = {k: v for k, v in options.items() if k not in ("patches", "patches_replace")}
        extra.update(n_heads=self.attn2.heads, dim_head=self.attn2.dim_head)
        patches, slots = options.get("patches", {}), options.get("patches_replace", {}).get("attn2", {})
        x += self.attn1(self.norm1(x), transformer_options=extra)
        n, keys, value = self.norm2(x), context, None
        if "attn2_patch" in patches:
            value = keys
            for patch in patches["attn2_patch"]:
                n, keys, value = patch(n, keys, value, extra)
        slot = next((s for s in ((*options["block"], options["block_index"]), options["block"]) if s in slots), None)
        if slot is None:
            n = self.attn2(n, context=keys, value=value, transformer_options=extra)
        else:
            projected = self.attn2.to_q(n), self.attn2.to_k(keys), self.attn2.to_v(keys if value is None else value)
            n = self.attn2.to_out(slots[slot](*projected, extra))
        for patch in patches.get("attn2_output_patch", ()):
            n = patch(n, extra)
        x += n
        return x


class Transformer(nn.Module):
    """A spatial transformer: x (B, C, h, w)."""

    def __init__(self, dim):
        super().__init__()
        self.transformer_blocks = nn.ModuleList([Block(dim)])

    def forward(self, x, context, options):
        height, width = x.shape[-2:]
        tokens = x.flatten(2).transpose(1, 2).contiguous()
        for number, block in enumerate(self.transformer_blocks):
            options["block_index"] = number
            tokens = block(tokens, context, options)
        return x + tokens.transpose(1, 2).unflatten(2, (height, width))


class Network(nn.Module):
    """A UNet of three blocks on two grids. Facts 9, 11, 13, 16."""

    @torch.inference_mode()
    def __init__(self, seed=0, vectors=False, dim=8):
        super().__init__()
        torch.manual_seed(seed)
        self.input_blocks = nn.ModuleList(
            [nn.ModuleList([nn.Conv2d(4, dim, 3, padding=1)]), nn.ModuleList([nn.Conv2d(dim, dim, 3, padding=1), Transformer(dim)])]
        )
        self.down = nn.Conv2d(dim, dim, 3, stride=2, padding=1)
        self.middle_block = nn.ModuleList([nn.Identity(), Transformer(dim)])
        self.output_blocks = nn.ModuleList([nn.ModuleList([nn.Conv2d(2 * dim, dim, 3, padding=1), Transformer(dim)])])
        self.time = nn.Linear(1, dim)
        self.vectors = nn.Linear(VECTOR, dim) if vectors else None
        self.out = nn.Conv2d(dim, 4, 3, padding=1)
        self.eval().requires_grad_(False)

    def forward(self, x, timesteps=None, context=None, y=None, control=None, transformer_options=None, **unknown):
        options = {} if transformer_options is None else transformer_options
        assert (y is not None) == (self.vectors is not None)
        emb = self.time((timesteps[:, None].float() / 1000).to(self.time.weight.dtype))
        emb = (emb if y is None else emb + self.vectors(y))[:, :, None, None]
        options["block"] = ("input", 1)
        first = self.input_blocks[1][1](self.input_blocks[1][0](self.input_blocks[0][0](x)) + emb, context, options)
        if control and control.get("middle"):
            first = first + control["middle"].pop()
        options["block"] = ("middle", 0)
        low = self.middle_block[1](self.down(first), context, options)
        options["block"] = ("output", 0)
        up = F.interpolate(low, first.shape[-2:], mode="nearest")
        return self.out(self.output_blocks[0][1](self.output_blocks[0][0](torch.cat([up, first], 1)), context, options))


def attention_function(q, k, v, heads, mask=None, attn_precision=None, skip_reshape=False):
    """The name that Flux's blocks call, by way of `attention`."""
    assert skip_reshape
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def attention(q, k, v, pe=None):
    return attention_function(q, k, v, q.shape[1], skip_reshape=True)


class JointBlock(nn.Module):
    def __init__(self, dim, heads=2):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, tokens):
        b, length, dim = tokens.shape
        q, k, v = self.qkv(tokens).view(b, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        return tokens + self.proj(attention(q, k, v))


class FluxNetwork(nn.Module):
    """Text tokens first, then the picture's patches of 2×2 cells, all in one attention."""

    def __init__(self, seed=0, dim=16):
        super().__init__()
        torch.manual_seed(seed)
        self.img_in, self.txt_in, self.vector_in = nn.Linear(16, dim), nn.Linear(WIDTH, dim), nn.Linear(VECTOR, dim)
        self.double_blocks = nn.ModuleList([JointBlock(dim) for _ in range(2)])
        self.single_blocks = nn.ModuleList([JointBlock(dim)])
        self.final = nn.Linear(dim, 16)
        self.eval().requires_grad_(False)

    def forward(self, x, timestep, context, y, guidance=None, **unknown):
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, width % 2, 0, height % 2), mode="circular")
        picture = self.img_in(F.pixel_unshuffle(padded, 2).flatten(2).transpose(1, 2)) + self.vector_in(y)[:, None]
        tokens = torch.cat([self.txt_in(context), picture], 1)
        for block in (*self.double_blocks, *self.single_blocks):
            tokens = block(tokens)
        out = self.final(tokens[:, context.shape[1] :]).transpose(1, 2).unflatten(2, (padded.shape[-2] // 2, padded.shape[-1] // 2))
        return F.pixel_shuffle(out, 2)[:, :, :height, :width]
