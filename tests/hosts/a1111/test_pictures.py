"""What edits ask of AUTOMATIC1111: tokens as its embedders lay them out, the genuine ldm autoencoder, predictions of single latents."""

import math
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from ldm.modules.diffusionmodules.model import Decoder, Encoder
from ldm.modules.distributions.distributions import DiagonalGaussianDistribution
from torch import nn
from webui import WIDTH, WebUI, checkpoint, context, small_unet

from lib_regional.engine.calls import Conditioning
from lib_regional.hosts.a1111 import pictures as a1111_pictures
from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.request.errors import RegionalError
from lib_regional.tensors.guidance.tokens import Token

START, END = 100, 101
PIECES = {1: "a</w>", 2: "cath", 3: "edral</w>", 4: "here</w>"}
TEXTS = {
    "a cathedral": [([1, 2, 3], [])],
    "a style here": [([1, 0, 0, 4], [(1, "style", 2)])],
    "two chunks": [([2, 3], []), ([1, 4], [])],
}


class Embedder:
    """``FrozenCLIPEmbedderWithCustomWords``: chunks of (start, 75 tokens, end), textual inversions as fixes with a place and a length."""

    id_start, id_end = START, END
    tokenizer = SimpleNamespace(convert_ids_to_tokens=lambda token: PIECES[token])

    def tokenize_line(self, text):
        chunks = [
            SimpleNamespace(
                tokens=[START, *tokens, *[END] * (76 - len(tokens))],
                fixes=[SimpleNamespace(offset=at, embedding=SimpleNamespace(name=name, vectors=count)) for at, name, count in fixes],
            )
            for tokens, fixes in TEXTS[text]
        ]
        return chunks, sum(len(tokens) for tokens, _ in TEXTS[text])


class OpenClipEmbedder(Embedder):
    """``FrozenOpenCLIPEmbedderWithCustomWords`` (SD2): the letters are in a tokeniser of the host's module."""

    tokenizer = None


class SizeEmbedder:
    """SDXL's embedders of numbers, which have no tokens."""


@pytest.fixture
def webui(monkeypatch):
    found = WebUI(monkeypatch, checkpoint())
    prompts = sys.modules["modules.prompt_parser"]
    prompts.get_learned_conditioning_prompt_schedules = lambda texts, steps: [[[0, "no"], [steps, text]] for text in texts]
    open_clip = ModuleType("modules.sd_hijack_open_clip")
    open_clip.tokenizer = SimpleNamespace(decoder=PIECES)
    monkeypatch.setitem(sys.modules, "modules.sd_hijack_open_clip", open_clip)
    sys.modules["modules"].sd_hijack_open_clip = open_clip
    return found


def tokens(**parts):
    return a1111_pictures.tokens_of(SimpleNamespace(**parts), "a cathedral")


CATHEDRAL = [Token(1, "a", 0), Token(2, "cath", 1), Token(3, "edral", 1)]
MODELS = {
    "sd1": {"cond_stage_model": Embedder()},
    "sd2": {"cond_stage_model": OpenClipEmbedder()},
    "sdxl": {"conditioner": SimpleNamespace(embedders=[SizeEmbedder(), Embedder(), OpenClipEmbedder()])},
}


@pytest.mark.parametrize("parts", MODELS.values(), ids=MODELS)
def test_pieces_of_words_with_their_places(webui, parts):
    """Of a schedule those of its last text; marks and padding are no pieces."""
    assert tokens(**parts) == CATHEDRAL


def test_a_textual_inversion_is_one_word_at_all_its_places(webui):
    found = a1111_pictures.tokens_of(SimpleNamespace(cond_stage_model=Embedder()), "a style here")
    assert found == [Token(1, "a", 0), Token(2, "style", 1), Token(3, "", 1), Token(4, "here", 2)]


def test_the_second_chunk_goes_on_counting(webui):
    found = a1111_pictures.tokens_of(SimpleNamespace(cond_stage_model=Embedder()), "two chunks")
    assert found == [Token(1, "cath", 0), Token(2, "edral", 0), Token(78, "a", 1), Token(79, "here", 2)]


@pytest.mark.parametrize("parts", [{"cond_stage_model": object()}, {"conditioner": SimpleNamespace(embedders=[SizeEmbedder()])}])
def test_a_model_whose_tokens_cannot_be_distinguished_is_refused(webui, parts):
    with pytest.raises(RegionalError, match="text encoder"):
        tokens(**parts)


# ---------------------------------------------------------------- the autoencoder


