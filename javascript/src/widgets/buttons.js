// Buttons with a text or an icon.

import {t} from "../host/language.js";
import {el} from "./elements.js";
import {icon} from "./icons.js";

/**
 * A button with a text.
 *
 * @param {string} label
 * @param {(event: MouseEvent) => unknown} onclick
 * @param {Record<string, unknown>} [attributes]
 */
export function button(label, onclick, attributes) {
    return el("button", {type: "button", class: "rg-button", localized: label, onclick, ...attributes});
}

/**
 * A button with an icon. `label` is its name; `key` a shortcut that its title mentions.
 *
 * @param {string} name Of the icon.
 * @param {string} label
 * @param {(event: MouseEvent) => unknown} onclick
 * @param {{key?: string, [attribute: string]: unknown}} [options]
 */
export function tool(name, label, onclick, {key, ...attributes} = {}) {
    const title = key ? t("{0} ({1})", t(label), key) : label;
    return el("button", {type: "button", class: "rg-button rg-tool", title, "aria-label": label, onclick, ...attributes}, icon(name));
}

/**
 * Change the icon and name of such a button.
 *
 * @param {HTMLElement} node
 * @param {string} name
 * @param {string} label
 */
export function dressTool(node, name, label) {
    if (node.dataset.icon === name && node.title === label) return;
    node.dataset.icon = name;
    node.title = label;
    node.setAttribute("aria-label", label);
    node.replaceChildren(icon(name));
}

/**
 * Give pressed buttons in `holder` the keyboard after the click, not before it: lines open and fold with the keyboard, and a button that moved
 * away from under the pointer would get no click.
 *
 * @param {HTMLElement} holder
 */
export function focusAfterClick(holder) {
    const buttonOf = (/** @type {Event} */ {target}) =>
        /** @type {HTMLElement | null} */ (/** @type {Element} */ (target).closest("button, summary"));
    /** @type {Element | null} */
    let before = null;
    holder.addEventListener("mousedown", (event) => {
        if (!buttonOf(event)) return;
        before = document.activeElement;
        event.preventDefault();
    });
    holder.addEventListener("click", (event) => {
        if (document.activeElement === before) buttonOf(event)?.focus({preventScroll: true});
    });
}
