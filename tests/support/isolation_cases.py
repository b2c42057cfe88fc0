"""Plans, predictions and a slow reference for the methods whose regions are predictions of their own."""

from __future__ import annotations

import torch
from toy import rows

from lib_regional.engine.calls import ModelCall, Row, StepInfo
from lib_regional.engine.plan import Plan, plan_hires, plan_pass
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import open_session
from lib_regional.request.settings import Settings

HALVES = [{"box": [0, 0, 0.5, 1]}, {"box": [0.5, 0, 1, 1]}]
FULL = {"box": [0, 0, 1, 1], "feather": 0}
TWO = [{**HALVES[0], "prompt": "a"}, {**HALVES[1], "prompt": "b"}]


def plan_of(method, data, prompts=("main",), negatives=("bad",), size=(64, 64), steps=10, hires=None):
    settings = Settings.parse({"enabled": True, "method": method, **data})
    first = plan_pass(settings, prompts, negatives, steps)
    return Plan(settings, settings.layout(), size, first, plan_hires(settings, first, *hires, steps) if hires else None)


def latent(batch, height=8, width=8):
    """The same latent in every row."""
    return torch.randn(1, 4, height, width, generator=torch.Generator().manual_seed(7)).expand(batch, -1, -1, -1)


def images(order, height=8, width=8):
    """One latent for each image of the batch."""
    return torch.stack([torch.randn(4, height, width, generator=torch.Generator().manual_seed(row.image)) for row in order])


def contexts_of(plan, order, hires=False):
    texts = plan.hires.texts if hires and plan.hires else plan.first.texts
    return [texts[row.image].base if row.role == "cond" else texts[row.image].negative for row in order]


def called(model, x, order, contexts, index=0, total=10, sigma=1.0, scale=5.0, hires=False):
    """One call of the UNet that says all of its step."""
    call = ModelCall(tuple(order), StepInfo(index, total, sigma, hires, scale), (x.shape[-2], x.shape[-1]))
    for listener in list(model.call_listeners):
        listener(call)
    return model.unet(x, 100, torch.stack([model.context(text) for text in contexts])).sample


def predict(model, plan, order=None, x=None, contexts=None, **step):
    order = order or rows(len(plan.first.texts))
    x = latent(len(order)) if x is None else x
    with torch.no_grad(), open_session(DiffusersHost(model), plan):
        return called(model, x, order, contexts or contexts_of(plan, order, step.get("hires", False)), **step)


def plain(model, texts, x=None, order=None):
    order = order or rows(len(texts) // 2)
    with torch.no_grad():
        return called(model, latent(len(order)) if x is None else x, order, list(texts))


def alone(model, x, text):
    """x (C, h, w) and a text -> the UNet's output for them alone."""
    with torch.no_grad():
        return called(model, x[None], [Row(0, "cond")], [text])[0]


def assert_same(a, b, **more):
    torch.testing.assert_close(a, b, **{"atol": 2e-5, "rtol": 1e-4, **more})
