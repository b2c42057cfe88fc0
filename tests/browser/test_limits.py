"""Many regions, large pictures, and how long things take in the browser."""

from __future__ import annotations

import pytest

PER_MOVE = 8.0
START = 300.0


def many(count: int) -> dict:
    boxes = [[(i % 10) / 10, (i // 10) / 5, (i % 10 + 1.4) / 11.4, (i // 10 + 1.4) / 6.4] for i in range(count)]
    shapes = [{"box": box} if i % 3 else {"ellipse": box} for i, box in enumerate(boxes)]
    return {
        "version": 1,
        "enabled": True,
        "regions": [{**shape, "prompt": f"thing number {i}", "name": f"n{i}"} for i, shape in enumerate(shapes)],
    }


def script_time(editor, client) -> float:
    """Seconds that scripts have run on the page so far."""
    return next(each["value"] for each in client.send("Performance.getMetrics")["metrics"] if each["name"] == "ScriptDuration")


def time_moves(editor, *, settle: int = 40, moves: int = 80) -> float:
    """Scripting milliseconds per pointer move, drawing included, while the pointer is held down."""
    client = editor.page.context.new_cdp_session(editor.page)
    client.send("Performance.enable")
    editor.page.mouse.move(*editor.at(0.35, 0.35))
    editor.page.mouse.down()
    for i in range(settle):
        editor.page.mouse.move(*editor.at_cached(0.35 + i / 400, 0.35))
    before = script_time(editor, client)
    for i in range(moves):
        editor.page.mouse.move(*editor.at_cached(0.5 - i / 500, 0.35 + i / 600))
    spent = script_time(editor, client) - before
    editor.page.mouse.up()
    return spent * 1000 / moves


@pytest.mark.parametrize("tool", ["select", "box", "brush"])
def test_fifty_regions_move_smoothly(editor, tool):
    editor.resize(1024, 1024)
    editor.load(many(50))
    editor.page.wait_for_timeout(600)
    editor.click(0.35, 0.35)
    editor.tool(tool)
    spent = time_moves(editor)
    print(f"{tool}: {spent:.2f} ms of scripting per move")
    assert spent < PER_MOVE
    assert len(editor.regions) == 50 + (tool == "box")


def test_the_panel_starts_quickly(editor):
    start = (
        "() => { const mount = document.querySelector('#regional_txt2img_panel'); mount.replaceChildren();"
        " const t = performance.now(); Regional.attach(); mount.getBoundingClientRect(); return performance.now() - t; }"
    )
    times = sorted(editor.page.evaluate(start) for _ in range(3))
    print(f"start: {times[1]:.0f} ms")
    assert times[1] < START
    assert editor.canvas.is_visible()


def test_a_large_picture_is_painted_like_a_small_one(editor):
    editor.page.evaluate("document.querySelectorAll('#txt2img_width input, #txt2img_height input').forEach((box) => { box.max = 4096; })")
    editor.page.evaluate("Regional.panels.txt2img.size = () => ({width: 4096, height: 4096})")
    editor.draw_box((0.1, 0.1), (0.3, 0.3))
    assert all(abs(value * 512 - round(value * 512)) < 1e-3 for value in editor.regions[0]["box"])
    editor.keys("Escape")
    editor.tool("brush")
    spent = time_moves(editor)
    print(f"4096 x 4096, brush: {spent:.2f} ms of scripting per move")
    assert spent < PER_MOVE
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
