"""Noises of several seeds in one latent, and noise levels."""

import pytest
import torch

from lib_regional.tensors.latents.noise import joined_noise, network_input, noise_slope, noised, sampler_latent, seeded_noise, unet_input


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


@pytest.mark.parametrize("sigma", [0.05, 0.5, 1.0])
def test_a_straight_path_is_sampled_in_the_networks_own_terms(sigma):
    clean, noise = seeded_noise((16, 5, 5), 1), seeded_noise((16, 5, 5), 2)
    x = noised(clean, noise, sigma, "flow")
    torch.testing.assert_close(x, clean + sigma * (noise - clean))
    assert network_input(x, sigma, "flow") is x and sampler_latent(x, sigma, "flow") is x
    nearer = x + noise_slope(x, noise - clean, sigma, "flow") * -0.05
    torch.testing.assert_close(nearer, noised(clean, noise, sigma - 0.05, "flow"))


@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_other_paths_are_scaled_for_the_network_and_back(kind):
    clean, noise = seeded_noise((4, 5, 5), 1), seeded_noise((4, 5, 5), 2)
    x = noised(clean, noise, 3.0, kind)
    torch.testing.assert_close(x, unet_input(clean + 3 * noise, 3.0))
    torch.testing.assert_close(sampler_latent(x, 3.0, kind), clean + 3 * noise)
