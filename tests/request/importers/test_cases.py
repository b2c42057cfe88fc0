"""Situations in which layouts of other tools came over wrong: each stands for its kind and has its siblings here."""

from __future__ import annotations

import json

import pytest

from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.request.importers import Imported, import_text
from lib_regional.request.prompt.region_prompts import plan_texts

COUPLE = [True, "1:1,1:2,1:2", "0:0,0:0,0:1", "0.2,0.8,0.8", 20]
BOX = [True, 0.5, 0, 0.5, 1, "a blue square", "", "Foreground", 0.2, -1]
TILED = [True, "MultiDiffusion", False, True, 1024, 1024, 96, 96, 48, 4, "None", 2, False, 10, 1, 1, 64, False, True, False, False]


def payload(prompt: str, scripts: dict[str, list[object]], **more: object) -> str:
    return json.dumps(
        {"prompt": prompt, "steps": 20, **more, "alwayson_scripts": {title: {"args": args} for title, args in scripts.items()}}
    )


def regional_prompter(prompt: str, negative: str = "", mode: str = "Matrix", behind: str = "", **fields: object) -> str:
    usual = {
        "Matrix submode": "Columns",
        "Ratios": '"1,1"',
        "Base Ratios": 0.2,
        "Use Base": False,
        "Use Common": False,
        "Use Ncommon": False,
    }
    written = ", ".join(
        f"RP {key}: {value}" for key, value in {**usual, **{name.replace("_", " "): value for name, value in fields.items()}}.items()
    )
    below = f"\nNegative prompt: {negative}" if negative else ""
    return (
        f"{prompt}{below}\nSteps: 20, Sampler: Euler a, Seed: 1, Size: 512x512, RP Active: True, RP Divide mode: {mode}, {written}{behind}"
    )


def prompts(imported: Imported) -> list[str]:
    return [region.prompt for region in imported.settings.regions]


def lost(imported: Imported) -> str:
    return "\n".join(imported.lost)


# ---------------------------------------------------------------- LoRA tags

TAGGED = [
    pytest.param(payload("grass AND a AND b <lora:x:1>", {"Latent Couple extension": COUPLE}), {}, id="Latent Couple"),
    pytest.param("a ADDCOL b <lora:x:1>", {"ratios": "1,1"}, id="Regional Prompter"),
    pytest.param("a\nb <lora:x:1>", {}, id="Forge Couple"),
]


@pytest.mark.parametrize(("text", "hints"), TAGGED)
def test_a_tag_of_a_region_stands_there_alone(text, hints):
    settings = import_text(text, **hints).settings
    assert "<lora" not in (settings.base.prompt or "")
    assert settings.regions[-1].prompt == "b <lora:x:1>"


def test_a_tag_of_the_common_prompt_is_not_in_the_base_too():
    settings = import_text("sky <lora:x:1> ADDCOMM two ADDBASE a ADDCOL b").settings
    assert (settings.common, settings.base.prompt) == ("sky <lora:x:1>", "sky, two")
    tiled = import_text(payload("best <lora:x:1>", {"Tiled Diffusion": [*TILED, *BOX]})).settings
    assert (tiled.common, tiled.base.prompt) == ("best <lora:x:1>", "best ")


# ---------------------------------------------------------------- what is switched off


@pytest.mark.parametrize(
    ("scripts", "found"),
    [
        ({"Tiled Diffusion": [False, "MultiDiffusion"], "Latent Couple extension": COUPLE}, "Latent Couple"),
        ({"Forge Couple": [False, False, "Basic"], "Regional Prompter": [True, False, "Matrix", "Columns"]}, "Regional Prompter"),
        ({"Regional": [{"enabled": False}], "Regional Prompter": [True, False, "Matrix", "Columns"]}, "Regional Prompter"),
        ({"Tiled Diffusion": [*TILED[:18], False, *TILED[19:], *BOX], "Latent Couple extension": COUPLE}, "Latent Couple"),
    ],
    ids=["tiles", "lines", "own", "control of regions"],
)
def test_a_script_that_is_off_is_not_read(scripts, found):
    assert import_text(payload("a AND b AND c", scripts)).format == found


def test_when_all_are_off_that_is_said():
    with pytest.raises(RegionalError, match="Tiled Diffusion, Latent Couple extension are all off"):
        import_text(payload("a", {"Tiled Diffusion": [False], "Latent Couple extension": [False, *COUPLE[1:]]}))
    with pytest.raises(RegionalError, match="Regional Prompter is off"):
        import_text(regional_prompter("a BREAK b").replace("RP Active: True", "RP Active: False"))


