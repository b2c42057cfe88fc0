"""The AUTOMATIC1111 adapter's other slots: the whole UNet, single layers, the guided prediction."""

import math

import pytest
import torch
from a1111_hooks import snapshot
from webui import Denoiser, Interrupted, Processing, TimestepsDenoiser, WebUI, checkpoint, context

from lib_regional.engine.calls import Conditioning, Row, StepInfo, UNetRow
from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.hosts.a1111.denoiser import noise_shares
from lib_regional.request.errors import RegionalError

MODEL = checkpoint()
BLOCK = "input_blocks.1.1.transformer_blocks.0."
KINDS = {"k-diffusion": Denoiser, "timesteps": TimestepsDenoiser}


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, MODEL)


def hooked(webui, p=None, **hooks):
    host = A1111Host(webui.model, p)
    if p is not None:
        p.before_sampling[:] = [host.begin_pass]
    return host.patched(Hooks(**hooks))


def predict(webui, x, contexts, timestep=500, **more):
    with torch.no_grad():
        return webui.model.model.diffusion_model(x, torch.full((len(x),), timestep), context=contexts, **more)


# ---------------------------------------------------------------- the whole UNet


def same_rows(call):
    return call.run([UNetRow(source) for source in range(len(call.x))])


@pytest.mark.parametrize("hook", [same_rows, lambda call: call.native(), lambda call: None], ids=["run", "native", "declined"])
def test_predicting_the_same_rows_changes_nothing(webui, hook):
    p = Processing(webui, ["a AND b", "c"], ["n", "m"])
    plain = p.sample(2)
    with hooked(webui, p, unet=hook):
        torch.testing.assert_close(p.sample(2), plain)


def test_the_unet_is_given_the_hosts_call(webui):
    p, seen = Processing(webui, ["a", "b"], ["n", "m"]), []
    with hooked(webui, p, unet=lambda call: seen.append(call)):
        p.sample(2)
    rows = (Row(0, "cond"), Row(1, "cond"), Row(0, "uncond"), Row(1, "uncond"))
    assert [(call.model.rows, call.model.latent, call.model.tags, call.model.step.index) for call in seen] == [
        (rows, (10, 8), (), 0), (rows, (10, 8), (), 1)
    ]  # fmt: skip
    assert seen[0].x.shape == (4, 4, 10, 8)


def test_the_unet_call_has_the_length_of_the_hosts_contexts(webui):
    seen = []
    for prompt in ("short", "long " * 80):
        p = Processing(webui, [prompt], ["long " * 80])
        with hooked(webui, p, unet=lambda call: seen.append((call.tokens, len(call.x)))):
            p.sample()
    assert seen == [(77, 1), (154, 1), (154, 2)]


@pytest.fixture
def with_vectors(webui):
    """The UNet with SDXL's second conditioning: a vector of 4 numbers for each row."""
    unet = webui.model.model.diffusion_model
    before = unet.num_classes
    torch.manual_seed(5)
    unet.num_classes, unet.label_emb = "continuous", torch.nn.Linear(4, 128)
    yield unet
    unet.num_classes = before
    del unet.label_emb


def test_rows_bring_their_own_vectors(webui, with_vectors):
    p, made = Processing(webui), {}
    y = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]])
    own = torch.tensor([9.0, 8, 7, 6])

    def hook(call):
        made["run"] = call.run([UNetRow(1), UNetRow(0, None, Conditioning(context("x"), own)), UNetRow(0)])
        return call.native()

    denoiser = Denoiser(p)
    denoiser.unet = lambda x, predicted: webui.model.model.diffusion_model(x, timesteps=torch.full((2,), 500), context=predicted, y=y)
    x = torch.randn(1, 4, 10, 8)
    with torch.no_grad(), hooked(webui, p, unet=hook):
        denoiser(x)
    predicted = torch.stack([context("bad"), context("x"), context("main")])
    expected = predict(webui, x.expand(3, -1, -1, -1), predicted, y=torch.stack([y[1], own, y[0]]))
    torch.testing.assert_close(made["run"], expected)
    assert torch.equal(y, torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]]))


def test_token_merging_follows_the_nested_size(webui):
    p, unet, sizes = Processing(webui), webui.model.model.diffusion_model, []
    unet._tome_info = {"size": (10, 8)}

    def hook(call):
        call.run([UNetRow(0, call.x[0, :, :4])])
        return call.native()

    try:
        with hooked(webui, p, unet=hook, cross_attention=lambda call: sizes.append(unet._tome_info["size"])):
            p.sample()
        assert sizes == [(4, 8)] * 7 + [(10, 8)] * 7
    finally:
        del unet._tome_info


# ---------------------------------------------------------------- the guided prediction


