"""What edits ask of a Forge engine: tokens as its text engine lays them out, and its autoencoder."""

import sys
from types import SimpleNamespace

import pytest
import torch

from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.hosts.forge import pictures as forge_pictures
from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.request.errors import RegionalError
from lib_regional.tensors.guidance.tokens import Token

START, END = 100, 101
PIECES = {1: "a</w>", 2: "cath", 3: "edral</w>", 4: "here</w>"}


class TextEngine:
    """Chunks of 77 tokens as Forge's classic engine makes them: (start, tokens, end, padding), textual inversions as fixes."""

    id_start, id_end, id_pad = START, END, END
    tokenizer = SimpleNamespace(convert_ids_to_tokens=lambda token: PIECES[token])

    def tokenize_line(self, text):
        tokens, fixes = {"a cathedral": ([1, 2, 3], []), "a style here": ([1, 0, 0, 4], [(1, "style", 2)])}[text]
        body = [START, *tokens, *[END] * (76 - len(tokens))]
        fixed = [SimpleNamespace(offset=at, embedding=SimpleNamespace(name=name, vectors=count)) for at, name, count in fixes]
        return [SimpleNamespace(tokens=body, fixes=fixed)], len(tokens)


@pytest.fixture
def parser(monkeypatch):
    """The host's prompt parser: the last of a schedule's texts counts."""
    parse = SimpleNamespace(get_learned_conditioning_prompt_schedules=lambda texts, steps: [[[0, "no"], [steps, text]] for text in texts])
    monkeypatch.setitem(sys.modules, "modules", SimpleNamespace(prompt_parser=parse))


@pytest.mark.parametrize("name", ["text_processing_engine", "text_processing_engine_l"])
def test_pieces_of_words_with_their_places(parser, name):
    found = forge_pictures.tokens_of(SimpleNamespace(**{name: TextEngine()}), "a cathedral")
    assert found == [Token(1, "a", 0), Token(2, "cath", 1), Token(3, "edral", 1)]


def test_a_textual_inversion_is_one_word(parser):
    found = forge_pictures.tokens_of(SimpleNamespace(text_processing_engine=TextEngine()), "a style here")
    assert found == [Token(1, "a", 0), Token(2, "style", 1), Token(3, "", 1), Token(4, "here", 2)]


def test_an_engine_is_asked_first_where_all_encoders_together_have_a_name(parser):
    """Forge Neo's ``cond_stage_model`` holds the encoders and does not tokenize."""
    model = SimpleNamespace(text_processing_engine=TextEngine(), cond_stage_model=torch.nn.ModuleDict())
    assert len(forge_pictures.tokens_of(model, "a cathedral")) == 3
    with pytest.raises(RegionalError, match="text encoder"):
        forge_pictures.tokens_of(SimpleNamespace(cond_stage_model=torch.nn.ModuleDict()), "a cathedral")


def test_a_model_without_chunks_is_refused(parser):
    with pytest.raises(RegionalError, match="text encoder"):
        forge_pictures.tokens_of(SimpleNamespace(text_processing_engine_t5=object()), "a cathedral")


def test_the_autoencoder_leaves_the_network_in_memory(monkeypatch):
    loaded = []
    monkeypatch.setattr(forge_pictures, "prepare_again", lambda model, x: loaded.append(tuple(x.shape)))
    model = SimpleNamespace(
        decode_first_stage=lambda x: x[:, :3].repeat_interleave(8, 2).repeat_interleave(8, 3).half(),
        encode_first_stage=lambda x: torch.nn.functional.avg_pool2d(x, 8),
    )
    pictures = forge_pictures.decode(model, torch.ones(2, 4, 3, 2))
    assert pictures.shape == (2, 3, 24, 16) and pictures.dtype == torch.float32
    assert forge_pictures.encode_picture(model, pictures).shape == (2, 3, 3, 2)
    assert loaded == [(2, 4, 3, 2), (2, 3, 3, 2)]


class Stage(torch.nn.Module):
    """An autoencoder as Forge has it: made for inference, adding in place, with the scale of its latents."""

    @torch.inference_mode()
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = torch.nn.Conv2d(4, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 1)
        self.requires_grad_(False)

    def process_out(self, latent):
        return latent / 0.5 + 0.1

    def decode(self, latent):
        x = self.first(latent)
        h = torch.nn.functional.silu(x)
        x += h
        return torch.nn.functional.interpolate(self.last(x * x), scale_factor=8)


def test_the_decoder_has_a_gradient_where_one_is_asked_for(monkeypatch):
    loaded, stage = [], Stage()
    memory = SimpleNamespace(load_model_gpu=loaded.append)
    monkeypatch.setitem(sys.modules, "backend", SimpleNamespace(memory_management=memory))
    monkeypatch.setattr(forge_pictures, "prepare_again", lambda model, x: loaded.append("network"))
    vae = SimpleNamespace(first_stage_model=stage, patcher="autoencoder", device=torch.device("cpu"), vae_dtype=torch.float32)
    engine = SimpleNamespace(forge_objects=SimpleNamespace(vae=vae), decode_first_stage=lambda x: torch.zeros(1, 3, 24, 16))
    z = torch.randn(1, 4, 3, 2, generator=torch.Generator().manual_seed(1))
    assert ForgeHost(engine).differentiable and not forge_pictures.decode(engine, z).any()
    with torch.inference_mode(False), torch.enable_grad():
        asked = z.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(forge_pictures.decode(engine, asked).square().sum(), asked)
    assert loaded == ["network", "autoencoder", "network"]
    way = torch.randn(z.shape, generator=torch.Generator().manual_seed(2))

    def value(latent):
        with torch.no_grad():
            return float(stage.decode(stage.process_out(latent)).double().square().sum())

    assert float((gradient * way).sum()) == pytest.approx((value(z + 1e-3 * way) - value(z - 1e-3 * way)) / 2e-3, rel=1e-2)


def test_an_autoencoder_of_another_kind_has_none():
    engine = SimpleNamespace(forge_objects=SimpleNamespace(vae=SimpleNamespace(first_stage_model=torch.nn.Identity())))
    assert not ForgeHost(engine).differentiable


@pytest.mark.parametrize(
    ("asked", "strength", "fixed"),
    [(20, 1.0, False), (20, 0.75, False), (8, 1.0, True), (30, 0.4, True)],
    ids=["all", "part", "fixed", "few"],
)
@pytest.mark.parametrize("kind", [A1111Host, ForgeHost])
def test_the_levels_are_those_that_ddim_visits(monkeypatch, kind, asked, strength, fixed):
    """The WebUIs leave out the noisiest level and, since their loop ends one early, predict at all but the last."""

    def setup_img2img_steps(p, steps=None):
        if fixed:
            return int(asked / min(strength, 0.999)), asked - 1
        return asked, int(min(strength, 0.999) * asked)

    common = SimpleNamespace(setup_img2img_steps=setup_img2img_steps)
    monkeypatch.setitem(sys.modules, "modules", SimpleNamespace(sd_samplers_common=common))
    grid = torch.tensor(range(0, 1000, 1000 // setup_img2img_steps(None)[0])) + 1
    p = SimpleNamespace(sampler=SimpleNamespace(get_timesteps=lambda p, steps: grid.clip(0, 999)))
    visited = []
    schedule = grid.clip(0, 999)[: setup_img2img_steps(p)[1]]
    for i in range(len(schedule) - 1):  # the host's loop, after its formulas
        visited.append(int(schedule[len(schedule) - 1 - i]))
    *levels, end = kind(SimpleNamespace(), p).levels()
    assert levels == visited and end == int(schedule[0])
