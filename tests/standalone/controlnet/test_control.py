"""What ControlNets add to a call of the UNet, against a reference that runs the genuine classes row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from diffusers import ControlNetModel, UNet2DConditionModel
from PIL import Image

from lib_regional.engine.calls import Row, StepInfo
from lib_regional.request.errors import RegionalError
from lib_regional.request.layout.windows import Window
from lib_regional.standalone.controlnet.control import Control, ControlRow, Prepared, control_of
from lib_regional.standalone.controlnet.hints import hint_of
from lib_regional.standalone.controlnet.unet import ControlledUNet
from lib_regional.standalone.controlnet.units import CONTROL_MODES, HR_OPTIONS, Unit
from tests.support.half import CASES, TOLERANCE, relative_error, runs_here
from tests.support.steps import counted

CONFIG = {
    "in_channels": 4, "block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 4, "cross_attention_dim": 12,
    "attention_head_dim": 2, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
}  # fmt: skip
CANVAS = (8, 16)
ROWS = (ControlRow(0, True), ControlRow(1, True), ControlRow(0, False), ControlRow(1, False))


def unet():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ControlledUNet(**CONFIG, out_channels=4, up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")).eval().requires_grad_(False)


def network(seed, **more):
    """A genuine ControlNet whose output convolutions are not zero."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = ControlNetModel(**CONFIG, **more, conditioning_embedding_out_channels=(4, 8, 8, 8)).eval().requires_grad_(False)
        zeros = [*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out]
        for conv in zeros:
            torch.nn.init.normal_(conv.weight, std=0.3)
    return net


