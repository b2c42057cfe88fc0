"""The Forge adapter on the double of its patcher: roles, neutral cases, every slot of `Hooks`."""

import pytest
import torch
from forge_cases import FULL, HALVES, hooked, plain, rows_given, session
from forge_double import Denoiser, Engine, Processing, TimestepsDenoiser, WebUI
from forge_networks import Network, context, vector_of

from lib_regional.engine.calls import Row, UNetRow
from lib_regional.engine.capabilities import facts_of
from lib_regional.hosts.forge.adapter import ForgeHost


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, Engine(Network()))


# ---------------------------------------------------------------- rows

BATCHES = [
    pytest.param(["a"], ["n"], 99, id="one image"),
    pytest.param(["a", "b", "c"], ["n", "m", "o"], 99, id="batch"),
    pytest.param(["a AND b"], ["n"], 99, id="AND"),
    pytest.param(["a AND b AND c", "d AND e AND f"], ["n", "m"], 99, id="AND in a batch"),
    pytest.param(["a AND b AND c", "d AND e"], ["n", "m"], 99, id="images with different parts"),
    pytest.param(["a AND b", "c AND d"], ["n", "m"], 1, id="no memory to batch"),
    pytest.param(["a AND b AND c"], ["n"], 2, id="memory for two"),
    pytest.param(["a"], [" ".join(["long"] * 80)], 99, id="longer negative, repeated"),
    pytest.param([" ".join(["long"] * 400)], ["n"], 99, id="much longer prompt, apart"),
]


@pytest.mark.parametrize(("prompts", "negatives", "limit"), BATCHES)
@pytest.mark.parametrize("scale", [3.0, 1.0])
def test_every_row_is_distinguished(webui, prompts, negatives, limit, scale):
    """The role that a row is given is the one whose text it carries."""
    webui.limit = limit
    p = Processing(webui, prompts, negatives)
    p.cfg_scale = scale
    seen = rows_given(webui, p)
    pairs = [(row, part) for rows, contexts, *_ in seen for row, part in zip(rows, contexts, strict=True)]
    for row, part in pairs:
        text = negatives[row.image] if row.role == "uncond" else p.parts[row.image][row.part]
        own = context(text)
        assert torch.equal(part[: len(own)], own)
    parts = min(len(image) for image in p.parts)
    roles = {Row(image, "cond", part) for image in range(len(prompts)) for part in range(parts)}
    roles |= {Row(image, "uncond") for image in range(len(prompts))} if scale != 1 else set()
    assert {row for row, _ in pairs} == roles and len(pairs) == len(roles)


def test_the_negative_comes_first(webui):
    (rows, *_), = rows_given(webui, Processing(webui, ["a", "b"], ["n", "m"]))  # fmt: skip
    assert [row.role for row in rows] == ["uncond", "uncond", "cond", "cond"]


def test_steps_grids_and_noise_levels_are_there_where_a_hook_reads_them(webui):
    assert all(step.sigma == 0 for _, _, step, *_ in rows_given(webui, Processing(webui), 3)), "else nobody waits for the device"
    p = Processing(webui)
    seen = rows_given(webui, p, 3, denoiser=lambda call: call.run())
    assert [(step.index, step.total, round(step.sigma, 4), step.cfg_scale) for _, _, step, *_ in seen] == [
        (0, 3, 0.9, 3.0), (1, 3, 0.5, 3.0), (2, 3, 0.1, 3.0)
    ]  # fmt: skip
    assert {(latent, grid) for *_, latent, grid in seen} == {((10, 8), (10, 8))}


def test_the_hires_pass_is_one_and_not_patched_twice(webui):
    p, calls = Processing(webui), []
    with hooked(webui, p, cross_attention=lambda call: calls.append(call.model.step.hires)):
        p.sample(1)
        p.sample(1, x=torch.randn(1, 4, 12, 10), hires=True)
        assert not any(vars(denoiser).get("forward") for denoiser in p.denoisers[:1])
    assert calls == [False] * 3 + [True] * 3
    assert not any("forward" in vars(denoiser) for denoiser in p.denoisers)


# ---------------------------------------------------------------- neutral cases


@pytest.mark.parametrize("limit", [99, 1], ids=["together", "apart"])
def test_a_whole_canvas_region_is_the_plain_prompt(webui, limit):
    webui.limit = limit
    p = Processing(webui, ["other", "other"], ["bad", "bad"])
    with session(webui, p, [{**FULL, "prompt": "a thing"}]):
        made = p.sample(2)
    torch.testing.assert_close(made, plain(webui, ["a thing"] * 2, ["bad"] * 2))


def test_the_same_text_everywhere_is_the_plain_prompt(webui):
    p = Processing(webui)
    with session(webui, p, [{**half, "prompt": "main"} for half in HALVES]):
        made = p.sample(2)
    torch.testing.assert_close(made, plain(webui, ["main"], ["bad"]))


def test_regions_do_something(webui):
    p = Processing(webui)
    with session(webui, p, HALVES):
        made = p.sample(2)
    assert (made - plain(webui, ["main"], ["bad"])).abs().max() > 1e-3


@pytest.mark.parametrize("method", ["latent_couple", "multidiffusion", "mask_conditioning"])
def test_methods_with_predictions_of_their_own(webui, method):
    """One region over the whole canvas with the base's own text, predicted apart, is what the host predicts."""
    p = Processing(webui)
    with session(webui, p, [{**FULL, "prompt": "main", "negative": ""}], method):
        made = p.sample(2)
    torch.testing.assert_close(made, plain(webui, ["main"], ["bad"]))


