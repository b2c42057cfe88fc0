"""The AUTOMATIC1111 adapter on the genuine ldm UNet: what it tells the hooks, and that it leaves nothing behind."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from ldm.modules.attention import BasicTransformerBlock, CrossAttention
from webui import OPTIMISERS, WIDTH, Denoiser, Interrupted, Processing, WebUI, checkpoint, context, plain_forward

from lib_regional.core.errors import RegionalError
from lib_regional.hosts.a1111 import A1111Host
from lib_regional.hosts.detect import find_host, trained_side
from lib_regional.ports import Hooks, ModelFacts, Row, StepInfo, facts_of

MODEL = checkpoint()


@pytest.fixture
def webui(monkeypatch):
    monkeypatch.setattr(MODEL.sd_checkpoint_info, "filename", "one.safetensors")
    return WebUI(monkeypatch, MODEL)


@pytest.fixture(params=OPTIMISERS)
def optimiser(request, monkeypatch):
    monkeypatch.setattr(CrossAttention, "forward", OPTIMISERS[request.param])
    return request.param


def site(webui, name="middle_block.1.transformer_blocks.0.attn2"):
    return webui.model.model.diffusion_model.get_submodule(name)


def snapshot(webui, *models):
    """`vars()` of everything that an adapter could touch: modules, their hook tables, their classes, callbacks, the model."""
    unets = [model.model.diffusion_model for model in (models or (webui.model,))]
    modules = [module for unet in unets for module in unet.modules()]
    own = [{k: dict(v) if "hooks" in k else id(v) for k, v in vars(m).items()} for m in modules]
    classes = {kind: dict(vars(kind)) for kind in {type(m) for m in modules}}
    lists = [list(found) for found in (*webui.callbacks.lists.values(), *webui.callbacks.ordered.values()) if found]
    return own, classes, lists, dict(vars(webui.model))


def rebuilt(call):
    q, k, v = (
        t.unflatten(-1, (call.heads, -1)).transpose(1, 2) for t in (call.to_q(call.x), call.to_k(call.context), call.to_v(call.context))
    )
    heard = torch.softmax(q @ k.transpose(-1, -2) * call.scale, -1) @ v
    return call.out(heard.transpose(1, 2).flatten(2))


def declining(seen):
    return lambda call: seen.append(call)


def hooked(webui, p=None, **hooks):
    return A1111Host(webui.model, p).patched(Hooks(**hooks))


# ---------------------------------------------------------------- detection


def test_the_model_is_found_by_what_it_offers(webui):
    assert isinstance(find_host(webui.model), A1111Host)


KINDS = [
    pytest.param({}, ModelFacts(64), id="nothing told"),
    pytest.param({"is_sd1": True, "image_size": 16, "parameterization": "eps"}, ModelFacts(16), id="a small model"),
    pytest.param({"is_sd1": True, "image_size": 16, "cond_stage_key": "edit"}, ModelFacts(64), id="an editing model"),
    pytest.param({"is_sd2": True, "image_size": 64, "parameterization": "v"}, ModelFacts(96, "v"), id="sd2, 768"),
    pytest.param({"is_sd2": True, "image_size": 64, "parameterization": "eps"}, ModelFacts(64), id="sd2, 512"),
    pytest.param({"is_sdxl": True, "parameterization": "v"}, ModelFacts(128, "v"), id="sdxl"),
]


@pytest.mark.parametrize(("told", "facts"), KINDS)
def test_facts_of_the_model(webui, monkeypatch, told, facts):
    for name, value in told.items():
        monkeypatch.setattr(webui.model, name, value, raising=False)
    assert facts_of(A1111Host(webui.model)) == facts
    assert trained_side() == facts.trained


def test_asking_for_the_size_loads_no_model(webui, monkeypatch):
    module = ModuleType("modules.sd_models")
    module.model_data = SimpleNamespace(sd_model=None)
    monkeypatch.setitem(sys.modules, "modules.sd_models", module)
    webui.model.image_size = 16
    try:
        assert trained_side() == 64
        module.model_data.sd_model = webui.model
        assert trained_side() == 16
    finally:
        del webui.model.image_size


@pytest.mark.parametrize("missing", ["on_cfg_denoiser", "on_cfg_denoised", "remove_callbacks_for_function"])
def test_a_webui_without_the_callbacks_is_not_taken(webui, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, "modules.script_callbacks", ModuleType("modules.script_callbacks"))
    sys.modules["modules"].script_callbacks = sys.modules["modules.script_callbacks"]
    for name in {"on_cfg_denoiser", "on_cfg_denoised", "remove_callbacks_for_function"} - {missing}:
        setattr(sys.modules["modules.script_callbacks"], name, print)
    with pytest.raises(RegionalError, match="SimpleNamespace"):
        find_host(webui.model)


def test_forge_is_not_taken(webui):
    with pytest.raises(RegionalError):
        find_host(SimpleNamespace(model=webui.model.model, forge_objects=object()))


# ---------------------------------------------------------------- attention under every optimiser


def test_hooks_that_decline_change_nothing(webui, optimiser):
    p, seen = Processing(webui), []
    plain = p.sample()
    with hooked(webui, p, cross_attention=declining(seen), self_attention=declining(seen)):
        assert torch.equal(p.sample(), plain)
    assert len(seen) == 14


def test_a_hook_can_be_the_layer(webui, optimiser):
    p = Processing(webui)
    plain = p.sample()
    with hooked(webui, p, cross_attention=rebuilt, self_attention=rebuilt):
        torch.testing.assert_close(p.sample(), plain, atol=2e-5, rtol=1e-4)


def test_an_optimiser_chosen_meanwhile_is_used(webui, monkeypatch):
    p, ran = Processing(webui), []
    with hooked(webui, p, cross_attention=lambda call: None):
        monkeypatch.setattr(
            CrossAttention, "forward", lambda self, x, context=None, **rest: ran.append(self) or plain_forward(self, x, context)
        )
        p.sample()
    assert len(ran) == 14


def test_calls_describe_the_layer(webui):
    p, seen = Processing(webui, width=48, height=80), []
    with hooked(webui, p, cross_attention=declining(seen)):
        p.sample()
    assert {call.grid for call in seen} == {(10, 6), (5, 3)}
    for call in seen:
        assert call.site.kind == "cross" and call.site.name.endswith(".attn2")
        assert call.x.shape[:2] == (2, call.grid[0] * call.grid[1]) and call.context.shape == (2, 77, WIDTH)
        assert call.model.latent == (10, 6) and (call.heads, call.scale) == (2, pytest.approx((call.x.shape[-1] / 2) ** -0.5))
    assert len({call.site.name for call in seen}) == len(seen) == 7


def test_self_attention_is_its_own_context(webui):
    p, seen = Processing(webui), []
    with hooked(webui, p, self_attention=declining(seen)):
        p.sample()
    assert len(seen) == 7 and all(call.context is call.x and call.site.kind == "self" for call in seen)


def test_projections_are_the_modules_themselves(webui):
    """Forward hooks on to_q, to_k, to_v and to_out (LoRAs, for one) fire as they do under the host's own attention."""
    p, layer, fired = Processing(webui), site(webui), []
    handles = [
        getattr(layer, name).register_forward_hook(lambda *_, name=name: fired.append(name)) for name in ("to_q", "to_k", "to_v", "to_out")
    ]
    try:
        with hooked(webui, p, cross_attention=rebuilt):
            p.sample()
    finally:
        for handle in handles:
            handle.remove()
    assert fired == ["to_q", "to_k", "to_v", "to_out"]


