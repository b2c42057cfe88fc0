"""Flux on the double: texts side by side in joint attention, and nothing left of it."""

import forge_networks
import pytest
import torch
from forge_double import Engine, Processing, WebUI
from forge_networks import FluxNetwork, context
from isolation_cases import plan_of

from lib_regional.engine.calls import JointRows, TextShare
from lib_regional.engine.capabilities import facts_of
from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.hosts.forge.network.families import family_of
from lib_regional.hosts.forge.network.joint import KEPT, JointTexts
from lib_regional.methods import open_session
from lib_regional.request.errors import RegionalError
from lib_regional.tensors.attention.joint import groups

FULL = {"box": [0, 0, 1, 1], "base_share": 0, "feather": 0}
HALVES = [{"box": [0, 0, 0.5, 1], "feather": 0}, {"box": [0.5, 0, 1, 1], "feather": 0}]


@pytest.fixture
def webui(monkeypatch):
    found = WebUI(monkeypatch, Engine(FluxNetwork(), kind="use_distilled_cfg_scale"))
    found.flux = True
    return found


def sample(webui, prompts, regions=None, scale=1.0, size=(10, 8)):
    p = Processing(webui, prompts, ["bad"] * len(prompts))
    p.cfg_scale = scale
    if regions is None:
        return p.sample(2, x=p.latent(*size))
    plan = plan_of("attention_couple", {"regions": regions}, p.prompts, p.negatives, (size[1] * 8, size[0] * 8))
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    with open_session(host, plan):
        return p.sample(2, x=p.latent(*size))


@pytest.mark.parametrize("scale", [1.0, 3.0], ids=["without negatives", "with negatives"])
@pytest.mark.parametrize("size", [(10, 8), (11, 7)], ids=["even", "odd"])
def test_a_whole_canvas_region_is_the_plain_prompt(webui, scale, size):
    made = sample(webui, ["other", "another"], [{**FULL, "prompt": "a thing"}], scale, size)
    torch.testing.assert_close(made, sample(webui, ["a thing"] * 2, scale=scale, size=size))


def test_the_same_text_everywhere_is_the_plain_prompt(webui):
    soft = [{**half, "prompt": "main", "feather": 0.3, "base_share": share} for half, share in zip(HALVES, (0, 0.4), strict=True)]
    torch.testing.assert_close(sample(webui, ["main"], soft), sample(webui, ["main"]))


def test_texts_of_different_length_are_padded_unheard(webui):
    long = " ".join(["word"] * 100)
    made = sample(webui, ["main", "main"], [{**FULL, "prompt": long}])
    torch.testing.assert_close(made, sample(webui, [long] * 2))


def test_a_region_acts_more_in_its_own_place(webui):
    """Without the pooled text, which acts everywhere."""
    webui.engine.network.vector_in.weight.zero_()
    one, other = (sample(webui, ["main"], [{**HALVES[0], "prompt": "left"}, {**HALVES[1], "prompt": right}]) for right in ("a", "b"))
    changed = (one - other).abs().mean((0, 1, 2))
    assert changed[4:].mean() > 1.4 * changed[:4].mean()


def test_the_function_is_set_back_even_after_an_error(webui):
    before, p = forge_networks.attention_function, Processing(webui)
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    inside = []

    def joint(model, grid):
        half = torch.full(grid, 0.5)
        return JointRows([[TextShare(None, half), TextShare(context("x"), half)] for _ in model.rows])

    def watch(module, args):
        inside.append(forge_networks.attention_function is not before)
        if len(inside) == 3:
            raise ValueError("broken")

    hook = webui.engine.network.single_blocks[0].register_forward_pre_hook(watch)
    try:
        with pytest.raises(ValueError, match="broken"), host.patched(Hooks(joint=joint)):
            p.sample(4)
    finally:
        hook.remove()
    assert inside == [True] * 3 and forge_networks.attention_function is before


def test_a_function_set_on_top_stays_and_ours_is_silent(webui, monkeypatch):
    before, p = forge_networks.attention_function, Processing(webui)
    monkeypatch.setattr(forge_networks, "attention_function", before)
    plain, called = p.sample(1), []
    region = {**HALVES[0], "prompt": "a thing"}

    def patch(module, args):
        if not called:
            found = forge_networks.attention_function
            forge_networks.attention_function = lambda *args, **kwargs: called.append(1) or found(*args, **kwargs)

    hook = webui.engine.network.double_blocks[0].register_forward_pre_hook(patch)
    try:
        with_other = sample(webui, ["main"], [region])
    finally:
        hook.remove()
    assert called and forge_networks.attention_function is not before
    count = len(called)
    assert torch.equal(Processing(webui).sample(1), plain) and len(called) > count
    forge_networks.attention_function = before
    torch.testing.assert_close(with_other, sample(webui, ["main"], [region]))


