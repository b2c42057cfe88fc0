"""Forge Neo's families with joint attention, small, with random weights. Nothing here is the host's code.

Facts kept (neo 2.26, of August 2026). All call ``attention_function(q, k, v, heads, mask, …)`` of the module that their blocks are in; with
``skip_reshape`` q, k, v are (B, heads, L, d), else (B, L, heads · d). Their positions (B, L, n) go through one module and turn queries
and keys, so that attention reads differences of positions.

1.  Lumina 2 and Z-Image (`Lumina`): tokens ``[text | picture]``, patches of 2×2 cells. ``cap_embedder`` makes tokens of the context; those
    pass ``context_refiner`` among themselves, the picture's pass ``noise_refiner``, both then ``layers``. ``rope_embedder`` is called once
    with all positions: text tokens are numbered from 1 on the first axis, on which the picture is one more than the last of them. With
    ``pad_tokens_multiple`` (Z-Image: 32) texts are filled up with ``cap_pad_token`` behind ``cap_embedder``, and the picture with
    ``x_pad_token`` at position 0; no token is masked. The answer is negated. Blocks get embedded positions (B, L, …) as ``freqs_cis``.
2.  Qwen-Image (`Qwen`): latents (B, C, 1, H, W), two streams in ``transformer_blocks``, called by keyword; ``pe_embedder``; text tokens
    are numbered along all axes from half of the longer side in patches; pictures beside the prompt (``backend.args``) behind the picture.
3.  Krea 2 (`Krea`): contexts (B, 1, T, n · d) with n layers of the text encoder; ``txtfusion`` mixes these for each token
    (``layerwise_blocks``, on (B · T, n, d), and ``projector``), then the tokens among themselves (``refiner_blocks``); ``txtmlp``;
    ``blocks``; ``patch``; text tokens are at position 0. Attention has fewer heads of keys, which it repeats. Blocks get embedded
    positions (B, 1, L, …) as ``freqs``.
4.  Ernie-Image (`Ernie`): tokens ``[picture | text]``, ``layers``; ``pos_embed``; text tokens are numbered from 0 on the first axis, on
    which the picture is one more than the last of them. Blocks get embedded positions (B, L, …) as ``rotary_pos_emb``.
"""

from __future__ import annotations

import sys

import torch
import torch.nn.functional as F
from forge_networks import WIDTH
from neo_networks import Positions, turned
from torch import nn


