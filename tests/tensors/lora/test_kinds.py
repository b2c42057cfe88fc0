"""Every kind of LoRA against a merge into the weights written apart, and what is refused."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from lora_files import CONV, LINEAR, locon_mid, lora, merged, norm
from torch import Tensor

from lib_regional.tensors.lora.deltas import LayerDelta, LayerKind
from lib_regional.tensors.lora.keys import LayerName, NetworkError, split_key, split_network
from lib_regional.tensors.lora.kinds import Target, layer_delta
from lib_regional.tensors.lora.low_rank import LINEAR as LINEAR_KIND
from lib_regional.tensors.lora.low_rank import add_everywhere, add_in_box, add_on_tokens, added, dense, moved

CONV_KIND = LayerKind("conv", padding=(1, 1))


def target(weight: Tensor, kind: LayerKind, dyn: int | None = None) -> Target:
    return Target(kind, tuple(weight.shape), lambda: weight, dyn)


def weight_like(delta: LayerDelta, weight: Tensor) -> Tensor:
    return weight + dense(delta, tuple(weight.shape))


@pytest.mark.parametrize("kind", LINEAR)
def test_linear_layer_equals_the_naive_merge(kind: str) -> None:
    torch.manual_seed(1)
    weight, x = torch.randn(16, 24), torch.randn(3, 7, 24)
    parts = LINEAR[kind](tuple(weight.shape))
    delta = layer_delta(parts, target(weight, LINEAR_KIND))
    expected = torch.from_numpy(merged(kind, parts, weight)).float()
    assert torch.allclose(weight_like(delta, weight), expected, atol=2e-5)
    bias = parts.get("diff_b", torch.zeros(16))
    assert torch.allclose(F.linear(x, weight) + added(delta, x), F.linear(x, expected, bias), atol=2e-4)
    assert not torch.allclose(expected, weight, atol=1e-3)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
@pytest.mark.parametrize("kind", CONV)
def test_convolution_equals_the_naive_merge(kind: str, stride: tuple[int, int]) -> None:
    torch.manual_seed(2)
    weight, x = torch.randn(16, 8, 3, 3), torch.randn(2, 8, 9, 7)
    parts = CONV[kind](tuple(weight.shape))
    delta = layer_delta(parts, target(weight, LayerKind("conv", stride, (1, 1))))
    new = torch.from_numpy(merged(kind, parts, weight)).float().view(weight.shape)
    assert torch.allclose(weight_like(delta, weight), new, atol=2e-5)
    expected = F.conv2d(x, new, parts.get("diff_b"), stride, 1)
    assert torch.allclose(F.conv2d(x, weight, None, stride, 1) + added(delta, x), expected, atol=5e-4)


def test_low_rank_stays_in_factors() -> None:
    weight = torch.randn(16, 24)
    delta = layer_delta(lora((16, 24)), target(weight, LINEAR_KIND))
    assert delta.weight is None and delta.down is not None and delta.down.shape == (3, 24)


def test_factors_of_a_point_convolution_may_be_flat_and_of_a_linear_layer_may_be_deep() -> None:
    weight, flat = torch.randn(16, 24, 1, 1), lora((16, 24))
    first = layer_delta(flat, target(weight, LayerKind("conv")))
    deep = {name: value[:, :, None, None] if value.dim() else value for name, value in flat.items()}
    second = layer_delta(deep, target(weight.flatten(1), LINEAR_KIND))
    assert torch.allclose(dense(first, (16, 24)), dense(second, (16, 24)))


def test_dyn_uses_the_first_ranks_and_keeps_the_scale() -> None:
    weight, parts = torch.randn(16, 24), lora((16, 24))
    delta = layer_delta(parts, target(weight, LINEAR_KIND, dyn=1))
    expected = torch.outer(parts["lora_up.weight"][:, 0], parts["lora_down.weight"][0]) * (2.0 / 3)
    assert torch.allclose(dense(delta, (16, 24)), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["group_norm", "layer_norm"])
def test_norm_equals_the_naive_merge(kind: str) -> None:
    torch.manual_seed(3)
    weight, bias, parts = torch.randn(8), torch.randn(8), norm((8,))
    x = torch.randn(2, 8, 5, 4) if kind == "group_norm" else torch.randn(2, 9, 8)
    layer = LayerKind("group_norm", groups=4) if kind == "group_norm" else LayerKind("layer_norm")

    def run(w: Tensor, b: Tensor) -> Tensor:
        return F.group_norm(x, 4, w, b) if kind == "group_norm" else F.layer_norm(x, (8,), w, b)

    delta = layer_delta(parts, target(weight, layer))
    assert torch.allclose(run(weight, bias) + added(delta, x), run(weight + parts["w_norm"], bias + parts["b_norm"]), atol=1e-5)


# ---------------------------------------------------------------- places


def test_on_tokens_only_those_change_and_by_their_strength() -> None:
    torch.manual_seed(4)
    weight, x = torch.randn(16, 24), torch.randn(2, 10, 24)
    delta, y = layer_delta(lora((16, 24)), target(weight, LINEAR_KIND)), torch.randn(2, 10, 16)
    strengths = torch.zeros(2, 10)
    strengths[0, 3], strengths[1, 9], strengths[1, 0] = 0.5, -1.0, 2.0
    support = torch.nonzero(strengths.flatten())[:, 0]
    got, everywhere = y.clone(), y.clone()
    add_on_tokens(delta, x, got, support, strengths.flatten()[support])
    assert torch.allclose(got, y + added(delta, x) * strengths[..., None], atol=1e-5)
    add_on_tokens(delta, x, everywhere, torch.arange(20), torch.full((20,), 0.3))
    assert torch.allclose(everywhere, y + 0.3 * added(delta, x), atol=1e-5)


BOXES = [(0, 0, 9, 7), (0, 0, 4, 7), (2, 3, 5, 5), (8, 6, 9, 7), (0, 2, 1, 4)]


@pytest.mark.parametrize("kind", ["lora", "locon with mid", "full"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("box", BOXES, ids=str)
def test_in_a_box_a_convolution_sees_its_halo_and_no_more(box: tuple[int, int, int, int], stride: int, kind: str) -> None:
    torch.manual_seed(5)
    weight, x = torch.randn(16, 8, 3, 3), torch.randn(3, 8, 9 * stride, 7 * stride)
    layer = LayerKind("conv", (stride, stride), (1, 1))
    delta = layer_delta(CONV[kind](tuple(weight.shape)), target(weight, layer))
    y, mask = torch.randn(3, 16, 9, 7), torch.zeros(3, 1, 9, 7)
    top, left, bottom, right = box
    mask[[0, 2], :, top:bottom, left:right] = torch.rand(2, 1, bottom - top, right - left)
    got, both = y.clone(), y.clone()
    add_in_box(delta, x, got, torch.tensor([0, 2]), box, mask[[0, 2], :, top:bottom, left:right])
    assert torch.allclose(got, y + added(delta, x) * mask, atol=1e-4)
    add_in_box(delta, x, both, torch.arange(3), box, mask[:, :, top:bottom, left:right])
    assert torch.allclose(both, got, atol=1e-4)


def test_everywhere_rows_have_their_own_strength() -> None:
    torch.manual_seed(6)
    weight, x, y = torch.randn(16, 24), torch.randn(3, 24), torch.randn(3, 16)
    delta = layer_delta(lora((16, 24)), target(weight, LINEAR_KIND))
    strengths = torch.tensor([0.0, 0.5, -1.0])
    for rows in (strengths, torch.tensor([1.0, 0.5, -1.0]), torch.zeros(3)):
        got = y.clone()
        add_everywhere(delta, x, got, rows, torch.nonzero(rows)[:, 0])
        assert torch.allclose(got, y + added(delta, x) * rows[:, None], atol=1e-5)


def test_moving_keeps_what_is_missing_missing() -> None:
    delta = moved(LayerDelta(LINEAR_KIND, down=torch.ones(1, 2), up=torch.ones(3, 1)), torch.zeros(1, dtype=torch.bfloat16))
    assert delta.down is not None and delta.down.dtype == torch.bfloat16 and delta.weight is None and delta.bias is None


# ---------------------------------------------------------------- names and faults

NAMES = [
    ("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", "unet:down_blocks_0_attentions_0_proj_in", "lora_down.weight"),
    ("lora_unet_input_blocks_1_1_proj_in.alpha", "unet:input_blocks_1_1_proj_in", "alpha"),
    ("lora_te_text_model_encoder_layers_0_mlp_fc1.hada_w1_a", "te1:text_model_encoder_layers_0_mlp_fc1", "hada_w1_a"),
    ("lora_te1_text_model_encoder_layers_0_mlp_fc1.dora_scale", "te1:text_model_encoder_layers_0_mlp_fc1", "dora_scale"),
    ("lora_te2_text_projection.lokr_w1", "te2:text_projection", "lokr_w1"),
    ("oft_unet_input_blocks_1_1_proj_in.oft_blocks", "unet:input_blocks_1_1_proj_in", "oft_blocks"),
    ("unet.down_blocks.0.attentions.0.proj_in.lora_A.weight", "unet:down_blocks_0_attentions_0_proj_in", "lora_down.weight"),
    ("text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_B.weight", "te1:text_model_encoder_layers_0_mlp_fc1", "lora_up.weight"),
    ("text_encoder_2.text_projection.lora_linear_layer.down.weight", "te2:text_projection", "lora_down.weight"),
    ("base_model.model.conv_in.lora_A.default.weight", "unet:conv_in", "lora_down.weight"),
    ("conv_in.lora_magnitude_vector.weight", "unet:conv_in", "magnitude"),
    ("diffusion_model.out.2.diff_b", "unet:out_2", "diff_b"),
    ("unet.mid_block.attentions.0.proj_in.lora.up.weight", "unet:mid_block_attentions_0_proj_in", "lora_up.weight"),
    ("unet.a.attn1.processor.to_out_lora.up.weight", "unet:a_attn1_to_out_0", "lora_up.weight"),
    ("a.attn2.processor.to_k_lora.down.weight", "unet:a_attn2_to_k", "lora_down.weight"),
    ("lora_unet_a.a1.weight", "unet:a", "a1.weight"),
    ("lora_unet_a.weight", "unet:a", "weight"),
]


@pytest.mark.parametrize(("key", "layer", "part"), NAMES, ids=[key for key, *_ in NAMES])
def test_names_of_all_styles(key: str, layer: str, part: str) -> None:
    found = split_key(key)
    assert (str(found[0]), found[1]) == (layer, part)


def test_parts_come_together_by_layer() -> None:
    found = split_network(
        {"lora_unet_a.lora_up.weight": torch.ones(1, 1), "lora_unet_a.alpha": torch.tensor(1.0), "bundle_emb.x.y": torch.ones(1)}
    )
    assert list(found) == [LayerName("unet", "a")] and set(found[LayerName("unet", "a")]) == {"lora_up.weight", "alpha"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    with pytest.raises(NetworkError, match="NaN or infinite"):
        split_network({"lora_unet_a.lora_up.weight": torch.tensor([[value]])})


def test_a_checkpoint_is_no_lora() -> None:
    with pytest.raises(NetworkError, match="no part of any kind of LoRA"):
        split_network({"first_stage_model.decoder.conv_in.kernel": torch.ones(1)})
    with pytest.raises(NetworkError, match="holds no weights"):
        split_network({})


WRONG = [
    ("another width", lambda: lora((16, 32)), "shape"),
    ("another output", lambda: lora((20, 24)), "shape"),
    ("rank 0", lambda: lora((16, 24), 0), "rank 0"),
    ("half a LoRA", lambda: {"lora_up.weight": torch.ones(16, 2)}, "make no kind of LoRA"),
    ("factors that do not meet", lambda: {"lora_up.weight": torch.ones(16, 3), "lora_down.weight": torch.ones(2, 24)}, "shape"),
    ("loha of another shape", lambda: LINEAR["loha"]((16, 30)), "shape"),
    ("oft of another shape", lambda: LINEAR["oft"]((20, 24)), "shape"),
]


@pytest.mark.parametrize(("parts", "says"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_does_not_fit_is_refused(parts, says: str) -> None:
    with pytest.raises(NetworkError, match=says):
        layer_delta(parts(), target(torch.randn(16, 24), LINEAR_KIND))


def test_a_mid_of_another_kernel_is_refused() -> None:
    with pytest.raises(NetworkError, match="shape"):
        layer_delta(locon_mid((16, 8, 5, 5)), target(torch.randn(16, 8, 3, 3), CONV_KIND))
