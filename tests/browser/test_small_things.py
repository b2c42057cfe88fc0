"""Small things that a person trips over: what moves, what stays old, what nobody says."""

from __future__ import annotations

from editor import Editor

TWO = {"version": 4, "enabled": True, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b"}]}


def test_the_canvas_stays_where_it_is_when_the_brush_is_chosen(editor):
    before = editor.boxes(editor.canvas)
    editor.tool("brush")
    assert editor.find(".rg-brush").is_visible() and editor.boxes(editor.canvas) == before


def test_a_weight_map_that_is_not_there_yet_says_so(editor):
    editor.load(TWO)
    stale = "() => Regional.panels.txt2img.stage.background.stale"
    editor.page.evaluate(
        "() => { const {checks} = Regional.panels.txt2img, {drawMap} = checks;"
        " checks.drawMap = async (...all) => { await new Promise((go) => { window.answer = go; }); return drawMap.apply(checks, all); }; }"
    )
    editor.find("[data-action=background]").select_option("map:8")
    assert editor.page.evaluate(stale) is True
    editor.soon(lambda: editor.page.evaluate(f"() => {{ window.answer?.(); return ({stale})(); }}"), False)
    editor.field("regions[0].prompt").fill("c")
    assert editor.page.evaluate(stale) is True
    editor.soon(lambda: editor.page.evaluate(f"() => {{ window.answer?.(); return ({stale})(); }}"), False)
    editor.find("[data-action=background]").select_option("none")


def test_a_picture_that_comes_late_does_not_come_under_another_background(editor):
    editor.page.evaluate(
        "() => { const shown = new Image(); shown.src = Regional.panels.txt2img.stage.canvas.toDataURL(); shown.className = 'late-picture';"
        " document.querySelector('#txt2img_gallery').append(shown);"
        " window.Late = window.Image; window.Image = function () { window.late = document.createElement('i'); return window.late; }; }"
    )
    editor.find("[data-action=background]").select_option("none")
    editor.find("[data-action=background]").select_option("result")
    loaded = "() => { window.late.onload(); return Boolean(Regional.panels.txt2img.stage.background.image); }"
    assert editor.page.evaluate(loaded) is True
    editor.find("[data-action=background]").select_option("none")
    assert editor.page.evaluate(loaded) is False
    editor.page.evaluate("() => { document.querySelector('.late-picture').remove(); window.Image = window.Late; }")
    editor.find("[data-action=background]").select_option("result")


def test_half_typed_values_are_no_failed_requests(editor):
    editor.load(TWO)
    failed: list[int] = []

    def see(response) -> None:
        if "/regional/v1/" in response.url and response.status >= 400:
            failed.append(response.status)

    def drawn() -> None:
        editor.checked()
        editor.page.wait_for_function("() => Regional.panels.txt2img.stage.background.stale === false")

    editor.page.on("response", see)
    editor.find("[data-action=background]").select_option("map:8")
    editor.field("regions[0].weight").evaluate("node => node.closest('details').open = true")
    editor.field("regions[0].weight").fill("much")
    editor.find(".rg-messages .rg-problem").filter(has_text="weight").wait_for()
    drawn()
    editor.field("regions[0].shape").select_option("words")
    drawn()
    editor.page.remove_listener("response", see)
    editor.find("[data-action=background]").select_option("none")
    assert failed == []


def test_an_import_offers_what_the_settings_have_no_place_for(editor):
    editor.act("drawer-import")
    editor.find("[data-action=import-text]").fill(
        "dawn ADDBASE a ADDCOL b\n"
        "Steps: 7, Sampler: Euler a, CFG scale: 5, Seed: 12, Size: 192x64, RP Active: True, RP Divide mode: Matrix, "
        'RP Matrix submode: Columns, RP Calc Mode: Attention, RP Ratios: "1,1", RP Use Base: True'
    )
    editor.act("import-go")
    editor.act("import-take")
    inputs = [editor.page.locator(f"#txt2img_{name} input").first for name in ("steps", "seed", "width", "height")]
    editor.soon(lambda: [each.input_value() for each in inputs], ["7", "12", "192", "64"])
    editor.act("import-main")
    assert editor.page.locator("#txt2img_prompt textarea").input_value() == "dawn" and "prompt" not in editor.settings.get("base", {})
    editor.find("[data-action=import-text]").fill("x")
    assert editor.find("[data-action=import-report]").inner_text() == ""
    editor.page.locator("#txt2img_seed input").first.fill("-1")


def test_an_interrupted_picture_says_so(editor):
    editor.load(TWO)
    editor.resize(256, 256)  # long enough to be interrupted, however late
    editor.page.locator("#txt2img_steps input[type=number]").fill("150")
    editor.act("run")
    editor.find(".rg-run:text('Interrupt')").wait_for()
    editor.act("run")
    editor.find(".rg-messages :text('Interrupted')").wait_for()
    assert editor.find(".rg-run:text('Generate')").is_visible()
    editor.page.locator("#txt2img_steps input[type=number]").fill("4")


def test_an_interrupt_that_came_before_the_host_began_is_asked_for_again(editor):
    """The host forgets it as it begins, and 150 steps were made."""
    lost = []

    def lose(route):
        if lost:
            return route.continue_()
        lost.append(route.request.url)
        return route.fulfill(status=200, json={})

    editor.load(TWO)
    editor.resize(256, 256)
    editor.page.locator("#txt2img_steps input[type=number]").fill("150")
    editor.page.route("**/sdapi/v1/interrupt", lose)
    editor.act("run")
    editor.find(".rg-run:text('Interrupt')").wait_for()
    editor.act("run")
    editor.find(".rg-messages :text('Interrupted')").wait_for()
    editor.page.unroute("**/sdapi/v1/interrupt", lose)
    editor.page.locator("#txt2img_steps input[type=number]").fill("4")
    assert len(lost) == 1


def test_a_single_picture_after_a_batch_is_shown_large(editor):
    editor.load(TWO)
    editor.resize(64, 64)
    count = editor.page.locator("#txt2img_batch_size input[type=number]")
    count.fill("2")
    editor.generate(steps=2)
    editor.page.locator("#txt2img_gallery .thumbnail-item").nth(2).click()
    count.fill("1")
    editor.generate(steps=2)
    large = editor.page.locator("#txt2img_gallery .preview img").first
    large.wait_for()
    editor.soon(lambda: editor.boxes(large)[0]["width"] > 200)


def test_a_finger_scrolls_the_page_where_it_holds_nothing(editor):
    editor.load({**TWO, "regions": [{"box": [0, 0, 0.2, 0.2], "prompt": "a"}]})
    editor.page.set_viewport_size({"width": 390, "height": 844})
    point = editor.at(0.7, 0.7)
    moved = editor.page.evaluate(
        """([x, y]) => {
            const {canvas} = Regional.panels.txt2img.stage, send = (name, dy) => canvas.dispatchEvent(new PointerEvent(name,
                {pointerId: 9, pointerType: "touch", clientX: x, clientY: y - dy, bubbles: true, isPrimary: true}));
            canvas.setPointerCapture = () => {};
            const before = window.scrollY;
            send("pointerdown", 0); send("pointermove", 40); send("pointermove", 80); send("pointerup", 80);
            delete canvas.setPointerCapture;
            return window.scrollY - before;
        }""",
        list(point),
    )
    editor.page.set_viewport_size({"width": 1500, "height": 1300})
    assert moved == 80 and len(editor.regions) == 1


def test_words_that_are_found_while_sampling_are_seen_on_the_canvas(editor):
    canvas = "() => { const {stage} = Regional.panels.txt2img; stage.draw(); return stage.canvas.toDataURL(); }"
    editor.find("[data-action=background]").select_option("none")
    editor.load({**TWO, "regions": []})
    bare = editor.page.evaluate(canvas)
    editor.load({**TWO, "regions": [{"words": {"text": "hat"}, "prompt": "red"}]})
    assert editor.page.evaluate(canvas) != bare


def test_enable_stands_in_the_header_and_opens_an_empty_panel(open_editor):
    editor = open_editor()
    enable, header = editor.field("enabled"), editor.page.locator("#regional_txt2img .label-wrap")
    header.click()
    editor.canvas.wait_for(state="hidden")
    box, line = editor.boxes(enable, header)
    assert enable.is_visible() and box["y"] < line["y"] + line["height"]
    enable.check()
    editor.canvas.wait_for()
    assert editor.settings["enabled"] is True
    editor.soon(lambda: "on" in header.inner_text())
    header.click()
    editor.canvas.wait_for(state="hidden")
    enable.uncheck()
    assert editor.settings["enabled"] is False and not editor.canvas.is_visible()


def test_a_region_has_a_colour_of_its_own(editor):
    editor.load(TWO)
    editor.find(".rg-region .rg-more > summary").first.click()
    field = editor.field("regions[0].colour")
    of_number = field.input_value()
    field.fill("#10c020")
    swatch = editor.find(".rg-swatch").first
    assert swatch.evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(16, 192, 32)"
    assert editor.regions[0]["colour"] == "#10c020"
    editor.act("undo")
    assert "colour" not in editor.regions[0] and field.input_value() == of_number
    editor.act("redo")
    editor.find("[data-action=colour-none]").first.click()
    assert "colour" not in editor.regions[0] and field.input_value() == of_number


def test_nothing_is_asked_of_another_machine(browser, url):
    """Gradio's page has a script of another site, which the standalone host leaves out."""
    context = browser.new_context()
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    Editor(page, url)
    context.close()
    assert any("regional.js" in address for address in asked)
    assert [address for address in asked if not address.startswith((url, "blob:", "data:"))] == []


def test_a_click_with_a_drawing_tool_draws_nothing_and_says_nothing(editor):
    before = editor.settings
    editor.tool("box")
    editor.click(0.5, 0.5)
    assert editor.settings == before and "took the place" not in editor.messages
    editor.keys("Escape")


def test_the_help_of_the_keys_lies_above_the_page(editor):
    before = editor.boxes(editor.canvas)
    editor.keys("?")
    dialog = editor.page.locator("dialog.rg-keys")
    dialog.wait_for()
    assert dialog.locator("kbd, dt, tr").count() > 10 and editor.boxes(editor.canvas) == before
    editor.page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