class ExtraTokens(FluxNetwork):
    """As Kontext's: the tokens of a second picture stand behind the first's."""

    def forward(self, x, timestep, context, y, guidance=None, **unknown):
        count = (-(-x.shape[-2] // 2)) * (-(-x.shape[-1] // 2))
        first = self.double_blocks[0]
        hook = first.register_forward_pre_hook(lambda _, args: (torch.cat([args[0], args[0][:, -count:]], 1),))
        cut = self.final.register_forward_pre_hook(lambda _, args: (args[0][:, :count],))
        try:
            return super().forward(x, timestep, context, y, guidance, **unknown)
        finally:
            hook.remove()
            cut.remove()


def test_a_network_that_never_uses_the_bias_is_an_error_at_the_first_step(monkeypatch):
    """It went on with all texts side by side, each of them at work everywhere."""
    webui, steps = WebUI(monkeypatch, Engine(ExtraTokens(), kind="use_distilled_cfg_scale")), []
    webui.flux = True
    webui.callbacks.on_cfg_denoiser(lambda params: steps.append(1))
    with pytest.raises(RegionalError, match="ExtraTokens.*none of its attention layers.*latent_couple"):
        sample(webui, ["main"], [{**HALVES[0], "prompt": "a thing"}])
    assert len(steps) == 1
    whole = sample(webui, ["other"], [{**FULL, "prompt": "a thing"}])
    torch.testing.assert_close(whole, sample(webui, ["a thing"]))


@pytest.mark.parametrize(
    ("asked", "what"),
    [({"self_attention": lambda call: None}, "self-attention"),
     ({"spatial": lambda call: None}, "norms and convolutions"),
     ({"cross_attention": lambda call: None}, "cross-attention")],
    ids=["self", "norms", "cross"],
)  # fmt: skip
def test_what_it_has_not_is_refused_by_name(webui, asked, what):
    host = ForgeHost(webui.engine, Processing(webui))
    with (
        pytest.raises(RegionalError, match=f'"some method" cannot work with FluxNetwork.*{what}'),
        host.patched(Hooks(method="some method", **asked)),
    ):
        pass


@pytest.mark.parametrize("method", ["latent_couple", "multidiffusion", "latent_composite", "mask_conditioning"])
def test_methods_that_predict_apart_work_here_too(webui, method):
    webui.engine.unet.model.predictor.prediction_type = "const"
    p = Processing(webui)
    plan = plan_of(method, {"regions": [{**FULL, "prompt": "main"}]}, p.prompts, p.negatives, (64, 80))
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    with open_session(host, plan):
        made = p.sample(2)
    torch.testing.assert_close(made, Processing(webui).sample(2))
    assert facts_of(host).trained == 128 and facts_of(host).prediction == "flow" and not facts_of(host).cross_attention


def test_contexts_and_attention_fit_each_other():
    own, other = torch.randn(2, 5, 4), torch.randn(3, 4)
    weights = torch.tensor([[1.0, 0.25]])
    shares = JointRows([[TextShare(None, weights), TextShare(other, 1 - weights)], [TextShare(None, torch.ones(1, 2))]])
    family = family_of(FluxNetwork())
    texts = JointTexts(family)
    made, attention = texts.context(shares, own), texts.arranged(shares, own, (1, 2)).attention
    assert attention is not None and made.shape == (2, 8, 4) and attention.shape == (2, 10)
    assert torch.equal(made[0], torch.cat([own[0], other])) and torch.equal(made[1, :5], own[1])
    assert family.grid((11, 7)) == (6, 4)


def test_attention_is_arranged_once_for_one_set_of_texts_and_two_are_kept():
    own = torch.randn(1, 5, 4)
    made = [JointRows([[TextShare(None, w), TextShare(torch.randn(3, 4), 1 - w)]]) for w in (torch.rand(1, 2) for _ in range(KEPT + 1))]
    texts = JointTexts(family_of(FluxNetwork()))
    first = texts.arranged(made[0], own, (1, 2))
    assert first.attention is not None and texts.arranged(made[0], own, (1, 2)) is first
    for shares in made[1:]:
        texts.arranged(shares, own, (1, 2))
    assert texts.arranged(made[0], own, (1, 2)) is not first


@pytest.mark.parametrize("scale", [1.0, 3.0], ids=["without negatives", "with negatives"])
def test_tokens_in_groups_give_the_picture_of_one_call_with_a_bias(webui, monkeypatch, scale):
    regions = [{**HALVES[0], "prompt": "left"}, {**HALVES[1], "prompt": "right side", "feather": 0.3}]
    found = []
    for pays in (True, False):
        monkeypatch.setattr(groups, "groups_pay", lambda *_, pays=pays: pays)
        found.append(sample(webui, ["main", "another"], regions, scale))
    torch.testing.assert_close(*found)
