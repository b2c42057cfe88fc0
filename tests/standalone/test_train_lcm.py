"""Consistency distillation: the teacher's step, the consistency function, and the stage on a few steps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from safetensors.torch import load_file  # noqa: E402

from lib_regional.standalone.sampling.noise_levels import LCM_STEPS, NoiseLevels, lcm_uniform  # noqa: E402
from lib_regional.standalone.train.progress import Run  # noqa: E402
from lib_regional.standalone.train.sampling import alphas_cumprod  # noqa: E402
from lib_regional.standalone.train.stages import consistency as stage  # noqa: E402
from lib_regional.standalone.train.stages.lora import Adapter, Ranks  # noqa: E402
from lib_regional.tensors.lora.keys import split_network  # noqa: E402
from tests.support.random_model import random_model  # noqa: E402

TIMES = torch.tensor([19, 499, 999])


class Oracle:
    """Knows the clean latents, and predicts their noise; rows beyond them are the prompted ones, ``apart`` from it."""

    model = SimpleNamespace(device=torch.device("cpu"))

    def __init__(self, clean: torch.Tensor, apart: float = 0.0) -> None:
        self.clean, self.apart, self.scale = clean, apart, torch.nn.Parameter(torch.ones(()))

    def base(self):
        return torch.no_grad()

    def noise(self, x, times, ids):
        alpha = alphas_cumprod()[times].view(-1, 1, 1, 1)
        clean = self.clean.repeat(len(x) // len(self.clean), 1, 1, 1)
        found = (x - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        found[len(self.clean) :] += self.apart
        return found * self.scale


@pytest.fixture
def clean():
    return torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def noised(clean, times, noise):
    alpha = alphas_cumprod()[times].view(-1, 1, 1, 1)
    return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise


def test_the_consistency_function_is_the_identity_at_time_0_and_the_clean_latent_elsewhere(clean) -> None:
    noise = torch.ones_like(clean)
    assert torch.equal(stage.consistency(clean, noise, torch.zeros(3, dtype=torch.long)), clean)
    torch.testing.assert_close(stage.consistency(noised(clean, TIMES, noise), noise, TIMES), clean, atol=1e-3, rtol=1e-3)


def test_a_step_of_the_teacher_is_ddims_with_guidance(clean) -> None:
    ids, landings, start = torch.zeros(3, 77, dtype=torch.long), (TIMES - stage.SKIPPED).clamp(min=0), torch.ones_like(clean)
    noisy = noised(clean, TIMES, start)
    landed = stage.guided_step(Oracle(clean), noisy, TIMES, landings, ids)
    torch.testing.assert_close(landed, noised(clean, landings, start), atol=1e-4, rtol=1e-4)
    alpha, after = alphas_cumprod()[TIMES], alphas_cumprod()[landings]
    guided = stage.guided_step(Oracle(clean, 0.1), noisy, TIMES, landings, ids)
    more = (1 - after).sqrt() - (after / alpha * (1 - alpha)).sqrt()
    torch.testing.assert_close(guided - landed, (stage.GUIDANCE * 0.1 * more).view(-1, 1, 1, 1).expand_as(clean), atol=1e-3, rtol=1e-3)


def test_the_loss_is_0_on_a_consistent_model_and_moves_nothing_but_the_start(clean) -> None:
    ids, landings = torch.zeros(3, 77, dtype=torch.long), TIMES - 10
    noisy, landed = (noised(clean, times, torch.ones_like(clean)) for times in (TIMES, landings))
    steps = stage.TeacherSteps(noisy, landed, TIMES, landings, ids, torch.ones(3, 1, 8, 8))
    oracle = Oracle(clean)
    assert stage.consistency_loss(oracle, steps) < 1e-4
    oracle.scale.data.fill_(1.1)
    loss = stage.consistency_loss(oracle, steps)
    loss.backward()
    with torch.no_grad():
        start = stage.consistency(noisy, oracle.noise(noisy, TIMES, ids), TIMES)
        oracle.scale.data += 1e-3
        ahead = stage.consistency(noisy, oracle.noise(noisy, TIMES, ids), TIMES)
        oracle.scale.data -= 1e-3
        target = stage.consistency(landed, oracle.noise(landed, landings, ids), landings)
        slope = (stage.pseudo_huber(ahead, target) - stage.pseudo_huber(start, target)).mean() / 1e-3
    assert loss > 0.01 and float(oracle.scale.grad) == pytest.approx(float(slope), rel=0.02)


def test_times_are_those_that_the_sampler_visits() -> None:
    times, landings = stage.solver_times(np.random.default_rng(0), 400)
    levels = NoiseLevels(alphas_cumprod())
    visited = levels.sigma_to_t(lcm_uniform(LCM_STEPS, levels)[:-1]).round().long()
    assert set(times.tolist()) == set(visited.tolist())
    assert int((times - landings).max()) == stage.SKIPPED and int(landings.min()) == 0 and (landings < times).all()


def test_without_its_parts_the_model_is_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """In fp32 on every CPU: one with AVX512_BF16 trains in bf16."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    model, own = random_model(), random_model()
    adapter = Adapter("cpu", Ranks(text=False), own)
    for part in adapter.parts.values():
        torch.nn.init.normal_(part.up.weight, std=0.1)
    x, ids = torch.randn(1, 4, 8, 8), torch.zeros(1, 77, dtype=torch.long)
    with torch.no_grad():
        plain = model.unet(x, torch.tensor([300]), model.text_encoder(ids).last_hidden_state).sample
        with adapter.base():
            torch.testing.assert_close(adapter.noise(x, torch.tensor([300]), ids), plain, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(adapter.noise(x, torch.tensor([300]), ids), plain, atol=1e-2)


@pytest.mark.slow
def test_the_stage_goes_on_where_it_was_and_what_it_learns_is_consistent(tmp_path: Path) -> None:
    run = Run(tmp_path, steps=3, batch=4, rate=3e-3, warmup=1, save_every=2, log_every=1)
    stage.train_lcm(run, 2, tmp_path / "made", random_model())
    began = (tmp_path / "lcm.steps.safetensors").stat().st_mtime_ns
    path = stage.train_lcm(Run(**{**vars(run), "steps": 6}), 2, tmp_path / "made", random_model())
    rows = (tmp_path / "lcm.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2", "3", "4", "5", "6"]
    assert (tmp_path / "lcm.steps.safetensors").stat().st_mtime_ns == began
    losses = [float(row.split(",")[1]) for row in rows[1:]]
    assert losses[-1] < 0.9 * losses[0]
    assert {layer.component for layer in split_network(load_file(path))} == {"unet"}
