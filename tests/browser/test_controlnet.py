"""ControlNet on the standalone host's page: a unit in a region, and what is missing named."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from test_uploads import TWO

from lib_regional.standalone.train.data.outlines import line_picture
from lib_regional.standalone.train.data.scene import Scene, Thing
from lib_regional.standalone.train.measures.evaluate import find_objects

UNIT = "#txt2img_controlnet_unit_0"


def outline() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(line_picture(Scene(128, 128, ("sand",), (Thing("ring", "red", 88, 44, 25),)))).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def unit(editor):
    """The accordion opened, its first unit on."""
    accordion = editor.page.locator("#txt2img_controlnet")
    if not accordion.locator(UNIT + "_model").is_visible():
        accordion.locator(".label-wrap").first.click()
    box = editor.page.locator(f"{UNIT}_enabled input")
    box.check()
    yield accordion
    box.uncheck()
    editor.page.locator("#txt2img_seed input").first.fill("-1")


def choose(editor, name):
    editor.page.locator(f"{UNIT}_model input").click()
    editor.page.get_by_role("option", name=name, exact=True).click()


def test_a_unit_in_a_region(editor, unit):
    left, right = ({**one, "prompt": text} for one, text in zip(TWO["regions"], ("a green triangle on grass", "a purple ring on grass")))
    apart = {"attention_couple": {"isolate_until": 0.3}}
    editor.load({**TWO, "regions": [left, {**right, "controlnet": 0}], "options": apart})
    editor.page.locator("#txt2img_seed input").first.fill("3")
    log = editor.page.locator("#html_log_txt2img")
    editor.page.locator("#txt2img_generate").click()
    editor.soon(lambda: "model must be the name of a ControlNet model" in log.inner_text())
    choose(editor, "regional-outlines")
    editor.page.locator("#txt2img_generate").click()
    editor.soon(lambda: "image must be a picture" in log.inner_text())
    editor.page.locator(f"{UNIT}_image input[type=file]").set_input_files(
        {"name": "ring.png", "mimeType": "image/png", "buffer": outline()}
    )
    editor.soon(lambda: editor.page.locator(f"{UNIT}_image img").count(), 1)
    editor.generate(steps=16)
    data = editor.page.request.get(editor.pictures()[0]).body()
    picture = Image.open(io.BytesIO(data))
    assert "Model: regional-outlines" in picture.info["parameters"]
    found = [one for one in find_objects(np.asarray(picture.convert("RGB"))) if one.colour == "purple"]
    assert found and np.hypot(found[0].centroid[0] - 88, found[0].centroid[1] - 44) < 9


def test_parameters_that_name_a_model_which_is_not_here(editor):
    """The rest of them is taken, and the page says what is not."""
    info, buffer = PngInfo(), io.BytesIO()
    unit = "Module: none, Model: away [a1b2c3d4], Weight: 1.0"
    info.add_text("parameters", f'a park\nSteps: 7, Sampler: Euler, CFG scale: 7, Size: 128x128, ControlNet 0: "{unit}"')
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)
    editor.show("PNG Info")
    editor.page.locator("#pnginfo_image input[type=file]").set_input_files(
        {"name": "away.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    )
    editor.page.wait_for_selector("#html_info_pnginfo .infotext")
    editor.page.click("#pnginfo_send_to_txt2img")
    message = editor.page.locator(".toast-body")
    message.wait_for()
    assert "ControlNet 0 cannot be made here" in message.inner_text() and "Model: away [a1b2c3d4]" in message.inner_text()
    editor.soon(editor.page.locator("#txt2img_prompt textarea").input_value, "a park")
    message.locator("button").click()
    message.wait_for(state="detached")
