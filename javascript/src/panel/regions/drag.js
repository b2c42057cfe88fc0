// Dragging cards to another position of the list.

/** @import {Panel} from "../panel.js" */

import {listOrder, reorder} from "../../model/selection.js";

const KIND = "application/x-regional";

/** Index of the region that is dragged, by its panel: a browser shows what is dragged at the drop alone. @type {WeakMap<Panel, number>} */
const dragged = new WeakMap();

/**
 * Let a card be dragged by its grip and dropped on others.
 *
 * @param {Panel} panel
 * @param {HTMLElement} node
 * @param {HTMLElement} grip
 * @param {() => number} index
 */
export function attachDrag(panel, node, grip, index) {
    grip.addEventListener("pointerdown", () => (node.draggable = true));
    grip.addEventListener("pointerup", () => (node.draggable = false));
    node.addEventListener("dragend", () => (node.draggable = false));
    node.addEventListener("dragstart", ({dataTransfer}) => {
        if (!dataTransfer) return;
        dataTransfer.setData(KIND, String(index()));
        dragged.set(panel, index());
        dataTransfer.effectAllowed = "move";
    });
    node.addEventListener("dragover", (event) => {
        if (!event.dataTransfer?.types.includes(KIND)) return;
        event.preventDefault();
        node.classList.add(isAbove(panel, index()) ? "rg-drop" : "rg-drop-below");
    });
    node.addEventListener("dragleave", () => node.classList.remove("rg-drop", "rg-drop-below"));
    node.addEventListener("drop", (event) => {
        node.classList.remove("rg-drop", "rg-drop-below");
        const from = event.dataTransfer?.getData(KIND);
        if (!from) return;
        event.preventDefault();
        panel.edit((state) => reorder(state, Number(from), index()));
    });
}

/**
 * Whether what is dragged comes above the card of region `index` when it is dropped there.
 *
 * @param {Panel} panel
 * @param {number} index
 */
function isAbove(panel, index) {
    const order = listOrder(panel.store.get());
    return order.indexOf(dragged.get(panel) ?? index) >= order.indexOf(index);
}