def picture(seed, size=(16 * 8, 8 * 8)):
    noise = torch.randint(0, 256, (size[1], size[0], 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return Image.fromarray(noise.numpy())


def prepared(seed=1, pictures=1, **fields):
    return Prepared(Unit(0, "x", **fields), network(seed), tuple(picture(10 * seed + at) for at in range(pictures)))


def call(rows=4, size=CANVAS):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(rows, 4, *size, generator=generator), torch.full((rows,), 500.0), torch.randn(rows, 6, 12, generator=generator)


def reference(unit, rows, x, steps, context):
    """Row by row, from the formulas: net(x, picture) × weight × 0.825^(12 − i) × mask, nothing for the uncond in the last mode."""
    given, found = unit.unit, []
    for at, row in enumerate(rows):
        hint = hint_of(unit.pictures[row.image % len(unit.pictures)], given.module, given.resize_mode, 8 * CANVAS[1], 8 * CANVAS[0])
        mask = torch.ones(1, 1, *CANVAS) if given.mask is None else F.interpolate(given.mask[None, None], CANVAS, mode="bilinear")
        if row.window is not None:
            w = row.window
            hint, mask = hint[:, 8 * w.top : 8 * w.bottom, 8 * w.left : 8 * w.right], mask[..., w.top : w.bottom, w.left : w.right]
        down, middle = unit.network(x[at : at + 1], steps[at : at + 1], context[at : at + 1], hint[None], return_dict=False)
        layers = []
        for layer, value in enumerate([*down, middle]):
            soft = 1.0 if given.control_mode == "Balanced" else 0.825 ** (12 - layer)
            off = given.control_mode == "ControlNet is more important" and not row.cond
            layers.append(value * (0 if off else given.weight * soft) * F.interpolate(mask, value.shape[-2:], mode="bilinear"))
        found.append(layers)
    return [torch.cat(layer) for layer in zip(*found, strict=True)]


MASK = torch.linspace(0, 1, 16).expand(8, 16)
UNITS = [
    {}, {"weight": 0.4}, {"mask": MASK}, {"mask": MASK[:4, :8]}, {"module": "invert (from white bg & black line)"},
    *({"control_mode": mode, "weight": 1.5} for mode in CONTROL_MODES[1:]), {"control_mode": CONTROL_MODES[2], "mask": MASK},
]  # fmt: skip


@pytest.mark.parametrize("fields", UNITS, ids=str)
@pytest.mark.parametrize("pictures", [1, 2])
def test_a_unit(fields, pictures):
    unit, arguments = prepared(pictures=pictures, **fields), call()
    down, middle = Control((unit,), ROWS, CANVAS).residuals(*arguments, None)
    for one, expected in zip([*down, middle], reference(unit, ROWS, *arguments), strict=True):
        torch.testing.assert_close(one, expected, atol=1e-5, rtol=1e-4)


def test_the_pooled_text_and_the_sizes_of_sdxl():
    pooled = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + 10}
    generator = torch.Generator().manual_seed(4)
    added = {"text_embeds": torch.randn(4, 10, generator=generator), "time_ids": torch.randn(4, 6, generator=generator)}
    unit = Prepared(Unit(0, "x"), network(1, **pooled), (picture(1),))
    x, steps, context = call()
    down, middle = Control((unit,), ROWS, CANVAS).residuals(x, steps, context, added)
    hint = hint_of(unit.pictures[0], "none", "Just Resize", 8 * CANVAS[1], 8 * CANVAS[0])[None]
    for at in range(4):
        row = slice(at, at + 1)
        own = {name: value[row] for name, value in added.items()}
        expected = unit.network(x[row], steps[row], context[row], hint, added_cond_kwargs=own, return_dict=False)
        for one, other in zip([*down, middle], [*expected[0], expected[1]], strict=True):
            torch.testing.assert_close(one[row], other, atol=1e-5, rtol=1e-4)
    changed = Control((unit,), ROWS, CANVAS).residuals(x, steps, context, {**added, "text_embeds": 0 * added["text_embeds"]})
    assert not torch.allclose(changed[1], middle)


def test_units_add_up():
    units, arguments = (prepared(1, weight=0.5), prepared(2, mask=MASK)), call()
    down, middle = Control(units, ROWS, CANVAS).residuals(*arguments, None)
    expected = zip(*(reference(unit, ROWS, *arguments) for unit in units), strict=True)
    for one, parts in zip([*down, middle], expected, strict=True):
        torch.testing.assert_close(one, sum(parts), atol=1e-5, rtol=1e-4)


def test_rows_that_are_parts_of_the_canvas():
    """The picture and the mask of their places, in any order of rows."""
    unit = prepared(mask=MASK)
    whole = Control((unit,), ROWS, CANVAS)
    windows = [Window(0, 8, 8, 16), Window(0, 0, 8, 8), Window(0, 8, 8, 16)]
    part = whole.of_rows([3, 0, 1], windows)
    assert [(row.image, row.cond) for row in part.rows] == [(1, False), (0, True), (1, True)]
    arguments = call(3, (8, 8))
    down, middle = part.residuals(*arguments, None)
    for one, expected in zip([*down, middle], reference(unit, part.rows, *arguments), strict=True):
        torch.testing.assert_close(one, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("fields", "products"), [({}, 1), ({"control_mode": CONTROL_MODES[1]}, 1), ({"mask": MASK}, 2)], ids=["plain", "soft", "mask"]
)
def test_launches_of_what_a_unit_adds(fields, products):
    """Behind the first call of the same rows: one product a residual, a second one where not every place or row is meant alike."""
    unit, arguments = prepared(**fields), call()
    hint = hint_of(unit.pictures[0], "none", "Just Resize", 8 * CANVAS[1], 8 * CANVAS[0]).expand(4, -1, -1, -1)
    alone = counted(lambda: unit.network(*arguments, hint, return_dict=False)).launches
    residuals = len(Control((unit,), ROWS, CANVAS).residuals(*arguments, None)[0]) + 1
    cost = counted(lambda: Control((unit,), ROWS, CANVAS).residuals(*arguments, None)).launches
    assert cost <= alone + products * residuals + 1  # the pictures of all rows side by side


def test_a_part_without_a_place_is_refused():
    control = Control((prepared(),), ROWS[:1], CANVAS)
    with pytest.raises(RegionalError, match="pieces of the picture without naming their place"):
        control.of_rows([0], [None]).residuals(*call(1, (8, 8)), None)
    control.of_rows([0], [Window(0, 4, 8, 12)]).residuals(*call(1, (8, 8)), None)


@pytest.mark.half
@pytest.mark.parametrize("case", [case for case in CASES if runs_here(case)], ids=lambda case: case.name)
def test_in_half_precision(case):
    """A whole encoder of a dozen layers: ten times the error of one operation."""
    unit, (x, steps, context) = prepared(mask=MASK, weight=0.5), call()
    expected = reference(unit, ROWS, x, steps, context)
    unit.network.to(case.dtype)
    with case.ambient():
        down, middle = Control((unit,), ROWS, CANVAS).residuals(case.of(x), steps, case.of(context), None)
    for one, wanted in zip([*down, middle], expected, strict=True):
        assert torch.isfinite(one).all() and relative_error(one, wanted) <= 10 * TOLERANCE[case.computes]


@pytest.mark.parametrize("end", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("start", [0.0, 0.5])
def test_its_steps(start, end):
    unit = prepared(start=start, end=max(start, end))
    acting = [unit.acts(StepInfo(index, 8)) for index in range(8)]
    assert acting == [start <= index / 8 <= max(start, end) for index in range(8)]


@pytest.mark.parametrize(("option", "passes"), [*zip(HR_OPTIONS, ((True, True), (True, False), (False, True)), strict=True)])
def test_its_passes(option, passes):
    unit = prepared(hr_option=option)
    assert tuple(unit.acts(StepInfo(0, 8, hires=hires)) for hires in (False, True)) == passes


def test_what_acts_in_a_call():
    rows = (Row(0, "cond"), Row(1, "cond"), Row(0, "uncond"))
    early, late, off = prepared(end=0.25), prepared(start=0.5), prepared(weight=0)
    assert control_of([early, late, off], rows, StepInfo(3, 8), CANVAS) is None
    found = control_of([early, late, off], rows, StepInfo(4, 8), CANVAS)
    assert found == Control((late,), (ControlRow(0, True), ControlRow(1, True), ControlRow(0, False)), CANVAS)


def test_the_unet_without_control_is_diffusers_own():
    own = unet()
    plain = UNet2DConditionModel.from_config({**own.config, "_class_name": "UNet2DConditionModel"}).eval()
    plain.load_state_dict(own.state_dict())
    assert torch.equal(own(*call())[0], plain(*call())[0])


def test_the_unet_adds_what_the_control_gives():
    own, control, arguments = unet(), Control((prepared(mask=MASK),), ROWS, CANVAS), call()
    down, middle = control.residuals(*arguments, None)
    expected = own(*arguments, down_block_additional_residuals=down, mid_block_additional_residual=middle)[0]
    made = own(*arguments, control=control)[0]
    assert torch.equal(made, expected) and (made - own(*arguments)[0]).abs().mean() > 1e-3
    nothing = replace(control, units=(prepared(mask=0 * MASK),))
    torch.testing.assert_close(own(*arguments, control=nothing)[0], own(*arguments)[0])