# ---------------------------------------------------------------- Regional Prompter


def test_the_common_prompt_is_in_front_of_the_base_too():
    settings = import_text("garden ADDCOMM\ntwo people ADDBASE\na girl ADDCOL\na boy", ratios="1,1").settings
    assert settings.base.prompt == "garden, two people"


def test_negatives_count_as_the_prompts_do():
    text = regional_prompter("a room BREAK red cat BREAK blue dog", "base bad BREAK bad cat BREAK bad dog", Use_Base=True)
    settings = import_text(text).settings
    assert settings.base.negative == "base bad"
    assert [region.negative for region in settings.regions] == ["bad cat", "bad dog"]
    masks = regional_prompter("sky ADDCOMM room ADDBASE cat BREAK dog", "base bad BREAK bad cat BREAK bad dog", mode="Mask")
    assert [region.negative for region in import_text(masks).settings.regions] == ["bad cat", "bad dog"]


def test_one_negative_is_everyones_with_a_base_too():
    settings = import_text(regional_prompter("a room BREAK red cat BREAK blue dog", "bad", Use_Base=True)).settings
    assert settings.base.negative == "bad" and [region.negative for region in settings.regions] == ["", ""]


OPTIONS = [
    pytest.param("a BREAK b ADDCOL d BREAK e", "Use BREAK to change chunks", ["a BREAK b", "d BREAK e"], id="BREAK is of a chunk"),
    pytest.param("a AND b ADDCOL c", "\"disable convert 'AND' to 'BREAK'\"", ["a AND b", "c"], id="AND stays"),
    pytest.param("a #red ADDCOL\nADDCOL b", '"Comment Out `#`"', ["a", "b"], id="comments"),
    pytest.param("sky ADDCOMM a ADDCOL b", "Flip prompts", ["b", "a"], id="flipped"),
    pytest.param("a ADDCOL b", "Flip prompts", ["a", "b"], id="not flipped without a common prompt"),
    pytest.param("a ADDCOL b", "No Options", ["a", "b"], id="none"),
]


@pytest.mark.parametrize(("prompt", "option", "texts"), OPTIONS)
def test_options_are_read(prompt, option, texts):
    assert prompts(import_text(regional_prompter(prompt, Options=option))) == texts


@pytest.mark.parametrize("option", ["Enabled only in Hires Fix", "Disabled in Hires Fix", "Something new"])
def test_options_that_nothing_corresponds_to_are_said(option):
    assert option.lower() in lost(import_text(regional_prompter("a ADDCOL b", Options=option))).lower()


@pytest.mark.parametrize(("given", "shares"), [("", [0, 0]), ("0.3", [0.3, 0.3]), ('",0.5"', [0, 0.5]), ('"0.1,0.2,0.3"', [0.1, 0.2])])
def test_an_empty_base_ratio_is_nought(given, shares):
    for mode in ("Matrix", "Mask"):
        settings = import_text(regional_prompter("a room ADDBASE red cat ADDCOL blue dog", mode=mode, Base_Ratios=given)).settings
        assert [region.base_share for region in settings.regions] == pytest.approx(shares)


GRIDS = [
    ("a ADDCOL b ADDCOL c ADDROW d ADDCOL e", "1,2,1,1,2,4,6", "1,2,1,1;2,4,6"),
    ("a ADDROW b", "1,4,2,1.5;4,2,3,2", "1;2"),
    (
        "a ADDROW b ADDCOL c ADDCOL d ADDROW e ADDCOL f ADDCOL g ADDROW h ADDCOL i ADDCOL j ADDROW k ADDROW l",
        "1,1,2,1;1,1,2,1",
        "1,1;2,1,1,1;1,1,2,1;1,1,1,1;1,1;1,1",
    ),
    ("a ADDCOL b", "1,,", "1,1"),
]


@pytest.mark.parametrize(("prompt", "ratios", "grid"), GRIDS, ids=[case[1] for case in GRIDS])
def test_numbers_beyond_a_row_go_on_in_the_next(prompt, ratios, grid):
    assert import_text(prompt, ratios=ratios).settings.grid.ratios == grid


def words(imported) -> list[tuple[str, float]]:
    return [(region.shape.text, region.shape.threshold) for region in imported.settings.regions]