def test_hypernetworks_change_keys_and_values_apart(webui, optimiser):
    webui.shared.loaded_hypernetworks.append(SimpleNamespace(keys=lambda t: t * 0.5, values=lambda t: t + 0.25))
    p = Processing(webui)
    changed = p.sample()
    with hooked(webui, p, cross_attention=rebuilt, self_attention=rebuilt):
        torch.testing.assert_close(p.sample(), changed, atol=2e-5, rtol=1e-4)
    webui.shared.loaded_hypernetworks.clear()
    assert not torch.allclose(p.sample(), changed, atol=1e-3)


def test_upcast_attention_reaches_the_hook_in_32_bits(webui):
    webui.opts.upcast_attn = True
    unet, kinds = webui.model.model.diffusion_model, []

    def hook(call):
        kinds.append((call.to_q(call.x).dtype, call.to_k(call.context).dtype))
        return rebuilt(call)

    layer = site(webui).bfloat16()
    x, told = torch.randn(2, 40, 64).bfloat16(), torch.randn(2, 77, WIDTH).bfloat16()
    with hooked(webui, None, cross_attention=hook):
        p = Processing(webui)
        webui.callbacks.call("denoiser", params_of(p))
        unet._forward_pre_hooks[next(iter(unet._forward_pre_hooks))](unet, (torch.zeros(2, 4, 10, 8),), {})
        unet.middle_block[1]._forward_pre_hooks[next(iter(unet.middle_block[1]._forward_pre_hooks))](None, (torch.zeros(2, 64, 5, 8),), {})
        assert layer(x, context=told).dtype == torch.bfloat16
    layer.float()
    assert kinds == [(torch.float32, torch.float32)]


