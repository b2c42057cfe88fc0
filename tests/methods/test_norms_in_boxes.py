"""A norm and the convolution behind it, on parts that stay on the batch axis between them: the same picture, fewer operators."""

from __future__ import annotations

import pytest
import steps
import torch
from drawn_model import Drawn, DrawnLoras, drawn
from half import every_dtype
from shapes import Launches
from steps import Case, installed

from lib_regional.hosts.installing import installer
from lib_regional.hosts.installing.residual import fed_convolutions

CASE = Case("LoRAs", 2, options={"separate": "all"}, loras="attention")


@every_dtype
def test_the_picture_is_the_same_with_fewer_operators(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = Drawn("toy", dtype, "cpu")
    model.pair = drawn(2, 77, model.width, seed=3).to(dtype)
    monkeypatch.setattr(steps, "ShapeLoras", DrawnLoras)
    x, found = drawn(1, 4, 16, 16, seed=1).to(dtype), []
    for pairs in (fed_convolutions, lambda *_: {}):
        monkeypatch.setattr(installer, "fed_convolutions", pairs)
        with torch.inference_mode(), installed(model, CASE):
            model.step(x, 0, x)
            with Launches() as launches:
                found.append((model.step(x, 1, x).float(), launches.all.total()))
    (together, fewer), (apart, more) = found
    tolerance = {torch.float32: 1e-3, torch.float16: 0.15, torch.bfloat16: 1.2}[dtype]  # of values up to 60
    torch.testing.assert_close(together, apart, atol=tolerance, rtol=tolerance)
    assert len(fed_convolutions(model.unet, ())) == 17 and fewer == more - 2 * 17


def test_what_others_see_stays_as_it_is() -> None:
    """A norm or a convolution that somebody listens to, has patched or hooks; residual blocks that scale by time or change sizes."""
    model = Drawn("toy", torch.float32, "cpu")
    every = fed_convolutions(model.unet, ())
    block = model.unet.mid_block.resnets[0]
    assert every["mid_block.resnets.0.norm1"].name == "mid_block.resnets.0.conv1" and every["conv_norm_out"].name == "conv_out"
    handle = block.conv1.register_forward_hook(lambda *_: None)
    assert set(every) - set(fed_convolutions(model.unet, ())) == {"mid_block.resnets.0.norm1"}
    handle.remove()
    assert set(every) - set(fed_convolutions(model.unet, {"mid_block.resnets.0.conv2"})) == {"mid_block.resnets.0.norm2"}
    block.time_embedding_norm = "scale_shift"
    assert set(every) - set(fed_convolutions(model.unet, ())) == {"mid_block.resnets.0.norm1", "mid_block.resnets.0.norm2"}


@pytest.mark.parametrize(("mark", "found"), [("", {"0.in_layers.0"}), ("updown", set()), ("use_scale_shift_norm", set())])
def test_residual_blocks_of_ldm(mark: str, found: set[str]) -> None:
    block = torch.nn.Module()
    block.in_layers = torch.nn.Sequential(torch.nn.GroupNorm(1, 2), torch.nn.SiLU(), torch.nn.Conv2d(2, 2, 3, padding=1))
    if mark:
        setattr(block, mark, True)
    assert set(fed_convolutions(torch.nn.Sequential(block), ())) == found
