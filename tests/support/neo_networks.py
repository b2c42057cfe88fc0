"""Networks of Forge Neo, small, with random weights: what they do otherwise than Forge's Flux. Nothing here is the host's code.

Facts kept (neo 2.26, of August 2026):

1.  A network of Flux's kind states ``patch_size`` (Flux.1 and Kontext 2, Flux.2 1) and ``txt_ids_dims``, the axes along which it numbers
    its text tokens from 0 (Flux.2 the last; the others none). Positions act on attention.
2.  The module ``pe_embedder`` is called once with the positions (B, L, n) of text and picture, in this order; what it makes of them
    (B, 1, L, …) is the argument ``pe`` of all blocks.
3.  Latents of pictures beside the prompt are ``backend.args.dynamic_args.ref_latents``; their tokens stand behind the picture's.
4.  Anima is a stack of ``blocks`` on latents (B, 16, 1, H, W), in patches of ``patch_spatial``² cells, padded. ``cross_attn`` is called
    with tokens (B, L, C) and the context as it came; it has ``q_proj``, ``k_proj``, ``v_proj`` and ``output_proj``, norms of each head of
    queries and keys, ``n_heads`` and ``head_dim``, and takes keywords that it does not read. ``self_attn`` is of the same class, without
    a context and with positions, which turn queries and keys; both call the ``attention_function`` of their module with (B, heads, L, d).
5.  Wan on one frame is such a stack too, with ``patch_size`` (1, 2, 2). Contexts go through ``text_embedding`` before the first block.
    ``cross_attn`` is called with tokens, that context and a keyword, and has ``q``, ``k``, ``v`` and ``o``, norms of all channels of
    queries and keys, ``num_heads`` and ``head_dim``; that of networks for pictures beside the prompt also ``k_img``. ``self_attn`` has
    the same layers, and calls the module's ``attention``, which calls ``attention_function``, with (B, L, heads · d) that are turned.
6.  The attention function takes ``skip_reshape``, ``skip_output_reshape``, ``mask`` and ``transformer_options`` by keyword.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import forge_networks
import torch
import torch.nn.functional as F
from forge_networks import attention
from torch import nn


def shared_latents(monkeypatch, latents=()):
    """Fact 3."""
    module = ModuleType("backend.args")
    module.dynamic_args = SimpleNamespace(ref_latents=list(latents))
    monkeypatch.setitem(sys.modules, "backend.args", module)
    return module.dynamic_args


def attention_function(q, k, v, heads, mask=None, skip_reshape=False, skip_output_reshape=False, transformer_options=None):
    """Fact 6, for the networks of facts 4 and 5."""
    if not skip_reshape:
        q, k, v = (z.unflatten(-1, (heads, -1)).transpose(1, 2) for z in (q, k, v))
    made = F.scaled_dot_product_attention(q, k, v, mask)
    return made if skip_output_reshape else made.transpose(1, 2).flatten(2)


class Positions(nn.Module):
    """ids (B, L, 3) -> angles (B, L)."""

    def forward(self, ids):
        return ids.float() @ torch.tensor([0.7, 0.13, 0.29])


class Positioned(forge_networks.JointBlock):
    """A joint block whose queries and keys are turned by the tokens' positions. Fact 6."""

    def forward(self, tokens, pe):
        b, length, dim = tokens.shape
        turns = pe[:, 0]
        q, k, v = self.qkv(tokens).view(b, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        return tokens + self.proj(attention(turned(q, turns), turned(k, turns), v))


def turned(x, turns):
    """x (B, heads, L, d) with each pair of numbers turned by ``turns`` (B, L)."""
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    sin, cos = turns.sin()[:, None, :, None], turns.cos()[:, None, :, None]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


class FluxKin(forge_networks.FluxNetwork):
    """``kind``: ``flux2`` or ``kontext``. ``embedded``: fact 2."""

    def __init__(self, kind="flux2", embedded=True, dim=16):
        super().__init__(dim=dim)
        self.patch_size, self.txt_ids_dims = (1, [2]) if kind == "flux2" else (2, [])
        self.pe_embedder, area = Positions() if embedded else None, 4 * self.patch_size**2
        self.img_in, self.final = nn.Linear(area, dim), nn.Linear(dim, area)
        self.double_blocks = nn.ModuleList([Positioned(dim) for _ in range(2)])
        self.single_blocks = nn.ModuleList([Positioned(dim) for _ in range(2)])
        self.eval().requires_grad_(False)

    def tokens(self, x, index=0):
        """Tokens (B, P, dim), their positions (B, P, 3) and the grid."""
        side = self.patch_size
        padded = F.pad(x, (0, -x.shape[-1] % side, 0, -x.shape[-2] % side), mode="circular")
        cells = F.pixel_unshuffle(padded, side) if side > 1 else padded
        rows, columns = cells.shape[-2:]
        places = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"), -1).flatten(0, 1).float()
        ids = torch.cat([torch.full((len(places), 1), float(index)), places], -1).expand(len(x), -1, -1)
        return self.img_in(cells.flatten(2).transpose(1, 2)), ids, (rows, columns)

    def forward(self, x, timestep, context, y, guidance=None, transformer_options=None, **unknown):
        img, img_ids, grid = self.tokens(x)
        count = img.shape[1]
        img = img + self.vector_in(y)[:, None]
        for number, latent in enumerate(sys.modules["backend.args"].dynamic_args.ref_latents):
            more, ids, _ = self.tokens(latent.to(x), number + 1)
            img, img_ids = torch.cat([img, more.expand(len(x), -1, -1)], 1), torch.cat([img_ids, ids.expand(len(x), -1, -1)], 1)
        txt_ids = torch.zeros(len(x), context.shape[1], 3)
        for axis in self.txt_ids_dims:
            txt_ids[..., axis] = torch.arange(context.shape[1]).float()
        tokens = torch.cat([self.txt_in(context), img], 1)
        turns = (self.pe_embedder or Positions())(torch.cat([txt_ids, img_ids], 1))[:, None]
        for block in (*self.double_blocks, *self.single_blocks):
            tokens = block(tokens, pe=turns)
        out = self.final(tokens[:, context.shape[1] : context.shape[1] + count]).transpose(1, 2).unflatten(2, grid)
        return (F.pixel_shuffle(out, self.patch_size) if self.patch_size > 1 else out)[..., : x.shape[-2], : x.shape[-1]]


class CrossAttention(nn.Module):
    """Fact 4."""

    def __init__(self, dim, context_dim=None, heads=2):
        super().__init__()
        self.is_SelfAttn, self.n_heads, self.head_dim = context_dim is None, heads, dim // heads
        self.q_proj, self.output_proj = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.k_proj, self.v_proj = (nn.Linear(context_dim or dim, dim, bias=False) for _ in "kv")
        self.q_norm, self.k_norm, self.v_norm = nn.LayerNorm(dim // heads), nn.LayerNorm(dim // heads), nn.Identity()

    def forward(self, x, context=None, rope_emb=None, transformer_options=None):
        context = x if context is None else context
        q, k, v = (
            norm(project(z).unflatten(-1, (self.n_heads, self.head_dim))).transpose(1, 2)
            for norm, project, z in (
                (self.q_norm, self.q_proj, x),
                (self.k_norm, self.k_proj, context),
                (self.v_norm, self.v_proj, context),
            )
        )
        if self.is_SelfAttn:
            q, k = (turned(z, rope_emb) for z in (q, k))
        return self.output_proj(attention_function(q, k, v, self.n_heads, skip_reshape=True, transformer_options=transformer_options))


class AnimaBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.self_attn, self.cross_attn = CrossAttention(dim), CrossAttention(dim, forge_networks.WIDTH)

    def forward(self, x, context, options):
        x = x + 0.2 * self.self_attn(x, None, rope_emb=places(x), transformer_options=options)
        return x + self.cross_attn(x, context, rope_emb=None, transformer_options=options)


def places(x):
    """Angles (B, L) of tokens (B, L, C)."""
    return 0.1 * torch.arange(x.shape[1], dtype=torch.float32).expand(len(x), -1)


class Anima(nn.Module):
    """Fact 4. ``frames``: pictures beside the prompt stand behind the picture as further frames."""

    def __init__(self, channels=16, dim=12, frames=0):
        super().__init__()
        torch.manual_seed(7)
        self.frames, self.patch_spatial = frames, 2
        self.x_embedder, self.final = nn.Linear(4 * channels, dim), nn.Linear(dim, 4 * channels)
        self.blocks = nn.ModuleList([AnimaBlock(dim) for _ in range(2)])
        self.eval().requires_grad_(False)

    def forward(self, x, timesteps, context, padding_mask=None, **options):
        height, width = x.shape[-2:]
        cells = F.pixel_unshuffle(F.pad(x[:, :, 0], (0, width % 2, 0, height % 2), mode="circular"), 2)
        tokens, grid = self.x_embedder(cells.flatten(2).transpose(1, 2)), cells.shape[-2:]
        count = tokens.shape[1]
        tokens = torch.cat([tokens] * (1 + self.frames), 1)
        for block in self.blocks:
            tokens = block(tokens, context, options.get("transformer_options"))
        made = F.pixel_shuffle(self.final(tokens[:, :count]).transpose(1, 2).unflatten(2, grid), 2)
        return made[:, :, None, :height, :width]


class WanCrossAttention(nn.Module):
    """Fact 5."""

    def __init__(self, dim, heads=2, pictures=False):
        super().__init__()
        self.num_heads, self.head_dim = heads, dim // heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = nn.LayerNorm(dim), nn.LayerNorm(dim)
        if pictures:
            self.k_img = nn.Linear(dim, dim)

    def forward(self, x, context, **unknown):
        projected = (self.norm_q(self.q(x)), self.norm_k(self.k(context)), self.v(context))
        q, k, v = (z.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for z in projected)
        return self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class WanSelfAttention(WanCrossAttention):
    """Fact 5."""

    def forward(self, x, freqs, transformer_options=None):
        heads = self.num_heads
        q, k = (turned(z.unflatten(-1, (heads, -1)).transpose(1, 2), freqs).transpose(1, 2).flatten(2)
                for z in (self.norm_q(self.q(x)), self.norm_k(self.k(x))))  # fmt: skip
        return self.o(wan_attention(q, k, self.v(x), heads=heads, transformer_options=transformer_options))


def wan_attention(*args, **kwargs):
    return attention_function(*args, **kwargs)


class WanBlock(nn.Module):
    def __init__(self, dim, pictures):
        super().__init__()
        self.self_attn, self.cross_attn = WanSelfAttention(dim), WanCrossAttention(dim, pictures=pictures)

    def forward(self, x, context, options):
        x = x + 0.2 * self.self_attn(x, places(x), transformer_options=options)
        return x + self.cross_attn(x, context, context_img_len=None)


class Wan(Anima):
    """Fact 5. ``pictures``: made for pictures beside the prompt."""

    def __init__(self, channels=16, dim=12, frames=0, pictures=False):
        super().__init__(channels, dim, frames)
        del self.patch_spatial
        self.patch_size = (1, 2, 2)
        self.text_embedding = nn.Sequential(nn.Linear(forge_networks.WIDTH, dim), nn.GELU(), nn.Linear(dim, dim))
        self.blocks = nn.ModuleList([WanBlock(dim, pictures) for _ in range(2)])
        self.eval().requires_grad_(False)

    def forward(self, x, timesteps, context, **options):
        return super().forward(x, timesteps, self.text_embedding(context), **options)


class UnknownKin(nn.Module):
    """A network whose attention nobody outside can reach (Qwen-Image, Z-Image and the like): x (B, C, 1, H, W) with 16 channels."""

    def __init__(self, channels=16, width=forge_networks.WIDTH, dim=12):
        super().__init__()
        torch.manual_seed(3)
        self.inside, self.text, self.out = nn.Linear(channels, dim), nn.Linear(width, dim), nn.Linear(dim, channels)
        self.transformer_blocks = nn.ModuleList([nn.Linear(dim, dim) for _ in range(2)])
        self.eval().requires_grad_(False)

    def forward(self, x, timesteps, context, transformer_options=None, **unknown):
        tokens = self.inside(x.movedim(1, -1)) + self.text(context.mean(1))[:, None, None, None]
        for block in self.transformer_blocks:
            tokens = tokens + block(tokens).tanh()
        return self.out(tokens).movedim(-1, 1)
