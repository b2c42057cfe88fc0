"""The guided prediction around which a hook stands: untouched where the hook only looked, in the sampler's space where it did not."""

import torch

from lib_regional.engine.calls import through_denoised

X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
NOISE = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
ALPHA, BETA = 0.83, 0.557


def around(hooked):
    """In the space of noise: clean = (x − β·noise) / α."""
    return through_denoised(lambda: NOISE, lambda noise: (X - BETA * noise) / ALPHA, lambda clean: (X - ALPHA * clean) / BETA, hooked)


def test_a_hook_that_only_looks_changes_no_bit():
    seen = []

    def look(run):
        seen.append(run())
        return seen[-1]

    assert around(look) is NOISE and torch.allclose(seen[0], (X - BETA * NOISE) / ALPHA)
    assert not torch.equal((X - ALPHA * seen[0]) / BETA, NOISE), "on the way there and back the last bits are lost"


def test_what_a_hook_changes_comes_back_in_the_samplers_space():
    made = around(lambda run: run() + 0.5)
    torch.testing.assert_close(made, NOISE - 0.5 * ALPHA / BETA)
    torch.testing.assert_close(around(lambda run: torch.zeros_like(X)), X / BETA)
