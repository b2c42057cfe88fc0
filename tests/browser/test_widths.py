"""The panel at the widths that it has in the WebUIs: no text is cut or broken, and the canvas fills its column."""

from __future__ import annotations

import pytest

WIDTHS = {"444 of 1024": (444, 768), "629 of 1440": (629, 900), "720": (720, 900), "893 of 1920": (893, 1080)}
"""Width of the panel in AUTOMATIC1111 beside that of the window, and the window's height."""

_BOXES = [
    {"box": [0, 0, 0.5, 1], "prompt": "a red circle on grass"},
    {"box": [0.5, 0, 1, 1], "prompt": "a blue square on very green grass"},
]
EDIT = {
    "version": 4, "enabled": True, "method": "mrgd", "regions": _BOXES,
    "options": {"mrgd": {"source": {"regions": _BOXES}}},
}  # fmt: skip
"""An edit whose regions have long names."""

CUT = """() => {
    const pen = document.createElement("canvas").getContext("2d");
    const seen = (node) => node.checkVisibility(); // what a closed section holds is not
    const wide = (node, text) => {
        pen.font = getComputedStyle(node).font;
        const {paddingLeft, paddingRight} = getComputedStyle(node);
        return pen.measureText(text).width > node.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
    };
    const lines = (node) => {
        const range = document.createRange();
        range.selectNodeContents(node);
        return new Set([...range.getClientRects()].map(({top}) => Math.round(top / 8))).size;
    };
    const panel = document.querySelector("#regional_txt2img_panel");
    const of = (names) => [...panel.querySelectorAll(names)].filter(seen);
    const once = "summary, .rg-button, .rg-label, .rg-check > span, .rg-background-name";
    const right = panel.getBoundingClientRect().right + 1;
    return [
        ...of(once).filter((node) => lines(node) > 1).map((node) => node.textContent),
        ...of(".rg-label").filter((node) => node.scrollWidth > node.clientWidth + 1).map((node) => `over its edge: ${node.textContent}`),
        ...of("select").filter((node) => wide(node, node.selectedOptions[0].text)).map((node) => node.selectedOptions[0].text),
        ...of("textarea:placeholder-shown").filter((node) => node.rows < 3 && wide(node, node.placeholder)).map((node) => node.placeholder),
        ...of(`${once}, select, textarea, .rg-region`).filter((node) => node.getBoundingClientRect().right > right)
            .map((node) => `beyond the panel: ${node.className}`),
    ];
}"""
"""Texts of the panel that stand on two lines, or are wider than what they stand in."""


_PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
FULL = {
    "version": 4, "enabled": True, "overlap": "over",
    "regions": [
        {**_BOXES[0], "picture": _PIXEL, "reference": {"image": _PIXEL}, "detail": {"denoise": 0.4}},
        {"procedural": {"kind": "perlin_noise"}, "prompt": "b"},
    ],
}  # fmt: skip
"""Regions whose cards have every field that there is."""

LABELS = """() => [...document.querySelectorAll("#regional_txt2img_panel .rg-label")].filter((node) => {
    if (!node.checkVisibility()) return false;
    const range = document.createRange();
    range.selectNodeContents(node);
    const tops = new Set([...range.getClientRects()].map(({top}) => Math.round(top / 8)));
    const card = node.closest(".rg-region, .rg-more, .rg");
    return tops.size > 1 || node.scrollWidth > node.clientWidth + 1
        || range.getBoundingClientRect().right > card.getBoundingClientRect().right + 1;
}).map((node) => node.textContent)"""
"""Labels that stand on two lines, or go over an edge."""


@pytest.fixture(params=WIDTHS.values(), ids=WIDTHS)
def sized(editor, request):
    """(editor whose panel has a width, in a window of a height; the width)."""
    width, height = request.param
    editor.page.set_viewport_size({"width": 1500, "height": height})
    set_width(editor, f"{width}px")
    editor.page.wait_for_function(f"() => Regional.panels.txt2img.isNarrow === {str(width < 500).lower()}")
    yield editor, width
    set_width(editor, "")
    editor.page.set_viewport_size({"width": 1500, "height": 1300})


def set_width(editor, width: str) -> None:
    editor.page.evaluate("width => { document.querySelector('#regional_txt2img_panel').style.width = width; }", width)