def test_sdxls_vector_follows_the_region(monkeypatch):
    webui = WebUI(monkeypatch, Engine(Network(vectors=True), kind="is_sdxl"))
    p = Processing(webui, ["other"])
    with session(webui, p, [{**FULL, "prompt": "a thing"}]):
        made = p.sample(2)
    torch.testing.assert_close(made, plain(webui, ["a thing"], ["bad"]))
    assert facts_of(ForgeHost(webui.engine)).trained == 128 and facts_of(ForgeHost(webui.engine)).cross_attention
    assert not torch.equal(vector_of("other"), vector_of("a thing"))


# ---------------------------------------------------------------- the other slots


def test_a_method_that_runs_the_same_rows_changes_nothing(webui):
    p, seen = Processing(webui, ["a AND b", "c AND d"], ["n", "m"]), []

    def hook(call):
        seen.append(call.model.rows)
        return call.run([UNetRow(n) for n in range(len(call.x))])

    expected = p.sample(2)
    with hooked(webui, p, unet=hook):
        torch.testing.assert_close(p.sample(2), expected)
    assert len(seen[0]) == 6


def test_nested_rows_have_options_and_residuals_of_their_own(webui):
    """Two runs in one call: what the first takes out of ControlNet's lists is there for the second, and every row is a chunk of its own."""
    p, made, options = Processing(webui, ["a", "c"], ["n", "m"]), [], []
    residual = torch.randn(4, 8, 10, 8, generator=torch.Generator().manual_seed(5))

    def look(n, extra):
        options.append(tuple(extra[key] for key in ("cond_or_uncond", "cond_indices", "uncond_indices")))
        return n

    def control(p):
        patcher = webui.engine.forge_objects.unet.clone()
        patcher.control = lambda rows: {"middle": [residual[:rows]]}
        patcher.model_options["transformer_options"]["patches"] = {"attn2_output_patch": [look]}
        webui.engine.forge_objects.unet = patcher

    def hook(call):
        made.extend(call.run([UNetRow(n) for n in (3, 1, 2)]) for _ in range(2))
        return call.native()

    p.before_sampling[:] = [control]
    plain = p.sample(1)
    options.clear()
    with hooked(webui, p, unet=hook):
        p.before_sampling.append(control)
        torch.testing.assert_close(p.sample(1), plain)
    assert torch.equal(made[0], made[1]) and made[0].isfinite().all()
    own, whole = ([0, 1, 0], [0, 2], [1]), ([1, 0], [2, 3], [0, 1])
    assert options == [own] * 6 + [whole] * 3


def shares(sigma, kind):
    """alpha and beta as the double's engine defines them."""
    if not kind.classic_ddim_eps_estimation:
        return 1.0, sigma
    kept = float(torch.linspace(0.999, 0.01, 1000)[int(sigma)])
    return kept**0.5, (1 - kept) ** 0.5


@pytest.mark.parametrize("kind", [Denoiser, TimestepsDenoiser])
def test_the_guided_prediction_is_clean_whatever_the_sampler_counts(webui, kind):
    p, calls = Processing(webui, kind=kind), []
    expected = p.sample(2)

    def hook(call):
        clean = call.run()
        calls.append((call.alpha, call.beta, call.step.index, call.noise is not None, clean))
        return clean

    with hooked(webui, p, denoiser=hook):
        torch.testing.assert_close(p.sample(2), expected, rtol=1e-4, atol=1e-4)
    levels = (900.0, 500.0) if kind.classic_ddim_eps_estimation else (0.9, 0.5)
    assert [call[:2] for call in calls] == [pytest.approx(shares(level, kind)) for level in levels]
    assert [call[2:4] for call in calls] == [(0, True), (1, False)]
    torch.testing.assert_close(calls[-1][4], p.denoisers[-1].clean, rtol=1e-4, atol=1e-4)


def test_the_noise_of_a_pass_is_what_was_added_to_its_picture(webui):
    p, noises = Processing(webui), []
    picture, noise = torch.randn(1, 4, 10, 8), torch.randn(1, 4, 10, 8)

    def hook(call):
        noises.append(call.noise)
        return call.run()

    def begun(p):
        p.sampler.model_wrap_cfg.init_latent = picture

    with hooked(webui, p, denoiser=hook):
        p.before_sampling.append(begun)
        p.sample(1, x=picture + 0.9 * noise)
    torch.testing.assert_close(noises[0], noise)


def test_a_denoiser_hook_writes_where_sampling_goes_on(webui):
    p = Processing(webui)

    def hook(call):
        call.x.zero_()
        return call.run()

    x = p.latent()
    with hooked(webui, p, denoiser=hook):
        p.sample(1, x=x)
    assert not x.any()


def test_texts_are_encoded_with_the_passes_size(webui):
    p = Processing(webui)
    p.hr_upscale_to_x, p.hr_upscale_to_y = 96, 120
    host = ForgeHost(webui.engine, p)
    host.encode(["a"], steps=4, negative=False, size=(64, 80))
    host.encode(["a"], steps=4, negative=True, size=(64, 80), hires_steps=3)
    assert [(entry[3], entry[4]) for entry in webui.engine.encoded] == [(False, (64, 80)), (True, (96, 120))]
