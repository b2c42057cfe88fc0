"""Hosts ask their device for noise levels only where a hook reads them: on shapes alone (the meta device), reading one raises."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lib_regional.engine.calls import StepInfo
from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.a1111.rows import read_step
from lib_regional.hosts.forge.rows import tag_conditions


def test_only_networks_and_denoisers_read_levels() -> None:
    assert not Hooks(cross_attention=lambda call: None, self_attention=lambda call: None, spatial=lambda call: None).reads_levels
    assert Hooks(unet=lambda call: None).reads_levels and Hooks(denoiser=lambda call: call.run()).reads_levels


def test_a1111() -> None:
    sampler = SimpleNamespace(sampler_extra_args={"cond_scale": 7.0})
    denoiser = SimpleNamespace(step=3, total_steps=20, sampler=sampler, p=SimpleNamespace())
    params = SimpleNamespace(denoiser=denoiser, sigma=torch.ones(1, device="meta"))
    assert read_step(params, levels=False) == StepInfo(3, 20, 0.0, False, 7.0)
    with pytest.raises(RuntimeError):
        read_step(params)
    params.sigma = torch.full((1,), 2.5)
    assert read_step(params).sigma == 2.5


def test_forge() -> None:
    sampler = SimpleNamespace(sampler_extra_args={"cond": SimpleNamespace(batch=[[None]]), "cond_scale": 7.0})
    denoiser = SimpleNamespace(step=3, total_steps=20, sampler=sampler, p=SimpleNamespace())
    announced: list[StepInfo] = []
    x, sigma = torch.zeros(1, 4, 2, 2), torch.ones(1, device="meta")
    conditions: list[Any] = [{"model_conds": {}}]
    tag_conditions(denoiser, announced.append, levels=False)(None, x, sigma, conditions, conditions, 7.0, {}, 0)
    assert announced == [StepInfo(3, 20, 0.0, False, 7.0)]
    with pytest.raises(RuntimeError):
        tag_conditions(denoiser, announced.append)(None, x, sigma, conditions, conditions, 7.0, {}, 0)
