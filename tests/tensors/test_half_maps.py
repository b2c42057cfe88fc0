"""Maps, alignment, noise, losses and masks against sums in full precision, in every precision."""

from __future__ import annotations

import base64
import io
from functools import lru_cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from lib_regional.request.settings import Settings
from lib_regional.tensors.attention.maps import histogram_entropy, normalised
from lib_regional.tensors.guidance.alignment import ColumnEdit, by_parts
from lib_regional.tensors.guidance.losses import inherent, inter_image, region_specific
from lib_regional.tensors.guidance.metrics import masked_mean, psnr
from lib_regional.tensors.guidance.segmentation import FittedMaps, LinearPictures
from lib_regional.tensors.guidance.tokens import Token
from lib_regional.tensors.latents.noise import joined_noise
from lib_regional.tensors.lora.deltas import LayerKind
from lib_regional.tensors.lora.layers import own_weights
from lib_regional.tensors.masks.decoding import decode_mask
from lib_regional.tensors.masks.pyramid import Pyramid
from lib_regional.tensors.masks.weight_maps import weight_maps
from tests.support.half import Case, assert_near, every_precision, exact

# ------------------------------------------------------------------ maps, alignment, noise


@every_precision
def test_columns_of_the_source_under_the_target_s_words(case: Case) -> None:
    """Row by row: columns taken, a swapped word scaled to its own mean, the others sharing what is left."""
    source, target = (x.softmax(-1).bfloat16().float() for x in exact(2, 4, 256, 77, scale=3))
    texts = [[Token(1 + n, text, n) for n, text in enumerate(text)] for text in (["red", "hat", "here"], ["blue", "hat", "here"])]
    edit = by_parts([(texts[0], texts[1])], texts[0], texts[1], (77, 77))
    assert edit.swapped == (1,)
    taken, own = source.double() @ edit.matrix.double(), target.double()
    word = taken[..., 1] * (own[..., 1].mean(-1) / taken[..., 1].mean(-1))[:, None]
    others, total = taken.sum(-1) - taken[..., 1], taken.sum(-1)
    expected = taken * ((total - word).clamp_min(0) / others)[..., None]
    expected[..., 1] = word
    expected = expected * (total / expected.sum(-1))[..., None]
    expected = expected * edit.alpha.double() + own * (1 - edit.alpha.double())
    with case.ambient():
        got = edit.apply(case.of(source), case.of(target))
    assert_near(got, expected, case)


@every_precision
def test_a_swapped_word_that_nobody_looks_at_makes_no_nan(case: Case) -> None:
    """Means below what half precision holds."""
    source = torch.zeros(1, 8, 4)
    source[..., 0] = 1
    edit = ColumnEdit(torch.eye(4), torch.ones(4), (2,))
    with case.ambient():
        assert_near(edit.apply(case.of(source), case.of(exact(1, 8, 4).softmax(-1))), source.double(), case)


@every_precision
def test_entropies_and_stretched_maps(case: Case) -> None:
    maps = torch.cat([exact(2, 32, 32).abs(), torch.full((1, 32, 32), 0.5)])
    flat = maps.flatten(1).numpy().astype(np.float64)
    stretched = np.stack([(row - row.min()) / max(row.max() - row.min(), 1e-30) for row in flat])
    entropy = []
    for row in stretched:
        share = np.bincount(np.rint(row * 255).astype(int), minlength=256) / row.size
        entropy.append(-sum(s * np.log2(s) for s in share if s > 0))
    with case.ambient():
        got, found = normalised(case.of(maps)), histogram_entropy(case.of(maps))
    exactly = Case(torch.float32)
    assert_near(got.flatten(1), torch.from_numpy(stretched), exactly, torch.float32)
    assert_near(found, torch.tensor(entropy), exactly, torch.float32)
    assert found[2] == 0


@every_precision
def test_noises_are_joined_with_unit_variance(case: Case) -> None:
    noises, weights = exact(3, 4, 128, 128), exact(3, 128, 128, seed=2, scale=1e-3).abs()
    expected = (weights[:, None] * noises).double().sum(0) / weights.double().square().sum(0).sqrt()
    with case.ambient():
        assert_near(joined_noise(case.of(noises), case.of(weights)), expected, case, torch.float32)


@every_precision
def test_measures(case: Case) -> None:
    values, area = exact(256, 256).abs() * 10, (exact(256, 256, seed=1) > 0).float()
    error = (values.double() - 1).square().mean()
    with case.ambient():
        found = masked_mean(case.of(values), case.of(area)), psnr(case.of(values), torch.ones_like(case.of(values)))
    wanted = (values.double() * area).sum() / area.sum(), -10 * torch.log10(error)
    assert found == pytest.approx([float(value) for value in wanted], rel=1e-3)


# ------------------------------------------------------------------ losses and what is fitted


@lru_cache
def compared() -> tuple[Tensor, Tensor, Tensor]:
    """Maps of a source and a target (3, 64, 64) and masks."""
    return exact(3, 64, 64).abs(), exact(3, 64, 64, seed=1).abs(), (exact(3, 64, 64, seed=2) > 0).float()


