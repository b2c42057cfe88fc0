"""What only a whole WebUI has: its selectable scripts, AND, hires prompts and samplers, refiners. Skipped where the host lacks them."""

from __future__ import annotations

import base64

import pytest
from client import FULL, HALVES, difference, regional
from test_relations import SAME

RED = regional([{**FULL, "prompt": "a red circle on grass"}])
TWO = regional([{**HALVES[0], "prompt": "a red circle on grass"}, {**HALVES[1], "prompt": "a blue square on snow"}])


@pytest.fixture
def script(webui):
    """Name of a selectable script -> the labels of its first argument; skips where the host has it not."""

    def find(name, tab="txt2img"):
        infos = webui.get("/sdapi/v1/script-info")
        found = [info for info in infos if info["name"] == name and not info["is_alwayson"] and info["is_img2img"] == (tab == "img2img")]
        if not found:
            pytest.skip(f"this host has no script {name}")
        return found[0]["args"]

    return find


def plot(script, axis, values, second=("Nothing", "")):
    """The request of an X/Y/Z plot without its legend: first picture the grid, then the cells."""
    arguments = script("x/y/z plot")
    labels = arguments[0]["choices"]
    pairs = [(labels.index(label), text, []) for label, text in ((axis, values), second, ("Nothing", ""))]
    first = [value for pair in pairs for value in pair]
    wanted = {"Draw legend": False, "Include Sub Images": True, "Use text inputs instead of dropdowns": True}
    rest = [wanted.get(argument["label"], argument["value"]) for argument in arguments[len(first) :]]  # hosts differ in what follows
    return {"script_name": "x/y/z plot", "script_args": [*first, *rest]}


def cells(made, count):
    """The last ``count`` pictures: the cells, which follow the grid."""
    return made.pixels[-count:]


def same(a, b):
    return int(abs(a - b).max()) <= SAME


def test_a_plot_can_switch_the_regions(webui, plain, script):
    made = webui.make(TWO, **plot(script, "[Regional] Enabled", "false, true"))
    off, on = cells(made, 2)
    assert same(off, plain.pixels[0]) and same(on, webui.make(TWO).pixels[0])
    assert abs(off - on).max() > SAME


def test_a_plot_varies_share_and_weight(webui, script):
    axes = ("[Regional] Base share (0.2 or region:0.2)", "0.0, 1:0.5"), ("[Regional] Weight of region (n:0.5)", "1:0, 2:3")
    made = cells(webui.make(TWO, **plot(script, *axes[0], second=axes[1])), 4)

    def written(share, weights):
        regions = [{**r, "weight": w, **s} for r, w, s in zip(TWO["regions"], weights, share, strict=True)]
        return webui.make(regional(regions)).pixels[0]

    shares = [{"base_share": 0.0}, {"base_share": 0.0}], [{"base_share": 0.5}, {}]
    wanted = [written(share, weights) for weights in ((0, 1), (1, 3)) for share in shares]
    assert all(same(a, b) for a, b in zip(made, wanted, strict=True))


def test_a_plot_varies_the_layout(webui, script):
    settings = regional([{"prompt": "a red circle on grass"}, {"prompt": "a blue square on snow"}], grid={"ratios": "1,1"})
    made = cells(webui.make(settings, **plot(script, '[Regional] Layout ("1,1;2,1")', '"1,1", "1,3"')), 2)
    for picture, ratios in zip(made, ("1,1", "1,3"), strict=True):
        assert same(picture, webui.make({**settings, "grid": {"ratios": ratios}}).pixels[0])


def test_a_bad_value_in_a_plot_is_refused(webui, script):
    assert "1 to 2" in webui.refused(TWO, **plot(script, "[Regional] Weight of region (n:0.5)", "7:1"))


def test_the_hosts_own_axes_act_on_the_regions(webui, script):
    made = cells(webui.make(TWO, **plot(script, "Seed", "5, 6")), 2)
    assert all(same(picture, webui.make(TWO, seed=seed).pixels[0]) for picture, seed in zip(made, (5, 6), strict=True))


