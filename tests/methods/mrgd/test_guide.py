"""The guided step against its formula and finite differences, and attention control row by row against loops."""

import math

import pytest
import torch

from lib_regional.engine.calls import AttentionCall, ModelCall, Row, Site, StepInfo
from lib_regional.methods.mrgd.control import Control, Rule, by_columns, copied
from lib_regional.methods.mrgd.guide import SCALE, Guidance, Scene, Weights, guided, keyword_maps, total_loss
from lib_regional.methods.mrgd.sides import TOTAL, Tag
from lib_regional.tensors.guidance.alignment import ColumnEdit
from lib_regional.tensors.guidance.segmentation import FittedMaps

SIDE = 5


def scene(**more):
    generator = torch.Generator().manual_seed(0)

    def rand(*shape):
        return torch.rand(*shape, generator=generator)

    area = (rand(SIDE, SIDE) > 0.4).float()
    fitted = FittedMaps(rand(1, 2, SIDE, SIDE), rand(1, 2, SIDE, SIDE))
    given = {
        "source": rand(2, SIDE, SIDE), "maps": fitted, "source_maps": rand(2, SIDE, SIDE), "masks": rand(2, SIDE, SIDE).round(),
        "area": area, "pairs": [(0, 0), (1, 1)], "changed": [1],
    }  # fmt: skip
    return Scene(**{**given, **more}), rand(2, SIDE, SIDE)


def test_the_step_goes_against_the_gradient_at_its_scale():
    scene_of, latent = scene()
    weights = Weights(10.0, 0.0, 5.0)
    slopes, step = torch.zeros_like(latent, dtype=torch.float64), 1e-3
    for at in range(latent.numel()):
        up, down = latent.clone(), latent.clone()
        up.view(-1)[at] += step
        down.view(-1)[at] -= step
        slopes.view(-1)[at] = (total_loss(up, scene_of, weights) - total_loss(down, scene_of, weights)) / (2 * step)
    expected = latent - slopes * SCALE * latent.numel() * 0.64
    assert torch.allclose(guided(latent, scene_of, weights, 0.6, 0.8), expected.float(), atol=2e-3)


def test_preservation_alone_draws_the_inherent_area_to_the_source():
    scene_of, latent = scene()
    made = guided(latent, scene_of, Weights(0, 0, 300), 0.6, 0.8)
    share = 2 * 300 * SCALE * 0.64 * scene_of.area**2
    assert torch.allclose(made, latent + share * (scene_of.source - latent), atol=1e-5)


def test_guidance_does_nothing_where_nothing_was_edited():
    scene_of, latent = scene(area=torch.ones(SIDE, SIDE), changed=[])
    assert torch.equal(guided(latent, scene_of, Weights(1000, 2000, 0), 0.6, 0.8), latent)


def test_a_step_is_never_longer_than_half_a_standard_deviation():
    scene_of, latent = scene()
    step = guided(latent, scene_of, Weights(1e6, 0, 1e6), 0.0, 1.0) - latent
    assert math.isclose(float(step.square().mean().sqrt()), 0.5, rel_tol=1e-3)


def test_keyword_maps_are_means_stretched_to_one():
    total = torch.rand(6, 4, 4)
    made = keyword_maps(total, [[1, 2], []], (8, 8))
    mean = (total[1] + total[2]) / 2
    stretched = (mean - mean.min()) / (mean.max() - mean.min())
    expected = torch.nn.functional.interpolate(stretched[None, None], (8, 8), mode="bilinear", align_corners=False)[0, 0]
    assert torch.allclose(made[0], expected, atol=1e-6) and float(made[1].abs().max()) == 0


def call(kind, tags, x, context, grid=(3, 4)):
    rows = tuple(Row(tag.image, tag.role) for tag in tags)
    model = ModelCall(rows, StepInfo(0, 10), grid, tuple(tags))
    site = Site(f"mid.block.{'attn2' if kind == 'cross' else 'attn1'}", kind)
    return AttentionCall(site, grid, model, x, context, 2, 0.5, *([torch.nn.Identity()] * 4))


def attention(q, k, v, edit=lambda p: p):
    """(L, C) each, head by head."""
    heads = []
    for first in (0, 4):
        part = slice(first, first + 4)
        p = torch.softmax(q[:, part] @ k[:, part].T * 0.5, -1)
        heads.append((p, v[:, part]))
    kept = edit(torch.stack([p for p, _ in heads]))
    return torch.cat([p @ v for p, (_, v) in zip(kept, heads, strict=True)], -1), torch.stack([p for p, _ in heads])


def tags(key):
    return [Tag(side, key, 0, role) for role in ("uncond", "cond") for side in ("target", "source")]


