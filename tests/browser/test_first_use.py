"""What somebody new meets in the first hour: nothing that is out of sight, in the way, or hidden in words of the API."""

from __future__ import annotations

import pytest

TWO = {"version": 4, "enabled": True, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b"}]}


def test_the_drawer_of_edits_shows_at_most_five_options(editor):
    editor.load({**TWO, "method": "mrgd"})
    editor.act("drawer-edit")
    editor.find(".rg-edit-options").first.wait_for()
    seen = [field for field in editor.find(".rg-edit [data-field^='options.mrgd.']").all() if field.is_visible()]
    assert 1 <= len(seen) <= 5
    words = " ".join(label.inner_text() for label in editor.find(".rg-edit .rg-edit-options").all() if label.is_visible())
    assert not any(name in words for name in ("τ", "λ", "T_total", "Null-text", "Halo", "Its folder")), words
    editor.find(".rg-edit .rg-more > summary").click()
    assert editor.field("options.mrgd.lambda_rs").is_visible()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
def test_generate_stands_at_the_canvas_and_full_screen_is_one_key(open_editor, width, height):
    editor = open_editor()
    editor.page.set_viewport_size({"width": width, "height": height})
    editor.canvas.scroll_into_view_if_needed()
    canvas, run = editor.boxes(editor.canvas, ".rg-run")
    assert run["y"] + run["height"] - canvas["y"] <= height, "canvas, picture and Generate are within one screen"
    editor.keys("f")
    editor.page.wait_for_function("() => Boolean(document.fullscreenElement)")
    assert editor.page.evaluate("() => document.fullscreenElement.contains(document.querySelector('#regional_txt2img_panel .rg-run'))")
    editor.keys("f")
    editor.page.wait_for_function("() => !document.fullscreenElement")


def test_what_is_pasted_lies_beside_its_original(editor):
    editor.load({**TWO, "regions": [{"box": [0.1, 0.1, 0.4, 0.4], "prompt": "a"}]})
    editor.keys("Control+a", "Control+c", "Control+v")
    editor.soon(lambda: len(editor.regions), 2)
    boxes = [region["box"] for region in editor.regions]
    assert boxes[0] != boxes[1] and abs(boxes[1][0] - boxes[0][0]) <= 0.05


def test_a_long_name_ends_in_an_ellipsis_and_a_line_stays_one_line(editor):
    names = ["a very long name of a region that does not fit into its line by far, in no window"] * 2
    editor.load({**TWO, "regions": [{**region, "name": name} for region, name in zip(TWO["regions"], names, strict=True)]})
    name = editor.field("regions[0].name")
    assert name.evaluate("node => getComputedStyle(node).textOverflow") == "ellipsis"
    remove, swatch = editor.boxes(".rg-head button[aria-label='Remove region 1']", ".rg-swatch")
    assert abs(remove["y"] + remove["height"] / 2 - swatch["y"] - swatch["height"] / 2) < 4, "× stands on the line of its number"


def test_steps_stand_in_steps(editor):
    editor.load({**TWO, "regions": [{**TWO["regions"][0], "steps": [0.25, 0.5]}]})
    steps = editor.page.locator("#txt2img_steps input[type=number]")
    steps.fill("20")
    # opened again until it shows them: what was loaded may be read, and the list drawn, once more in between
    shown = """() => { const more = document.querySelector('#regional_txt2img_panel .rg-region .rg-more'); more.open = true;
        const hint = more.querySelector('[data-action=steps-hint]');
        return hint.checkVisibility() && hint.innerText.includes('of 20') && hint.innerText; }"""
    assert editor.page.wait_for_function(shown).json_value() == "acts in the steps 6 to 10 of 20"
    steps.fill("4")
    editor.find("[data-action=steps-hint]").first.and_(editor.page.get_by_text("2 to 2 of 4")).wait_for()


def test_thirty_equal_warnings_are_one_line(editor):
    boxes = [[x / 6, y / 5, (x + 1) / 6, (y + 1) / 5] for y in range(5) for x in range(6)]
    editor.load({**TWO, "regions": [{"box": box} for box in boxes]})
    editor.checked()
    lines = [line.inner_text() for line in editor.find(".rg-messages .rg-message").all()]
    assert sum("no prompt" in line for line in lines) == 1 and len(lines) <= 4, lines


def test_a_dragged_card_shows_where_it_will_lie(editor):
    editor.load({**TWO, "overlap": "over"})
    shown = editor.page.evaluate(
        """() => {
            const cards = [...document.querySelectorAll("#regional_txt2img_panel .rg-region")], data = new DataTransfer();
            const send = (node, name) => node.dispatchEvent(new DragEvent(name, {bubbles: true, cancelable: true, dataTransfer: data}));
            const marked = () => cards.map((card) => card.classList.contains("rg-drop") || card.classList.contains("rg-drop-below"));
            cards[0].draggable = true;
            send(cards[0], "dragstart"); send(cards[1], "dragover");
            const over = marked();
            send(cards[1], "dragleave");
            return [over, marked()];
        }"""
    )
    assert shown == [[False, True], [False, False]]


def test_targets_of_a_finger_are_large_and_names_are_seen(open_editor):
    editor = open_editor(has_touch=True, is_mobile=True)
    editor.page.set_viewport_size({"width": 390, "height": 844})
    editor.page.wait_for_function("() => Regional.panels.txt2img.isNarrow")
    editor.load(TWO)
    editor.boxes(editor.canvas)
    small = editor.page.evaluate(
        """() => [...document.querySelectorAll("#regional_txt2img_panel :is(button, select, summary)")]
            .filter((node) => node.checkVisibility() && !node.closest(".rg-strip"))
            .map((node) => [node.getAttribute("aria-label") || node.textContent, node.getBoundingClientRect()])
            .filter(([, box]) => box.height < 39.5 || box.width < 39.5).map(([name, box]) => `${name} ${box.width}×${box.height}`)"""
    )
    assert small == []
    wide = editor.page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "nothing is wider than the phone"
    tops = editor.page.evaluate(
        """() => [...document.querySelectorAll("#regional_txt2img_panel .rg-region .rg-head")]
            .map((head) => [...head.querySelectorAll("button")].map((node) => node.getBoundingClientRect().top))"""
    )
    assert all(max(each) - min(each) < 5 for each in tops), "the buttons of a card stand in one line"


def test_the_regions_do_not_tint_the_result(editor):
    """Under a picture the regions are outlines: its pixels are seen as they are."""
    editor.load(TWO)
    colour = editor.page.evaluate(
        """async () => {
            const {stage} = Regional.panels.txt2img, canvas = document.createElement("canvas");
            Object.assign(canvas, {width: 8, height: 8});
            const context = canvas.getContext("2d");
            context.fillStyle = "rgb(200, 100, 50)";
            context.fillRect(0, 0, 8, 8);
            stage.background.image = canvas;
            stage.draw();
            const {width, height} = stage.canvas, at = stage.context.getImageData(width * 0.25, height * 0.75, 1, 1).data;
            stage.background.image = null;
            stage.redraw();
            return [...at].slice(0, 3);
        }"""
    )
    assert colour == [200, 100, 50]
