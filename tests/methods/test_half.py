"""Methods in half precision, with and without autocast, against double precision: predictions, LoRAs, noise, guidance, inversion."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from isolation_cases import plan_of
from lora_files import CONV, LINEAR, merged
from torch import Tensor

from lib_regional.engine.calls import Conditioning, DenoiserCall, LayerCall, ModelCall, Row, StepInfo, UNetCall, UNetRow
from lib_regional.engine.capabilities import ModelFacts
from lib_regional.methods import preparation
from lib_regional.methods.common.prepared import Prepared
from lib_regional.methods.common.region_lora import ByPlace, layer_hooks, load_networks
from lib_regional.methods.common.region_noise import region_noise
from lib_regional.methods.common.region_predictions import others_of, prepared_hooks
from lib_regional.methods.latent_composite import Hidden, owned_branches
from lib_regional.methods.mrgd.guide import SCALE, Scene, Weights, guided
from lib_regional.methods.mrgd.inversion import RATE, Inversion
from lib_regional.methods.mrgd.sides import Job, fuse
from lib_regional.request.layout.windows import Window, canvas_of
from lib_regional.tensors.lora.deltas import LayerKind
from lib_regional.tensors.lora.kinds import Target, layer_delta
from lib_regional.tensors.masks.pyramid import Pyramid
from lib_regional.tensors.masks.weight_maps import strength_maps, weight_maps
from tests.support.half import Case, assert_near, every_precision, exact, relative_error

ROWS = (Row(0, "cond"), Row(0, "uncond"))
REGIONS = [
    {"box": [0, 0, 0.6, 1], "prompt": "a", "feather": 0.2, "base_share": 0.3},
    {"box": [0.4, 0.2, 1, 1], "prompt": "b", "negative": "n", "feather": 0.1, "weight": 1.5},
]


# ------------------------------------------------------------------ predictions


def answer(x: Tensor, context: Tensor) -> Tensor:
    """A network that looks at one cell at a time: x (C, h, w) and a context (T, D) -> (C, h, w), in the type of x."""
    mean = context.to(x.dtype).mean()
    return x * (0.5 + mean) - 0.5 * mean


class Texts:
    """A host that knows texts alone, each by a context of its own."""

    name = "texts"
    facts = ModelFacts(64)

    def encode(self, texts: Sequence[str], *, steps: int, **_: object) -> list[tuple[tuple[int, Conditioning], ...]]:
        return [((steps, Conditioning(context(text))),) for text in texts]

    def loras(self, loras: object) -> list[dict[str, object]]:
        return []


@lru_cache
def context(text: str) -> Tensor:
    return exact(77, 16, seed=sum(map(ord, text))) * 0.125 + 0.0625 * len(text)


def called(x: Tensor, step: StepInfo, texts: tuple[str, str] = ("main", "bad")) -> UNetCall:
    """A call of two rows, ROWS, whose network is `answer`."""

    def run(rows: Sequence[UNetRow]) -> Tensor:
        seen = [x[row.source] if row.x is None else row.x for row in rows]
        contexts = [context(texts[row.source]) if row.conditioning is None else row.conditioning.crossattn for row in rows]
        return torch.stack([answer(a.to(x), b.to(x)) for a, b in zip(seen, contexts, strict=True)])

    return UNetCall(ModelCall(ROWS, step, (x.shape[-2], x.shape[-1])), x, run, lambda: run([UNetRow(0), UNetRow(1)]), 77)


OPTIONS = {
    "latent_couple": {},
    "latent_couple in boxes": {"mode": "crop", "halo": 2},
    "multidiffusion": {"window": 192, "overlap": 0.5, "crop": "box", "bootstrap": 0.0},
    "mask_conditioning": {"base_strength": 1.0},
}


@every_precision
@pytest.mark.parametrize("name", OPTIONS)
def test_predictions_are_fused(case: Case, name: str) -> None:
    """Whatever the windows are, the sum is that of the texts' own answers times the weights of the cell."""
    method, size = name.split(" ")[0], (32, 64)
    plan = plan_of(method, {"regions": REGIONS, "options": {method: OPTIONS[name]}}, size=(512, 256))
    x = exact(1, 4, *size).expand(2, -1, -1, -1)
    maps = weight_maps(plan.layout, *size)
    if method == "mask_conditioning":
        own = strength_maps(plan.layout, *size, None, 1.0).regions
        shares = torch.stack([1 - own.sum(0), *own])
    else:
        shares = torch.stack([maps.base, *maps.regions])
    texts = {"cond": ("main", "a", "b"), "uncond": ("bad", "bad", "bad, n")}
    expected = [sum(w.double() * answer(x[0].double(), context(t)) for w, t in zip(shares, texts[row.role], strict=True)) for row in ROWS]
    hooks = preparation(method)(plan, Texts())  # type: ignore[arg-type]
    assert hooks.unet is not None
    with case.ambient(), torch.no_grad():
        got = hooks.unet(called(case.of(x), StepInfo(1, 10, 1.0, cfg_scale=5.0)))
    assert got is not None
    assert_near(got, torch.stack(expected), case)


