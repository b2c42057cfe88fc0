"""Detectors of phrases from a folder: models of the genuine shape with random weights, saved as their authors' are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    SwinConfig,
)

from lib_regional.batch.benchmarks import detectors
from lib_regional.batch.benchmarks.detectors import ByClipseg, ByGroundingDino, largest_area

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] . a cat red circle".split()
PICTURE = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Grounding DINO with its processor."""
    folder = tmp_path_factory.mktemp("dino")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    swin = SwinConfig(image_size=32, embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, window_size=2, out_indices=[2, 3, 4])
    bert = BertConfig(vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = GroundingDinoConfig(
        backbone_config=swin, text_config=bert, d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16,
        encoder_attention_heads=2, decoder_attention_heads=2, num_queries=5, max_text_len=16,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        GroundingDinoForObjectDetection(config).save_pretrained(folder)
    pictures = GroundingDinoImageProcessor(size={"shortest_edge": 160, "longest_edge": 160})
    GroundingDinoProcessor(pictures, BertTokenizer(str(folder / "vocab.txt"))).save_pretrained(folder)
    return folder


def test_grounding_dino_gives_the_boxes_above_its_level(dino: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = ByGroundingDino(dino)
    monkeypatch.setattr(detectors, "DINO_LEVEL", 0.0)
    every = detector(PICTURE, ["a cat", "red circle"])
    assert [len(boxes) for boxes in every] == [5, 5] and every[0] != every[1]
    assert all(0 <= x0 <= x1 <= 1 and 0 <= y0 <= y1 <= 1 for boxes in every for x0, y0, x1, y1 in boxes)
    monkeypatch.setattr(detectors, "DINO_LEVEL", 1.0)
    assert detector(PICTURE, ["a cat"]) == [[]]


def test_clipseg_gives_the_largest_area_of_each_phrase(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def model(pixels: torch.Tensor, words: list[list[str]]) -> torch.Tensor:
        asked.append((tuple(pixels.shape), float(pixels.min()) >= -1, float(pixels.max()) <= 1, words))
        maps = torch.zeros(1, 2, 96, 128)
        maps[0, 0, 24:48, 32:96], maps[0, 0, 90:92, 0:2] = 0.9, 0.9
        return maps

    monkeypatch.setattr("lib_regional.sources.clipseg.find_clipseg", lambda folder: model)
    assert ByClipseg(tmp_path)(PICTURE, ["a cat", "a red circle"]) == [[(0.25, 0.25, 0.75, 0.5)], []]
    assert asked == [((1, 3, 96, 128), True, True, [["a cat"], ["a red circle"]])]


def test_an_empty_mask_has_no_area() -> None:
    assert largest_area(np.zeros((4, 4), bool)) == []
