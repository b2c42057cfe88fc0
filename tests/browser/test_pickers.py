"""The picker of LoRAs and embeddings on a region's card: opened, searched, walked by keys, written into the prompt, undone."""

from __future__ import annotations

import io
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from editor import Editor
from PIL import Image

ONE = {"version": 4, "enabled": False, "overlap": "over", "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a cat"}]}
MANY = [f"style {at:03}" for at in range(250)]
LISTS = {
    "loras": ["Zebra", "broken", *MANY], "aliases": ["striped"], "embeddings": ["easynegative", "ring"],
    "pictures": {"loras": ["Zebra", "broken", *MANY[::4]], "embeddings": []},
}  # fmt: skip


class Host:
    """Answers for the host's lists and their pictures."""

    def __init__(self, page) -> None:
        self.status, self.lists, self.asked = 200, dict(LISTS), 0
        self.pictures: list[str] = []
        with io.BytesIO() as file:
            Image.new("RGB", (8, 8), "green").save(file, "PNG")
            self.png = file.getvalue()
        page.route("**/regional/v1/networks", self.answer)
        page.route("**/regional/v1/networks/*/picture?*", self.picture)

    def answer(self, route) -> None:
        self.asked += 1
        body = self.lists if self.status == 200 else {"detail": "the disk is gone"}
        route.fulfill(status=self.status, body=json.dumps(body), content_type="application/json")

    def picture(self, route) -> None:
        (name,) = parse_qs(urlsplit(route.request.url).query)["name"]
        self.pictures.append(name)
        route.fulfill(status=404) if name == "broken" else route.fulfill(body=self.png, content_type="image/png")


@pytest.fixture(scope="module")
def opened(browser, url):
    """A page whose lists are the test's."""
    context = browser.new_context(viewport={"width": 1500, "height": 1300})
    page = context.new_page()
    page.set_default_navigation_timeout(60000)
    host = Host(page)
    yield Editor(page, url), host
    context.close()


@pytest.fixture
def picker(opened):
    """(editor with one region whose prompt has the caret at its end, host)."""
    editor, host = opened
    editor.renew()
    editor.load(ONE)
    host.status, host.lists = 200, dict(LISTS)
    yield editor, host
    assert not editor.faults, editor.faults


def open_picker(editor, action: str = "add-lora"):
    """The dialog, once it has the lists."""
    editor.act(action)
    dialog = editor.page.locator("dialog.rg-picker")
    dialog.locator(".rg-tile").first.wait_for()
    return dialog


def test_a_lora_is_searched_and_written_at_the_caret_as_one_step(picker):
    editor, host = picker
    prompt = editor.field("regions[0].prompt")
    prompt.focus()
    editor.page.keyboard.press("End")
    editor.page.keyboard.type(" on a mat")
    for _ in range(len(" on a mat")):
        editor.page.keyboard.press("ArrowLeft")
    dialog = open_picker(editor)
    assert editor.focus == "picker-search"
    assert dialog.locator(".rg-tile").count() == 200 and "200 of 252" in dialog.get_by_role("status").inner_text()
    assert 0 < len(host.pictures) < 40, f"{len(host.pictures)}: pictures that are not in view wait"
    editor.page.keyboard.press("Escape")
    editor.soon(lambda: (dialog.count(), editor.focus), (0, "add-lora"))

    asked = host.asked
    open_picker(editor)
    assert host.asked == asked, "the lists are asked for once"
    editor.page.keyboard.type("zeb")
    editor.page.keyboard.press("Enter")
    written = "a cat <lora:Zebra:1> on a mat"
    assert editor.regions[0]["prompt"] == prompt.input_value() == written and editor.settings["enabled"], "editing switches the panel on"
    editor.soon(lambda: (dialog.count(), editor.focus), (0, "regions[0].prompt"))
    assert prompt.evaluate("node => node.selectionStart") == len("a cat <lora:Zebra:1>")
    assert editor.find(".rg-chip").inner_text() == "Zebra 1" and editor.find(".rg-unknown").count() == 0

    editor.page.keyboard.press("Control+z")
    assert editor.regions[0]["prompt"] == "a cat on a mat", "the text area's own undo"
    editor.act("undo")
    assert editor.regions[0]["prompt"] == written, "… which is a step that the panel takes back"
    editor.act("undo")
    assert editor.regions[0]["prompt"] == "a cat on a mat"


def test_keys_walk_among_tiles_and_a_picture_that_fails_shows_letters(picker):
    editor, host = picker
    dialog = open_picker(editor)
    dialog.locator("[data-network=broken] .rg-letters").wait_for()
    host.lists = {**LISTS, "loras": [f"n{at:02}" for at in range(20)]}
    dialog.locator("[data-action=picker-refresh]").click()
    dialog.locator("[data-network=n00]").wait_for()
    dialog.locator("[data-action=picker-search]").focus()
    columns = dialog.locator(".rg-tile").evaluate_all("all => all.filter((one) => one.offsetTop === all[0].offsetTop).length")
    at = []
    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"):
        editor.page.keyboard.press(key)
        at.append(editor.focus)
    assert at == ["n00", "n01", f"n{columns + 1:02}", f"n{columns:02}", "n00", "picker-search"] and columns > 2
    editor.page.keyboard.press("End")
    editor.page.keyboard.press("ArrowDown")
    editor.page.keyboard.press("Enter")
    assert editor.regions[0]["prompt"] == "a cat <lora:n00:1>"