@every_precision
def test_hidden_latents_follow_their_own_path(case: Case) -> None:
    """Latent composite: twenty Euler steps of what does not show, seen by the network in half, against the same in double precision."""
    plan = plan_of("latent_composite", {"regions": [{"box": [0, 0, 0.6, 1], "prompt": "a"}, {"box": [0.4, 0, 1, 1], "prompt": "b"}]})
    sigmas, scale = torch.linspace(14.0, 0.5, 20).tolist(), 1.5
    hidden, start = Hidden(plan, ModelFacts(64)), exact(1, 4, 32, 32) * 14
    prepared = Prepared(plan, Texts(), others_of(plan))  # type: ignore[arg-type]
    hooks = prepared_hooks(plan, prepared, owned_branches(plan), 1.0, observe=hidden.observe, report=hidden.keep)
    naive, shown = [start[0].double()] * 3, start.clone()
    for n, (sigma, following) in enumerate(zip(sigmas, [*sigmas[1:], 0.25], strict=True)):
        step = StepInfo(n, 40, sigma, cfg_scale=scale)

        def denoised(n: int = n, sigma: float = sigma, following: float = following, step: StepInfo = step) -> Tensor:
            nonlocal shown
            cond, uncond = hooks.unet(called(case.of((shown / (sigma**2 + 1) ** 0.5).expand(2, -1, -1, -1)), step)).float()  # type: ignore
            shown = shown + (uncond + scale * (cond - uncond)) * (following - sigma)
            return shown

        with case.ambient(), torch.no_grad():
            hidden.advance(DenoiserCall(shown, step, 1.0, sigma, denoised))
            denoised()
        for at, (text, negative) in enumerate((("main", "bad"), ("a", "bad"), ("b", "bad"))):
            seen = naive[at] / (sigma**2 + 1) ** 0.5
            cond, uncond = (answer(seen, context(words).double()) for words in (text, negative))
            naive[at] = naive[at] + (uncond + scale * (cond - uncond)) * (following - sigma)
    with case.ambient():
        hidden.advance(DenoiserCall(shown, StepInfo(20, 40, 0.25), 1.0, 0.25, lambda: shown))
    kept = hidden._latents[0, 0]
    assert_near(kept, naive[1][..., : kept.shape[-1]], case, torch.float32)


@every_precision
def test_regions_are_fused_in_windows(case: Case) -> None:
    """MRGD: Σ w y of windows, at 128² cells."""
    latent, weights = (128, 128), exact(3, 128, 128, seed=4).abs() + 0.01
    windows = [canvas_of(latent), Window(0, 8, 64, 104), Window(32, 16, 128, 80)]
    ys = [exact(4, *window.grid, seed=n) for n, window in enumerate(windows)]
    total = torch.zeros(4, *latent, dtype=torch.float64)
    for y, w, window in zip(ys, weights, windows, strict=True):
        window.of(total).add_(y.double() * window.of(w).double())
    with case.ambient():
        got = fuse([(Job(n, "", window, window.of(weights[n])), case.of(ys[n])) for n, window in enumerate(windows)], latent)
    assert_near(got, total, case)


# ------------------------------------------------------------------ LoRAs of regions

WIDE_CONV = ("lora", "locon with mid", "loha", "lokr", "dora", "full")
WIDE = {
    "a.attn1.to_q": (LayerKind("linear"), (320, 1280), LINEAR),
    "conv": (LayerKind("conv", padding=(1, 1)), (32, 320, 3, 3), {kind: CONV[kind] for kind in WIDE_CONV}),
}  # fmt: skip
LORA_REGIONS = [
    {"box": [0, 0, 0.5, 1], "prompt": "a <lora:x:1:0.7>", "feather": 0.2, "base_share": 0.4},
    {"box": [0.4, 0, 1, 1], "prompt": "b <lora:x:1:-0.9>"},
]


