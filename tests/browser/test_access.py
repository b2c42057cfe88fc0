"""Everybody's panel: the WebUI's language, the keyboard, a readable contrast in both themes."""

from __future__ import annotations

import pytest

PANEL = "#regional_txt2img_panel"
DRAWERS = ("presets", "import", "masks", "edit")
TWO = {"version": 4, "enabled": True, "regions": [{"prompt": "11 <lora:22:1>"}, {"prompt": ""}], "grid": {"ratios": "1,1"}}

UNTRANSLATED = """panel => {
    const root = document.querySelector(panel), faults = [], plain = (text) => /[A-Za-z]{2}/.test(text) && !text.includes("‹");
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        if (plain(node.data) && !node.parentElement.closest("textarea")) faults.push(node.data);
    }
    for (const name of ["title", "placeholder", "aria-label"])
        root.querySelectorAll(`[${name}]`).forEach((node) => plain(node.getAttribute(name)) && faults.push(node.getAttribute(name)));
    return [...new Set(faults)];
}"""

FAINT = """([panel, least]) => {
    const numbers = (text) => { const c = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
        c.fillStyle = text; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
    const over = ([r, g, b, a], under) => [r, g, b].map((value, i) => value * a / 255 + under[i] * (1 - a / 255));
    const ground = (node) => { const own = numbers(getComputedStyle(node).backgroundColor);
        return own[3] === 255 || !node.parentElement ? own.slice(0, 3) : over(own, ground(node.parentElement)); };
    const light = (rgb) => rgb.map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const faint = [];
    const look = (node, style, words) => {
        if (!node.getClientRects().length || node.closest(":disabled, .rg-sr, [hidden]")) return;
        const below = ground(node), ink = over(numbers(style.color), below), [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < least) faint.push(`${words.slice(0, 40)}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
    };
    const walk = document.createTreeWalker(document.querySelector(panel), NodeFilter.SHOW_TEXT);
    for (let n = walk.nextNode(); n; n = walk.nextNode()) {
        if (n.data.trim()) look(n.parentElement, getComputedStyle(n.parentElement), n.data);
    }
    document.querySelectorAll(`${panel} :is(input[type=text], textarea)`).forEach((node) => {
        look(node, getComputedStyle(node), node.value || "value");
        if (node.placeholder) look(node, getComputedStyle(node, "::placeholder"), node.placeholder);
    });
    return faint;
}"""


def open_all(editor) -> None:
    for summary in editor.find(".rg-more > summary").all():
        if summary.is_visible() and not summary.evaluate("node => node.parentElement.open"):
            summary.click()


def test_every_sentence_is_looked_up_in_the_webuis_localization(open_editor):
    editor = open_editor()
    assert editor.find("[data-action^=drawer-]").count() == len(DRAWERS)
    editor.page.evaluate(
        "() => { window.localization = new Proxy({}, {get: (_, words) => (typeof words === 'string' ? `‹${words}›` : undefined)});"
        " document.querySelector('#regional_txt2img_panel').replaceChildren(); Regional.attach(); }"
    )
    editor.load(TWO)
    editor.checked()
    editor.page.wait_for_function("node => node.textContent", arg=editor.find(".rg-tokens").first.element_handle())
    for drawer in DRAWERS:
        editor.drawer(drawer)
        open_all(editor)
        editor.tool("brush")
        assert editor.page.evaluate(UNTRANSLATED, PANEL) == []
    assert editor.find(".rg-head button").first.get_attribute("title") == "‹Mute region 1›"
    listed = editor.page.evaluate("() => JSON.parse(Regional.strings())")
    assert {"Enable", "Mute region {0}", "Layouts and presets", "Weight"} <= set(listed) and not any("‹" in words for words in listed)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(open_editor, theme):
    editor = open_editor(color_scheme=theme)
    assert editor.page.evaluate("() => document.body.classList.contains('dark')") == (theme == "dark")
    editor.load({**TWO, "regions": [{"prompt": "a", "weight": -1}, {"prompt": ""}]})
    editor.find(".rg-messages .rg-problem").wait_for()
    for drawer in DRAWERS:
        editor.drawer(drawer)
        open_all(editor)
        assert editor.page.evaluate(FAINT, [PANEL, 4.5]) == []