def test_embeddings_are_picked_into_the_negative_prompt_and_completed(picker):
    editor, _ = picker
    dialog = open_picker(editor)
    dialog.locator("[data-kind=embeddings]").click()
    dialog.locator("[data-action=picker-negative]").check()
    dialog.locator("[data-network=easynegative]").click()
    assert editor.regions[0]["negative"] == "easynegative" and editor.field("regions[0].negative").is_visible()
    prompt = editor.field("regions[0].prompt")
    prompt.focus()
    editor.page.keyboard.press("End")
    editor.page.keyboard.type(", rin")
    names = editor.find(".rg-names:visible .rg-name")
    editor.soon(names.all_inner_texts, ["ring"])
    editor.page.keyboard.press("Enter")
    assert editor.regions[0]["prompt"] == "a cat, rin\n", "a name that was not marked is not written"
    editor.page.keyboard.press("Backspace")
    editor.page.keyboard.press("ArrowDown")
    editor.page.keyboard.press("Tab")
    assert editor.regions[0]["prompt"] == "a cat, ring" and names.count() == 0


def test_the_background_has_the_picker_and_the_completion_of_a_region(picker):
    editor, _ = picker
    main, negative = (editor.page.locator(f"#txt2img_{name} textarea") for name in ("prompt", "neg_prompt"))
    row = editor.find("[data-action=background-prompt]")
    row.fill("a hill")
    dialog = open_picker(editor, "background-lora")
    assert "whole picture" in dialog.get_attribute("aria-label") and "Background" in dialog.get_by_role("status").inner_text()
    dialog.locator("[data-kind=loras]").click()  # the tab that was open last opens again, with the names that it had
    dialog.locator("[data-action=picker-refresh]").click()
    dialog.get_by_text("200 of 252").wait_for()
    dialog.locator("[data-action=picker-search]").fill("zeb")
    editor.page.keyboard.press("Enter")
    assert row.input_value() == main.input_value() == "a hill <lora:Zebra:1>" and editor.regions[0]["prompt"] == "a cat"
    editor.soon(dialog.count, 0)
    editor.soon(editor.find(".rg-background .rg-chip").all_inner_texts, ["Zebra 1"])
    row.press("End")
    editor.page.keyboard.type(" <lora:none:1> <lora:str")
    editor.find(".rg-background .rg-unknown").wait_for()
    editor.page.keyboard.type("iped:0.5> <lora:style 007")
    editor.find(".rg-background .rg-name").first.wait_for()
    editor.page.keyboard.press("Enter")
    assert main.input_value().endswith("<lora:striped:0.5> <lora:style 007:1>")
    editor.soon(editor.find(".rg-background .rg-unknown").count, 1)

    open_picker(editor, "background-lora").locator("[data-kind=embeddings]").click()
    dialog.locator("[data-action=picker-negative]").check()
    dialog.locator("[data-network=easynegative]").click()
    assert negative.input_value() == "easynegative", "the page's own negative prompt"
    editor.load({**ONE, "base": {"prompt": "a hut", "negative": "fog"}})
    open_picker(editor, "background-lora").locator("[data-kind=embeddings]").click()
    dialog.locator("[data-action=picker-negative]").check()
    dialog.locator("[data-network=ring]").click()
    assert editor.settings["base"]["negative"] in ("fog ring", "ring fog") and negative.input_value() == "easynegative"
    open_picker(editor, "background-lora").locator("[data-network=broken]").click()
    assert "<lora:broken:1>" in editor.settings["base"]["prompt"] and "Zebra:1> <lora:none" in main.input_value()
    negative.fill("")


def test_what_is_not_there_is_said_and_asked_for_again_on_a_phone(picker):
    editor, host = picker
    editor.page.set_viewport_size({"width": 390, "height": 844})
    dialog = open_picker(editor)
    words = dialog.get_by_role("status")
    refresh = dialog.locator("[data-action=picker-refresh]")
    host.status = 500
    refresh.click()
    words.get_by_text("the disk is gone").wait_for()
    host.status, host.lists = 200, {"loras": [], "aliases": [], "embeddings": [], "pictures": {"loras": [], "embeddings": []}}
    refresh.click()
    words.get_by_text("The host lists no LoRAs").wait_for()
    host.lists = dict(LISTS)
    refresh.click()
    dialog.locator(".rg-tile").first.wait_for()
    dialog.locator("[data-action=picker-search]").fill("none such")
    assert 'No LoRA has "none such"' in words.inner_text() and dialog.locator(".rg-tile").count() == 0
    dialog.locator("[data-action=picker-search]").fill("style 00")
    sizes = dialog.locator("button, input[type=text]").evaluate_all(
        "all => all.map((node) => node.getBoundingClientRect()).map(({left, right, width, height}) => [left, right, width, height])"
    )
    assert len(sizes) == 17 and all(left >= 0 and right <= 390 and min(width, height) >= 40 for left, right, width, height in sizes)
    editor.page.set_viewport_size({"width": 1500, "height": 1300})
