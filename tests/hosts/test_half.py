"""Whole generations in half precision on the doubles of the hosts: AUTOMATIC1111's genuine ldm UNet under autocast, Forge's own in half.

A picture in half differs from fp32 by what the network's layers round, with regions or without: guidance multiplies what every layer
rounds by its scale (3 here), and steps add up. So the bound is relative to that: regions may be `TIMES` as far from their fp32 as the
host's own picture without regions is from its. One fault of ours (a constant norm, an overflow) is a hundred times as far.
"""

from __future__ import annotations

import copy
import sys
from types import SimpleNamespace

import pytest
import torch
from forge_double import Processing as ForgeProcessing
from forge_double import WebUI as Forge
from forge_networks import Network
from isolation_cases import plan_of
from network_doubles import ForgeEngine, a1111_networks, forge_networks, random_network
from torch import nn
from webui import OPTIMISERS, Denoiser, Processing, TimestepsDenoiser, WebUI, checkpoint

from lib_regional.engine.calls import ModelCall, Row, Site, StepInfo
from lib_regional.hosts.ldm import attention as a1111_attention
from lib_regional.hosts.registry import find_host
from lib_regional.methods import open_session
from lib_regional.webui import driver as processing
from tests.support.half import Case, relative_error, runs_here

pytestmark = pytest.mark.half

TIMES = 2.5
HALVES = [torch.float16, torch.bfloat16]
MODEL = checkpoint()
REGIONS = [
    {"box": [0, 0, 0.55, 1], "prompt": "one <lora:x:1:0.7>", "feather": 0.2, "base_share": 0.2},
    {"box": [0.45, 0, 1, 1], "prompt": "two <lora:y:1:0.8>", "negative": "n", "feather": 0.2},
]
METHODS = {
    "attention_couple": {},
    "attention_couple, nothing apart": {"separate": "nothing"},
    "latent_couple": {"mode": "crop", "halo": 2},
    "multidiffusion": {"window": 64, "total": 0.3},
    "latent_composite": {"alone": 0.5},
    "mask_conditioning": {},
}


def settings_of(name: str) -> dict:
    method = name.split(",")[0]
    return {"method": method, "options": {method: METHODS[name]}, "regions": REGIONS}


def near(made: dict, plain: dict, dtype: torch.dtype) -> None:
    """made, plain: the latent by type, with regions and without."""
    assert torch.isfinite(made[dtype]).all() and made[dtype].dtype == torch.float32
    error, own = relative_error(made[dtype], made[torch.float32]), relative_error(plain[dtype], plain[torch.float32])
    assert error <= TIMES * max(own, 1e-3), (error, own)
    assert relative_error(made[torch.float32], plain[torch.float32]) > 0.02


@pytest.fixture
def a1111(monkeypatch):
    webui = WebUI(monkeypatch, MODEL)
    unet = MODEL.model.diffusion_model
    files = {name: ("lora", random_network(unet, "lora", seed)) for name, seed in (("x", 1), ("y", 2))}
    a1111_networks(monkeypatch, unet, files)
    return webui


def generated(webui, argument, dtype, kind=Processing, **more):
    webui.compute_in(dtype)
    p = kind(webui, height=64, **more)
    processing.begin(p, None if argument is None else {"enabled": True, **argument})
    processing.begin_batch(p)
    p.before_sampling.append(processing.begin_pass)
    return p.sample(steps=2)


PLAIN: dict[torch.dtype, torch.Tensor] = {}
"""The host's own picture, which is the same in every test."""


def plain_a1111(webui, dtype):
    if dtype not in PLAIN:
        PLAIN[dtype] = generated(webui, None, dtype)
    return PLAIN[dtype]


@pytest.mark.parametrize("name", METHODS)
def test_a1111(a1111, name):
    types = [dtype for dtype in HALVES if runs_here(Case(torch.float32, dtype))]
    plain = {dtype: plain_a1111(a1111, dtype) for dtype in (torch.float32, *types)}
    made = {dtype: generated(a1111, settings_of(name), dtype) for dtype in (torch.float32, *types)}
    for dtype in types:
        near(made, plain, dtype)


@pytest.mark.parametrize("name", METHODS)
def test_forge(monkeypatch, name):
    made, plain = {}, {}
    types = [dtype for dtype in HALVES if runs_here(Case(dtype))]
    for dtype in (torch.float32, *types):
        unet = Network(dim=16)
        files = {lora: ("lora", random_network(unet, "lora", seed)) for lora, seed in (("x", 1), ("y", 2))}
        with torch.inference_mode():
            unet.to(dtype)
        webui = Forge(monkeypatch, ForgeEngine(unet))
        forge_networks(monkeypatch, unet, files)
        plain[dtype] = ForgeProcessing(webui).sample()
        p = ForgeProcessing(webui)
        given = settings_of(name)
        plan = plan_of(given.pop("method"), given, p.prompts, p.negatives, (64, 80))
        host = find_host(webui.engine, p)
        p.before_sampling[:] = [host.begin_pass]
        with open_session(host, plan):
            made[dtype] = p.sample()
    for dtype in types:
        near(made, plain, dtype)