def params_of(p):
    cond, uncond = p.conds()
    denoiser = SimpleNamespace(p=p, step=0, total_steps=4, sampler=SimpleNamespace(sampler_extra_args={"cond": cond}))
    count = sum(map(len, cond.batch))
    total = count + len(uncond)
    return SimpleNamespace(
        x=torch.zeros(total, 4, 10, 8), sigma=torch.ones(total), text_cond=torch.zeros(count, 77, WIDTH), denoiser=denoiser
    )


@pytest.mark.parametrize(
    "more", [{"additional_tokens": torch.zeros(2, 1, 64)}, {"n_times_crossframe_attn_in_self": 2}], ids=lambda m: next(iter(m))
)
def test_what_only_the_hosts_attention_knows_is_left_to_it(webui, monkeypatch, more):
    """Keyword arguments of sgm's attention: harmless values reach the hook, others the host with all they carry."""
    given, seen, p = [], [], Processing(webui)

    def forward(self, x, context=None, mask=None, **rest):
        given.append(rest)
        return plain_forward(self, x, context)

    monkeypatch.setattr(CrossAttention, "forward", forward)
    for extra, asked in (({"additional_tokens": None, "n_times_crossframe_attn_in_self": 0}, 7), (more, 0)):
        monkeypatch.setattr(BasicTransformerBlock, "_forward", sgm_like_block(extra))
        seen.clear()
        with hooked(webui, p, cross_attention=declining(seen)):
            p.sample()
        assert len(seen) == asked and given[-1] == extra


def sgm_like_block(extra):
    def forward(self, x, context=None):
        x = self.attn1(self.norm1(x)) + x
        x = self.attn2(self.norm2(x), context=context, **extra) + x
        return self.ff(self.norm3(x)) + x

    return forward


# ---------------------------------------------------------------- rows and steps

ONE, LONG = "main", "many " * 80
BATCHES = {
    "one": (("a",), ("n",), {}),
    "cond and uncond apart": (("a",), ("n",), {"together": False}),
    "three images": (("a", "b", "c"), ("n", "m", "o"), {}),
    "three images apart": (("a", "b", "c"), ("n", "m", "o"), {"together": False}),
    "AND": (("a AND b",), ("n",), {}),
    "AND apart": (("a AND b",), ("n",), {"together": False}),
    "AND in one of two": (("a AND b:0.5 AND c", "d"), ("n", "m"), {}),
    "AND in one of two, apart": (("a", "b AND c AND d"), ("n", "m"), {"together": False}),
    "long prompt": ((LONG,), ("n",), {}),
    "long prompts with AND": ((LONG + " AND b", "c"), ("n", "m"), {}),
    "long prompts with AND, apart": ((LONG + " AND b", "c AND d"), ("n", "m"), {"together": False}),
    "long negative": (("a AND b", "c"), (LONG, "m " + LONG), {}),
    "positive only": (("a AND b", "c"), ("n", "m"), {"skip_uncond": True}),
    "InstructPix2Pix": (("a", "b"), ("n", "m"), {"edit": True}),
}


def meant(row, prompts, negatives):
    """The text that a row of this role speaks."""
    return negatives[row.image] if row.role == "uncond" else prompts[row.image].split("AND")[row.part].split(":")[0].strip()


