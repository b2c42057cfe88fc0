"""Layouts of other tools, against worked cases, payloads and infotexts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.request.importers import Source, forge_couple, import_text, latent_couple, regional_prompter, tiled_diffusion
from lib_regional.request.methods.specs import METHODS
from lib_regional.request.prompt.splitting import join_texts
from lib_regional.request.settings import Settings

VECTORS = Path(__file__).parents[1] / "vectors"
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="


def cases(name):
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["cases"]


def rects(settings: Settings) -> list[tuple[float, ...]]:
    boxes = [region.shape.bounds for region in settings.layout().regions]
    return [(box.x0, box.y0, box.x1, box.y1) for box in boxes]


def check_rects(settings, expected):
    found = rects(settings)
    assert len(found) == len(expected)
    for box, wanted in zip(found, expected, strict=True):
        assert box == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("case", cases("regional_prompter"), ids=lambda case: f"{case['prompt'][:24]} {case['ratios']} {case['mode']}")
def test_regional_prompter_cases(case):
    options = {
        "mode": "Matrix",
        "matrix": case["mode"],
        **{name: case[name] for name in ("ratios", "base_ratios", "use_base", "use_common") if name in case},
    }
    imported = regional_prompter.build(Source(options, case["prompt"]))
    settings = imported.settings
    check_rects(settings, [region["rect"] for region in case["regions"]])
    assert [region.prompt for region in settings.regions] == [region["prompt"] for region in case["regions"]]
    for region, wanted in zip(settings.regions, case["regions"], strict=True):
        assert region.base_share == pytest.approx(wanted.get("base_share", region.base_share))
    assert settings.common == case.get("common", "")
    if "base" in case:
        assert settings.base.prompt == join_texts(case.get("common"), case["base"])
    assert imported.taken and not imported.lost


@pytest.mark.parametrize(
    "case", cases("forge_couple"), ids=lambda case: f"{case['mode']} {case.get('direction', '')} {case.get('background', '')}"
)
def test_forge_couple_cases(case):
    options = {
        "mode": case["mode"],
        "direction": case.get("direction"),
        "background": case.get("background", "None"),
        "mapping": case.get("mapping"),
    }
    imported = forge_couple.build(
        Source({**options, "background_weight": case.get("weight", 0.5)}, case["prompt"], size=tuple(case["size"]))
    )
    settings = imported.settings
    check_rects(settings, [region["rect"] for region in case["regions"]])
    assert [region.prompt for region in settings.regions] == [region["prompt"] for region in case["regions"]]
    assert [1 - region.base_share for region in settings.regions] == [
        pytest.approx(region["share"], abs=3e-4) for region in case["regions"]
    ]
    if "base" in case:
        assert settings.base.prompt == case["base"]
        assert settings.regions[0].base_share == pytest.approx(case["base_share"], abs=3e-4)


@pytest.mark.parametrize("case", cases("latent_couple"), ids=lambda case: f"{case['divisions']} {case['positions']}")
def test_latent_couple_cases(case):
    prompt = " AND ".join(f"part {number}" for number in range(len(case["rects"])))
    options = {name: case[name] for name in ("divisions", "positions", "weights")}
    settings = latent_couple.build(Source(options, prompt)).settings
    check_rects(settings, case["rects"])
    assert [region.weight for region in settings.regions] == [float(number) for number in case["weights"].split(",")]
    assert settings.regions[-1].prompt == f"part {len(case['rects']) - 1}"


# ---------------------------------------------------------------- payloads


def payload(title, *arguments, **more):
    return json.dumps(
        {
            "prompt": "a BREAK b",
            "negative_prompt": "bad",
            "width": 768,
            "height": 512,
            "steps": 20,
            "alwayson_scripts": {title: {"args": list(arguments)}},
            **more,
        }
    )


RP = [
    True,
    False,
    "Matrix",
    "Rows",
    "Mask",
    "Prompt",
    "1,3",
    "0.4",
    False,
    False,
    False,
    "Attention",
    [],
    "0",
    "0",
    "0.4",
    None,
    "0",
    "0",
    False,
]


def test_a_regional_prompter_payload():
    imported = import_text(payload("Regional Prompter", *RP))
    assert imported.format == "Regional Prompter"
    check_rects(imported.settings, [[0, 0, 1, 0.25], [0, 0.25, 1, 1]])
    assert imported.settings.base.negative == "bad"


def test_flip_swaps_the_separators():
    given = [*RP[:3], "Columns", *RP[4:6], "1;2", *RP[7:19], True]
    check_rects(import_text(payload("regional prompter", *given)).settings, [[0, 0, 1 / 3, 1], [1 / 3, 0, 1, 1]])


def test_negatives_are_assigned_to_the_regions():
    settings = import_text(payload("Regional Prompter", *RP, negative_prompt="n1 BREAK n2")).settings
    assert [region.negative for region in settings.regions] == ["n1", "n2"]
    assert settings.base.negative == ""


def test_latent_mode_is_the_latent_method_or_said_to_be_lost():
    imported = import_text(payload("Regional Prompter", *RP[:11], "Latent", *RP[12:]))
    if "latent_couple" in METHODS:
        assert imported.settings.method == "latent_couple"
    else:
        assert any("Latent mode" in line for line in imported.lost)


def test_prompt_mode_keeps_the_texts_and_finds_the_places_by_their_words():
    imported = import_text(payload("Regional Prompter", *RP[:2], "Prompt", *RP[3:], prompt="a girl in a hat BREAK red velvet, hat"))
    (region,) = imported.settings.regions
    assert (region.prompt, region.shape.text, region.enabled) == ("red velvet, hat", "hat", True)
    assert imported.settings.base.prompt == "a girl in a hat"
    assert any('"red velvet, hat" acts where "hat" is found' in line for line in imported.taken)


def test_mask_mode_reads_the_picture_through_the_reader():
    asked = []

    def reader(picture, fill_lowest):
        asked.append(picture)
        assert fill_lowest
        return [(2, PIXEL), (0, PIXEL)]

    text = payload("Regional Prompter", *RP[:2], "Mask", *RP[3:16], "picture", *RP[17:])
    imported = import_text(text, read_masks=reader)
    assert asked == ["picture"]
    assert [region.shape.KIND for region in imported.settings.regions] == ["mask", "mask"]
    assert any("mask picture" in line for line in import_text(text).lost)


def test_a_forge_couple_payload_of_either_age():
    new = import_text(payload("Forge Couple", True, False, "Basic", "", "Vertical", "None", 0.5, [], "off", False, prompt="a\nb\n\n"))
    old = import_text(payload("Forge Couple", True, "Basic", "", "Vertical", "None", 0.5, [], prompt="a\nb"))
    for imported in (new, old):
        check_rects(imported.settings, [[0, 0, 1, 0.5], [0, 0.5, 1, 1]])


def test_forge_couple_masks_and_macros():
    mapping = [{"mask": PIXEL.split(",")[1], "weight": 2}, {"mask": "", "weight": 1}]
    text = payload(
        "Forge Couple", True, False, "Mask", ";", "Horizontal", "None", 0.5, mapping, "{}", False, prompt="{x:tall} man; {x} woman"
    )
    imported = import_text(text)
    first, second = imported.settings.regions
    assert (first.prompt, second.prompt) == ("tall man", "tall woman")
    assert first.shape.KIND == "mask" and first.weight == 2
    assert any('mask of "tall woman"' in line for line in imported.lost)


@pytest.mark.parametrize("mapping", [[], [[0, 1, 0, 1]], [[0, 1, 0, "x", 1]], "{"], ids=["none", "four", "text", "broken"])
def test_a_mapping_that_is_none(mapping):
    with pytest.raises(SettingsError, match="mapping"):
        forge_couple.build(Source({"mode": "Advanced", "mapping": mapping}, "a"))


def test_a_latent_couple_payload_ends_at_its_step():
    imported = import_text(payload("Latent Couple extension", True, "1:1,1:2", "0:0,0:1", "0.2,0.8", 5, prompt="bg AND a"))
    assert [region.steps for region in imported.settings.regions] == [(0.0, 0.25)] * 2


@pytest.mark.parametrize(
    ("divisions", "positions", "weights", "text"),
    [
        ("1:1,1:2", "0:0", "1,1", "2 divisions and 1 position"),
        ("1:1", "0:0", "1,1", "1 division and 2 weights"),
        ("1:1", "x:0", "1", "y:x"),
        ("0:0", "0:0", "1", "y:x"),
        ("1:1", "0:0", "a", "weights"),
    ],
)
def test_latent_couple_lists_that_do_not_fit(divisions, positions, weights, text):
    with pytest.raises(SettingsError, match=text):
        latent_couple.build(Source({"divisions": divisions, "positions": positions, "weights": weights}, "a"))


TILED = [True, "MultiDiffusion", False, True, 1024, 1024, 96, 96, 48, 4, "None", 2, False, 10, 1, 1, 64, False, True, True, False]
FRONT = [True, 0.5, 0.0, 0.5, 1.0, "a cat", "dog", "Foreground", 0.2, 7]
BACK = [True, 0.0, 0.0, 0.5, 1.0, "sky", "", "Background", 0.2, -1]
OFF = [False, 0.4, 0.4, 0.2, 0.2, "", "", "Background", 0.2, -1]


def test_tiled_diffusion_regions():
    imported = import_text(payload("Tiled Diffusion", *TILED, *BACK, *FRONT, *OFF, prompt="best"))
    back, front = imported.settings.regions
    check_rects(imported.settings, [[0, 0, 0.5, 1], [0.5, 0, 1, 1]])
    assert (front.prompt, front.negative, front.priority, back.priority) == ("a cat", "dog", 1, 0)
    assert front.feather == pytest.approx(0.2 * 384 / 512)
    assert imported.settings.common == "best" and imported.settings.overlap == "over"
    assert any("seed 7" in line for line in imported.lost) or front.seed == 7


@pytest.mark.parametrize("write", [json.dumps, str], ids=["json", "python"])
def test_tiled_diffusion_in_an_infotext(write):
    region = dict(zip(tiled_diffusion.REGION, FRONT, strict=True))
    value = json.dumps(write({"Method": "MultiDiffusion", "Region control": {"Region 1": region}}))
    imported = import_text(f"best\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, Size: 512x512, Tiled Diffusion: {value}, Version: 1")
    check_rects(imported.settings, [[0.5, 0, 1, 1]])


# ---------------------------------------------------------------- infotexts

INFOTEXT = (
    "sky, ADDCOMM a girl, ADDCOL a boy\nNegative prompt: bad\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 768x512, RP Active: True, RP Divide mode: Matrix, "
    "RP Matrix submode: Horizontal, "
    'RP Mask submode: Mask, RP Prompt submode: Prompt, RP Calc Mode: Attention, RP Ratios: "2,1", RP Base Ratios: 0.2, RP Use Base: False, '
    "RP Use Common: True, RP Use Ncommon: False, RP threshold: 0.4, RP LoRA Stop Step: 3, RP Flip: False, Version: v1.6.0"
)


def test_an_infotext_of_regional_prompter():
    imported = import_text(INFOTEXT)
    check_rects(imported.settings, [[0, 0, 2 / 3, 1], [2 / 3, 0, 1, 1]])
    assert imported.settings.common == "sky,"
    assert [region.prompt for region in imported.settings.regions] == ["a girl,", "a boy"]
    assert imported.settings.base.negative == "bad"
    assert any("stop step 3" in line for line in imported.lost)


def test_an_infotext_of_forge_couple():
    mapping = json.dumps(json.dumps([[0, 0.5, 0, 1, 1.0], [0.5, 1, 0, 1, 0.5]]))
    text = "a\nb\nSteps: 9, Sampler: Euler, Size: 64x64, forge_couple: True, forge_couple_mode: Advanced, "
    text += f"forge_couple_separator: \\n, forge_couple_mapping: {mapping}"
    imported = import_text(text)
    check_rects(imported.settings, [[0, 0, 0.5, 1], [0.5, 0, 1, 1]])
    assert [region.weight for region in imported.settings.regions] == [1.0, 0.5]


def test_an_infotext_of_latent_couple():
    couple = "divisions=1:1,1:2,1:2 positions=0:0,0:0,0:1 weights=0.2,0.8,0.8 end at step=20"
    text = f'bg AND a AND b\nSteps: 40, Sampler: Euler, Size: 64x64, Latent Couple: "{couple}"'
    imported = import_text(text)
    check_rects(imported.settings, [[0, 0, 1, 1], [0, 0, 0.5, 1], [0.5, 0, 1, 1]])
    assert imported.settings.regions[1].steps == (0.0, 0.5)


def test_our_own_settings_in_every_wrapping():
    settings = {"version": 4, "enabled": True, "method": "attention_couple", "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a"}]}
    text = json.dumps(settings)
    infotext = f"a\nSteps: 1, Sampler: Euler, Size: 8x8, Regional: {json.dumps(text)}"
    for wrapped in (text, payload("Regional", settings), infotext):
        assert import_text(wrapped).settings.to_json() == settings


# ---------------------------------------------------------------- plain prompts and bad input


def test_plain_prompts():
    assert import_text("a BREAK b", ratios="1,3").format == "Regional Prompter"
    check_rects(import_text("a\nb\n", direction="Vertical").settings, [[0, 0, 1, 0.5], [0, 0.5, 1, 1]])
    couple = import_text("divisions=1:2,1:2 positions=0:0,0:1 weights=1,1", prompt="a AND b")
    assert [region.prompt for region in couple.settings.regions] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("just a prompt", "one piece"),
        ('{"prompt": ', "broken"),
        ('{"alwayson_scripts": {"ControlNet": {"args": [1]}}}', "ControlNet"),
        ("[1, 2]", "list"),
        ("a\nSteps: 20, Sampler: Euler, Size: 8x8", "no regions"),
        ('{"version": 99, "enabled": true, "regions": []}', "newer"),
        (INFOTEXT.replace('"2,1"', '"2,x"'), "must be a number"),
        ('a\nSteps: 1, Sampler: Euler, Size: 8x8, Regional: "{\\"version\\": 1, \\"ena"', "not JSON"),
    ],
    ids=["one piece", "cut JSON", "another script", "a list", "plain infotext", "newer", "bad ratios", "cut infotext"],
)
def test_bad_input_is_named(text, says):
    with pytest.raises(RegionalError, match=says):
        import_text(text)


def test_an_unknown_format():
    with pytest.raises(SettingsError, match="format"):
        import_text("a BREAK b", "comfy")
