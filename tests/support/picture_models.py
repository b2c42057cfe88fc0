"""Tiny models of the genuine classes with random weights, saved as a user's downloads lie on disk."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers as hf

TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
NORM = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


def clipseg(place: Path) -> Path:
    """CLIPSeg and a tokenizer of single letters."""
    place.mkdir(parents=True, exist_ok=True)
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {
        piece: at for at, piece in enumerate([*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"])
    }
    (place / "vocab.json").write_text(json.dumps(vocabulary))
    (place / "merges.txt").write_text("#version: 0.2\n")
    hf.CLIPTokenizer(str(place / "vocab.json"), str(place / "merges.txt")).save_pretrained(place)
    torch.manual_seed(0)
    config = hf.CLIPSegConfig(
        text_config={**TOWER, "vocab_size": len(vocabulary), "eos_token_id": len(vocabulary) - 1},
        vision_config={**TOWER, "image_size": 64, "patch_size": 16},
        projection_dim=16, reduce_dim=16, decoder_num_attention_heads=2, decoder_intermediate_size=32, extract_layers=[0, 1, 2],
        conditional_layer=0,
    )  # fmt: skip
    hf.CLIPSegForImageSegmentation(config).save_pretrained(place)
    return place


def grounding_dino(place: Path) -> Path:
    """Grounding DINO on a Swin backbone, with a BERT tokenizer of some words."""
    torch.manual_seed(1)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"red blue hat dog circle square a".split(), ".", "?"]
    place.mkdir(parents=True, exist_ok=True)
    (place / "vocab.txt").write_text("\n".join(words))
    tokenizer = hf.BertTokenizerFast(str(place / "vocab.txt"))
    size = {"shortest_edge": 64, "longest_edge": 64}
    hf.GroundingDinoProcessor(hf.GroundingDinoImageProcessor(size=size), tokenizer).save_pretrained(place)
    swin = hf.SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2, out_features=["stage2", "stage3", "stage4"]
    )
    bert = hf.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, pad_token_id=0
    )
    config = hf.GroundingDinoConfig(
        backbone_config=swin, text_config=bert.to_dict(), d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2, num_queries=12, max_text_len=64, num_feature_levels=3,
    )  # fmt: skip
    hf.GroundingDinoForObjectDetection(config).save_pretrained(place)
    return place


def sam(place: Path) -> Path:
    """SAM whose pictures have 64 pixels."""
    torch.manual_seed(2)
    vision = {"hidden_size": 16, "output_channels": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64, "patch_size": 8}
    config = hf.SamConfig(
        vision_config=hf.SamVisionConfig(**vision, mlp_dim=16, num_pos_feats=8, window_size=2, global_attn_indexes=[0]).to_dict(),
        prompt_encoder_config=hf.SamPromptEncoderConfig(hidden_size=16, image_size=64, patch_size=8, mask_input_channels=4).to_dict(),
        mask_decoder_config=hf.SamMaskDecoderConfig(
            hidden_size=16, mlp_dim=16, num_hidden_layers=1, num_attention_heads=2, iou_head_depth=2, iou_head_hidden_dim=16
        ).to_dict(),
    )
    model = hf.SamModel(config)
    model.save_pretrained(place)
    pad = {"height": 64, "width": 64}
    hf.SamProcessor(hf.SamImageProcessor(size={"longest_edge": 64}, pad_size=pad)).save_pretrained(place)
    return place


def dpt(place: Path) -> Path:
    """DPT with a plain ViT."""
    torch.manual_seed(3)
    config = hf.DPTConfig(
        **{**TOWER, "num_hidden_layers": 4}, image_size=32, patch_size=8, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, is_hybrid=False,
    )  # fmt: skip
    hf.DPTForDepthEstimation(config).save_pretrained(place)
    hf.DPTImageProcessor(size={"height": 32, "width": 32}, **NORM).save_pretrained(place)
    return place


def zoedepth(place: Path) -> Path:
    """ZoeDepth on a BEiT backbone: metres."""
    torch.manual_seed(4)
    beit = hf.BeitConfig(
        **{**TOWER, "num_hidden_layers": 4}, image_size=32, patch_size=8, out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False, use_relative_position_bias=True,
    )  # fmt: skip
    config = hf.ZoeDepthConfig(
        backbone_config=beit, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, bottleneck_features=8, num_relative_features=8,
        bin_embedding_dim=8, num_attractors=[4, 2, 2, 1],
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}],
    )  # fmt: skip
    hf.ZoeDepthForDepthEstimation(config).save_pretrained(place)
    hf.ZoeDepthImageProcessor(size={"height": 32, "width": 32}).save_pretrained(place)
    return place


def depth_anything(place: Path, kind: str = "relative") -> Path:
    """Depth Anything on a DINOv2 backbone; ``kind`` "metric" gives metres."""
    torch.manual_seed(5)
    dino = hf.Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, mlp_ratio=2, image_size=28, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = hf.DepthAnythingConfig(
        backbone_config=dino, reassemble_hidden_size=16, patch_size=14, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8,
        head_hidden_size=8, depth_estimation_type=kind, max_depth=20 if kind == "metric" else None,
    )  # fmt: skip
    hf.DepthAnythingForDepthEstimation(config).save_pretrained(place)
    hf.DPTImageProcessor(size={"height": 28, "width": 28}, **NORM).save_pretrained(place)
    return place