# ---------------------------------------------------------------- edits


class EulerDenoiser(Denoiser):
    """The network's answer is the noise, as k-diffusion's wrapper has it."""

    def forward(self, x, sigma, cond_scale):
        level = float(sigma[0])
        return x - level * super().forward(x / (level**2 + 1) ** 0.5, sigma, cond_scale)


class Euler(Processing):
    """Sampled by Euler's method."""

    def sample(self, steps):
        denoiser = EulerDenoiser(self)
        self.begin_pass(denoiser)
        x = denoiser.level() * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
        with self.webui.autocast(), torch.no_grad():
            for _ in range(steps):
                level = denoiser.level()
                x = x + (x - denoiser(x)) / level * (denoiser.level() - level)
        return x


class Embedder:
    """Every word is a token."""

    id_start, id_end = "<s>", "</s>"
    tokenizer = SimpleNamespace(convert_ids_to_tokens=lambda token: token + "</w>")

    def tokenize_line(self, text):
        words = text.replace(",", " ,").split()
        return [SimpleNamespace(tokens=["<s>", *words, *["</s>"] * (76 - len(words))], fixes=[])], len(words)


class Decoder(nn.Module):
    """Eight times the size, by one convolution of the host's type."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.colours = nn.Conv2d(4, 3, 1).requires_grad_(False)

    def decode(self, latent):
        return self.colours(latent).repeat_interleave(8, 2).repeat_interleave(8, 3)


EDIT = {
    "method": "mrgd",
    "regions": [{"box": [0, 0, 0.5, 1], "prompt": "blue hat"}, {"box": [0.5, 0, 1, 1], "prompt": "a tree"}],
    "base": {"prompt": "grass"},
}
SOURCE = {
    "regions": [{"box": [0, 0, 0.5, 1], "prompt": "red hat"}, {"box": [0.5, 0, 1, 1], "prompt": "a tree"}],
    "base": {"prompt": "grass"},
}


@pytest.mark.parametrize("gradient", ["linear", "decoder"])
def test_an_edit_on_a1111(monkeypatch, gradient):
    """Attention control, keywords in self-attention, guidance through maps and pictures, and the lock."""
    made, plain = {}, {}
    types = [dtype for dtype in HALVES if runs_here(Case(torch.float32, dtype))]
    for dtype in (torch.float32, *types):
        model = copy.copy(MODEL)
        model.cond_stage_model, model.first_stage_model, model.scale_factor = Embedder(), Decoder().to(dtype), 1.0
        model.alphas_cumprod = TimestepsDenoiser.alphas
        webui = WebUI(monkeypatch, model)
        prompts = sys.modules["modules.prompt_parser"]
        prompts.get_learned_conditioning_prompt_schedules = lambda texts, steps: [[[steps, text]] for text in texts]
        options = {"source": SOURCE, "gradient": gradient, "kssa_gain": 1.2, "lock": False, "tau_own": 0.6, "self_until": 0.6}
        plain[dtype] = generated(webui, None, dtype, Euler)
        made[dtype] = generated(webui, {**EDIT, "options": {"mrgd": options}}, dtype, Euler, prompts=["grass"])
    for dtype in types:
        near(made, plain, dtype)


# ---------------------------------------------------------------- upcast attention


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_upcast_attention_is_computed_in_fp32(monkeypatch, dtype):
    """ "Upcast cross attention layer to float32": projections in half, what lies between them not, whatever autocast is on."""
    if not runs_here(Case(torch.float32, dtype)):
        pytest.skip("this PyTorch has no fp16 on the CPU")
    webui, seen = WebUI(monkeypatch, MODEL), []
    webui.compute_in(dtype)
    webui.opts.upcast_attn = True
    attn = MODEL.model.diffusion_model.get_submodule("input_blocks.1.1.transformer_blocks.0.attn2")
    x, context = torch.randn(1, 4, 32).to(dtype), torch.randn(1, 77, 16).to(dtype)
    model = ModelCall((Row(0, "cond"),), StepInfo(0, 1), (2, 2))

    def hook(call):
        q = call.to_q(call.x)
        seen.append((q.dtype, (q @ q.mT).dtype))
        return call.out(q)

    with webui.autocast(), torch.no_grad():
        out = a1111_attention.run_hook(hook, Site("a.attn2", "cross"), attn, (2, 2), model, x, context)
    assert seen == [(torch.float32, torch.float32)] and out.dtype == dtype


def test_every_optimiser_of_the_double_runs_under_autocast(monkeypatch):
    """So that what the double shows is not an accident of one of them."""
    from ldm.modules.attention import CrossAttention

    webui = WebUI(monkeypatch, MODEL)
    plain = generated(webui, None, torch.float32)
    for name in ("none", "sdp", "Doggettx"):
        monkeypatch.setattr(CrossAttention, "forward", OPTIMISERS[name])
        assert 0 < relative_error(generated(webui, None, torch.bfloat16), plain) < 0.2