def sample(p, kind, steps=3, scale=3.0, begin=True):
    """Euler, or DDIM without noise on the denoiser that predicts noise, written down from their formulas."""
    denoiser = KINDS[kind](p)
    denoiser.sampler.sampler_extra_args["cond_scale"] = scale
    if begin:
        p.begin_pass(denoiser)
    x = torch.randn(len(p.prompts), 4, 10, 8, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        here = denoiser.level()
        predicted = denoiser(x, scale)
        after = denoiser.level()
        if kind == "timesteps":
            a, b = (float(denoiser.alphas[int(level)]) for level in (here, after))
            x = math.sqrt(b) * (x - math.sqrt(1 - a) * predicted) / math.sqrt(a) + math.sqrt(1 - b) * predicted
        else:
            x = x + (x - predicted) / here * (after - here)
    return x


@pytest.mark.parametrize("kind", KINDS)
def test_a_denoiser_hook_that_only_asks_changes_nothing(webui, kind):
    p, seen = Processing(webui, ["a", "b"], ["n", "m"], steps=3), []
    plain = sample(p, kind)
    with hooked(webui, p, denoiser=lambda call: seen.append((call, call.run())) or seen[-1][1]):
        torch.testing.assert_close(sample(p, kind), plain, atol=2e-4, rtol=1e-3)
    assert [(call.step.index, call.step.total, call.step.cfg_scale) for call, _ in seen] == [(0, 3, 3.0), (1, 3, 3.0), (2, 3, 3.0)]
    assert all(call.step.sigma == pytest.approx(call.beta / call.alpha) for call, _ in seen)
    assert (seen[0][0].alpha ** 2 + seen[0][0].beta ** 2 == pytest.approx(1)) is (kind == "timesteps")


@pytest.mark.parametrize("kind", KINDS)
def test_the_hook_sees_and_gives_the_clean_prediction(webui, kind):
    """x is alpha · clean + beta · noise of whatever the host's own answer means."""
    p, goal = Processing(webui), torch.linspace(-1, 1, 320).view(1, 4, 10, 8)
    denoiser = KINDS[kind](p)
    x = torch.randn(1, 4, 10, 8)
    own = KINDS[kind](p)(x)
    found = {}

    def hook(call):
        found.update(call=call, clean=call.run())
        return goal

    with hooked(webui, p, denoiser=hook):
        p.begin_pass(denoiser)
        predicted = denoiser(x)
    call, clean = found["call"], found["clean"]
    noise = own if kind == "timesteps" else (x - own) / 7.0
    torch.testing.assert_close(call.alpha * clean + call.beta * noise, x, atol=1e-4, rtol=1e-4)
    given = predicted if kind == "timesteps" else (x - predicted) / 7.0
    torch.testing.assert_close(call.alpha * goal + call.beta * given, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_into_x_is_predicted(webui, kind):
    p, fresh = Processing(webui), torch.randn(1, 4, 10, 8)
    expected, x = KINDS[kind](p)(fresh.clone()), torch.zeros(1, 4, 10, 8)

    def hook(call):
        assert call.x is x
        call.x.copy_(fresh)
        return call.run()

    with hooked(webui, p, denoiser=hook):
        denoiser = KINDS[kind](p)
        p.begin_pass(denoiser)
        torch.testing.assert_close(denoiser(x), expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(x, fresh)


def test_shares_between_timesteps_follow_unipc():
    """UniPC's own schedule: log √ᾱ is linear between training steps."""
    denoiser = TimestepsDenoiser.__new__(TimestepsDenoiser)
    alphas = denoiser.alphas.double()
    for place in (0.0, 1.0, 500.25, 998.5, 999.0):
        low, high = alphas[int(place)], alphas[min(int(place) + 1, 999)]
        kept = torch.exp(torch.lerp(low.log(), high.log(), place % 1))
        assert noise_shares(denoiser, place) == pytest.approx((math.sqrt(kept), math.sqrt(1 - kept)), rel=1e-6)


def test_the_hires_pass_is_hooked_anew(webui):
    p, seen = Processing(webui), []
    with hooked(webui, p, denoiser=lambda call: seen.append(call.step) or call.run()):
        sample(p, "k-diffusion", 1)
        first = p.sampler.model_wrap_cfg
        p.is_hr_pass = True
        sample(p, "timesteps", 1)
        assert "forward" not in vars(first) and "forward" in vars(p.sampler.model_wrap_cfg)
    assert "forward" not in vars(p.sampler.model_wrap_cfg)
    assert [step.hires for step in seen] == [False, True]
    assert seen[0] == StepInfo(0, 4, 7.0, False, 3.0)


def test_the_first_step_is_given_the_noise(webui):
    p, seen, noise = Processing(webui), [], torch.randn(1, 4, 10, 8)
    host = A1111Host(webui.model, p)
    p.before_sampling.append(lambda p: host.begin_pass(p, noise))
    with host.patched(Hooks(denoiser=lambda call: seen.append(call.noise) or call.run())):
        sample(p, "k-diffusion", 2)
    assert seen[0] is noise and seen[1] is None


def test_a_host_that_announces_no_pass_is_given_it(webui):
    p = Processing(webui)
    with pytest.raises(RegionalError, match="announce"), hooked(webui, p, denoiser=lambda call: call.run()):
        sample(p, "k-diffusion", begin=False)


def test_an_interrupted_pass_asks_no_hook(webui):
    p, seen = Processing(webui), []

    def hook(call):
        seen.append(call)
        webui.state.interrupted = True
        return call.run()

    webui.state.skipped = True
    with hooked(webui, p, denoiser=hook):
        webui.state.skipped = False
        with pytest.raises(Interrupted):
            sample(p, "k-diffusion")
        with pytest.raises(Interrupted):
            sample(p, "k-diffusion")
    assert len(seen) == 1


# ---------------------------------------------------------------- another UNet


def test_the_unet_of_a_refiner_has_the_slots_too(webui):
    old, new, seen = webui.model, checkpoint("two.safetensors", width=24, seed=1), []
    p = Processing(webui)
    before = snapshot(webui, old, new)[:2]
    hooks = Hooks(unet=lambda call: seen.append(call.model.step.index), layers={"time_embed.0": lambda call: None}, renew=lambda: None)
    with A1111Host(old, p).patched(hooks):
        p.sample(2, switch=(1, new))
    webui.load(old)
    assert seen == [0, 1] and snapshot(webui, old, new)[:2] == before