def test_prompts_from_a_list(webui, script):
    script("prompts from file or textbox")
    split = regional([{**HALVES[0]}, {**HALVES[1]}], text_from="break")
    lines = ["a red circle BREAK a blue square", "a green star BREAK a red circle"]
    args = {"script_name": "prompts from file or textbox", "script_args": [False, False, "start", "\n".join(lines)]}
    made = cells(webui.make(split, prompt="", **args), 2)
    for picture, line in zip(made, lines, strict=True):
        assert same(picture, webui.make(split, prompt=line).pixels[0])


def test_a_prompt_matrix(webui, script):
    """Two main prompts in one batch, the regions' own texts in both."""
    script("prompt matrix")
    half = regional([{**HALVES[0], "prompt": "a blue square"}])
    args = {"script_name": "prompt matrix", "script_args": [False, False, "positive", "comma", 0]}
    made = cells(webui.make(half, prompt="a red circle|on grass", **args), 2)
    for picture, prompt in zip(made, ("a red circle", "a red circle, on grass"), strict=True):
        assert same(picture, webui.make(half, prompt=prompt).pixels[0])


def test_loopback(webui, plain, script):
    """Each loop is an img2img of the loop before; the host's ``p`` is the same one every time."""
    script("loopback", "img2img")
    init = {"route": "img2img", "init_images": [encoded(plain.pngs[0])], "denoising_strength": 0.6}
    args = {"script_name": "loopback", "script_args": [2, 0.6, "Linear", "None"]}
    first = webui.make(TWO, **init)
    second = webui.make(TWO, **{**init, "init_images": [encoded(first.pngs[0])], "seed": webui.common["seed"] + 1})
    made = cells(webui.make(TWO, **init, **args), 2)
    pairs = list(zip(made, (first.pixels[0], second.pixels[0]), strict=True))
    if seeded_pictures(webui, init):
        assert all(same(a, b) for a, b in pairs)
    apart = max(abs(a - b).mean() for a, b in pairs)
    assert apart <= 3 and abs(made[0] - second.pixels[0]).mean() > max(1, 2 * apart)


def seeded_pictures(webui, init):
    """Whether a plain img2img depends on its request alone: Forge draws a picture's latent from noise that the generation before left."""
    made = []
    for seed in (5, 6):
        webui.make(seed=seed)
        made.append(webui.make(**init))
    return made[0].pngs == made[1].pngs


def encoded(png):
    return "data:image/png;base64," + base64.b64encode(png).decode()


def test_and_keeps_its_meaning_in_the_base(webui, script):
    """A silent region leaves an AND prompt alone; a speaking one changes its own half more."""
    script("x/y/z plot")  # hosts without it may not know AND either
    prompt = "a red circle AND a blue square:0.6"
    silent = webui.make(regional([{**FULL, "prompt": ""}]), prompt=prompt)
    assert difference(silent, webui.make(prompt=prompt)) <= SAME
    assert difference(silent, webui.make(prompt="a red circle")) > SAME


HIRES = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.7, "hr_second_pass_steps": 6,
         "hr_additional_modules": ["Use same choices"]}  # fmt: skip


def test_hires_with_a_sampler_and_a_prompt_of_its_own(webui, script):
    script("x/y/z plot")
    more = {**HIRES, "hr_sampler_name": "DDIM", "hr_prompt": "a green star on night"}
    silent = webui.make(regional([{**HALVES[0], "prompt": ""}]), **more)
    assert difference(silent, webui.make(**more)) <= SAME
    made = webui.make(RED, prompt="other", **{**more, "hr_sampler_name": "Heun"})
    plain = webui.make(prompt="a red circle on grass", **{**more, "hr_sampler_name": "Heun", "hr_prompt": "a red circle on grass"})
    assert difference(made, plain) <= SAME


