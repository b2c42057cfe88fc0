"""Blocks on one sequence, whose tokens stand in an order of their own from a generation's second step on: the same picture."""

import pytest
import torch
from joint_cases import HALVES as TEXTS
from joint_cases import placed
from neo_joint import KreaBlock
from shapes import Launches
from torch import nn

from lib_regional.hosts.forge.network.families.family import Stream
from lib_regional.hosts.forge.network.stream import OrderedStream, may_be_ordered
from lib_regional.request.errors import RegionalError
from lib_regional.tensors.attention.joint import groups
from lib_regional.tensors.attention.joint.groups import JointAttention, grouped
from lib_regional.tensors.attention.joint.order import InOrder
from tests.hosts.neo.test_families import FAMILIES, HALVES, LONG, host_of, sample
from tests.hosts.neo.test_region_loras import NETWORKS

KINDS = ["lumina", "z-image", "krea", "ernie", "flux2"]
SOFT = [{**half, "prompt": text, "feather": 0.3} for half, text in zip(HALVES, ("one", LONG), strict=True)]


@pytest.fixture(params=KINDS)
def webui(monkeypatch, request):
    monkeypatch.setitem(FAMILIES, request.param, NETWORKS[request.param])
    made = host_of(monkeypatch, request.param)
    made.flux = request.param == "flux2"
    return made


@pytest.fixture
def calls(monkeypatch):
    """Shapes of the queries of all calls on tokens in order."""
    found, inner = [], InOrder.__call__
    monkeypatch.setattr(InOrder, "__call__", lambda self, q, k, v: found.append(q.shape) or inner(self, q, k, v))
    return found


@pytest.mark.parametrize("scale", [1.0, 3.0], ids=["without negatives", "with negatives"])
def test_tokens_in_order_give_the_picture_of_one_call_with_a_bias(webui, monkeypatch, calls, scale):
    made = []
    for pays in (False, True):
        monkeypatch.setattr(groups, "groups_pay", lambda *_, pays=pays: pays)
        made.append(sample(webui, ["main"], SOFT, scale=scale, steps=3, size=(8, 16)))
        assert bool(calls) is pays
    torch.testing.assert_close(*made, rtol=0, atol=2e-5)
    blocks = getattr(webui.engine.network, "single_blocks", None) or [None] * 2
    assert len(calls) >= 2 * len(blocks), "both later steps"


def test_tokens_are_gathered_once_a_call_and_not_in_every_layer(monkeypatch):
    monkeypatch.setattr(groups, "groups_pay", lambda *_: True)
    gathers = []
    for depth in (1, 3):
        counts = []
        for steps in (1, 3):
            webui = host_of(monkeypatch, "ernie", depth)
            with Launches() as launches:
                sample(webui, ["main"], SOFT, scale=1.0, steps=steps, size=(8, 16))
            counts.append(launches.all["index_select"] + launches.all["gather"])
        gathers.append((counts[1] - counts[0]) / 2)
    assert gathers == [3, 3], "the sequence, its positions, and the sequence as it was"


def test_a_text_to_which_rounding_alone_leaves_weight_is_not_run(monkeypatch):
    """Soft borders sum to 1 but for some 1e-8: the main prompt's tokens would stand beside the regions' in every layer."""
    found, inner = [], JointAttention.__init__
    monkeypatch.setattr(JointAttention, "__init__", lambda self, rows, *args: found.append(rows) or inner(self, rows, *args))
    sample(host_of(monkeypatch, "ernie"), ["main"], SOFT, scale=1.0, size=(8, 16))
    assert [[length > 0 for length, _ in row] for rows in found for row in rows] == [[True, True]]


def test_what_looks_at_tokens_between_the_blocks_keeps_their_order(monkeypatch, calls):
    monkeypatch.setattr(groups, "groups_pay", lambda *_: True)
    webui = host_of(monkeypatch, "krea")
    webui.engine.unet.model_options["transformer_options"] = {"patches": {"post_input": [lambda given: given]}}
    sample(webui, ["main"], SOFT, steps=2)
    assert not calls
    assert may_be_ordered({"control": None, "transformer_options": {"patches_replace": {"attn2": {}}}})
    assert not may_be_ordered({"control": {"input": []}})
    assert not may_be_ordered({"transformer_options": {"patches_replace": {"dit": {("single_block", 0): None}}}})


class Skipping(nn.Module):
    """A stack that leaves out its last block."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([KreaBlock(4) for _ in range(3)])

    def forward(self, x, freqs, count, mask=None):
        for block in self.blocks[:count]:
            x = block(x, freqs, mask)
        return x


def stream_of(network):
    made = InOrder(grouped(placed([TEXTS])), 9)
    return OrderedStream(Stream("blocks", "freqs", 2), list(network.blocks), made, lambda inner, *args, **kwargs: inner(*args, **kwargs))


def test_a_last_block_that_is_left_out_is_an_error():
    network, x = Skipping(), torch.randn(1, 9, 4)
    with pytest.raises(RegionalError, match="blocks"), stream_of(network).installed():
        network(x, torch.randn(1, 1, 9), 2)
    with stream_of(network).installed():
        network(x[:, :8], torch.randn(1, 1, 8), 2)


def test_blocks_whose_attention_asks_everything_see_no_order():
    """Positions go with the tokens, and they come back as they were."""
    network, x, turns = Skipping(), torch.randn(1, 9, 4), torch.randn(1, 1, 9)
    with torch.inference_mode():
        expected = network(x, turns, 3)
        with stream_of(network).installed():
            torch.testing.assert_close(network(x, turns, 3), expected)