@every_precision
@pytest.mark.parametrize(("layer", "kind"), [(layer, kind) for layer, (_, _, kinds) in WIDE.items() for kind in kinds])
def test_region_loras(case: Case, layer: str, kind: str) -> None:
    """What is added, alone: y is 0. Files are read while the host's autocast is on, as they are when a method begins."""
    how, shape, kinds = WIDE[layer]
    torch.manual_seed(0)
    parts, weight = kinds[kind](shape), exact(*shape, scale=0.05)
    delta = torch.from_numpy(merged(kind, parts, weight)).reshape(shape) - weight.double()
    bias = parts.get("diff_b", torch.zeros(shape[0])).double()
    plan, grid = plan_of("attention_couple", {"regions": LORA_REGIONS}, size=(64, 64)), (8, 8)
    maps = weight_maps(plan.layout, *grid).share.double()
    strength = 0.7 * maps[0] - 0.9 * maps[1]
    linear = how.kind == "linear"
    x = exact(2, 64, shape[1]) if linear else exact(2, shape[1], *grid)
    clean = F.linear(x.double(), delta, bias) if linear else F.conv2d(x.double(), delta, bias, padding=1)
    expected = clean * (strength.flatten()[:, None] if linear else strength)
    with case.ambient(), torch.no_grad():
        made = layer_delta({name: value.clone() for name, value in parts.items()}, Target(how, shape, lambda: case.of(weight)))
        host = SimpleNamespace(loras=lambda loras: [{layer: made}])
        hook = layer_hooks(load_networks(plan, host), ByPlace(plan, Pyramid(plan.layout)))[layer]  # type: ignore[arg-type]
        got = hook(LayerCall(layer, grid if linear else None, ModelCall(ROWS, StepInfo(0, 10), grid), case.of(x), case.of(clean * 0)))
    assert got is not None
    assert_near(got, expected, case)


# ------------------------------------------------------------------ seeds, guidance, inversion


