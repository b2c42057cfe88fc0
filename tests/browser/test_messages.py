"""Messages and tooltips: each belongs to its cause and goes with it, in the panel's own words."""

from __future__ import annotations

import re

TWO = {"version": 4, "enabled": True, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b"}]}
PENDING = "The next picture shows"


def test_no_break_is_said_of_the_prompt_that_stands_there(editor):
    main = editor.page.locator("#txt2img_prompt textarea")
    main.fill("a red circle")
    editor.act("import")
    editor.find(".rg-messages :text('has no BREAK')").wait_for()
    main.fill("a red circle BREAK a blue square")
    editor.soon(lambda: "no BREAK" in editor.messages, False)
    editor.act("import")
    editor.find(".rg-messages :text('Split the main prompt at BREAK into 2 parts')").wait_for()
    assert "no BREAK" not in editor.messages
    main.fill("another one")
    editor.soon(lambda: "Split the main prompt" in editor.messages, False)


def test_a_line_on_the_maps_of_words_goes_with_that_background(editor):
    editor.load(TWO)
    background = editor.find("[data-action=background]")
    background.select_option("words")
    editor.find(f".rg-messages :text('{PENDING}')").wait_for()
    background.select_option("none")
    editor.soon(lambda: PENDING in editor.messages, False)


def test_a_late_answer_about_the_maps_says_nothing_below_another_background(editor):
    editor.load(TWO)
    editor.page.evaluate(
        "() => { window.quick = window.fetch; window.fetch = async (...args) => { const answer = await window.quick(...args);"
        " if (String(args[0]).includes('/attention/')) await new Promise((go) => { window.answer = go; }); return answer; }; }"
    )
    background = editor.find("[data-action=background]")
    background.select_option("words")
    editor.page.wait_for_function("() => Boolean(window.answer)")
    background.select_option("none")
    editor.page.evaluate("async () => { window.answer(); window.fetch = window.quick; await new Promise((go) => setTimeout(go, 100)); }")
    assert PENDING not in editor.messages


def test_an_imports_error_goes_with_the_text_that_it_is_about(editor):
    editor.drawer("import")
    text, report = editor.find("[data-action=import-text]"), editor.find("[data-action=import-report]")
    text.fill('{"alwayson_scripts": {')
    editor.act("import-go")
    report.locator("[role=alert]").wait_for()
    text.fill("a girl ADDCOL a boy")
    assert report.inner_text() == ""
    editor.act("import-go")
    report.locator(".rg-taken").first.wait_for()
    assert report.locator("[role=alert]").count() == 0


API_WORDS = re.compile(r"\bnull\b|data URL|an object\b|options\.|\[0, 1\]|_")


def test_no_tooltip_has_words_of_the_api(editor):
    """ "null is the picture's" stood at the field of the CFG scale."""
    for method in ("latent_couple", "collage", "mrgd", "attention_couple"):
        editor.load({**TWO, "method": method})
        titles = editor.find("[title]").evaluate_all("all => all.map((node) => node.title)")
        assert len(titles) > 30 and [title for title in titles if API_WORDS.search(title)] == []
    assert "empty: the picture's" in editor.field("regions[0].cfg_scale").get_attribute("title")
