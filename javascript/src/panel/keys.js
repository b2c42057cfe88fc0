// Keys of the whole panel: undo and redo outside of texts, from prompt to prompt, and back to Select from the prompt of a new shape.

/** @import {Panel} from "./panel.js" */

import {isTyping} from "../host/page.js";
import {listOrder} from "../model/list/order.js";

/**
 * Take the panel's keys. Those of the canvas come first: it keeps them to itself.
 *
 * @param {Panel} panel
 * @param {HTMLElement} node
 */
export function attachPanelKeys(panel, node) {
    node.addEventListener("keydown", (event) => {
        const target = /** @type {HTMLElement} */ (event.target);
        const taken = isTyping(target) ? inText(panel, event, target) : withCtrl(panel, event);
        if (!taken) return;
        event.preventDefault();
        event.stopPropagation();
    });
}

/**
 * @param {Panel} panel
 * @param {KeyboardEvent} event
 */
function withCtrl(panel, event) {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key)) return false;
    if (key === "y" || event.shiftKey) panel.redo();
    else panel.undo();
    return true;
}

/**
 * @param {Panel} panel
 * @param {KeyboardEvent} event
 * @param {HTMLElement} target
 */
function inText(panel, event, target) {
    if (event.key === "Escape" && panel.stage.tool !== "select") {
        panel.stage.setTool("select");
        panel.stage.canvas.focus({preventScroll: true});
        return true;
    }
    const step = event.key === "PageDown" ? 1 : event.key === "PageUp" ? -1 : 0;
    if (!step || target.tagName !== "TEXTAREA") return false;
    const order = listOrder(panel.store.get());
    const at = order.findIndex((index) => target.dataset.field === `regions[${index}].prompt`);
    if (at < 0 && target.dataset.action !== "background-prompt") return false;
    if (at + step < 0) panel.list.background.focus();
    else if (order.length) panel.focusPrompt(order[Math.min(at + step, order.length - 1)]);
    return true;
}