def test_cross_attention_of_conditional_target_rows_is_the_edited_one():
    x, context = torch.randn(4, 12, 8), torch.randn(4, 5, 8)
    edit = ColumnEdit(torch.rand(5, 5), torch.tensor([1.0, 0, 1, 0.5, 1]))
    where = torch.rand(3, 4).round()
    control = Control()
    control.begin_step(StepInfo(0, 10), {7: Rule(7, by_columns([edit]), False, lambda grid: where)})
    done = control.cross(call("cross", tags(7), x, context))
    plain = [attention(x[n], context[n], context[n]) for n in range(4)]
    assert all(torch.allclose(done[n], plain[n][0], atol=1e-6) for n in (0, 1, 3))
    source, own = plain[3][1], plain[2][1]
    edited = (source @ edit.matrix) * edit.alpha + own * (1 - edit.alpha)
    here = where.flatten()[:, None]
    expected, _ = attention(x[2], context[2], context[2], lambda p: edited * here + p * (1 - here))
    assert torch.allclose(done[2], expected, atol=1e-6)


def test_self_attention_is_copied_and_keywords_gain():
    x, context = torch.randn(4, 12, 8), torch.randn(4, 5, 8)
    control = Control(gain=2.0, keywords=lambda tag: [1, 3])
    control.begin_step(StepInfo(0, 10), {7: Rule(7, copied, True)})
    assert control.cross(call("cross", tags(7), x, context)) is not None
    done = control.self_attention(call("self", tags(7), x, x))
    scores = attention(x[3], context[3], context[3])[1].mean(0)[:, [1, 3]].sum(1)
    marked = torch.zeros(12)
    marked[scores.topk(6).indices] = 1

    def gained(p):
        loud = p * torch.where(marked > 0, 2.0, 1.0)
        return loud / loud.sum(-1, keepdim=True)

    expected, p = attention(x[3], x[3], x[3], gained)
    assert torch.allclose(done[3], expected, atol=1e-5)
    copy, _ = attention(x[2], x[2], x[2], lambda _: gained(p))
    assert torch.allclose(done[2], copy, atol=1e-5)
    assert torch.allclose(done[0], attention(x[0], x[0], x[0])[0], atol=1e-6), "unconditional rows are left alone"


def test_maps_of_the_joined_prediction_are_means_over_heads_and_sites():
    x, context = torch.randn(4, 12, 8), torch.randn(4, 5, 8)
    control = Control(wants_maps=True)
    control.begin_step(StepInfo(0, 10), {})
    both = [torch.randn(4, 12, 8), x]
    for one in both:
        control.cross(call("cross", tags(TOTAL), one, context))
    expected = torch.stack([attention(one[3], context[3], context[3])[1].mean(0).T for one in both]).mean(0)
    assert torch.allclose(control.maps.mean("source", 0), expected.view(5, 3, 4), atol=1e-6)


def test_fine_grids_and_the_hosts_own_calls_are_left_to_the_host():
    control = Control(gain=2.0)
    x = torch.randn(4, 33 * 33, 8)
    assert control.self_attention(call("self", tags(7), x, x, (33, 33))) is None
    plain = call("self", tags(7), x[:, :12], x[:, :12])
    object.__setattr__(plain.model, "tags", ())
    assert control.self_attention(plain) is None


class Full:
    """Maps whose gradient needs memory that is there from the ``enough``-th try on."""

    def __init__(self, enough):
        self.enough, self.tries = enough, 0

    def __call__(self, z):
        self.tries += 1
        if self.tries < self.enough:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")
        return z[:2].abs()


def memory_scene(maps):
    masks = torch.zeros(2, 4, 4)
    masks[0, :, :2], masks[1, :, 2:] = 1, 1
    seen = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0))
    return Scene(torch.zeros(4, 4, 4), maps, seen, masks, torch.zeros(4, 4), [(0, 0)], [1])


def test_out_of_memory_is_met_by_checkpoints_then_by_fewer_guided_steps(caplog):
    latent, weights = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(1)), Weights()
    with torch.no_grad():
        expected = guided(latent, memory_scene(Full(0)), weights, 0.8, 0.6)
        once = Guidance(weights)
        assert torch.allclose(once.step(latent, memory_scene(Full(2)), 0.8, 0.6, StepInfo(3, 20)), expected, atol=1e-6)
    assert once.checkpoints and once.acts(StepInfo(4, 20)) and once.infotext_fields() == {} and "checkpoints" in caplog.text
    maps = Full(100)
    assert torch.equal(once.step(latent, memory_scene(maps), 0.8, 0.6, StepInfo(7, 20)), latent)
    assert maps.tries == 1 and not once.acts(StepInfo(8, 20))
    assert once.infotext_fields() == {"Regional guidance": "ended at step 8 of 20 (out of memory)"} and "not guided" in caplog.text


def test_checkpoints_give_the_same_gradient():
    latent = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(2))
    plain, saving = Guidance(Weights()), Guidance(Weights(), checkpoints=True)
    steps = [one.step(latent, memory_scene(Full(0)), 0.8, 0.6, StepInfo(0, 20)) for one in (plain, saving)]
    assert torch.allclose(*steps, atol=1e-6) and not torch.allclose(steps[0], latent)


def test_other_faults_of_the_guidance_are_not_hidden():
    def broken(z):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        Guidance(Weights()).step(torch.randn(4, 4, 4), memory_scene(broken), 0.8, 0.6, StepInfo(0, 20))
    assert not Guidance(Weights(), share=0.5).acts(StepInfo(10, 20))