def test_no_text_is_cut_and_none_is_broken(sized):
    editor, _ = sized
    editor.soon(lambda: editor.page.evaluate(CUT), [])
    editor.draw_box((0.1, 0.1), (0.4, 0.4))
    editor.draw_box((0.6, 0.1), (0.9, 0.4))
    editor.soon(lambda: editor.page.evaluate(CUT), [])
    editor.find("[data-action=background-mode]").select_option("shared")
    editor.soon(lambda: editor.page.evaluate(CUT), [])


@pytest.mark.parametrize("drawer", ["presets", "import", "masks", "edit"])
def test_nothing_is_cut_in_a_drawer(sized, drawer):
    editor, _ = sized
    editor.load(EDIT)
    editor.act(f"drawer-{drawer}")
    if drawer == "edit":
        editor.find("[data-action=edit-pair-1]").wait_for()
        editor.find(".rg-edit > .rg-more > summary").click()
    editor.soon(lambda: editor.page.evaluate(CUT), [])


@pytest.mark.parametrize("method", ["attention_couple", "collage"])
def test_no_label_stands_on_two_lines_with_all_sections_open(editor, method):
    editor.load({**FULL, "method": method})
    editor.checked()
    editor.page.evaluate("() => document.querySelectorAll('#regional_txt2img_panel details').forEach((node) => { node.open = true; })")
    broken = {}
    for width in (360, 400, 444, 500, 560, 619, 620, 680, 720, 800, 900):
        set_width(editor, f"{width}px")
        editor.boxes(editor.canvas, editor.field("regions[0].denoise"))
        broken[width] = editor.page.evaluate(LABELS)
    set_width(editor, "")
    assert not any(broken.values()), broken


@pytest.mark.parametrize("method", ["p2p", "mask_conditioning", "sequential", "repaint", "collage"])
def test_the_name_of_a_method_is_read_whole(sized, method):
    editor, _ = sized
    editor.load({**EDIT, "method": method, "options": {}})
    editor.soon(lambda: editor.page.evaluate(CUT), [])


def test_the_canvas_fills_its_column_and_stands_on_one_screen_with_generate(sized):
    editor, width = sized
    canvas, side, run, tools = editor.boxes("canvas.rg-canvas", ".rg-side", "[data-action=run]", ".rg-toolbar")
    least = 0.85 if width < 500 else 0.98
    assert canvas["width"] >= least * side["width"] and canvas["height"] == pytest.approx(canvas["width"], abs=2)
    assert run["y"] + run["height"] - tools["y"] <= editor.page.viewport_size["height"]


def test_the_buttons_of_a_selection_stand_together(sized):
    editor, _ = sized
    editor.draw_box((0.1, 0.1), (0.4, 0.4))
    undo, align = editor.boxes("[data-action=undo]", "select[aria-label=Align]")
    assert abs(undo["y"] + undo["height"] / 2 - align["y"] - align["height"] / 2) < 3


def test_a_long_main_prompt_is_seen_whole(sized):
    editor, _ = sized
    row = editor.find("[data-action=background-prompt]")
    (before,) = editor.boxes(row)
    row.fill("a wide meadow below an evening sky, with hills far away, painted in oil on rough canvas")
    assert editor.boxes(row)[0]["height"] > before["height"] and row.evaluate("node => node.scrollHeight <= node.clientHeight + 1")
    row.fill("")


def test_what_lies_above_the_page_is_opaque_where_the_hosts_blocks_are_transparent(editor):
    """In AUTOMATIC1111 the page's blocks have no colour of their own: menu, dialogs and full screen showed what lies below them."""
    editor.page.add_style_tag(content=":root, .dark, .gradio-container { --block-background-fill: transparent !important; }")
    fill = "node => getComputedStyle(node).backgroundColor"
    editor.click(0.25, 0.5, button="right")
    shown = [editor.page.locator(".rg-menu").evaluate(fill)]
    editor.page.keyboard.press("Escape")
    editor.keys("?")
    shown.append(editor.page.locator("dialog.rg-keys").evaluate(fill))
    editor.page.keyboard.press("Escape")
    editor.find("[data-action=add-lora]").first.click()
    shown.append(editor.page.locator("dialog.rg-picker").evaluate(fill))
    editor.page.keyboard.press("Escape")
    editor.keys("f")
    editor.page.wait_for_function("() => document.fullscreenElement !== null")
    shown.append(editor.page.locator(".rg:fullscreen").evaluate(fill))
    (run,) = editor.boxes("[data-action=run]")
    assert run["y"] + run["height"] <= editor.page.viewport_size["height"], "Generate is on the full screen too"
    editor.keys("f")
    editor.page.wait_for_function("() => document.fullscreenElement === null")
    assert all("rgb(" in colour for colour in shown), shown
