// Dialogs over the page.

import {overPage} from "../host/page.js";
import {el} from "./elements.js";

/**
 * Open a dialog; Escape or a click beside it closes it. It keeps its keys from the page.
 *
 * @param {string} look Its class.
 * @param {string} label
 * @param {() => HTMLElement} back Gets the keyboard afterwards.
 * @param {HTMLElement[]} parts
 */
export function openDialog(look, label, back, parts) {
    const dialog = el("dialog", {class: `rg ${look}`, "aria-label": label}, parts);
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    dialog.addEventListener("close", () => {
        dialog.remove();
        back().focus({preventScroll: true});
    });
    overPage().append(dialog);
    dialog.showModal();
    return dialog;
}