@every_precision
def test_seeds_of_regions(case: Case) -> None:
    """A latent in half; one region has the picture's own seed, which is then its own noise however it was rounded."""
    regions = [{"box": [0, 0, 0.6, 1], "prompt": "a", "seed": 1, "feather": 0.3}, {"box": [0.5, 0, 1, 1], "prompt": "b", "seed": 2}]
    plan = plan_of("attention_couple", {"regions": regions}, size=(512, 512))
    noise, other = (torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    maps = weight_maps(plan.layout, 64, 64).regions.double()
    shares = torch.stack([1 - maps[1], maps[1]])
    expected = (shares[0] * noise + shares[1] * other) / shares.square().sum(0).sqrt()
    write, x = region_noise(plan, Texts()), case.of(noise[None].clone() * 2)
    assert write is not None
    with case.ambient():
        write(DenoiserCall(x, StepInfo(0, 10), 1.0, 2.0, lambda: x, case.of(noise[None])))
    assert_near(x[0], expected * 2, case)


def fitted(weights: Tensor) -> object:
    """Maps in 0..1 of a latent (C, H, W), by one linear form of its channels each."""
    return lambda z: torch.einsum("rc,chw->rhw", weights.to(z.dtype), z).sigmoid()


@every_precision
def test_the_guided_step(case: Case) -> None:
    """Its gradient through a decoder in half precision to a picture that hardly differs, against all of it in double precision."""
    latent, source = exact(4, 64, 64), exact(4, 64, 64, seed=1)
    latent, colours = source + (latent * 0.05).bfloat16().float(), exact(3, 4, seed=2, scale=0.3)
    area, masks = torch.ones(64, 64), (exact(2, 64, 64, seed=4) > 0).float()
    area[:, 40:] = 0

    def decoder(dtype: torch.dtype) -> object:
        def decode(z: Tensor) -> Tensor:
            flat = (colours.to(dtype) @ z.to(dtype).flatten(1)).view(3, 64, 64)
            return flat.repeat_interleave(8, 1).repeat_interleave(8, 2).to(z.dtype)

        return decode

    z, forms = latent.double().requires_grad_(True), exact(2, 4, seed=3)
    picture, theirs = (decoder(torch.float64)(value) for value in (z, source.double()))  # type: ignore[operator]
    shown = fitted(forms.double())(z)  # type: ignore[operator]
    loss = 300 * (area * (source - z)).square().mean() + 1000 * (shown[1] * (1 - masks[1])).square().mean()
    loss = loss + 300 * (area.repeat_interleave(8, 0).repeat_interleave(8, 1) * (theirs - picture)).square().mean()
    (gradient,) = torch.autograd.grad(loss, z)
    step = gradient * SCALE * latent.numel() * 0.64
    step = step * min(1.0, 0.5 / float(step.square().mean().sqrt()))
    with case.ambient():
        decode = decoder(case.dtype)
        given = {"picture": decode, "source_picture": decode(source).detach()}  # type: ignore[operator]
        scene = Scene(source, fitted(forms), torch.zeros(2, 64, 64), masks, area, [], [1], **given)  # type: ignore[arg-type]
        got = guided(latent, scene, Weights(1000.0, 0.0, 300.0), 0.6, 0.8)
    assert_near(got - latent, -step, case, torch.float32)


class Network:
    """A host whose network adds to every cell what a context's mean says, in the case's type."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.alphas_cumprod = torch.linspace(0.999, 0.005, 1000, dtype=torch.float64)
        self.weights = exact(4, 16, seed=7, scale=0.2)

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        contexts = torch.stack([one.crossattn for one in conditionings]).to(self.dtype).mean(1)
        return x.to(self.dtype) * 0.9 + (contexts @ self.weights.to(self.dtype).T)[..., None, None]


def inversion(host: Network, inner: int) -> Inversion:
    return Inversion(host, SimpleNamespace(), SimpleNamespace(), [801, 601, 401, 201, 1], 3.0, inner)  # type: ignore[arg-type]


@every_precision
def test_null_text_optimisation(case: Case) -> None:
    """Ten steps of Adam on a context in half, of a mean over 128² cells, against Adam written out in double precision."""
    x, aim, cond = exact(4, 128, 128), exact(4, 128, 128, seed=1, scale=0.5), exact(4, 128, 128, seed=2)
    start, weight = exact(77, 16, seed=3), torch.ones(128, 128)
    weight[:, :32] = 0
    run, inner = inversion(Network(case.dtype), 10), 10
    with case.ambient(), torch.no_grad():
        optimised = run._optimised(Job("base", "", canvas_of((128, 128)), weight), x, aim, cond, Conditioning(case.of(start)), 1)
    host, context = Network(torch.float64), start.double()
    first, second = torch.zeros_like(context), torch.zeros_like(context)
    now, following = run._alpha(1), run._alpha(2)
    for n in range(1, inner + 1):
        asked = context.clone().requires_grad_(True)
        uncond = host.predict(x[None], 601, [Conditioning(asked)])[0]
        noise = uncond + 3.0 * (cond.double() - uncond)
        moved = following**0.5 * (x - (1 - now) ** 0.5 * noise) / now**0.5 + (1 - following) ** 0.5 * noise
        (gradient,) = torch.autograd.grad((moved - aim)[..., 32:].square().mean(), asked)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        change = (first / (1 - 0.9**n)) / ((second / (1 - 0.999**n)).sqrt() + 1e-8)
        context = context - RATE * 0.99 * change
    assert_near(optimised.crossattn, context, case, torch.float32)
    # The network sees contexts rounded to its type, which in bf16 is a twentieth of what ten steps change.
    assert relative_error(optimised.crossattn - start, context - start) < (0.1 if case.computes == torch.bfloat16 else 0.02)


@every_precision
def test_the_path_of_an_inversion(case: Case) -> None:
    """DDIM's latents from the picture to the noise, whose steps divide by small numbers."""
    run, clean = inversion(Network(case.dtype), 0), exact(1, 4, 64, 64)
    job = Job("base", "", canvas_of((64, 64)), torch.ones(64, 64))
    run.side = SimpleNamespace(jobs=lambda *_: [job])  # type: ignore[assignment]
    run.texts = SimpleNamespace(conditioning=lambda *_: Conditioning(case.of(exact(77, 16))))  # type: ignore[assignment]
    run._begin(1)
    with case.ambient(), torch.no_grad():
        got = run.path(case.of(clean))
    x, host = clean.double(), Network(torch.float64)
    for index in range(4, -1, -1):
        noise = host.predict(x, 0, [Conditioning(exact(77, 16))])
        before, after = run._alpha(index + 1), run._alpha(index)
        x = after**0.5 * (x - (1 - before) ** 0.5 * noise) / before**0.5 + (1 - after) ** 0.5 * noise
    assert_near(got[-1], x, case, torch.float32)
