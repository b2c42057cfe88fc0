"""The decoder's training on collages: what is laid over what, what counts, and which decoders it finds fault with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("tqdm")

from safetensors.torch import load_file  # noqa: E402

from lib_regional.standalone.model import CHECKPOINT  # noqa: E402
from lib_regional.standalone.train.__main__ import main  # noqa: E402
from lib_regional.standalone.train.data.collage import APART_WEIGHT, COLLAGE_WEIGHT, collage_loss, enlarged, inner, laid, random_patch  # noqa: E402


def squared(output, images):
    return (output - images).square().mean()


def blocks(latent):
    """A decoder that makes every cell's 8×8 pixels from the cell alone."""
    return latent[:, :3].repeat_interleave(8, 2).repeat_interleave(8, 3)


def levelled(latent):
    """One that takes away the mean of the whole picture, as a norm does."""
    picture = blocks(latent)
    return picture - picture.mean((2, 3), keepdim=True)


def test_patches_have_two_values_and_both_of_them():
    patches = [random_patch(np.random.default_rng(seed), 16, 24) for seed in range(60)]
    assert {patch.shape for patch in patches} == {(1, 1, 16, 24)}
    assert all(patch.unique().tolist() == [0, 1] for patch in patches)
    assert len({tuple(patch.flatten().tolist()) for patch in patches}) > 40


def test_each_is_laid_over_its_opposite():
    batch, patch = torch.arange(4.0)[:, None, None, None].expand(4, 1, 2, 3), torch.tensor([[[[1.0, 0, 1], [0, 0, 1]]]])
    expected = [[[[n, 3 - n, n], [3 - n, 3 - n, n]]] for n in range(4)]
    assert laid(batch, patch).tolist() == expected


def test_what_lies_near_a_join_does_not_count():
    patch = random_patch(np.random.default_rng(3), 4, 6)
    whole, counts = enlarged(patch)[0, 0], inner(enlarged(patch), 3)[0, 0]
    assert whole.shape == (32, 48)
    for y in range(32):
        for x in range(48):
            near = whole[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4]
            assert bool(counts[y, x]) == (near.min() == near.max())


def test_a_decoder_of_cells_has_no_fault_and_one_with_a_norm_has():
    latent = torch.randn(4, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    patch = torch.zeros(1, 1, 16, 16)
    patch[..., :8] = 1
    local, norm = (collage_loss(decode, latent, decode(latent), decode(latent), patch, squared) for decode in (blocks, levelled))
    assert local == 0
    joined = blocks(torch.cat([latent[..., :8], latent.flip(0)[..., 8:]], -1))
    shift = [(blocks(whole) - joined).mean((2, 3)) for whole in (latent, latent.flip(0))]
    counted = (16 - 2) / 16  # eight pixels on either side of the join do not
    apart = sum(part.abs().mean() for part in shift) / 2 * counted
    error = sum(part.square().mean() for part in shift) / 2 * counted
    torch.testing.assert_close(norm, APART_WEIGHT * apart + COLLAGE_WEIGHT * error)


def test_the_shipped_decoder_is_polished_in_its_file_and_nothing_else(tmp_path: Path):
    main(["polish", "--shipped", "--out", str(tmp_path), "--model", str(tmp_path / "model"), "--steps", "1", "--batch", "2"])
    before, after = load_file(CHECKPOINT), load_file(tmp_path / "model" / CHECKPOINT.name)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith(("first_stage_model.decoder.", "first_stage_model.post_quant_conv.")) for name in changed)
    assert all(before[name].dtype == after[name].dtype for name in before)
