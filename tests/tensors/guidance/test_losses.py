"""The losses against loops, their gradients against finite differences."""

import math

import torch

from lib_regional.tensors.guidance.losses import inherent, inter_image, posterior_variance, region_specific


def finite_differences(f, x, step=1e-6):
    gradient = torch.zeros_like(x)
    for at in range(x.numel()):
        up, down = x.clone(), x.clone()
        up.view(-1)[at] += step
        down.view(-1)[at] -= step
        gradient.view(-1)[at] = (f(up) - f(down)) / (2 * step)
    return gradient


def check_gradient(f, x):
    (gradient,) = torch.autograd.grad(f(x.requires_grad_(True)), x)
    assert torch.allclose(gradient, finite_differences(f, x.detach()), atol=1e-6)
    assert gradient.abs().max() > 1e-4


def doubles(*shape):
    return torch.rand(*shape, dtype=torch.float64)


def test_region_specific_against_a_loop():
    maps, masks = doubles(3, 4, 5), (doubles(3, 4, 5) > 0.5).double()
    expected = sum(
        sum((float(maps[r, y, x]) * (1 - float(masks[r, y, x]))) ** 2 for y in range(4) for x in range(5)) / 20 for r in range(3)
    )
    assert abs(float(region_specific(maps, masks)) - expected) < 1e-9
    check_gradient(lambda m: region_specific(m, masks), maps)


def naive_info_nce(source, target, pairs, temperature):
    def cosine(a, b):
        a, b = a.flatten().tolist(), b.flatten().tolist()
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))

    total = 0.0
    for s, t in pairs:
        forth = [math.exp(cosine(source[s], other) / temperature) for other in target]
        back = [math.exp(cosine(other, target[t]) / temperature) for other in source]
        total -= math.log(forth[t] / sum(forth)) + math.log(back[s] / sum(back))
    return total * temperature / (2 * len(pairs))


def test_inter_image_against_a_loop():
    source, target, pairs = doubles(3, 4, 4), doubles(4, 4, 4), [(0, 1), (2, 0)]
    assert abs(float(inter_image(source, target, pairs, 0.3)) - naive_info_nce(source, target, pairs, 0.3)) < 1e-9
    check_gradient(lambda m: inter_image(source, m, pairs, 0.3), target)
    assert float(inter_image(source, target.detach(), [])) == 0


def test_inter_image_is_least_for_equal_maps():
    maps = torch.eye(3, dtype=torch.float64).view(3, 3, 1)
    mixed = maps[[1, 2, 0]]
    pairs = [(0, 0), (1, 1), (2, 2)]
    assert inter_image(maps, maps, pairs) < 1e-5 < inter_image(maps, mixed, pairs)


def test_inherent_against_a_loop():
    area, source, target = doubles(3, 4), doubles(2, 3, 4), doubles(2, 3, 4)
    expected = sum(
        (float(area[y, x]) * (float(source[c, y, x]) - float(target[c, y, x]))) ** 2 for c in range(2) for y in range(3) for x in range(4)
    )
    assert abs(float(inherent(area, source, target)) - expected / 24) < 1e-9
    check_gradient(lambda z: inherent(area, source, z), target)


def test_posterior_variance_is_that_of_gaussians():
    alpha, beta = 0.6, 0.8
    clean = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    noisy = alpha * clean + beta * torch.randn(200_000, generator=torch.Generator().manual_seed(1))
    slope = float((clean * noisy).mean() / noisy.square().mean())
    assert abs(float((clean - slope * noisy).var()) - posterior_variance(alpha, beta)) < 0.01
    assert math.isclose(posterior_variance(1.0, 2.0), posterior_variance(1 / math.sqrt(5), 2 / math.sqrt(5)))
