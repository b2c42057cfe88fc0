"""Noises of several seeds in one latent, and noise levels."""

import pytest
import torch

from lib_regional.tensors.latent import joined_noise, noise_slope, seeded_noise, unet_input


def test_a_seed_is_its_noise():
    assert torch.equal(seeded_noise((4, 8, 8), 3), torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(3)))


def test_joined_noise_keeps_its_variance_and_is_each_noise_in_its_own_place():
    noises = torch.stack([seeded_noise((4, 64, 64), seed) for seed in range(3)])
    ramp = torch.linspace(0, 1, 64).expand(64, 64)
    weights = torch.stack([ramp * 0.6, 1 - ramp, ramp * 0.4])
    joined = joined_noise(noises, weights)
    by_hand = torch.stack([
        sum(weights[n, i, j] * noises[n, :, i, j] for n in range(3)) / float(sum(weights[n, i, j] ** 2 for n in range(3))) ** 0.5
        for i in (0, 31, 63) for j in (0, 17, 63)
    ])  # fmt: skip
    torch.testing.assert_close(torch.stack([joined[:, i, j] for i in (0, 31, 63) for j in (0, 17, 63)]), by_hand)
    assert joined[:, :, 24:40].std() == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(joined[..., 0], noises[1, :, :, 0])


@pytest.mark.parametrize("sigma", [0.1, 1.0, 14.6])
def test_the_slope_is_the_noise_whatever_the_model_predicts(sigma):
    clean, noise = seeded_noise((4, 5, 5), 1), seeded_noise((4, 5, 5), 2)
    x = unet_input(clean + sigma * noise, sigma)
    alpha = (1 / (1 + sigma**2)) ** 0.5
    torch.testing.assert_close(noise_slope(x, noise, sigma, "epsilon"), noise)
    velocity = alpha * noise - (1 - alpha**2) ** 0.5 * clean
    torch.testing.assert_close(noise_slope(x, velocity, sigma, "v"), noise, atol=1e-4, rtol=1e-4)
