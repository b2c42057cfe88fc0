"""Areas and measures against scipy and loops; fitted maps and pictures against what they were fitted to."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio

from lib_regional.tensors.guidance.metrics import eroded, inherent_area, masked_mean, psnr, ring
from lib_regional.tensors.guidance.segmentation import FittedMaps, LinearPictures, fit, neighbourhoods


def blob(height=12, width=15):
    mask = np.zeros((height, width), bool)
    mask[3:7, 5:11] = True
    mask[6:9, 0:6] = True
    return mask


@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_ring_is_what_dilation_adds(width):
    mask = blob()
    expected = ndimage.binary_dilation(mask, np.ones((2 * width + 1,) * 2)) & ~mask
    assert np.array_equal(ring(torch.from_numpy(mask).float(), width).numpy(), expected)


@pytest.mark.parametrize("cells", [0, 1, 3])
def test_erosion_leaves_the_canvas_border_alone(cells):
    area = ~blob()
    expected = ndimage.binary_erosion(area, np.ones((2 * cells + 1,) * 2), border_value=1) if cells else area
    assert np.array_equal(eroded(torch.from_numpy(area).float(), cells).numpy() > 0.5, expected)


def test_the_inherent_area_is_outside_of_every_edited_mask():
    masks = torch.rand(3, 4, 5)
    expected = torch.tensor([[math.prod(1 - float(masks[r, y, x]) for r in range(3)) for x in range(5)] for y in range(4)])
    assert torch.allclose(inherent_area(masks), expected, atol=1e-6)
    assert torch.equal(inherent_area(torch.zeros(0, 4, 5)), torch.ones(4, 5))


def test_means_and_noise_ratio():
    values, area = torch.rand(5, 6), torch.from_numpy(blob(5, 6)).float()
    picked = [float(values[y, x]) for y in range(5) for x in range(6) if area[y, x]]
    assert math.isclose(masked_mean(values, area), sum(picked) / len(picked), rel_tol=1e-5)
    assert math.isnan(masked_mean(values, torch.zeros(5, 6)))
    a, b = torch.rand(3, 8, 8), torch.rand(3, 8, 8)
    assert math.isclose(psnr(a, b), peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=1.0), rel_tol=1e-5)


def test_ridge_is_the_least_of_its_sum():
    features, values = torch.randn(40, 6), torch.randn(40, 2)
    weights = fit(features, values, 0.1)

    def total(w):
        return float((features @ w - values).square().sum() + 0.1 * 40 * w.square().sum())

    assert all(total(weights) < total(weights + 0.01 * torch.randn(6, 2)) for _ in range(20))


def test_neighbourhoods_are_those_of_each_cell():
    latent = torch.randn(1, 2, 4, 5)
    found = neighbourhoods(latent)[0]
    padded = torch.nn.functional.pad(latent, (1, 1, 1, 1), mode="replicate")[0]
    for y in range(4):
        for x in range(5):
            assert torch.equal(found[y * 5 + x, :-1], padded[:, y : y + 3, x : x + 3].flatten()) and found[y * 5 + x, -1] == 1


def test_fitted_maps_follow_the_latent():
    latent = torch.randn(1, 4, 16, 16)
    maps = (latent[:, :2] * 0.1 + 0.5).clamp(0, 1)
    fitted = FittedMaps(latent, maps)
    assert (fitted(latent[0]) - maps[0]).abs().mean() < 0.02
    z = latent[0].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(fitted(z)[0].sum(), z)
    assert gradient[0].mean() > 5 * gradient[2:].mean().abs(), "the first map depends on the first channel"


def test_linear_pictures_recover_a_linear_decoder():
    latents, mix = torch.randn(2, 4, 8, 8), torch.randn(3, 4)
    colours = torch.einsum("rc,bchw->brhw", mix, latents) + 0.2
    pictures = torch.nn.functional.interpolate(colours, scale_factor=8, mode="nearest")
    assert torch.allclose(LinearPictures(latents, pictures)(latents), colours, atol=0.02)