def other_checkpoint(webui):
    """Another checkpoint of the same kind; None where there is none. Its file name must begin with that of the loaded one."""
    loaded = (webui.get("/sdapi/v1/options")["sd_model_checkpoint"] or "").partition(".")[0]
    titles = [model["title"] for model in webui.get("/sdapi/v1/sd-models")]
    return next((title for title in titles if title.startswith(loaded) and title.partition(".")[0] != loaded), None)


@pytest.mark.parametrize("which", ["refiner", "hires checkpoint"])
def test_a_second_checkpoint_takes_over(webui, plain, script, which):
    """It encodes the regions' texts anew; afterwards the first one makes the baseline again."""
    script("x/y/z plot")
    second = other_checkpoint(webui)
    if second is None:
        pytest.skip("the host has no second checkpoint of this kind")
    by_steps = webui.option("refiner_use_steps", True)  # Forge Neo switches by sigma otherwise: at few steps in the last one
    refiner = {"refiner_checkpoint": second, "refiner_switch_at": 0.5, "override_settings": by_steps}
    more = refiner if which == "refiner" else {**HIRES, "hr_checkpoint_name": second}
    made, expected = webui.make(RED, prompt="other", **more), webui.make(prompt="a red circle on grass", **more)
    assert difference(made, expected) <= SAME
    assert difference(expected, webui.make(prompt="a red circle on grass", **({} if which == "refiner" else HIRES))) > SAME
    assert difference(webui.make(), plain) == 0


def test_batches_of_several_rounds(webui):
    made = webui.make(TWO, batch_size=2, n_iter=2)
    for offset, picture in enumerate(made.pixels[-4:]):
        assert same(picture, webui.make(TWO, seed=webui.common["seed"] + offset).pixels[0])


def test_a_textual_inversion_in_a_region(webui):
    """Known by its name in a region's text as in the main prompt."""
    found = webui.get("/sdapi/v1/embeddings")["loaded"]
    if not found:
        pytest.skip("this host has no embedding for this model")
    text = f"a circle, {next(iter(found))}, on grass"
    expected = webui.make(prompt=text)
    assert difference(webui.make(regional([{**FULL, "prompt": text}]), prompt="other"), expected) <= SAME
    assert difference(expected, webui.make(prompt="a circle, on grass")) > SAME


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_a_hypernetwork_acts_on_the_regions_too(webui, script, method):
    script("x/y/z plot")
    known = "/sdapi/v1/hypernetworks" in webui.get("/openapi.json")["paths"]  # Forge Classic knows none
    found = webui.get("/sdapi/v1/hypernetworks") if known else []
    if not found:
        pytest.skip("this host has no hypernetwork")
    tag = f" <hypernet:{found[0]['name']}:1>"
    expected, without = webui.make(prompt="a circle on grass" + tag), webui.make(prompt="a circle on grass")
    if difference(expected, without) == 0:
        pytest.skip("this host lists hypernetworks and applies none (Forge)")
    made = webui.make(regional([{**FULL, "prompt": "a circle on grass"}], method=method), prompt="other" + tag)
    assert difference(made, expected) <= SAME
    assert difference(expected, without) > SAME


def test_every_sampler_of_the_host(webui, script):
    """All that the host offers, for a few steps; PLMS and the like count in their own way. One draws noise that no seed reaches."""
    script("x/y/z plot")
    apart = {}
    for sampler in (entry["name"] for entry in webui.get("/sdapi/v1/samplers")):
        more = {"sampler_name": sampler, "steps": 4, "prompt": "a blue square"}
        plain = webui.make(**more)
        apart[sampler] = difference(webui.make(regional([{**FULL, "prompt": "a blue square"}]), **{**more, "prompt": "x"}), plain)
        if apart[sampler] > SAME and difference(webui.make(**more), plain) > SAME:
            del apart[sampler]
    assert {name: levels for name, levels in apart.items() if levels > SAME} == {}
