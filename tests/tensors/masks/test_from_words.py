"""Masks from maps of words: what a threshold cuts, what exclusive ones share, and what self-attention adds."""

from __future__ import annotations

import pytest
import torch

from lib_regional.tensors.masks.from_words import FINER, word_levels, word_masks


def bump(row: float, column: float, size: int = 8) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.exp(-((y - row) ** 2 + (x - column) ** 2) / 6.0)


def test_a_level_of_any_scale_and_ground_is_cut_alike():
    one = bump(2, 3)
    first, second = word_masks([one, 5 + 0.01 * one], None, [0.5, 0.5], [False, False])
    assert first.shape == (8 * FINER, 8 * FINER) and torch.equal(first, second)
    wide, narrow = (word_masks([one], None, [level], [False])[0].sum() for level in (0.3, 0.8))
    assert wide > first.sum() > narrow > 0


def test_exclusive_words_share_no_cell_and_others_may():
    maps = [bump(3, 2), bump(3, 4)]
    both = word_masks(maps, None, [0.2, 0.2], [False, False])
    apart = word_masks(maps, None, [0.2, 0.2], [True, True])
    assert (both[0] & both[1]).any() and not (apart[0] & apart[1]).any()
    assert torch.equal(apart[0] | apart[1], both[0] | both[1])
    assert torch.equal(word_masks(maps, None, [0.2, 0.2], [True, False])[0], both[0])


def test_exclusive_words_may_lose_every_cell():
    first, second = word_masks([bump(3, 3), bump(3, 3)], None, [0.2, 0.2], [True, True])
    assert first.any() and not second.any()


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_self_attention_carries_a_word_over_its_object(scale):
    """A word is strong at one cell of an object; cells of the object attend to each other."""
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:6, 1:7] = True
    strong = torch.zeros(8, 8)
    strong[3, 3] = 1
    labels = inside.flatten()
    affinity = scale * (labels[:, None] == labels[None]).float()
    levels = word_levels(strong[None], affinity)[0]
    mask = word_masks([strong], affinity, [0.5], [False])[0]
    assert levels.amin() == 0 and levels.amax() == 1
    fine = inside.repeat_interleave(FINER, 0).repeat_interleave(FINER, 1)
    assert (mask & fine).sum() / (mask | fine).sum() > 0.95
    assert word_masks([strong], None, [0.5], [False])[0].sum() < fine.sum() / 4