@every_precision
def test_losses(case: Case) -> None:
    source, target, masks = compared()
    s, t, m = (x.double() for x in (source, target, masks))
    outside = sum(((t[r] * (1 - m[r])) ** 2).mean() for r in range(3))
    cosine = torch.stack([torch.stack([(a * b).sum() / (a.norm() * b.norm()) for b in t]) for a in s]) / 0.07
    pairs = [(0, 1), (2, 0)]
    forth = sum(-cosine[a].log_softmax(0)[b] for a, b in pairs) / 2
    back = sum(-cosine[:, b].log_softmax(0)[a] for a, b in pairs) / 2
    with case.ambient():
        got = [
            region_specific(case.of(target), case.of(masks)),
            inter_image(case.of(source), case.of(target), pairs),
            inherent(case.of(masks[0]), case.of(source), case.of(target)),
        ]
    wanted = [outside, (forth + back) * 0.035, ((s - t) * m[0]).square().mean()]
    for found, expected in zip(got, wanted, strict=True):
        assert_near(found, expected, case, torch.float32)


@every_precision
def test_maps_fitted_to_128_squared_cells(case: Case) -> None:
    """Ridge regression by its normal equations, in double precision."""
    latents, maps = exact(2, 4, 128, 128), exact(2, 3, 128, 128, seed=1).abs()
    padded = F.pad(latents.double(), (1, 1, 1, 1), mode="replicate")
    patches = F.unfold(padded, 3).transpose(1, 2)
    features = torch.cat([patches, torch.ones(2, 128 * 128, 1, dtype=torch.float64)], 2)
    flat, values = features.flatten(0, 1), maps.double().flatten(2).transpose(1, 2).flatten(0, 1)
    weights = torch.linalg.solve(flat.T @ flat + 1e-2 * len(flat) * torch.eye(37, dtype=torch.float64), flat.T @ values)
    expected = (features[0] @ weights).T.view(3, 128, 128).clamp_min(0)
    with case.ambient():
        got = FittedMaps(case.of(latents), case.of(maps))(case.of(latents[0]))
    assert_near(got, expected, case, torch.float32)


@every_precision
def test_pictures_from_a_linear_map(case: Case) -> None:
    """Pictures that are one are given back."""
    latents = exact(2, 4, 64, 64)
    colours = torch.einsum("kc,bchw->bkhw", exact(3, 4, seed=3).double(), latents.double()) + 0.25
    pictures = colours.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with case.ambient():
        got = LinearPictures(case.of(latents), case.of(pictures.float()))(case.of(latents))
    assert_near(got, colours, case, torch.float32)


# ------------------------------------------------------------------ weight maps and masks


def mask_string(levels: np.ndarray) -> str:
    raw = io.BytesIO()
    Image.fromarray(levels).save(raw, "PNG")
    return "data:image/png;base64," + base64.b64encode(raw.getvalue()).decode()


@every_precision
def test_weight_maps_are_the_same_under_every_precision(case: Case) -> None:
    """They are made in fp32 on the CPU, whatever the model computes in: not one number differs."""
    levels = np.random.default_rng(0).integers(0, 256, (40, 56), dtype=np.uint8)
    regions = [
        {"box": [0, 0, 0.6, 1], "feather": 0.2, "prompt": "a"},
        {"mask": mask_string(levels), "prompt": "b", "weight": 1.5},
        {"ellipse": [0.6, 0.6, 0.62, 0.62], "prompt": "tiny"},
    ]
    layout = Settings.parse({"enabled": True, "regions": regions}).layout()
    plain = {grid: Pyramid(layout).at((0, 1, 2), (48, 32), grid) for grid in ((48, 32), (24, 16), (6, 4))}
    with case.ambient():
        assert torch.equal(decode_mask(mask_string(levels)), torch.from_numpy(levels.astype(np.float32) / 255))
        for grid, expected in plain.items():
            got = Pyramid(layout).at((0, 1, 2), (48, 32), grid)
            assert torch.equal(got.regions, expected.regions) and torch.equal(got.base, expected.base)
            assert_near(case.of(got.regions.sum(0) + got.base), torch.ones(grid), case)


@every_precision
def test_weights_of_a_coarser_grid_are_means(case: Case) -> None:
    """A region that fills cells in part, as its queries' weights see it: the mean over the cells below."""
    layout = Settings.parse({"enabled": True, "regions": [{"box": [0.1, 0, 0.73, 0.9], "feather": 0.3, "prompt": "a"}]}).layout()
    with case.ambient():
        got = Pyramid(layout).at((0,), (32, 32), (4, 4)).regions
    fine = weight_maps(layout, 32, 32).regions[0].double().numpy()
    naive = [[fine[8 * y : 8 * y + 8, 8 * x : 8 * x + 8].mean() for x in range(4)] for y in range(4)]
    assert_near(case.of(got[0]), torch.tensor(naive), case)


def test_layers_are_described_without_their_weights() -> None:
    assert own_weights(nn.GroupNorm(2, 4, affine=True), torch.zeros(1)).layer == LayerKind("group_norm", groups=2, eps=1e-5)
