"""What the shipped LoRAs are trained on, and the file that training writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from safetensors.torch import load_file  # noqa: E402

from lib_regional.standalone.model.lora_files import SHIPPED  # noqa: E402
from lib_regional.standalone.train.data.drawing import draw, ground  # noqa: E402
from lib_regional.standalone.train.data.lora_pictures import LINE, OUTLINE_SHAPES, SUBJECTS, WIDE, outlined, shifted  # noqa: E402
from lib_regional.standalone.train.data.scene import COLOURS, EXTRA_SHAPES, Scene, Thing  # noqa: E402
from lib_regional.standalone.train.stages.lora import ALPHA, LowRank, write_lora  # noqa: E402
from lib_regional.tensors.lora.keys import split_network  # noqa: E402


def square(colour: str = "red") -> Scene:
    return Scene(128, 128, ("grass",), (Thing("square", colour, 64, 64, 30),))


def test_an_outline_is_a_line_in_the_things_colour_with_the_ground_inside_and_outside() -> None:
    picture, plain = outlined(square()).astype(int), ground(square())
    edge = 64 + round(0.84 * 30)
    assert np.abs(picture[64, 64] - plain[64, 64]).max() <= 1 and np.abs(picture[5, 5] - plain[5, 5]).max() <= 1
    assert tuple(picture[64, edge]) == COLOURS["red"]
    across = (np.abs(picture[64, 64:] - COLOURS["red"]).max(-1) <= 1).sum()
    assert abs(across - LINE) <= 1


def test_a_shift_gives_the_next_colour() -> None:
    assert np.array_equal(shifted(square("red")), draw(square("yellow")))
    assert np.array_equal(shifted(square("purple")), draw(square("red")))


def test_scenes_are_what_the_subject_says_and_always_the_same() -> None:
    for name, subject in SUBJECTS.items():
        assert subject.scene(3, 0) == subject.scene(3, 0) != subject.scene(4, 0), name
    things = [thing for i in range(40) for thing in SUBJECTS["outlines"].scene(i, 0).things]
    assert {thing.shape for thing in things} == set(OUTLINE_SHAPES) and min(thing.radius for thing in things) >= WIDE
    stars = [any(thing.shape in EXTRA_SHAPES for thing in SUBJECTS["star"].scene(i, 0).things) for i in range(80)]
    assert 0.5 < np.mean(stars) < 0.95


@pytest.mark.parametrize("layer", [torch.nn.Linear(6, 5), torch.nn.Conv2d(6, 5, 3, stride=2, padding=1)], ids=["linear", "conv"])
def test_the_trained_part_adds_nothing_at_first_and_then_its_product(layer: torch.nn.Module) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6) if isinstance(layer, torch.nn.Linear) else torch.randn(2, 6, 8, 8)
    part, before = LowRank(layer, 3), layer(x)
    part.attach(layer)
    assert torch.equal(layer(x), before)
    torch.nn.init.normal_(part.up.weight)
    merged = (part.up.weight.flatten(1) @ part.down.weight.flatten(1)).view_as(layer.weight) * ALPHA / 3
    with torch.no_grad():
        other = type(layer)(6, 5) if isinstance(layer, torch.nn.Linear) else torch.nn.Conv2d(6, 5, 3, stride=2, padding=1)
        other.weight.copy_(layer.weight + merged)
        other.bias.copy_(layer.bias)
    torch.testing.assert_close(layer(x), other(x), atol=1e-5, rtol=1e-4)


def test_the_file_has_kohyas_names(tmp_path: Path) -> None:
    weights = {"lora_unet_x.down.weight": torch.ones(2, 4), "lora_unet_x.up.weight": torch.ones(4, 2)}
    layers = split_network(load_file(write_lora(weights, "made", tmp_path)))
    assert [str(layer) for layer in layers] == ["unet:x"]
    (parts,) = layers.values()
    assert set(parts) == {"lora_down.weight", "lora_up.weight", "alpha"} and float(parts["alpha"]) == ALPHA


def test_what_is_shipped_is_small_and_whole() -> None:
    files = sorted(SHIPPED.glob("*.safetensors"))
    assert [file.stem for file in files] == ["lcm", "outlines", "shift", "star"]
    for file in files:
        assert file.stat().st_size < 1 << 20
        changed = {"unet"} if file.stem == "lcm" else {"unet", "te1"}
        assert {layer.component for layer in split_network(load_file(file))} == changed