@pytest.mark.parametrize(("prompts", "negatives", "mode"), BATCHES.values(), ids=BATCHES)
def test_every_row_is_known(webui, prompts, negatives, mode):
    """The host's own context of a row must be the one of the text that the row's role names."""
    p, calls = Processing(webui, prompts, negatives), []
    denoiser = Denoiser(p, **mode)
    with hooked(webui, p, cross_attention=declining(calls)):
        denoiser(torch.randn(len(prompts), 4, 10, 8))
    first = [call for call in calls if call.site.name == calls[0].site.name]
    assert len(first) == len(denoiser.ran)
    for call in first:
        assert len(call.model.rows) == len(call.context)
        for row, told in zip(call.model.rows, call.context):
            own = context(meant(row, prompts, negatives))
            assert torch.equal(told[: len(own)], own)
    rows = [row for call in first for row in call.model.rows]
    assert rows[0] == Row(0, "cond", 0) and len(set(rows)) == (len(rows) - len(prompts) if mode.get("edit") else len(rows))


def test_steps_come_from_the_denoiser(webui):
    p, seen = Processing(webui, steps=3), []
    with hooked(webui, p, cross_attention=declining(seen)):
        p.sample(steps=5)
        p.is_hr_pass = True
        p.sample(steps=1)
    steps = [call.model.step for call in seen[::7]]
    assert steps == [
        StepInfo(0, 3, 7.0), StepInfo(1, 3, 6.0), StepInfo(2, 3, 5.0), StepInfo(3, 4, 4.0), StepInfo(4, 5, 3.0), StepInfo(0, 3, 7.0, True),
    ]  # fmt: skip
    assert all(step.progress < 1 for step in steps)


def test_prompts_changed_by_another_extension_stop_the_picture(webui):
    p = Processing(webui)
    denoiser = Denoiser(p)
    denoiser.sampler.sampler_extra_args["cond"] = SimpleNamespace(batch=[[0], [0]])
    params = params_of(p)
    params.denoiser = denoiser
    with pytest.raises(RegionalError, match="1 instead of 2"), hooked(webui, p, cross_attention=lambda call: None):
        webui.callbacks.call("denoiser", params)
        denoiser.unet(params.x, torch.zeros(2, 77, WIDTH))


def test_rows_that_were_not_announced_stop_the_picture(webui, monkeypatch):
    """Tiles: the UNet is called again and again within one call of the denoiser."""
    p = Processing(webui)
    monkeypatch.setattr(
        Denoiser, "_run", lambda self, rows, *told: torch.cat([self.unet(rows, torch.zeros(2, 77, WIDTH)) for _ in range(2)])[:2]
    )
    with pytest.raises(RegionalError, match="4 rows where the sampler told of 2"), hooked(webui, p, cross_attention=lambda call: None):
        p.sample()


def test_calls_outside_of_an_announced_one_are_the_hosts_own(webui):
    p, seen = Processing(webui), []
    denoiser = Denoiser(p)
    with hooked(webui, p, cross_attention=declining(seen)):
        denoiser.unet(torch.zeros(5, 4, 10, 8), torch.zeros(5, 77, WIDTH))
        denoiser(torch.zeros(1, 4, 10, 8))
        asked = len(seen)
        denoiser.unet(torch.zeros(5, 4, 10, 8), torch.zeros(5, 77, WIDTH))
    assert asked == len(seen) == 7


def test_an_inner_generation_of_another_p_is_left_alone(webui):
    p, inner, seen = Processing(webui), Processing(webui, width=32), []
    plain = inner.sample()
    with hooked(webui, p, cross_attention=declining(seen)):
        assert torch.equal(inner.sample(), plain) and not seen
        p.sample()
    assert len(seen) == 7


# ---------------------------------------------------------------- nothing left behind


@pytest.mark.parametrize("fault", [None, RuntimeError, RegionalError, KeyboardInterrupt, Interrupted, torch.OutOfMemoryError], ids=str)
def test_nothing_is_left_behind_however_it_ends(webui, fault):
    p = Processing(webui)

    def hook(call):
        if fault is not None and call.model.step.index == 1:
            raise fault("told to")
        return call.out(call.to_q(call.x))

    plain = p.sample(steps=2)
    before = snapshot(webui)
    try:
        with hooked(webui, p, cross_attention=hook, self_attention=hook):
            assert snapshot(webui) != before
            p.sample(steps=2)
    except BaseException as error:
        assert type(error) is fault
    assert snapshot(webui) == before
    assert torch.equal(p.sample(steps=2), plain)


def test_an_interrupt_between_steps_leaves_nothing(webui):
    p = Processing(webui)
    before = snapshot(webui)
    with hooked(webui, p, cross_attention=lambda call: setattr(webui.state, "interrupted", True)):
        p.sample(steps=3)
    assert snapshot(webui) == before


