// Dragging cards to another position of the list.

/** @import {Panel} from "../panel.js" */

import {coverByOrder, reorder} from "../../model/selection.js";

const KIND = "application/x-regional";

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
        dataTransfer.effectAllowed = "move";
    });
    node.addEventListener("dragover", (event) => {
        if (!event.dataTransfer?.types.includes(KIND)) return;
        event.preventDefault();
        node.classList.add("rg-drop");
    });
    node.addEventListener("dragleave", () => node.classList.remove("rg-drop"));
    node.addEventListener("drop", (event) => {
        node.classList.remove("rg-drop");
        const from = event.dataTransfer?.getData(KIND);
        if (!from) return;
        event.preventDefault();
        panel.edit((state) => coverByOrder(reorder(state, Number(from), index())));
    });
}
