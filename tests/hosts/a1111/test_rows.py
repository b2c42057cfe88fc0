"""Which row of a batch is what, and which step this is, under AUTOMATIC1111's ways of batching."""

from types import SimpleNamespace

import pytest
import torch
from a1111_hooks import declining, hooked, params_of
from webui import WIDTH, Denoiser, Processing, WebUI, checkpoint, context

from lib_regional.engine.calls import Row, StepInfo
from lib_regional.request.errors import RegionalError

MODEL = checkpoint()


@pytest.fixture
def webui(monkeypatch):
    monkeypatch.setattr(MODEL.sd_checkpoint_info, "filename", "one.safetensors")
    return WebUI(monkeypatch, MODEL)


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
    """The text of a row of this role."""
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
        for row, found in zip(call.model.rows, call.context):
            own = context(meant(row, prompts, negatives))
            assert torch.equal(found[: len(own)], own)
    rows = [row for call in first for row in call.model.rows]
    assert rows[0] == Row(0, "cond", 0) and len(set(rows)) == (len(rows) - len(prompts) if mode.get("edit") else len(rows))


def test_steps_come_from_the_denoiser(webui):
    p, seen = Processing(webui, steps=3), []
    with hooked(webui, p, cross_attention=declining(seen), unet=lambda call: call.native()):
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
        Denoiser, "_run", lambda self, rows, *contexts: torch.cat([self.unet(rows, torch.zeros(2, 77, WIDTH)) for _ in range(2)])[:2]
    )
    with pytest.raises(RegionalError, match="4 rows where the sampler announced 2"), hooked(webui, p, cross_attention=lambda call: None):
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