def test_sessions_follow_one_another(webui):
    """The host keeps an ordered copy of the callbacks: a second registration must not be mistaken for the first."""
    for _ in range(3):
        p, seen = Processing(webui), []
        with hooked(webui, p, cross_attention=declining(seen)):
            p.sample()
        assert len(seen) == 7
    assert not any(webui.callbacks.lists.values()) and not any(webui.callbacks.ordered.values())


def instance_patch(layer, called):
    found = layer.forward

    def forward(x, context=None, mask=None, **rest):
        called.append(1)
        return found(x, context=context, mask=mask, **rest)

    layer.forward = forward
    return found


def test_a_patch_that_was_there_before_is_called_and_kept(webui, monkeypatch):
    p, layer, called = Processing(webui), site(webui), []
    instance_patch(layer, called)
    theirs = layer.forward
    try:
        before = snapshot(webui)
        with hooked(webui, p, cross_attention=lambda call: None):
            p.sample()
        assert called and layer.forward is theirs and snapshot(webui) == before
    finally:
        del layer.forward


def test_a_patch_put_on_top_meanwhile_survives_without_ours(webui):
    p, layer, called, seen = Processing(webui), site(webui), [], []
    plain, before = p.sample(), snapshot(webui)
    with hooked(webui, p, cross_attention=declining(seen)):
        found = instance_patch(layer, called)
        p.sample()
        assert len(called) == 1 and len(seen) == 7
    seen.clear()
    assert torch.equal(p.sample(), plain) and len(called) == 2 and not seen
    layer.forward = found
    assert torch.equal(p.sample(), plain) and len(called) == 2
    assert snapshot(webui) == before


def test_self_attention_in_tiles_or_merged_is_left_to_its_maker(webui, monkeypatch):
    """Hypertile gives attn1 more and shorter rows, token merging fewer tokens: both only of self-attention."""
    p, cross, own = Processing(webui), [], []
    with hooked(webui, p, cross_attention=declining(cross), self_attention=declining(own)):
        layer = site(webui, "middle_block.1.transformer_blocks.0.attn1")
        whole = layer.forward

        def tiled(x, *args, **kwargs):
            return whole(x.unflatten(1, (2, -1)).flatten(0, 1), *args, **kwargs).unflatten(0, (-1, 2)).flatten(1, 2)

        layer.forward = tiled
        p.sample()
        assert len(cross) == 7 and len(own) == 6
        layer.forward = lambda x, *args, **kwargs: whole(x[:, ::2], *args, **kwargs).repeat_interleave(2, 1)
        p.sample()
        assert len(cross) == 14 and len(own) == 12
        layer.forward = whole
    assert "forward" not in vars(layer)


def test_cross_attention_in_pieces_stops_the_picture(webui):
    p, layer = Processing(webui), site(webui)
    with hooked(webui, p, cross_attention=lambda call: None):
        whole = layer.forward
        layer.forward = lambda x, context: torch.cat([whole(part, context=context) for part in x.chunk(2, 1)], 1)
        with pytest.raises(RegionalError, match=r"middle_block.*10 tokens"):
            p.sample()
    del layer.forward


# ---------------------------------------------------------------- weights that change, UNets that are not there


def test_other_weights_in_the_same_objects_renew(webui):
    p, renewed, seen = Processing(webui), [], []
    hooks = Hooks(cross_attention=declining(seen), renew=lambda: renewed.append(len(seen)))
    with A1111Host(webui.model, p).patched(hooks):
        p.sample()
        webui.model.sd_checkpoint_info.filename = "two.safetensors"
        p.sample(steps=2)
    assert renewed == [7] and len(seen) == 21


def test_loras_that_change_renew(webui, monkeypatch):
    lora = SimpleNamespace(name="x", te_multiplier=1.0, unet_multiplier=1.0, dyn_dim=None)
    networks = SimpleNamespace(loaded_networks=[lora])
    monkeypatch.setitem(sys.modules, "networks", networks)
    p, renewed = Processing(webui), []
    with A1111Host(webui.model, p).patched(Hooks(cross_attention=lambda call: None, renew=lambda: renewed.append(1))):
        p.sample(steps=2)
        assert not renewed
        lora.unet_multiplier = 0.5
        p.sample()
        networks.loaded_networks.clear()
        p.sample()
    assert len(renewed) == 2