@pytest.mark.parametrize("mode", ["Prompt-Ex", "Prompt"])
def test_prompt_modes_of_every_age(mode):
    text = regional_prompter("a girl, dress, hair BREAK (red:1.7), dress BREAK (blond:1.7), (hair:0.5)", mode=mode, threshold='"0.7,x"')
    imported = import_text(text)
    assert words(imported) == [("dress", 0.7), ("hair", 0.4)] and all(region.enabled for region in imported.settings.regions)
    assert prompts(imported) == ["(red:1.7), dress", "(blond:1.7), (hair:0.5)"] and imported.settings.base.prompt == "a girl, dress, hair"
    covers = mode == "Prompt-Ex"
    assert imported.settings.overlap == ("over" if covers else "blend")
    assert [region.priority for region in imported.settings.regions] == ([0, 1] if covers else [0, 0])
    assert "Prompt mode" not in lost(imported)
    plan_texts(imported.settings, "", "")


def test_numbers_that_prompt_mode_lacks_are_as_the_first():
    text = regional_prompter("a b c BREAK x, a BREAK y, b BREAK z, c", mode="Prompt", threshold='"0.7,0.5"', Base_Ratios='"0.3,0"')
    imported = import_text(text)
    assert words(imported) == [("a", 0.7), ("b", 0.5), ("c", 0.7)]
    assert [region.base_share for region in imported.settings.regions] == [0.3, 0, 0.3]


def test_words_that_prompt_mode_cannot_find_come_switched_off():
    imported = import_text(regional_prompter("a girl BREAK red, dress BREAK blue, ,", mode="Prompt"))
    assert [region.enabled for region in imported.settings.regions] == [False, False]
    assert '"dress" is not in the base prompt' in lost(imported) and "without words of a place" in lost(imported)


def test_addp_is_a_key_of_prompt_mode():
    for text in ("a girl, dress ADDP red, dress", regional_prompter("a girl, dress ADDP red, dress")):
        imported = import_text(text)
        assert (imported.settings.base.prompt, prompts(imported)) == ("a girl, dress", ["red, dress"])
        assert words(imported) == [("dress", 0.4)]


def test_a_stop_step_points_to_something_that_exists():
    imported = import_text(regional_prompter("a <lora:x:1> BREAK b", LoRA_Stop_Step=10))
    assert "LoRA stop step 10" in lost(imported) and "steps of a region" in lost(imported)


def test_a_blank_region_is_almost_empty():
    imported = import_text("a red circle ADDCOL ", ratios="1,1")
    assert prompts(imported) == ["a red circle", "_"]
    assert any("Region 2 has no text" in line for line in imported.taken)


def test_older_orders_of_arguments_are_said():
    arguments = [True, False, "Vertical", "1,3", "0.2", False, False, False, "Attention", False, "0", "0", "0.4", ""]
    imported = import_text(payload("a BREAK b", {"Regional Prompter": arguments}))
    assert imported.settings.grid.ratios == "1,3" and "before June 2023" in imported.taken[0]


@pytest.mark.parametrize("wrap", [lambda numbered: [numbered], lambda numbered: numbered], ids=["in a list", "alone"])
def test_arguments_by_number_are_read_and_other_objects_named(wrap):
    numbered = {"0": True, "2": "Matrix", "3": "Columns", "6": "2,1", "7": "0.5", "8": True}
    text = json.dumps({"prompt": "sky BREAK a BREAK b", "alwayson_scripts": {"Regional Prompter": {"args": wrap(numbered)}}})
    settings = import_text(text).settings
    assert (settings.grid.ratios, settings.base.prompt, settings.regions[0].base_share) == ("2,1", "sky", 0.5)
    with pytest.raises(SettingsError, match="list of values"):
        import_text(json.dumps({"alwayson_scripts": {"Regional Prompter": {"args": wrap({"active": True})}}}))


SHORT = [True, False, "Mask", None, None, None, "2,1", "0.5", True]