def attention_function(q, k, v, heads, mask=None, skip_reshape=False, **unknown):
    """The host's, without any mask of its own."""
    assert mask is None
    if not skip_reshape:
        q, k, v = (z.unflatten(-1, (heads, -1)).transpose(1, 2) for z in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """``flat``: without ``skip_reshape``. ``kvheads``: heads of keys and values."""

    def __init__(self, dim, heads=2, kvheads=2, flat=False):
        super().__init__()
        self.heads, self.kvheads, self.flat, width = heads, kvheads, flat, dim // heads
        self.qkv, self.out = nn.Linear(dim, (heads + 2 * kvheads) * width, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x, mask, turns, transformer_options=None):
        width = x.shape[-1] // self.heads
        q, k, v = self.qkv(x).split([n * width for n in (self.heads, self.kvheads, self.kvheads)], -1)
        q, k, v = (z.unflatten(-1, (-1, width)).transpose(1, 2) for z in (q, k, v))
        if turns is not None:
            q, k = turned(q, turns), turned(k, turns)
        k, v = (z.repeat_interleave(self.heads // self.kvheads, 1) for z in (k, v))
        if self.flat:
            q, k, v = (z.transpose(1, 2).flatten(2) for z in (q, k, v))
            return self.out(attention_function(q, k, v, self.heads, mask=mask))
        return self.out(attention_function(q, k, v, self.heads, mask, skip_reshape=True, transformer_options=transformer_options))


class Block(nn.Module):
    def __init__(self, dim, **attention):
        super().__init__()
        self.attention, self.feed_forward = Attention(dim, **attention), nn.Linear(dim, dim)

    def forward(self, x, freqs_cis=None, mask=None, transformer_options=None):
        x = x + self.attention(x, mask, freqs_cis, transformer_options=transformer_options)
        return x + self.feed_forward(x).tanh()


class KreaBlock(Block):
    def forward(self, x, freqs, mask=None, transformer_options=None):
        return super().forward(x, freqs[:, 0], mask, transformer_options)


class ErnieBlock(Block):
    def forward(self, x, rotary_pos_emb, attention_mask=None):
        return super().forward(x, rotary_pos_emb, attention_mask)


def patches(x):
    """x (B, C, H, W) -> tokens (B, P, 4 C), the grid, and positions (P, 3)."""
    cells = F.pixel_unshuffle(F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2), mode="circular"), 2)
    rows, columns = cells.shape[-2:]
    places = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"), -1).flatten(0, 1).float()
    return cells.flatten(2).transpose(1, 2), (rows, columns), F.pad(places, (1, 0))


def picture_of(tokens, grid, like):
    """The inverse of `patches`."""
    return F.pixel_shuffle(tokens.transpose(1, 2).unflatten(2, grid), 2)[..., : like.shape[-2], : like.shape[-1]]


class Last(nn.Module):
    """The answer's layer, which runs on all tokens."""

    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(dim, 16)

    def forward(self, tokens):
        return self.linear(tokens)


class Small(nn.Module):
    """``channels`` of the latents; ``temporal``: they are (B, C, 1, H, W)."""

    channels, temporal = 4, False

    def made(self):
        self.eval().requires_grad_(False)

    def latent(self, cells, count):
        shape = (count, self.channels, 1, *cells) if self.temporal else (count, self.channels, *cells)
        return torch.randn(*shape, generator=torch.Generator().manual_seed(4))


class Lumina(Small):
    """Fact 1."""

    def __init__(self, depth=2, multiple=8, dim=12):
        super().__init__()
        torch.manual_seed(11)
        self.patch_size, self.pad_tokens_multiple, self.rope_embedder = 2, multiple, Positions()
        self.x_embedder, self.cap_embedder = nn.Linear(16, dim), nn.Linear(WIDTH, dim)
        stacks = (nn.ModuleList([Block(dim) for _ in range(count)]) for count in (1, 1, depth))
        self.context_refiner, self.noise_refiner, self.layers = stacks
        self.final_layer = Last(dim)
        if multiple:
            self.x_pad_token, self.cap_pad_token = nn.Parameter(torch.randn(1, dim)), nn.Parameter(torch.randn(1, dim))
        self.made()

    def filled(self, tokens, token):
        missing = -tokens.shape[1] % self.pad_tokens_multiple
        return torch.cat([tokens, token[None].expand(len(tokens), missing, -1)], 1)

    def forward(self, x, timesteps, context, attention_mask=None, transformer_options=None, **unknown):
        picture, grid, places = patches(x)
        text, picture = self.cap_embedder(context), self.x_embedder(picture)
        count = picture.shape[1]
        if self.pad_tokens_multiple:
            text, picture = self.filled(text, self.cap_pad_token), self.filled(picture, self.x_pad_token)
        length = text.shape[1]
        numbers = F.pad(torch.arange(1.0, length + 1)[:, None], (0, 2))
        places[:, 0] = length + 1
        ids = torch.cat([numbers, F.pad(places, (0, 0, 0, picture.shape[1] - count))])[None].expand(len(x), -1, -1)
        turns = self.rope_embedder(ids)
        for block in self.context_refiner:
            text = block(text, turns[:, :length], attention_mask, transformer_options=transformer_options)
        for block in self.noise_refiner:
            picture = block(picture, turns[:, length:], None, transformer_options=transformer_options)
        tokens = torch.cat([text, picture], 1)
        for block in self.layers:
            tokens = block(tokens, turns, None, transformer_options=transformer_options)
        return -picture_of(self.final_layer(tokens)[:, length : length + count], grid, x)


class Streams(nn.Module):
    """A block of fact 2."""

    def __init__(self, dim, heads=2):
        super().__init__()
        self.heads, self.img, self.txt = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, 3 * dim)
        self.img_out, self.txt_out = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, hidden_states, encoder_hidden_states, turns):
        length = encoder_hidden_states.shape[1]
        joined = torch.cat([self.txt(encoder_hidden_states), self.img(hidden_states)], 1)
        q, k, v = (z.unflatten(-1, (self.heads, -1)).transpose(1, 2) for z in joined.chunk(3, -1))
        flat = (z.transpose(1, 2).flatten(2) for z in (turned(q, turns), turned(k, turns), v))
        made = attention_function(*flat, self.heads, None)
        return encoder_hidden_states + self.txt_out(made[:, :length]), hidden_states + self.img_out(made[:, length:])