def test_tab_reaches_every_control_and_shows_where_it_is(editor):
    editor.load({**TWO, "grid": None, "regions": [{"box": [0, 0, 0.5, 1]}, {"box": [0.5, 0, 1, 1]}]})
    editor.checked()
    editor.field("enabled").focus()
    editor.page.evaluate("() => { Regional.panels.txt2img.select([Regional.panels.txt2img.store.get().regions[0]._id]); }")
    wanted = editor.page.evaluate(
        """panel => [...document.querySelectorAll(`${panel} :is(button, input, select, textarea, summary, canvas.rg-canvas)`)]
            .filter((node) => node.checkVisibility() && !node.disabled).map((node, i) => (node.dataset.seen = String(i)))""",
        PANEL,
    )
    seen, bare = set(), []
    for _ in range(len(wanted) + 3):
        found = editor.page.evaluate(
            "() => { const node = document.activeElement, style = getComputedStyle(node);"
            " const framed = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;"
            " return [node.dataset.seen, framed, node.outerHTML.slice(0, 80)]; }"
        )
        if found[0] is not None:
            seen.add(found[0])
            bare += [found[2]] if not found[1] and found[0] != wanted[0] else []
        editor.page.keyboard.press("Tab")
    assert seen == set(wanted) and bare == []


def test_cells_of_a_grid_by_keyboard(editor):
    editor.resize(512, 512)
    editor.load({**TWO, "regions": [{"prompt": "a"}, {"prompt": "b"}]})
    editor.keys("PageDown", "ArrowRight", "ArrowRight")
    left, right = map(float, editor.settings["grid"]["ratios"].split(","))
    assert left / (left + right) == pytest.approx(0.5 + 16 / 512, abs=0.002)
    for name, cells in (("splitX", 3), ("splitY", 4), ("undo", 3), ("merge", 2)):
        editor.find(f"[data-action={name}]").focus()
        editor.page.keyboard.press("Enter")
        assert len(editor.regions) == cells, name


def test_a_polygon_and_the_bucket_by_keyboard(editor):
    editor.resize(512, 512)
    right, down = ["ArrowRight"] * 8, ["ArrowDown"] * 8
    editor.keys("p", " ", *right, " ", *down, " ", "Enter")
    assert len(editor.regions[0]["polygon"]) == 3
    editor.keys("Escape", "Escape", "g", " ")
    assert "mask" in editor.regions[1]
    editor.keys("Escape", "Escape", "x", "Alt+ArrowLeft", "Control+a", "Escape", "Escape", "Escape", "?")
    keys = editor.page.locator("dialog.rg-keys")
    assert "Ctrl+Z" in keys.inner_text()
    editor.page.keyboard.press("Escape")
    editor.soon(lambda: (keys.count(), editor.focus), (0, "stage"))


def test_several_regions_and_a_zoomed_picture_by_keyboard(editor):
    editor.resize(512, 512)
    editor.load({"version": 4, "enabled": True, "regions": [{"box": [x / 4, 0.25, (x + 1) / 4, 0.5]} for x in range(4)]})
    editor.keys("PageDown", "PageDown", "Shift+PageDown", "ArrowDown")
    tops = [region["box"][1] for region in editor.regions]
    assert tops == pytest.approx([0.25, 0.25 + 8 / 512, 0.25 + 8 / 512, 0.25])
    editor.keys("Escape", "+", "+", "+", "ArrowRight", "ArrowDown", "ArrowDown")
    view = editor.page.evaluate("Regional.panels.txt2img.stage.view")
    assert view["zoom"] == pytest.approx(1.25**3, abs=0.01)
    assert view["x"] == pytest.approx((1 - 1 / view["zoom"]) / 2 + 0.1 / view["zoom"], abs=0.01) and view["y"] > view["x"]
    editor.keys("0")
    assert editor.page.evaluate("Regional.panels.txt2img.stage.view.zoom") == 1