@pytest.mark.parametrize("mode", ["Mask", "Prompt"])
@pytest.mark.parametrize(("arguments", "older"), [
    (SHORT, False), ([*SHORT[:3], "Columns", "Mask", "Prompt", *SHORT[6:]], False), ([*SHORT[:3], "2,1", "0.5", True], True),
    ([*SHORT[:3], "1", "0.5", True, False, False, "Attention", False, "0", "0", "0.4", ""], True), ([*SHORT[:3], "", "0.5", True], True),
])  # fmt: skip
def test_the_order_of_short_lists_is_seen_by_where_the_ratios_stand(mode, arguments, older):
    given = {str(at): mode if at == 2 else value for at, value in enumerate(arguments) if value is not None}
    for args in ([given], [mode if at == 2 else value for at, value in enumerate(arguments)]):
        imported = import_text(json.dumps({"prompt": "a cat BREAK a dog, cat", "alwayson_scripts": {"Regional Prompter": {"args": args}}}))
        assert any("before June 2023" in line for line in imported.taken) is older
        assert (imported.settings.base.prompt, prompts(imported)) == ("a cat", ["a dog, cat"])
        assert imported.settings.regions[0].base_share == 0.5


# ---------------------------------------------------------------- infotexts


def test_lines_behind_the_parameters():
    behind = "\nTemplate:a {red|green} cat ADDCOL a blue dog\nNegative Template:bad"
    imported = import_text(regional_prompter("a red cat ADDCOL a blue dog", "bad", Ratios='"1,2"', behind=behind))
    assert imported.settings.grid.ratios == "1,2" and prompts(imported) == ["a red cat", "a blue dog"]
    assert imported.settings.base.negative == "bad"


def test_parameters_alone_take_the_prompt_of_the_page():
    text = regional_prompter("").strip()
    assert prompts(import_text(text, prompt="a BREAK b")) == ["a", "b"]
    assert prompts(import_text(text.partition("512x512, ")[2], prompt="a BREAK b")) == ["a", "b"]


def test_the_numbers_of_the_picture_are_offered():
    imported = import_text(regional_prompter("a BREAK b"))
    assert imported.picture == {"width": 512, "height": 512, "steps": 20, "seed": 1}
    assert "512 × 512 pixels, steps 20, seed 1" in imported.taken[-1]


@pytest.mark.parametrize("text", ["<region:0,0,0.5,1> a cat", "<object:0,0,0.5,1,0.4> a cat", "a COUPLE(0 0.5) b", "a MASK(0 1, 0 1)"])
def test_regions_of_other_programs_are_refused_by_name(text):
    with pytest.raises(RegionalError, match="SwarmUI"):
        import_text(text)


# ---------------------------------------------------------------- Forge Couple

FORGE = "forge_couple: True, forge_couple_mode: Basic, forge_couple_separator: \\n, forge_couple_direction: Horizontal"
PARSED = "forge_couple_background: First Line, forge_couple_background_weight: 0.5, forge_couple_common_parser: "


def forge_couple(prompt: str, more: str) -> Imported:
    return import_text(f"{prompt}\nSteps: 20, Sampler: Euler a, CFG scale: 5, Seed: 1, Size: 1024x1024, {FORGE}, {more}")


def test_macros_are_written_out():
    prompt = "best quality, {subject:2girls}\n{subject}, low twintails, {cloth:brown dress}\n{subject}, medium hair, {cloth}"
    imported = forge_couple(prompt, f"{PARSED}{{ }}, forge_couple_def_in_prompt: True")
    assert prompts(imported) == ["2girls, low twintails, brown dress", "2girls, medium hair, brown dress"]
    assert imported.settings.base.prompt == "best quality, 2girls"


def test_definitions_may_be_taken_out_and_tags_are_no_macros():
    imported = forge_couple("<c:grass> style\n<c> a <lora:x:1>\nb", f"{PARSED}< >, forge_couple_def_in_prompt: False")
    assert imported.settings.base.prompt == "style" and prompts(imported) == ["grass a <lora:x:1>", "b"]
    arguments = [True, False, "Basic", "", "Horizontal", "None", 0.5, [], "{ }", False, True]
    assert prompts(import_text(payload("{x:tall} man\n{x} woman", {"Forge Couple": arguments}))) == ["tall man", "tall woman"]


def test_a_separator_keeps_its_blanks_and_weight_nought_is_not_missing():
    arguments = [True, False, "Basic", " OR ", "Horizontal", "First Line", 0, []]
    imported = import_text(payload("sky OR an ORange OR b", {"Forge Couple": arguments}))
    assert prompts(imported) == ["an ORange", "b"]
    assert imported.settings.regions[0].base_share == pytest.approx(0.1 / 1.1, abs=1e-6)


