"""A ControlNet as Forge's patcher holds it, small, with random weights.

17. ``unet.controlnet_linked_list`` is the last net added, each has ``previous_controlnet``; ``list_controlnets()`` tells them all.
18. Before each call of the network the host runs ``get_control(x, sigma, cond, chunks)`` on the very rows of that call; ``cond`` is a copy
    of the entries that the network is given. The network is then given ``control`` and, by the keyword ``control_model``, the last net.
    On reForge ``get_control`` has a fifth argument, the call's ``transformer_options``, and the network is not given the net.
19. A net scales x by ``model_sampling_current.calculate_input`` itself, and keeps its picture enlarged to the latent (``cond_hint``).
20. Its residuals are multiplied by ``advanced_mask_weighting`` (B, 1, H, W), resized to them, where it has one.
21. MultiDiffusion Integrated cuts the picture into tiles, in rows as the tiles' are, and runs the nets on all tiles of a call.
"""

from types import SimpleNamespace

import torch
from forge_double import scaled
from forge_networks import Network
from torch import nn


class Encoder(nn.Module):
    """The first block of a UNet with a picture added: what it answers depends on the text."""

    def __init__(self, seed=5, vectors=False):
        super().__init__()
        own = Network(seed, vectors)
        self.input_blocks, self.time, self.vectors = own.input_blocks, own.time, own.vectors
        self.zero = nn.Conv2d(8, 8, 1).requires_grad_(False)

    def forward(self, x, hint, timesteps, context, y=None):
        h = self.input_blocks[0][0](x) + nn.functional.avg_pool2d(hint, 8)
        emb = self.time(timesteps[:, None].float() / 1000)
        emb = (emb if y is None else emb + self.vectors(y))[:, :, None, None]
        h = self.input_blocks[1][1](self.input_blocks[1][0](h) + emb, context, {"block": ("input", 1)})
        return [self.zero(h)]


class ControlNet:
    """Facts 17 to 19."""

    def __init__(self, previous=None, seed=5, vectors=False, size=(80, 64)):
        self.control_model, self.previous_controlnet, self.strength = Encoder(seed, vectors), previous, 1.5
        generator = torch.Generator().manual_seed(seed)
        self.cond_hint = self.picture = torch.rand(1, 8, *size, generator=generator)
        self.model_sampling_current = SimpleNamespace(calculate_input=scaled, timestep=lambda sigma: 100 * sigma)
        self.transformer_options = {}
        self.runs = []
        self.advanced_mask_weighting = None

    def asked(self, x, t, cond, batched_number):
        """What the host does with the last net; what it then gives the network."""
        net = self
        while net is not None:
            net.transformer_options, net.cond_hint = cond["transformer_options"], net.picture
            net = net.previous_controlnet
        return {"control": self.get_control(x, t, cond, batched_number), "control_model": self}

    def get_control(self, x, t, cond, batched_number):
        before = None if self.previous_controlnet is None else self.previous_controlnet.get_control(x, t, cond, batched_number)
        return self.answer(x, t, cond, before, self.transformer_options)

    def answer(self, x, t, cond, before, options):
        self.runs.append((tuple(x.shape), tuple(options.get("cond_or_uncond", ()))))
        given = self.model_sampling_current.calculate_input(t, x)
        times = self.model_sampling_current.timestep(t)
        (found,) = self.control_model(x=given, hint=self.cond_hint, timesteps=times, context=cond["c_crossattn"], y=cond.get("y"))
        found = found * self.strength
        if self.advanced_mask_weighting is not None:
            found = found * nn.functional.interpolate(self.advanced_mask_weighting, found.shape[-2:], mode="bilinear")
        return {"middle": [found if before is None else found + before["middle"][0]]}


def in_tiles(net, tiles, timesteps, entries, tops, images):
    """Fact 21: the residuals of rows ``tiles`` (N, C, h, w), whose tiles begin in the rows ``tops``."""
    last = net
    while net is not None:
        cut = [net.picture[:, :, 8 * top : 8 * (top + tiles.shape[-2])].expand(images, -1, -1, -1) for top in tops]
        net.cond_hint, net = torch.cat(cut), net.previous_controlnet
    return last.get_control(tiles, timesteps, entries, 2)


class ReforgeNet(ControlNet):
    """Fact 18, as reForge has it; its nets have no options of their own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        del self.transformer_options

    def asked(self, x, t, cond, batched_number):
        return {"control": self.get_control(x, t, cond, batched_number, cond["transformer_options"])}

    def get_control(self, x, t, cond, batched_number, transformer_options):
        given = (x, t, cond, batched_number, transformer_options)
        before = None if self.previous_controlnet is None else self.previous_controlnet.get_control(*given)
        return self.answer(x, t, cond, before, transformer_options)
