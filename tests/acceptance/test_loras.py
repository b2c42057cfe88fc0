"""LoRAs of regions, for every host that lists at least one (the standalone host brings three; copy them into a WebUI's models/Lora)."""

import pytest
from client import FULL, difference, regional

SAME = 2
TEXT = "a red circle on grass"


@pytest.fixture(scope="module")
def loras(webui):
    """Two names of LoRAs that fit the loaded model; the same one twice where there is only one."""
    names = [entry["name"] for entry in webui.get("/sdapi/v1/loras")]
    known = [name for name in ("outlines", "shift", "star") if name in names]
    chosen = [name for name in [*known, *(n for n in names if n not in known)] if fits(webui, name)]
    if not chosen:
        pytest.skip("this host has no LoRA for this model")
    answer = webui.post("/sdapi/v1/txt2img", webui.request(regional([{**FULL, "prompt": f"{TEXT} <lora:{chosen[0]}:1>"}])))
    if answer.status_code >= 400 and "LoRAs in regions" in answer.text:
        pytest.skip("refused by name on this kind of model: LoRAs in regions")
    return (chosen * 2)[:2]


def fits(webui, name):
    """Whether a region can have the LoRA: one that was made for another kind of model is refused."""
    request = webui.request(regional([{**FULL, "prompt": f"a <lora:{name}:1>"}]), steps=1)
    return webui.post("/sdapi/v1/txt2img", request).status_code == 200


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
@pytest.mark.parametrize("strengths", ["0.8", "0.5:1.2", "te=0:unet=0.7"])
def test_a_region_over_the_whole_canvas_is_the_plain_prompt_with_its_lora(webui, loras, strengths, method):
    tagged = f"{TEXT} <lora:{loras[0]}:{strengths}>"
    plain = webui.make(prompt=tagged, negative_prompt="snow")
    region = webui.make(regional([{**FULL, "prompt": tagged}], method=method), prompt="night", negative_prompt="snow")
    assert difference(region, plain) <= SAME
    assert difference(plain, webui.make(prompt=TEXT, negative_prompt="snow")) > 20


def test_two_loras_in_a_batch(webui, loras):
    if loras[0] == loras[1]:
        pytest.skip("only one LoRA fits this model (AUTOMATIC1111 counts one that is named twice by its last strength alone)")
    tagged = f"{TEXT} <lora:{loras[0]}:0.6> <lora:{loras[1]}:0.4>"
    region = webui.make(regional([{**FULL, "prompt": tagged}]), prompt="night", batch_size=2)
    assert difference(region, webui.make(prompt=tagged, batch_size=2)) <= SAME


def test_a_lora_of_a_split_prompts_region_is_not_the_pictures(webui, loras):
    grid = {"grid": {"ratios": "1,1", "direction": "columns"}, "base": {"prompt": "sand"}}
    regions = [{"prompt": f"{TEXT} <lora:{loras[0]}:0.8>"}, {"prompt": "a blue square"}]
    expected = webui.make(regional(regions, **grid), prompt="sand")
    split = webui.make(regional([], text_from="break", **grid), prompt=f"{TEXT} <lora:{loras[0]}:0.8> BREAK a blue square")
    assert difference(split, expected) <= SAME


def test_common_and_base_loras_are_the_pictures(webui, loras):
    tag = f"<lora:{loras[0]}:0.8>"
    plain = webui.make(prompt=TEXT + tag)
    half = [{"box": [0, 0, 0.5, 1], "prompt": TEXT, "feather": 0}]
    for more in ({"common": tag}, {"base": {"prompt": TEXT + tag}}):
        assert difference(webui.make(regional(half, **more), prompt=TEXT), plain) <= SAME


def test_nothing_stays_behind(webui, loras, plain):
    webui.make(regional([{"box": [0, 0, 0.5, 1], "prompt": f"{TEXT} <lora:{loras[0]}:1>"}]))
    assert webui.make().pngs == plain.pngs


def test_an_unknown_lora_is_refused_with_its_region(webui, plain):
    text = webui.refused(regional([{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b <lora:no such file:1>"}]))
    assert "no such file" in text and "Region 2" in text
    assert webui.make().pngs == plain.pngs
