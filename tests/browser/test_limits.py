"""Many regions, large pictures, and long histories in the browser; what they cost is in tests/bench/editor.py."""

from __future__ import annotations

import pytest


def many(count: int) -> dict:
    boxes = [[(i % 10) / 10, (i // 10) / 5, (i % 10 + 1.4) / 11.4, (i // 10 + 1.4) / 6.4] for i in range(count)]
    shapes = [{"box": box} if i % 3 else {"ellipse": box} for i, box in enumerate(boxes)]
    return {
        "version": 2,
        "enabled": True,
        "regions": [{**shape, "prompt": f"thing number {i}", "name": f"n{i}"} for i, shape in enumerate(shapes)],
    }


def drag(editor, moves: int = 60) -> None:
    """A long stroke with the pointer held down."""
    editor.page.mouse.move(*editor.at(0.35, 0.35))
    editor.page.mouse.down()
    for i in range(moves):
        editor.page.mouse.move(*editor.at_cached(0.35 + i / 200, 0.35 + i / 300))
    editor.page.mouse.up()


@pytest.mark.parametrize("tool", ["select", "box", "brush"])
def test_tools_work_among_fifty_regions(editor, tool):
    editor.resize(1024, 1024)
    editor.load(many(50))
    editor.page.wait_for_timeout(600)
    editor.click(0.35, 0.35)
    editor.tool(tool)
    before = editor.regions
    drag(editor)
    assert len(editor.regions) == 50 + (tool == "box")
    assert editor.regions != before


def test_the_panel_can_be_attached_anew(editor):
    """A WebUI that reloads its page part by part finds the same layout again."""
    editor.draw_box((0.1, 0.1), (0.3, 0.3))
    before = editor.regions
    editor.page.evaluate("() => { document.querySelector('#regional_txt2img_panel').replaceChildren(); Regional.attach(); }")
    assert editor.canvas.is_visible()
    assert editor.regions == before


def test_a_large_picture_is_painted_like_a_small_one(editor):
    editor.page.evaluate("document.querySelectorAll('#txt2img_width input, #txt2img_height input').forEach((box) => { box.max = 4096; })")
    editor.page.evaluate("Regional.panels.txt2img.size = () => ({width: 4096, height: 4096})")
    editor.draw_box((0.1, 0.1), (0.3, 0.3))
    assert all(abs(value * 512 - round(value * 512)) < 1e-3 for value in editor.regions[0]["box"])
    editor.keys("Escape")
    editor.tool("brush")
    drag(editor)
    assert len(editor.regions[1]["mask"]) < 12000
    editor.keys("Control+z", "Control+z")
    assert len(editor.regions) == 2


def test_thousands_of_steps_of_undo_do_not_pile_up(editor):
    editor.draw_box((0.1, 0.1), (0.3, 0.3))
    kept = editor.page.evaluate(
        "() => { const panel = Regional.panels.txt2img;"
        " for (let i = 0; i < 3000; i++) panel.history.record({...panel.store.get(), _n: i}, null);"
        " let steps = 0; while (panel.history.undo()) steps++; return steps; }"
    )
    assert kept == 500