def test_another_unet_is_hooked_and_the_old_one_is_free(webui):
    old, new, seen, renewed = webui.model, checkpoint("two.safetensors", width=24, seed=1), [], []
    before = snapshot(webui, old, new)[:2]
    p = Processing(webui)
    hooks = Hooks(cross_attention=declining(seen), self_attention=declining(seen), renew=lambda: renewed.append(1))
    with A1111Host(old, p).patched(hooks):
        p.sample()
        webui.load(new)
        p.sample()
        assert snapshot(webui, old)[0] == before[0][: len(snapshot(webui, old)[0])]
        assert [call.context.shape[-1] for call in seen if call.site.kind == "cross"] == [WIDTH] * 7 + [24] * 7
        webui.load(old)
        p.sample()
    assert len(seen) == 42 and len(renewed) == 2 and snapshot(webui, old, new)[:2] == before


def test_a_method_that_cannot_renew_stops_the_picture(webui):
    p = Processing(webui)
    before = snapshot(webui)
    with pytest.raises(RegionalError, match="refiner"), hooked(webui, p, cross_attention=lambda call: None):
        p.sample()
        webui.model.sd_checkpoint_info.filename = "two.safetensors"
        p.sample()
    webui.model.sd_checkpoint_info.filename = "one.safetensors"
    assert snapshot(webui) == before


def without_attention():
    return SimpleNamespace(
        model=SimpleNamespace(diffusion_model=torch.nn.Conv2d(4, 4, 1)), sd_checkpoint_info=SimpleNamespace(filename="dit")
    )


def test_a_unet_without_cross_attention_is_refused(webui):
    webui.load(without_attention())
    before = snapshot(webui)
    with pytest.raises(RegionalError, match="Conv2d"), hooked(webui, cross_attention=lambda call: None):
        raise AssertionError("must not be entered")
    assert snapshot(webui) == before


def test_a_unet_without_cross_attention_that_comes_later_stops_the_picture(webui):
    p, other = Processing(webui), without_attention()
    with pytest.raises(RegionalError, match="Conv2d"), hooked(webui, p, cross_attention=lambda call: None, renew=lambda: None):
        params = params_of(p)
        webui.load(other)
        webui.callbacks.call("denoiser", params)
        assert webui.state.interrupted
    assert not other.model.diffusion_model._forward_pre_hooks


def test_a_replaced_unet_is_refused_before_sampling(webui):
    webui.sd_unet.current_unet = object()
    before = snapshot(webui)
    with pytest.raises(RegionalError, match="TensorRT"), hooked(webui, cross_attention=lambda call: None):
        raise AssertionError("must not be entered")
    assert snapshot(webui) == before


def test_a_unet_replaced_meanwhile_stops_the_picture(webui):
    p = Processing(webui)
    with pytest.raises(RegionalError, match="TensorRT"), hooked(webui, p, cross_attention=lambda call: None):
        webui.sd_unet.current_unet = object()
        p.sample()


@pytest.mark.parametrize("steps", [1, 3])
def test_a_unet_that_never_runs_is_found_out(webui, monkeypatch, steps):
    p, ran = Processing(webui), []
    monkeypatch.setattr(Denoiser, "unet", lambda self, x, told: ran.append(1) or x)
    with pytest.raises(RegionalError, match="regions had no effect"), hooked(webui, p, cross_attention=lambda call: None):
        p.sample(steps)
    assert len(ran) == 1


def test_a_fault_in_the_callback_is_not_swallowed(webui):
    p, params = Processing(webui), params_of(Processing(webui))
    params.denoiser = SimpleNamespace(p=p)
    with pytest.raises(AttributeError), hooked(webui, p, cross_attention=lambda call: None):
        webui.callbacks.call("denoiser", params)
    assert webui.callbacks.logged == []


def test_moves_between_devices_do_not_matter(webui):
    """--medvram moves the whole UNet, --lowvram its blocks: parameters are replaced, modules stay."""
    p, seen, unet = Processing(webui), [], webui.model.model.diffusion_model
    handle = unet.register_forward_pre_hook(lambda module, _: module.to(torch.float64).to(torch.float32) and None)
    try:
        with hooked(webui, p, cross_attention=declining(seen)):
            p.sample(steps=2)
    finally:
        handle.remove()
    assert len(seen) == 14