def test_one_bad_row_of_a_mapping_is_lost_alone():
    mapping = [[0, 0.5, 0, 1, 1.0], [0.5, 0.5, 0, 1, 1.0], [0, 1, 0, "x", 1]]
    imported = import_text(payload("a\nb\nc", {"Forge Couple": [True, False, "Advanced", "", "Horizontal", "None", 0.5, mapping]}))
    assert prompts(imported) == ["a"]
    assert len(imported.lost) == 2


# ---------------------------------------------------------------- Latent Couple


@pytest.mark.parametrize("where", ["parameter", "alone"])
def test_blanks_in_the_lists(where):
    lists = "divisions=1:1, 1:2, 1:2 positions=0:0, 0:0, 0:1 weights=0.2, 0.8, 0.8 end at step=20"
    prompt = "bookshelf\nAND dog\nAND cat"
    text = (
        f'{prompt}\nSteps: 20, Sampler: Euler a, Size: 512x512, Latent Couple: "{lists}"' if where == "parameter" else f"{lists}\n{prompt}"
    )
    imported = import_text(text)
    assert prompts(imported) == ["bookshelf", "dog", "cat"]
    assert [region.weight for region in imported.settings.regions] == [0.2, 0.8, 0.8]


def test_end_step_nought_and_negative_weights_are_said():
    imported = import_text(payload("a AND b", {"Latent Couple": [True, "1:2,1:2", "0:0,0:1", "-0.5,1", 0]}))
    assert [region.weight for region in imported.settings.regions] == [0, 1]
    assert not any(region.enabled for region in imported.settings.regions)
    assert "Weight -0.5" in lost(imported) and "End at step 0" in lost(imported)


def test_one_bad_entry_is_lost_alone():
    imported = import_text(payload("a AND b", {"Latent Couple": [True, "1:2,0:0", "0:0,0:1", "1,1", 20]}))
    assert prompts(imported) == ["a"] and "0:0 0:1" in lost(imported)


# ---------------------------------------------------------------- Tiled Diffusion


def test_a_region_without_an_area_is_skipped_and_the_others_come():
    nothing = [True, 0.2, 0.2, 0, 0.5, "zero wide", "", "Foreground", 0.2, -1]
    beyond = [True, 1.2, 0.2, 0.1, 0.5, "beyond", "", "Foreground", 0.2, -1]
    imported = import_text(payload("grass", {"Tiled Diffusion": [*TILED, *nothing, *BOX, *beyond]}))
    assert prompts(imported) == ["a blue square"]
    assert '"zero wide"' in lost(imported) and '"beyond"' in lost(imported)


def test_its_own_file_of_regions():
    names = ("enable", "x", "y", "w", "h", "prompt", "neg_prompt", "blend_mode", "feather_ratio", "seed")
    imported = import_text(json.dumps({"bbox_controls": [dict(zip(names, BOX, strict=True))]}), prompt="best")
    assert prompts(imported) == ["a blue square"] and imported.settings.common == "best"


# ---------------------------------------------------------------- brackets


@pytest.mark.parametrize("text", ["(a red circle BREAK a blue square:1.2)", "[a red circle ADDCOL a blue square:0.5]", "(a\nb)"])
def test_a_bracket_over_a_key_is_said(text):
    assert "is open across the parts" in lost(import_text(text))


@pytest.mark.parametrize(
    "number", ["1e999", "9" * 400, "nan", "-1e308", "9" * 5000], ids=["infinite", "long", "nan", "huge", "longer than Python converts"]
)
def test_numbers_that_are_none_are_named_in_every_tool(number):
    texts = [
        regional_prompter("a room ADDBASE a ADDCOL b", Ratios=number, Base_Ratios=number, LoRA_Stop_Step=number, Steps=number),
        payload("a AND b", {"Latent Couple": [True, f"{number}:1,1:2", f"0:0,0:{number}", f"{number},1", number]}),
        payload("a\nb", {"Forge Couple": [True, False, "Basic", "", "Horizontal", "First Line", number, []]}),
        payload("a", {"Tiled Diffusion": [*TILED, True, number, 0, 1, 1, "a", "", "Foreground", number, number]}),
        f"a\nb\nSteps: {number}, Sampler: Euler, Size: {number}x{number}, Seed: {number}, forge_couple: True",
    ]
    for text in texts:
        try:
            import_text(text)
        except RegionalError as error:
            assert len(str(error)) < 1000
