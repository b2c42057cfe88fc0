"""Noise as the generator of NVIDIA's GPUs draws it (``randn_source`` NV), computed on the CPU.

Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3) encrypts a counter under the seed. Number i
of draw d has the counter (d, 0, i, 0); the first two of the four words that come out make one normal number (Box and Muller 1958).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Words = NDArray[np.uint64]
"""(n,) 32-bit words, kept in 64 bits so that products have room."""

_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_KEY_STEPS = np.array([0x9E3779B9, 0xBB67AE85], np.uint64)
_ROUNDS = 10
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_UNIT = 2.0**-32
_TURN = float(np.float32(2 * math.pi * _UNIT))


class PhiloxGenerator:
    """The numbers of one seed, draw by draw: those of ``torch.randn`` on a CUDA device after ``torch.manual_seed``."""

    def __init__(self, seed: int) -> None:
        self._key = np.array([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF], np.uint64)
        self._draws = 0

    def randn(self, shape: Sequence[int]) -> Tensor:
        """The next unit noise of ``shape``, float32 on the CPU."""
        count = math.prod(shape)
        nothing = np.zeros(count, np.uint64)
        first, second, _, _ = encrypted((nothing + np.uint64(self._draws), nothing, np.arange(count, dtype=np.uint64), nothing), self._key)
        self._draws += 1
        return torch.from_numpy(_normal(first, second)).reshape(tuple(shape))


def encrypted(counter: Sequence[Words], key: NDArray[np.uint64]) -> tuple[Words, Words, Words, Words]:
    """Four words (n,) of a counter and two of the key (2,) -> four random words (n,): ten rounds of Philox4x32."""
    first, second, third, fourth = counter
    for number in range(_ROUNDS):
        left, right = key + np.uint64(number) * _KEY_STEPS & _LOW
        one, other = first * _MULTIPLIERS[0], third * _MULTIPLIERS[1]
        first, second = other >> _HALF ^ second ^ left, other & _LOW
        third, fourth = one >> _HALF ^ fourth ^ right, one & _LOW
    return first, second, third, fourth


def _normal(first: Words, second: Words) -> NDArray[np.float32]:
    """Two words (n,) -> one normal number (n,), the sine's of the pair, as CUDA takes them: the middle of each of 2^32 intervals."""
    radius = np.sqrt(-2 * np.log(first * _UNIT + _UNIT / 2))
    noise: NDArray[np.float32] = (radius * np.sin(second * _TURN + _TURN / 2)).astype(np.float32)
    return noise
