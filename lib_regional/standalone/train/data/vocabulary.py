"""The CLIP tokenizer's files and the compact table: training keeps rows only for the words in use, export widens it to all ids."""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTokenizer

from ...model import TOKENIZER
from ..networks import TOKENS, VOCABULARY
from .captions import known_words

START, END = VOCABULARY - 2, VOCABULARY - 1


def write_tokenizer(merges_file: Path, folder: Path = TOKENIZER) -> None:
    """Writes vocab.json and merges.txt from `bpe_simple_vocab_16e6.txt.gz`, the vocabulary file of CLIP's own release.

    The package open_clip_torch contains that file.
    """
    from transformers.models.clip.tokenization_clip import bytes_to_unicode

    text = gzip.decompress(merges_file.read_bytes()).decode("utf-8")
    lines = text.split("\n")[1 : VOCABULARY - 512 - 2 + 1]
    letters = list(bytes_to_unicode().values())
    words = letters + [letter + "</w>" for letter in letters] + ["".join(line.split()) for line in lines]
    words += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS, "do_lower_case": True, "add_prefix_space": False, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


@lru_cache(maxsize=1)
def tokenizer() -> CLIPTokenizer:
    """The tokenizer of the model's folder."""
    return CLIPTokenizer.from_pretrained(TOKENIZER)


@lru_cache(maxsize=4096)
def _word_ids(word: str) -> tuple[int, ...]:
    return tuple(tokenizer()(word, add_special_tokens=False).input_ids)


def encode(texts: list[str]) -> NDArray[np.int64]:
    """Texts -> ids (B,77) int64, start and end set and padded with the end as SD1 does. Word by word, from a cache: 50 times faster."""
    ids = np.full((len(texts), TOKENS), END, np.int64)
    ids[:, 0] = START
    for row, text in zip(ids, texts, strict=True):
        flat = [i for word in text.split() for i in _word_ids(word)][: TOKENS - 2]
        row[1 : 1 + len(flat)] = flat
    return ids


@lru_cache(maxsize=1)
def used_ids() -> tuple[int, ...]:
    """Ids with a row of their own; the start and the end are last, in this order."""
    ids = {i for word in known_words() for i in _word_ids(word)}
    return (*sorted(ids - {START, END}), START, END)


@lru_cache(maxsize=1)
def compact_rows() -> NDArray[np.int64]:
    """Row of the compact table for each of the 49408 ids; row 0 is the unknown word."""
    rows = np.zeros(VOCABULARY, np.int64)
    rows[list(used_ids())] = np.arange(1, len(used_ids()) + 1)
    return rows


def compact(ids: NDArray[np.int64]) -> Tensor:
    """Ids (B,77) of the full vocabulary -> rows (B,77) of the compact table."""
    return torch.from_numpy(compact_rows()[ids])


def widen(table: Tensor, names: tuple[str, ...] = (), seed: int = 7) -> Tensor:
    """Compact table (R,C) -> full table (49408,C).

    Ids out of use get the unknown word's vector. The words `names`, which are in the table but never trained, get that vector with an
    offset of their own, so that later training can distinguish them.
    """
    table = table.clone()
    noise = torch.Generator().manual_seed(seed)
    for name in names:
        for i in _word_ids(name):
            row = compact_rows()[i]
            table[row] = table[0] + 0.5 * table[1:].std() * torch.randn(table.shape[1], generator=noise)
    return table[torch.from_numpy(compact_rows())]


def rows_in_use() -> int:
    """Rows of the compact table."""
    return len(used_ids()) + 1
