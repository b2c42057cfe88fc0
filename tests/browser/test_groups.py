"""Groups of regions: made, named, folded, switched off, alone, moved together, kept."""

from __future__ import annotations

import pytest

BOXES = [[0, 0, 0.3, 0.3], [0.35, 0, 0.65, 0.3], [0.7, 0, 1, 0.3], [0, 0.5, 1, 1]]
FOUR = {
    "version": 4, "enabled": True, "overlap": "over",
    "regions": [{"box": box, "prompt": name, "priority": at} for at, (box, name) in enumerate(zip(BOXES, "abcd", strict=True))],
}  # fmt: skip


def lines(editor) -> list[str]:
    """The list as it is seen: prompts of regions, names of groups."""
    return editor.page.evaluate(
        """() => [...document.querySelectorAll("#regional_txt2img_panel .rg-cards > *")].filter((node) => node.checkVisibility())
            .map((node) => node.querySelector("[data-action=group-name]")?.value || node.querySelector("textarea").value)"""
    )


def enabled(editor) -> str:
    return "".join(region["prompt"] for region in editor.regions if region.get("enabled", True))


def test_a_group_is_made_named_folded_muted_moved_and_undone(editor):
    editor.resize(512, 512)
    editor.load(FOUR)
    editor.click(0.15, 0.15)
    editor.page.keyboard.down("Shift")
    editor.click(0.85, 0.15)
    editor.page.keyboard.up("Shift")
    editor.keys("Control+g")
    editor.soon(lambda: editor.focus, "group-name")
    editor.page.keyboard.type("hats")
    editor.page.keyboard.press("Enter")
    assert {region["prompt"] for region in editor.regions if region.get("group") == "hats"} == {"a", "c"}
    assert lines(editor) == ["d", "hats", "c", "a", "b"], "layers of a group follow one another"

    before = {region["prompt"]: region["box"] for region in editor.regions}
    editor.find(".rg-group .rg-hint").click()  # chooses the regions of the group
    editor.keys("ArrowDown")
    moved = [region["prompt"] for region in editor.regions if region["box"] != before[region["prompt"]]]
    assert sorted(moved) == ["a", "c"], "they move together"
    editor.keys("Control+z")

    editor.act("group-mute")
    assert enabled(editor) == "bd"
    editor.act("group-mute")
    editor.act("group-solo")
    assert sorted(enabled(editor)) == ["a", "c"]
    editor.act("group-solo")
    assert sorted(enabled(editor)) == list("abcd")

    editor.act("group-fold")
    assert lines(editor) == ["d", "hats", "b"]
    editor.click(0.15, 0.15)
    assert lines(editor) == ["d", "hats", "c", "a", "b"], "a region that is chosen on the canvas is shown"

    editor.act("group-more")
    editor.page.locator(".rg-menu [data-entry=front]").click()
    assert lines(editor) == ["hats", "c", "a", "d", "b"]
    editor.keys("Control+Shift+g")
    assert lines(editor) == ["c", "a", "d", "b"] and not any("group" in region for region in editor.regions)
    for _ in range(4):
        editor.keys("Control+z")
    assert lines(editor)[1] == "hats"


def test_a_muted_group_comes_back_as_it_was_after_a_reload(editor):
    regions = [{**region, "group": "g" * (region["prompt"] in "abc"), "enabled": region["prompt"] != "b"} for region in FOUR["regions"]]
    editor.load({**FOUR, "regions": regions})
    editor.act("group-mute")
    editor.find("button[aria-label='Lock region 4']").click()
    assert enabled(editor) == "d"
    editor.page.reload()
    editor.unfold()
    assert enabled(editor) == "d" and editor.find("button[aria-label='Unlock region 4']").count() == 1
    editor.act("group-mute")
    assert enabled(editor) == "acd", "b was off before its group was"


def test_cards_are_dropped_into_groups_and_groups_among_cards(editor):
    editor.load({**FOUR, "regions": [{**region, "group": "g" * (region["prompt"] in "bc")} for region in FOUR["regions"]]})
    drop = """([from, to]) => {
        const all = [...document.querySelectorAll("#regional_txt2img_panel .rg-cards > *")], data = new DataTransfer();
        const send = (node, name) => node.dispatchEvent(new DragEvent(name, {bubbles: true, cancelable: true, dataTransfer: data}));
        send(all[from], "dragstart"); send(all[to], "dragover"); send(all[to], "drop");
    }"""
    assert lines(editor) == ["d", "g", "c", "b", "a"]
    editor.page.evaluate(drop, [4, 3])
    assert lines(editor) == ["d", "g", "c", "a", "b"] and sum(region.get("group") == "g" for region in editor.regions) == 3
    editor.page.evaluate(drop, [1, 0])
    assert lines(editor) == ["g", "c", "a", "b", "d"]
    editor.page.evaluate(drop, [4, 0])
    assert sum(region.get("group") == "g" for region in editor.regions) == 4


@pytest.mark.parametrize("cards", [4, 9], ids=["open cards", "a list of lines"])
def test_a_group_is_typed_into_a_card_and_found(editor, cards):
    editor.load({**FOUR, "regions": [{"box": BOXES[0], "prompt": f"thing {at}"} for at in range(cards)]})
    card = editor.find(".rg-region[data-field='regions[1]']")
    card.locator(".rg-swatch").click()
    card.locator("summary").first.click()
    field = editor.field("regions[1].group")
    field.fill("things")
    assert "group" not in editor.regions[1], "half a name is no group"
    field.press("Tab")
    assert editor.regions[1]["group"] == "things"
    if cards > 8:
        editor.find("[data-action=search]").fill("things")
        assert lines(editor) == ["things", "thing 1"]