class Autoencoder(nn.Module):
    """``AutoencoderKL`` of ldm without its training framework: the genuine encoder, decoder and posterior."""

    def __init__(self):
        super().__init__()
        config = {"double_z": True, "z_channels": 4, "resolution": 32, "in_channels": 3, "out_ch": 3, "ch": 32, "ch_mult": [1, 1, 1, 1]}
        config |= {"num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0}
        self.encoder, self.decoder = Encoder(**config), Decoder(**config)
        self.quant_conv, self.post_quant_conv = nn.Conv2d(8, 8, 1), nn.Conv2d(4, 4, 1)

    def encode(self, picture):
        return DiagonalGaussianDistribution(self.quant_conv(self.encoder(picture)))

    def decode(self, latent):
        return self.decoder(self.post_quant_conv(latent))


@pytest.fixture(scope="module")
def stage():
    torch.manual_seed(0)
    return Autoencoder().eval().requires_grad_(False)


def scaled(stage, factor=0.18215):
    return SimpleNamespace(first_stage_model=stage, scale_factor=factor)


def test_decoding_undoes_the_scale_and_has_a_gradient(stage):
    latent = torch.randn(2, 4, 3, 2, generator=torch.Generator().manual_seed(1), requires_grad=True)
    picture = a1111_pictures.decode(scaled(stage), latent)
    assert picture.shape == (2, 3, 24, 16)
    torch.testing.assert_close(picture, stage.decoder(stage.post_quant_conv(latent / 0.18215)))
    direction = torch.randn(latent.shape, generator=torch.Generator().manual_seed(2))
    (slope,) = torch.autograd.grad(picture.square().mean(), latent)
    step, double = 1e-5, stage.double()
    at = [double.decode((latent.detach().double() + sign * step * direction) / 0.18215).square().mean() for sign in (1, -1)]
    stage.float()
    assert float((slope * direction).sum()) == pytest.approx(float(at[0] - at[1]) / (2 * step), rel=1e-3)


def test_latents_go_to_the_autoencoder_in_its_own_numbers(stage):
    """Samplers count in 32 bits where the autoencoder may be kept in 16."""
    half = stage.bfloat16()
    try:
        assert a1111_pictures.decode(scaled(half), torch.ones(1, 4, 2, 2)).dtype == torch.bfloat16
        assert a1111_pictures.encode_picture(scaled(half), torch.zeros(1, 3, 16, 16)).dtype == torch.float32
    finally:
        stage.float()


def test_encoding_is_the_mean_of_the_posterior(stage):
    picture = torch.rand(2, 3, 24, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = a1111_pictures.encode_picture(scaled(stage), picture.requires_grad_())
    mean = stage.quant_conv(stage.encoder(picture))[:, :4]
    assert found.shape == (2, 4, 3, 2) and not found.requires_grad
    torch.testing.assert_close(found, mean.detach() * 0.18215)


def test_sgm_answers_with_the_latent_itself():
    stage = nn.Conv2d(3, 4, 8, stride=8)
    stage.encode = stage.forward
    picture = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(a1111_pictures.encode_picture(scaled(stage, 0.13025), picture), stage(picture).detach() * 0.13025)


# ---------------------------------------------------------------- predictions of single latents

KEPT = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0).float()
STEP = 601


def noised(batch=2):
    return torch.randn(batch, 4, 10, 8, generator=torch.Generator().manual_seed(5))


def conditionings(*texts, vector=None):
    return [Conditioning(context(text), vector) for text in texts]


def raw(webui, x, *texts):
    unet = webui.model.model.diffusion_model
    return unet(x, torch.full((len(x),), float(STEP)), context=torch.stack([context(text) for text in texts]))


def test_a_model_of_the_noise_is_asked_as_it_is(webui):
    x = noised()
    with torch.no_grad():
        assert torch.equal(A1111Host(webui.model).predict(x, STEP, conditionings("a", "b")), raw(webui, x, "a", "b"))


def test_a_model_of_the_velocity_predicts_its_noise(webui):
    """v = √ᾱ · noise − √(1−ᾱ) · clean and x = √ᾱ · clean + √(1−ᾱ) · noise (Salimans and Ho), solved for the noise."""
    webui.model.parameterization, webui.model.alphas_cumprod = "v", KEPT
    x = noised()
    with torch.no_grad():
        v, noise = raw(webui, x, "a", "b"), A1111Host(webui.model).predict(x, STEP, conditionings("a", "b"))
    alpha, beta = math.sqrt(KEPT[STEP]), math.sqrt(1 - KEPT[STEP])
    clean = (x - beta * noise) / alpha
    torch.testing.assert_close(alpha * noise - beta * clean, v, atol=1e-5, rtol=1e-4)
    assert torch.equal(A1111Host(webui.model).alphas_cumprod, KEPT)


def test_predictions_have_a_gradient_to_the_context(webui):
    text = context("a").requires_grad_()
    found = A1111Host(webui.model).predict(noised(1), STEP, [Conditioning(text)])
    (slope,) = torch.autograd.grad(found.square().mean(), text)
    assert slope.shape == (77, WIDTH) and slope.abs().max() > 0


def test_pooled_texts_reach_the_unet_beside_the_contexts(webui):
    seen = []

    class Pooled(nn.Module):
        def forward(self, x, timesteps, context=None, y=None):
            seen.append((timesteps, y))
            return x

    webui.model.model.diffusion_model = Pooled()
    A1111Host(webui.model).predict(noised(), STEP, conditionings("a", "b", vector=torch.arange(6.0, dtype=torch.float64)))
    ((steps, pooled),) = seen
    assert steps.tolist() == [STEP, STEP] and pooled.dtype == torch.float32 and pooled.tolist() == [list(range(6))] * 2


def test_an_inpainting_model_is_refused(webui):
    webui.model.model.diffusion_model = small_unet()
    webui.model.model.diffusion_model.in_channels = 9
    with pytest.raises(RegionalError, match="9 channels"):
        A1111Host(webui.model).predict(noised(), STEP, conditionings("a", "b"))
