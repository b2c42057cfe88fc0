"""The Forge adapter on the double of its patcher: roles, neutral cases, other extensions, faults."""

import contextlib
import copy
from types import SimpleNamespace

import pytest
import torch
from apart import plan_of
from forge_double import Denoiser, Engine, Interrupted, Network, Processing, TimestepsDenoiser, WebUI, attend, context, vector_of
from torch import nn

from lib_regional.core.errors import RegionalError
from lib_regional.hosts.detect import find_host
from lib_regional.hosts.forge import ForgeHost
from lib_regional.hosts.forge_rows import tag_conditions
from lib_regional.ports import Hooks, Row, UNetRow, facts_of
from lib_regional.session import Session

HALVES = [{"box": [0, 0, 0.5, 1], "prompt": "left"}, {"box": [0.5, 0, 1, 1], "prompt": "right"}]
FULL = {"box": [0, 0, 1, 1], "base_share": 0, "feather": 0}
SIZE = (64, 80)


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, Engine(Network()))


def hooked(webui, p, **hooks):
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    return host.patched(Hooks(**hooks))


def session(webui, p, regions, method="attention_couple", **more):
    plan = plan_of(method, {"regions": regions, **more}, p.prompts, p.negatives, SIZE)
    host = find_host(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    return Session(host, plan)


def snapshot(webui, *more):
    """Everything that a generation could leave behind, as it is now."""
    modules = [module for engine in (webui.engine, *more) for module in engine.unet.model.modules()]
    found = [{key: dict(value) if isinstance(value, dict) else value for key, value in vars(module).items()} for module in modules]
    lists = {kind: list(listeners) for kind, listeners in webui.callbacks.lists.items()}
    return found, copy.deepcopy(webui.engine.unet.model_options), lists


def told_rows(webui, p, steps=1):
    """What the first attention layer is told at each call: roles, contexts."""
    seen = []

    def look(call):
        if call.site.name.startswith("input"):
            seen.append((call.model.rows, call.context.clone(), call.model.step, call.model.latent, call.grid))

    with hooked(webui, p, cross_attention=look):
        p.sample(steps)
    return seen


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
def test_every_row_is_told_apart(webui, prompts, negatives, limit, scale):
    """The role that a row is told is the one whose text it carries."""
    webui.limit = limit
    p = Processing(webui, prompts, negatives)
    p.cfg_scale = scale
    seen = told_rows(webui, p)
    told = [(row, part) for rows, contexts, *_ in seen for row, part in zip(rows, contexts, strict=True)]
    for row, part in told:
        text = negatives[row.image] if row.role == "uncond" else p.parts[row.image][row.part]
        own = context(text)
        assert torch.equal(part[: len(own)], own)
    parts = min(len(image) for image in p.parts)
    roles = {Row(image, "cond", part) for image in range(len(prompts)) for part in range(parts)}
    roles |= {Row(image, "uncond") for image in range(len(prompts))} if scale != 1 else set()
    assert {row for row, _ in told} == roles and len(told) == len(roles)


def test_the_negative_comes_first(webui):
    (rows, *_), = told_rows(webui, Processing(webui, ["a", "b"], ["n", "m"]))  # fmt: skip
    assert [row.role for row in rows] == ["uncond", "uncond", "cond", "cond"]


def test_steps_and_grids_are_told(webui):
    p = Processing(webui)
    seen = told_rows(webui, p, 3)
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


def plain(webui, prompts, negatives, **more):
    return Processing(webui, prompts, negatives).sample(2, **more)


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


# ---------------------------------------------------------------- other extensions


def test_a_function_wrapper_is_left_in_force(webui):
    seen = []

    def wrapper(apply_model, told):
        seen.append(told["cond_or_uncond"])
        return apply_model(told["input"], told["timestep"], **told["c"]) * 2

    def patch(patcher):
        patcher.set_model_unet_function_wrapper(wrapper)

    region = patched_sample(webui, patch, [{**FULL, "prompt": "a thing"}])
    torch.testing.assert_close(region, patched_sample(webui, patch, [], ["a thing"]))
    assert seen == [[1, 0]] * 4


def test_a_wrapper_that_cuts_the_picture_is_refused(webui):
    def tiles(apply_model, told):
        x = told["input"]
        cut = [apply_model(part, told["timestep"], **told["c"]) for part in x.split(5, dim=-2)]
        return torch.cat(cut, -2)

    with pytest.raises(RegionalError, match=r"2 rows of 5×8 cells where Forge told of 2 rows of 10×8.*in pieces"):
        patched_sample(webui, lambda patcher: patcher.set_model_unet_function_wrapper(tiles), [{**FULL, "prompt": "a"}])


def test_a_wrapper_that_drops_the_roles_is_refused(webui):
    def drops(apply_model, told):
        kept = {key: told["c"][key] for key in ("c_crossattn", "transformer_options")}
        return apply_model(told["input"], told["timestep"], **kept)

    with pytest.raises(RegionalError, match="without saying which row is which"):
        patched_sample(webui, lambda patcher: patcher.set_model_unet_function_wrapper(drops), [{**FULL, "prompt": "a"}])


def patched_sample(webui, patch, regions, prompts=("other",)):
    """Sample with regions and another extension that patches a clone before every sampling; without regions if there are none."""
    p = Processing(webui, list(prompts))

    def clone_and_replace(p):
        patcher = webui.engine.forge_objects.unet.clone()
        patch(patcher)
        webui.engine.forge_objects.unet = patcher

    if not regions:
        p.before_sampling[:] = [clone_and_replace]
        return p.sample(2)
    with session(webui, p, regions):
        p.before_sampling.append(clone_and_replace)
        return p.sample(2)


def test_a_taken_slot_keeps_the_term_that_it_adds(webui):
    """An IP-Adapter-like replacement: plain attention and a term of its own."""

    def adapter(q, k, v, extra):
        picture = torch.ones(len(q), 3, q.shape[-1])
        return attend(q, k, v, extra["n_heads"]) + 0.5 * attend(q, picture, picture * 2, extra["n_heads"])

    def patch(patcher):
        patcher.set_model_attn2_replace(adapter, "input", 1)
        patcher.set_model_attn2_replace(adapter, "output", 0)

    region = patched_sample(webui, patch, [{**FULL, "prompt": "a thing"}])
    torch.testing.assert_close(region, patched_sample(webui, patch, [], ["a thing"]))
    assert (region - plain(webui, ["a thing"], ["bad"])).abs().max() > 1e-3


def test_keys_and_values_told_apart_are_refused(webui):
    def negpip(n, told, value, extra):
        return n, told, -value

    with pytest.raises(RegionalError, match="different texts for keys and values"):
        patched_sample(webui, lambda patcher: patcher.set_model_attn2_patch(negpip), [{**FULL, "prompt": "a"}])


def test_conditions_that_are_not_the_prompts_parts_are_refused():
    sampler = SimpleNamespace(sampler_extra_args={"cond": SimpleNamespace(batch=[["a", "b"], ["c", "d"]])})
    modify = tag_conditions(SimpleNamespace(sampler=sampler), lambda step: None)
    x = torch.zeros(2, 4, 8, 8)
    with pytest.raises(RegionalError, match=r"3 instead of 2"):
        modify(None, x, torch.ones(2), None, [{"model_conds": {}}] * 3, 1.0, {}, 0)


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


def test_pieces_and_controlnet_do_not_go_together(webui):
    p = Processing(webui)

    def control(p):
        patcher = webui.engine.forge_objects.unet.clone()
        patcher.control = lambda rows: {"middle": [torch.zeros(rows, 8, 10, 8)]}
        webui.engine.forge_objects.unet = patcher

    def hook(call):
        return call.run([UNetRow(0, call.x[0, :, :4])])

    with pytest.raises(RegionalError, match="ControlNet"), hooked(webui, p, unet=hook):
        p.before_sampling.append(control)
        p.sample(1)


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
    p, told = Processing(webui), []
    picture, noise = torch.randn(1, 4, 10, 8), torch.randn(1, 4, 10, 8)

    def hook(call):
        told.append(call.noise)
        return call.run()

    def begun(p):
        p.sampler.model_wrap_cfg.init_latent = picture

    with hooked(webui, p, denoiser=hook):
        p.before_sampling.append(begun)
        p.sample(1, x=picture + 0.9 * noise)
    torch.testing.assert_close(told[0], noise)


def test_a_denoiser_hook_writes_where_sampling_goes_on(webui):
    p = Processing(webui)

    def hook(call):
        call.x.zero_()
        return call.run()

    x = p.latent()
    with hooked(webui, p, denoiser=hook):
        p.sample(1, x=x)
    assert not x.any()


def test_layers_are_told_their_grid(webui):
    p, seen = Processing(webui), []
    block = "input_blocks.1.1.transformer_blocks.0."
    layers = {
        block + "attn1.to_q": seen.append,
        block + "attn2.to_k": seen.append,
        "middle_block.1.transformer_blocks.0.attn2.to_q": seen.append,
    }
    with hooked(webui, p, layers=layers):
        p.sample(1)
    assert [(call.name.split(".")[-2:], call.grid, call.x.shape[0]) for call in seen] == [
        (["attn1", "to_q"], (10, 8), 2), (["attn2", "to_k"], None, 2), (["attn2", "to_q"], (5, 4), 2)
    ]  # fmt: skip


# ---------------------------------------------------------------- faults


def interrupted(call):
    raise Interrupted


def out_of_memory(call):
    raise torch.OutOfMemoryError("CUDA out of memory")


def broken(call):
    raise ValueError("broken")


@pytest.mark.parametrize("slot", ["cross_attention", "unet", "denoiser", "vector"])
@pytest.mark.parametrize("fault", [interrupted, out_of_memory, broken, None], ids=["interrupt", "memory", "error", "success"])
def test_nothing_is_left(monkeypatch, slot, fault):
    webui = WebUI(monkeypatch, Engine(Network(vectors=True)))
    p = Processing(webui)
    before, expected = snapshot(webui), p.sample(2)

    def hook(call, *_):
        if fault is not None:
            fault(call)
        return call.run() if slot == "denoiser" else None

    kinds = {interrupted: Interrupted, out_of_memory: torch.OutOfMemoryError, broken: ValueError}
    with raising(kinds.get(fault)), hooked(webui, p, **{slot: hook}):
        p.sample(2)
    assert snapshot(webui) == before
    assert not any("forward" in vars(denoiser) for denoiser in p.denoisers)
    p.before_sampling.clear()
    assert torch.equal(p.sample(2), expected)


def raising(kind):
    return contextlib.nullcontext() if kind is None else pytest.raises(kind)


def test_a_clone_made_during_sampling_does_not_carry_our_modifier_on(webui):
    """Fact 2: whoever clones the patcher before the next sampling gets options without us."""
    p = Processing(webui)
    with hooked(webui, p, cross_attention=lambda call: None):
        p.sample(2)
        assert "conditioning_modifiers" not in webui.engine.unet.clone().model_options


def test_others_modifiers_stay_where_they_were(webui):
    def theirs(*values):
        return values

    webui.engine.unet.add_conditioning_modifier(theirs)
    before = webui.engine.unet.model_options["conditioning_modifiers"]
    p = Processing(webui)
    with hooked(webui, p, cross_attention=lambda call: None):
        p.sample(1)
    assert webui.engine.unet.model_options["conditioning_modifiers"] is before == [theirs]


def test_a_refiner_is_followed(webui):
    other, p, renewed = Engine(Network(seed=9), "two.safetensors"), Processing(webui), []
    first = webui.engine

    def refiner(denoiser):
        if denoiser.step == 1:
            webui.swap(other)

    webui.refiner = refiner
    before = snapshot(webui, other)
    heard = []
    with hooked(webui, p, cross_attention=lambda call: heard.append(call.model.step.index), renew=lambda: renewed.append(1)):
        p.sample(3)
    assert renewed == [1] and set(heard) == {0, 1, 2}
    webui.swap(first)
    assert snapshot(webui, other) == before


def test_a_method_that_cannot_follow_says_so(webui):
    other, p = Engine(Network(seed=9), "two.safetensors"), Processing(webui)
    webui.refiner = lambda denoiser: webui.swap(other) if denoiser.step == 1 else None
    with pytest.raises(RegionalError, match="weights changed during sampling"), hooked(webui, p, cross_attention=lambda call: None):
        p.sample(3)


def test_a_pass_that_is_not_announced_is_an_error(webui):
    p = Processing(webui)
    with pytest.raises(RegionalError, match="without announcing its passes"), hooked(webui, p, cross_attention=lambda call: None):
        p.before_sampling.clear()
        p.sample(1)


def test_somebody_elses_generation_is_left_alone(webui):
    p, inner = Processing(webui), Processing(webui, ["inner"])
    expected, heard = inner.sample(1), []
    with hooked(webui, p, cross_attention=heard.append):
        assert torch.equal(inner.sample(1), expected)
    assert heard == []


def test_an_unknown_kind_of_network_is_refused(monkeypatch):
    webui = WebUI(monkeypatch, Engine(nn.Conv2d(4, 4, 1)))
    with pytest.raises(RegionalError, match="Conv2d"), hooked(webui, Processing(webui), cross_attention=lambda call: None):
        pass


def test_texts_are_encoded_with_the_passes_size(webui):
    p = Processing(webui)
    p.hr_upscale_to_x, p.hr_upscale_to_y = 96, 120
    host = ForgeHost(webui.engine, p)
    host.encode(["a"], steps=4, negative=False, size=(64, 80))
    host.encode(["a"], steps=4, negative=True, size=(64, 80), hires_steps=3)
    assert [(entry[3], entry[4]) for entry in webui.engine.encoded] == [(False, (64, 80)), (True, (96, 120))]
