"""ControlNet units that act in regions alone: masks on the units of both WebUIs' ControlNets, and what is refused before sampling."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.request.settings import Settings
from lib_regional.webui.extensions.controlnet_units import at_rest, check_units, mask_arguments, mask_prepared, restore


def unit(enabled=True, **more):
    return SimpleNamespace(enabled=enabled, module="canny", weight=0.7, **more)


def processing(units, forge=False, current=None):
    """The second script's arguments are the units of sd-webui-controlnet, or of Forge's; a number stands before them."""
    kind = {"current_params": current or {}} if forge else {"latest_network": None}
    script = SimpleNamespace(title=lambda: "ControlNet", args_from=1, args_to=2 + len(units), **kind)
    other = SimpleNamespace(title=lambda: "Regional", args_from=0, args_to=1)
    scripts = SimpleNamespace(alwayson_scripts=[other, script])
    return SimpleNamespace(scripts=scripts, script_args=["{}", 0, *units], width=64, height=32)


def asking(*numbers, **more):
    boxes = [[at / len(numbers), 0, (at + 1) / len(numbers), 1] for at in range(len(numbers))]
    regions = [{"box": box, "feather": 0, "prompt": "a", "controlnet": number} for box, number in zip(boxes, numbers, strict=True)]
    return Settings.parse({"enabled": True, "regions": regions, **more})


LEFT, RIGHT = np.s_[:, :4], np.s_[:, 4:]


@pytest.mark.parametrize("plain", [False, True], ids=["units", "units of the API"])
def test_units_of_the_extension_have_their_regions_masks_while_it_reads_them(plain):
    units = [unit(), unit(effective_region_mask=None), unit()]
    units = [vars(one) for one in units] if plain else units
    p, settings = processing(units), asking(None, 1)
    before = p.script_args
    mask_arguments(p, settings)
    check_units(p, settings)
    first, masked, third = p.script_args[2:]
    assert first is units[0] and third is units[2] and masked is not units[1] and p.script_args[:2] == before[:2]
    found = masked["effective_region_mask"] if plain else masked.effective_region_mask
    assert found.dtype == np.uint8 and found.shape == (4, 8, 3) and not found[LEFT].any() and (found[RIGHT] == 255).all()
    assert (masked if plain else vars(masked))["weight"] == 0.7
    mask_arguments(p, asking(1, None))
    again = p.script_args[3]["effective_region_mask"] if plain else p.script_args[3].effective_region_mask
    assert (again[LEFT] == 255).all() and not again[RIGHT].any()
    restore(p)
    assert p.script_args is before


def test_two_regions_of_one_unit_are_one_mask():
    p = processing([unit()])
    mask_arguments(p, asking(0, None, 0, None))
    (row, *_) = p.script_args[2].effective_region_mask[..., 0]
    assert row.tolist() == [255, 255, 0, 0] * 2


def prepared(**masks):
    return SimpleNamespace(control_mask=None, control_mask_for_hr_fix=None, **masks)


def test_prepared_units_of_forge_have_them_in_the_order_of_those_that_are_on():
    own = torch.ones(1, 1, 16, 32)
    own[..., :8, :] = 0
    current = {0: prepared(), 1: SimpleNamespace(control_mask=own, control_mask_for_hr_fix=None)}
    p = processing([unit(), unit(enabled=False), unit()], forge=True, current=current)
    settings = asking(2, None)
    mask_arguments(p, settings)
    assert p.script_args[2].module == "canny" and not hasattr(p.script_args[2], "effective_region_mask")
    mask_prepared(p, settings)
    assert current[0].control_mask is None
    found = current[1].control_mask
    assert found.shape == own.shape and not found[..., :8, :].any() and (found[..., 8:, :14] == 1).all() and not found[..., 18:].any()
    assert torch.equal(current[1].control_mask_for_hr_fix[0, 0], torch.tensor([[1.0] * 4 + [0.0] * 4] * 4))


WORDS = {"regions": [{"words": "hat", "prompt": "a", "controlnet": 0}]}


@pytest.mark.parametrize(
    ("units", "settings", "says"),
    [
        ([unit(), unit(enabled=False)], asking(None, 1), r"Region 2.*the number of a ControlNet unit that is switched on \(0\), got 1"),
        ([unit(enabled=False)], asking(0), r"Region 1.*there is none"),
        ([unit()], asking(4), r"switched on \(0\), got 4"),
        ([unit(effective_region_mask=np.ones((2, 2, 3), np.uint8))], asking(0), "an effective_region_mask of its own"),
        ([unit()], Settings.parse({"enabled": True, **WORDS}), "null in a region of words"),
    ],
)
def test_what_cannot_be_is_named(units, settings, says):
    for forge in (False, True):
        p = processing(units, forge)
        mask_arguments(p, settings)
        if forge and "effective" in says:
            continue
        with pytest.raises(SettingsError, match=says) as refused:
            check_units(p, settings)
        assert refused.value.problems[0].field.endswith("].controlnet") and p.script_args[2] is units[0]


def test_a_host_without_controlnet_or_without_its_moment_says_so():
    with pytest.raises(SettingsError, match="this WebUI has no ControlNet, got 0"):
        check_units(SimpleNamespace(scripts=None), asking(0))
    with pytest.raises(RegionalError, match="says nothing before ControlNet reads its units"):
        check_units(processing([unit()]), asking(0))


@pytest.mark.parametrize("settings", [asking(None), asking(0, enabled=False), {"regions": 3}, None], ids=str)
def test_without_a_region_for_it_nothing_is_touched(settings):
    p = processing([unit()])
    before = p.script_args
    mask_arguments(p, settings)
    assert p.script_args is before


class UNet(torch.nn.Module):
    def forward(self):
        return "the UNet's own"


@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt])
def test_inner_pictures_are_made_without_the_extension(fault):
    """sd-webui-controlnet keeps what was there as ``_original_forward``, and its own on the instance until the generation ends."""
    unet, p = UNet(), processing([unit()])
    unet._original_forward, unet.forward = unet.forward, lambda: "controlled"
    p.scripts.alwayson_scripts[1].latest_network = SimpleNamespace(model=unet)
    before = dict(vars(unet))
    try:
        with at_rest(p):
            assert unet() == "the UNet's own"
            if fault is not None:
                raise fault
    except (RuntimeError, KeyboardInterrupt) as error:
        assert isinstance(error, fault)
    assert vars(unet) == before and unet() == "controlled"


@pytest.mark.parametrize("network", [None, SimpleNamespace(model=None), SimpleNamespace(model=UNet())], ids=["none", "restored", "other"])
def test_where_the_extension_is_at_rest_already_nothing_is_touched(network):
    p = processing([unit()])
    p.scripts.alwayson_scripts[1].latest_network = network
    before = None if getattr(network, "model", None) is None else dict(vars(network.model))
    with at_rest(p):
        assert before is None or vars(network.model) == before
    with at_rest(SimpleNamespace()):
        pass