class Qwen(Small):
    """Fact 2."""

    temporal = True

    def __init__(self, depth=2, dim=12):
        super().__init__()
        torch.manual_seed(12)
        self.patch_size, self.pe_embedder = 2, Positions()
        self.img_in, self.txt_norm, self.txt_in = nn.Linear(16, dim), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, dim)
        self.transformer_blocks, self.proj_out = nn.ModuleList([Streams(dim) for _ in range(depth)]), nn.Linear(dim, 16)
        self.made()

    def forward(self, x, timesteps, context, attention_mask=None, ref_latents=None, transformer_options=None, **unknown):
        picture, grid, places = patches(x[:, :, 0])
        count, parts, ids = picture.shape[1], [picture], [places]
        shared = getattr(sys.modules.get("backend.args"), "dynamic_args", None)
        for number, latent in enumerate(ref_latents or getattr(shared, "ref_latents", ())):
            more, _, beside = patches(latent[:, :, 0])
            beside[:, 0] = number + 1
            parts.append(more.expand(len(x), -1, -1))
            ids.append(beside)
        start = max(grid) // 2
        numbers = torch.arange(start, start + context.shape[1])[:, None].expand(-1, 3)
        turns = self.pe_embedder(torch.cat([numbers, *ids])[None].expand(len(x), -1, -1))
        image, text = self.img_in(torch.cat(parts, 1)), self.txt_in(self.txt_norm(context))
        for block in self.transformer_blocks:
            text, image = block(hidden_states=image, encoder_hidden_states=text, turns=turns)
        return picture_of(self.proj_out(image[:, :count]), grid, x)[:, :, None]


class Fusion(nn.Module):
    """``txtfusion`` of fact 3."""

    def __init__(self, layers, dim):
        super().__init__()
        self.layerwise_blocks, self.refiner_blocks = (nn.ModuleList([Block(dim)]) for _ in range(2))
        self.projector = nn.Linear(layers, 1, bias=False)

    def forward(self, x, mask=None, transformer_options=None):
        rows, length = x.shape[:2]
        x = x.flatten(0, 1)
        for block in self.layerwise_blocks:
            x = block(x, mask=None, transformer_options=transformer_options)
        x = self.projector(x.transpose(1, 2)).squeeze(-1).unflatten(0, (rows, length))
        for block in self.refiner_blocks:
            x = block(x, mask=mask, transformer_options=transformer_options)
        return x


class Krea(Small):
    """Fact 3."""

    def __init__(self, depth=2, dim=16):
        super().__init__()
        torch.manual_seed(13)
        self.patch, self.txtlayers, self.pe_embedder = 2, 2, Positions()
        self.first, self.txtfusion, self.txtmlp = nn.Linear(16, dim), Fusion(2, WIDTH // 2), nn.Linear(WIDTH // 2, dim)
        self.blocks = nn.ModuleList([KreaBlock(dim, heads=4, kvheads=2) for _ in range(depth)])
        self.last = Last(dim)
        self.made()

    def forward(self, x, timesteps, context, attention_mask=None, transformer_options=None, **unknown):
        context = context.squeeze(1).unflatten(-1, (self.txtlayers, -1))
        picture, grid, places = patches(x)
        text = self.txtmlp(self.txtfusion(context, transformer_options=transformer_options))
        length = text.shape[1]
        turns = self.pe_embedder(torch.cat([torch.zeros(length, 3), places])[None].expand(len(x), -1, -1))[:, None]
        tokens = torch.cat([text, self.first(picture)], 1)
        for block in self.blocks:
            tokens = block(tokens, turns, None, transformer_options=transformer_options)
        return picture_of(self.last(tokens)[:, length:], grid, x)


class Ernie(Small):
    """Fact 4."""

    def __init__(self, depth=2, dim=12):
        super().__init__()
        torch.manual_seed(14)
        self.patch_size, self.pos_embed = 2, Positions()
        self.x_embedder, self.text_proj, self.adaLN_modulation = nn.Linear(16, dim), nn.Linear(WIDTH, dim), nn.Identity()
        self.layers, self.final_linear = nn.ModuleList([ErnieBlock(dim, flat=True) for _ in range(depth)]), nn.Linear(dim, 16)
        self.made()

    def forward(self, x, timesteps, context, **unknown):
        picture, grid, places = patches(x)
        length, count = context.shape[1], picture.shape[1]
        places[:, 0] = length
        ids = torch.cat([places, F.pad(torch.arange(float(length))[:, None], (0, 2))])
        turns = self.pos_embed(ids[None].expand(len(x), -1, -1))
        tokens = torch.cat([self.x_embedder(picture), self.text_proj(context)], 1)
        for block in self.layers:
            tokens = block(tokens, turns)
        return picture_of(self.final_linear(tokens)[:, :count], grid, x)


FAMILIES = {
    "lumina": lambda depth=2: Lumina(depth, multiple=None),
    "z-image": Lumina,
    "qwen": Qwen,
    "krea": Krea,
    "ernie": Ernie,
}
