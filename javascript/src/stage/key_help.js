// The keys of the canvas, as a table over the page.

import {button} from "../widgets/buttons.js";
import {openDialog} from "../widgets/dialog.js";
import {el} from "../widgets/elements.js";

/** Groups of [keys, what they do]. */
const KEYS = [
    {
        title: "Tools",
        rows: [
            ["V R E P", "select, box, ellipse, polygon"],
            ["B X G", "brush, eraser, fill"],
            ["[ ]", "size of the brush"],
            ["Alt", "no snapping while it is held"],
        ],
    },
    {
        title: "Regions",
        rows: [
            ["Arrows", "move by 8 pixels, with Ctrl by 1; with Shift they resize"],
            ["N, Delete, Ctrl+D", "new box, remove, duplicate"],
            ["H, J", "mirror left and right, top and bottom"],
            ["PageUp, PageDown", "next region, with Shift that one as well"],
            ["Enter", "into the region's prompt"],
            ["Ctrl+A, Esc", "choose all, let go"],
            ["Ctrl+G, Ctrl+Shift+G", "a group of the chosen ones, out of it"],
            ["Shift+F10", "menu of the chosen regions"],
        ],
    },
    {
        title: "Work",
        rows: [
            ["Ctrl+Z, Ctrl+Y", "undo, redo"],
            ["Ctrl+C, X, V", "regions as JSON"],
            ["+ − 0", "zoom in, out, show all"],
            ["Space and drag", "pan; with nothing chosen the arrows do"],
            ["F", "full screen"],
        ],
    },
    {
        title: "Drawing by keys",
        rows: [
            ["Arrows", "move a crosshair"],
            ["Space", "presses and lets go"],
            ["Enter", "closes a polygon"],
        ],
    },
];

/**
 * Show the table; Escape, a click beside it, or its button closes it.
 *
 * @param {HTMLElement} back Gets the keyboard afterwards.
 */
export function showKeys(back) {
    const groups = KEYS.map(({title, rows}) =>
        el(
            "section",
            {},
            el("strong", {localized: title}),
            el("dl", {}, rows.map(([keys, words]) => [el("dt", {}, el("kbd", {localized: keys})), el("dd", {localized: words})]).flat()),
        ),
    );
    const dialog = openDialog("rg-keys", "Keys of the canvas", () => back, [el("div", {class: "rg-keys-groups"}, groups)]);
    dialog.append(button("Close", () => dialog.close(), {"data-action": "keys-close"}));
}
