"""Collage refine by every adapter: the cells that are held at each step, and the img2img of a WebUI that begins with the collage."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from adapters import ADAPTERS, CELLS
from isolation_cases import plan_of

from lib_regional.engine.collage import Collage
from lib_regional.methods import prepare
from lib_regional.request.errors import RegionalError
from lib_regional.webui.inner.collage import beginning

SOURCE = torch.full((1, 4, *CELLS), 0.5)
REGIONS = [
    {"box": [0, 0, 1, 0.5], "prompt": "a", "feather": 0, "denoise": 0.5},
    {"box": [0, 0.5, 1, 1], "prompt": "b", "feather": 0, "denoise": 0.25},
]
STEPS = 4


@pytest.fixture(params=ADAPTERS)
def double(request, monkeypatch):
    return ADAPTERS[request.param](monkeypatch)


def plan(given, strength):
    made = plan_of("collage", {"regions": REGIONS, "options": {"collage": {"outside": 0.25}}}, size=(8 * CELLS[1], 8 * CELLS[0]))
    pictures = torch.zeros(1, 3, 8 * CELLS[0], 8 * CELLS[1])
    return replace(made, collage=Collage(lambda *_: pictures, lambda _: SOURCE, strength, given=given))


def held(double, given, strength):
    """For each step whether all cells of the upper and of the lower half are the source's."""
    hooks, seen = prepare(plan(given, strength), double.host), []

    def noting(call):
        seen.append(hooks.denoiser(call))
        return seen[-1]

    with double.host.patched(replace(hooks, denoiser=noting)):
        double.sample(STEPS)
    half = CELLS[0] // 2
    return [tuple(bool((made[:, :, part] == 0.5).all()) for part in (slice(0, half), slice(half, None))) for made in seen]


def test_from_noise_a_cell_is_free_in_its_share_of_the_last_steps(double):
    assert held(double, None, 1.0) == [(True, True), (True, True), (False, True), (False, False)]


def test_in_img2img_the_strongest_cells_are_free_from_the_first_step(double):
    found = held(double, 0.5, 0.5)
    assert found[0] == (False, True) and found[-1] == (False, False)


def test_without_a_picture_to_begin_with_the_host_is_named(double):
    with pytest.raises(RegionalError, match="needs a host with img2img"):
        prepare(replace(plan(None, 1.0), collage=None), double.host)


def test_img2img_begins_with_the_collage_at_its_strongest_cell_and_is_as_it_was_afterwards():
    p = SimpleNamespace(init_latent=torch.zeros(2, 4, *CELLS), denoising_strength=0.3)
    before = p.init_latent
    with beginning(p, Collage(lambda *_: SOURCE, lambda _: SOURCE, 0.9, given=0.3)):
        assert p.denoising_strength == 0.9 and (p.init_latent == 0.5).all() and p.init_latent.shape == before.shape
    assert p.denoising_strength == 0.3 and p.init_latent is before
    with pytest.raises(ZeroDivisionError), beginning(p, Collage(lambda *_: SOURCE, lambda _: SOURCE, 0.9, given=0.3)):
        raise ZeroDivisionError
    assert p.denoising_strength == 0.3 and p.init_latent is before
