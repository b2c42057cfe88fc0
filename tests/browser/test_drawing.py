"""Drawing, dragging, painting, touching, undoing: what a person does on the canvas."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image


def mask_of(region) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(region["mask"].partition(",")[2]))).convert("L"))


def test_shapes_are_drawn_where_the_pointer_went(editor):
    editor.resize(512, 512)
    editor.draw_box((0.1, 0.1), (0.4, 0.6))
    editor.tool("ellipse")
    editor.drag((0.55, 0.1), (0.9, 0.5))
    editor.tool("polygon")
    for point in ((0.6, 0.6), (0.9, 0.7), (0.7, 0.95)):
        editor.click(*point)
    editor.keys("Enter")
    box, ellipse, polygon = editor.regions
    assert box["box"] == pytest.approx([0.1, 0.1, 0.4, 0.6], abs=0.012)
    assert [value * 64 % 1 for value in box["box"]] == pytest.approx([0] * 4, abs=1e-4), "on the grid of 8 pixels"
    assert ellipse["ellipse"] == pytest.approx([0.55, 0.1, 0.9, 0.5], abs=0.012)
    assert len(polygon["polygon"]) == 3
    assert editor.find(".rg-region").count() == 3


def test_moving_and_sizing_and_every_step_back(editor):
    editor.resize(512, 512)
    editor.draw_box((0.2, 0.2), (0.5, 0.5))
    before = editor.regions
    editor.drag((0.35, 0.35), (0.6, 0.4))
    moved = editor.regions[0]["box"]
    assert moved == pytest.approx([0.45, 0.25, 0.75, 0.55], abs=0.02)
    editor.drag((moved[2], moved[3]), (0.95, 0.9))
    assert editor.regions[0]["box"] == pytest.approx([moved[0], moved[1], 0.95, 0.9], abs=0.02)
    editor.keys("Control+z", "Control+z")
    assert editor.regions == before
    editor.act("redo")
    assert editor.regions[0]["box"] == moved
    for _ in range(5):
        editor.keys("Control+z")
    assert editor.regions == [{}, {}] and editor.find("[data-action=undo]").is_disabled()


def test_edges_snap_to_neighbours_and_thirds(editor):
    editor.resize(512, 512)
    editor.draw_box((0.006, 0.006), (0.41, 0.994))
    edge = editor.regions[0]["box"][2]
    editor.draw_box((edge + 0.01, 0.3), (0.672, 0.8))
    assert editor.regions[1]["box"][0] == edge
    assert editor.regions[1]["box"][2] == pytest.approx(2 / 3, abs=1e-4)


def test_brush_eraser_and_bucket_make_a_small_soft_mask(editor):
    editor.resize(512, 384)
    editor.tool("brush")
    editor.drag((0.2, 0.5), (0.8, 0.5), steps=12)
    painted = mask_of(editor.regions[0])
    assert painted[painted.shape[0] // 2].max() == 255 and ((painted > 40) & (painted < 210)).any(), "soft greys"
    assert len(editor.regions[0]["mask"]) < 8500
    editor.tool("eraser")
    editor.drag((0.5, 0.2), (0.5, 0.8), steps=12)
    erased = mask_of(editor.regions[0])
    assert erased[erased.shape[0] // 2, erased.shape[1] // 2] == 0
    editor.tool("fill")
    editor.click(0.02, 0.02)
    assert mask_of(editor.regions[0])[0, 0] == 255
    assert len(editor.regions) == 1


def test_a_painted_mask_moves_and_is_mirrored(editor):
    editor.resize(512, 512)
    editor.tool("brush")
    editor.drag((0.2, 0.2), (0.3, 0.2))
    columns = np.nonzero(mask_of(editor.regions[0]) > 128)[1].mean()
    editor.tool("select")
    editor.drag((0.25, 0.2), (0.25, 0.7))
    rows = np.nonzero(mask_of(editor.regions[0]) > 128)[0] / mask_of(editor.regions[0]).shape[0]
    assert rows.mean() == pytest.approx(0.7, abs=0.03)
    editor.keys("h")
    mask = mask_of(editor.regions[0])
    assert np.nonzero(mask > 128)[1].mean() / mask.shape[1] == pytest.approx(0.75, abs=0.03) != columns


def test_several_at_once(editor):
    editor.resize(512, 512)
    editor.draw_box((0.05, 0.1), (0.25, 0.3))
    editor.draw_box((0.4, 0.5), (0.6, 0.9))
    editor.tool("select")
    editor.drag((0.01, 0.99), (0.7, 0.02))
    assert editor.find(".rg-chosen").count() == 2
    editor.find("select[aria-label=Align]").select_option("top")
    assert len({region["box"][1] for region in editor.regions}) == 1
    editor.keys("Control+d")
    assert len(editor.regions) == 4
    editor.keys("Delete")
    assert len(editor.regions) == 2
    before = editor.regions[0]["box"]
    editor.keys("Control+a", "ArrowRight")
    assert editor.regions[0]["box"] == pytest.approx([before[0] + 8 / 512, before[1], before[2] + 8 / 512, before[3]], abs=1e-5)


def test_dividers_of_a_grid_write_the_ratio_string(editor):
    editor.resize(512, 512)
    editor.drag((0.5, 0.3), (0.25, 0.3))
    assert editor.settings["grid"]["ratios"] == "0.5,1.5"
    editor.click(0.7, 0.5)
    editor.act("splitY")
    assert editor.settings["grid"] == {"ratios": "0.5,1.5;1;1", "direction": "rows"} and len(editor.regions) == 3
    editor.keys("Control+z")
    editor.click(0.1, 0.5)
    editor.act("merge")
    assert editor.settings["grid"]["ratios"] == "2" and len(editor.regions) == 1


def test_a_finger_draws(open_editor):
    editor = open_editor(has_touch=True)
    editor.resize(512, 512)
    editor.find("[data-action=tool-box]").tap()
    client = editor.page.context.new_cdp_session(editor.page)

    def touch(kind, *points):
        places = [dict(zip("xy", editor.at(*point), strict=True)) for point in points]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    touch("touchStart", (0.2, 0.2))
    for share in (0.3, 0.4, 0.5):
        touch("touchMove", (share, share))
    touch("touchEnd")
    assert editor.regions[0]["box"] == pytest.approx([0.2, 0.2, 0.5, 0.5], abs=0.02)
    touch("touchStart", (0.4, 0.5), (0.6, 0.5))
    touch("touchMove", (0.3, 0.5), (0.7, 0.5))
    touch("touchEnd")
    assert editor.page.evaluate("Regional.panels.txt2img.stage.view.zoom") == pytest.approx(2, abs=0.2)
    assert len(editor.regions) == 1


def test_by_keyboard_alone(editor):
    editor.resize(512, 512)
    editor.keys("r", *["ArrowLeft"] * 4, " ", *["ArrowRight"] * 14, *["ArrowDown"] * 6, " ")
    assert editor.regions[0]["box"] == pytest.approx([224 / 512, 0.5, 336 / 512, 304 / 512], abs=0.012)
    left, top, right, bottom = editor.regions[0]["box"]
    editor.keys("Escape", "ArrowUp", "Shift+ArrowRight", "Control+ArrowLeft")
    assert editor.regions[0]["box"] == pytest.approx([left - 1 / 512, top - 8 / 512, right + 7 / 512, bottom - 8 / 512], abs=1e-5)
    editor.keys("Escape", "b", " ", "ArrowRight", "ArrowRight", " ")
    assert "mask" in editor.regions[1]
    editor.keys("Escape", "Escape", "Escape", "PageUp", "Enter")
    assert editor.page.evaluate("document.activeElement.dataset.field") == "regions[1].prompt"
    editor.keys("Delete")
    assert len(editor.regions) == 1


def test_zoom_keeps_the_place_under_the_pointer(editor):
    editor.page.mouse.move(*editor.at(0.75, 0.25))
    editor.page.keyboard.down("Control")
    editor.page.mouse.wheel(0, -400)
    editor.page.keyboard.up("Control")
    editor.page.wait_for_function("() => Regional.panels.txt2img.stage.view.zoom > 2")
    view = editor.page.evaluate("Regional.panels.txt2img.stage.view")
    assert view["x"] + 0.75 / view["zoom"] == pytest.approx(0.75, abs=0.01)
    assert view["y"] + 0.25 / view["zoom"] == pytest.approx(0.25, abs=0.01)


def test_locked_regions_stay(editor):
    editor.resize(512, 512)
    editor.draw_box((0.2, 0.2), (0.5, 0.5))
    before = editor.regions
    editor.find(".rg-head button[title='Lock region 1']").click()
    editor.drag((0.35, 0.35), (0.6, 0.6))
    editor.keys("Delete", "ArrowLeft")
    assert editor.regions == before
