// The menu of the chosen regions: a right click on the canvas, a long press, or the dots of a card open it.

/** @import {Panel} from "../panel/panel.js" */

import {shownPicture} from "../host/gallery.js";
import {accordion, overPage} from "../host/page.js";
import {menuEntries} from "../model/menu.js";
import {clamp} from "../model/values.js";
import {el} from "../widgets/elements.js";

const ARROWS = {ArrowDown: 1, ArrowUp: -1};

/** Closes the menu that is open. @type {(() => void) | null} */
let close = null;

/**
 * Open the menu of the panel's chosen regions at a point of the window.
 *
 * @param {Panel} panel
 * @param {{x: number, y: number}} at
 * @param {HTMLElement} back Gets the keyboard when the menu is closed.
 */
export function openMenu(panel, {x, y}, back) {
    close?.();
    const groups = menuEntries(panel.store.get(), panel.selected, Boolean(shownPicture(panel.tab)));
    const shut = () => {
        close = null;
        node.remove();
        document.removeEventListener("pointerdown", outside, true);
    };
    /** @param {string} name */
    const choose = (name) => {
        shut();
        back.focus({preventScroll: true});
        panel.act(name);
    };
    const node = el(
        "div",
        {class: "rg rg-menu", role: "menu", "aria-label": "Regions", onkeydown: (/** @type {KeyboardEvent} */ event) => keys(event)},
        groups.map((group) =>
            el(
                "div",
                {class: "rg-menu-group", role: "group"},
                group.map((entry) => item(entry, choose)),
            ),
        ),
    );
    /** @param {KeyboardEvent} event */
    const keys = (event) => {
        if (!walk(node, event.key) && event.key !== "Escape" && event.key !== "Tab") return;
        event.preventDefault();
        event.stopPropagation();
        if (event.key !== "Escape" && event.key !== "Tab") return;
        shut();
        back.focus({preventScroll: true});
    };
    /** @param {Event} event */
    const outside = (event) => node.contains(/** @type {Node} */ (event.target)) || shut();
    (document.fullscreenElement || accordion(panel.tab) || overPage()).append(node); // within the landmark
    const {width, height} = node.getBoundingClientRect();
    node.style.left = `${clamp(x, 4, Math.max(4, window.innerWidth - width - 4))}px`;
    node.style.top = `${clamp(y, 4, Math.max(4, window.innerHeight - height - 4))}px`;
    document.addEventListener("pointerdown", outside, true);
    close = shut;
    node.querySelector("button")?.focus({preventScroll: true});
}

/**
 * @param {import("../model/menu.js").Entry} entry
 * @param {(name: string) => void} choose
 */
function item({name, label, key}, choose) {
    return el(
        "button",
        {type: "button", class: "rg-menu-item", role: "menuitem", tabindex: "-1", "data-entry": name, onclick: () => choose(name)},
        el("span", {localized: label}),
        key ? el("kbd", {text: key}) : null,
    );
}

/**
 * Move the keyboard among the entries of a menu.
 *
 * @param {HTMLElement} node
 * @param {string} key
 * @returns {boolean} Whether the key means something here.
 */
function walk(node, key) {
    const items = [...node.querySelectorAll("button")];
    const at = items.findIndex((each) => each === document.activeElement);
    const by = ARROWS[/** @type {keyof typeof ARROWS} */ (key)];
    const to = by ? (at + by + items.length) % items.length : key === "Home" ? 0 : key === "End" ? items.length - 1 : -1;
    if (to < 0) return false;
    items[to].focus({preventScroll: true});
    return true;
}
