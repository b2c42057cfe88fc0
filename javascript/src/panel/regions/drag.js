// Dragging cards, and groups of them, to another position of the list.

/** @import {State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {listOrder, placeGroup, reorder} from "../../model/list/order.js";

/** What is dragged: the region at `index`, or the group of that name, whose first region that is. @typedef {{index: number, group: string}} Dragged */
/** @typedef {{what: () => string, dropped: (state: State, from: Dragged) => State}} Kind */

const KIND = "application/x-regional";
const GROUP = "group:";

/** Index of the region that is dragged, by its panel: a browser shows what is dragged at the drop alone. @type {WeakMap<Panel, number>} */
const dragged = new WeakMap();

/**
 * A group as what is dragged.
 *
 * @param {string} name
 */
export const draggedGroup = (name) => `${GROUP}${name}`;

/**
 * @param {string} text
 * @returns {Dragged}
 */
const read = (text) => (text.startsWith(GROUP) ? {index: -1, group: text.slice(GROUP.length)} : {index: Number(text), group: ""});

/**
 * What a card does: it is a region, and what is dropped on it takes its place.
 *
 * @param {() => number} index
 * @returns {Kind}
 */
const ofCard = (index) => ({
    what: () => String(index()),
    dropped: (state, {index: from, group}) => (group ? placeGroup(state, group, index()) : reorder(state, from, index())),
});

/**
 * Let a line of the list be dragged by its grip and dropped on others.
 *
 * @param {Panel} panel
 * @param {HTMLElement} node
 * @param {HTMLElement} grip
 * @param {() => number} index Of its region, the first one of a group.
 * @param {Kind} [kind]
 */
export function attachDrag(panel, node, grip, index, kind = ofCard(index)) {
    grip.addEventListener("pointerdown", () => (node.draggable = true));
    grip.addEventListener("pointerup", () => (node.draggable = false));
    node.addEventListener("dragend", () => (node.draggable = false));
    node.addEventListener("dragstart", ({dataTransfer}) => {
        if (!dataTransfer) return;
        dataTransfer.setData(KIND, kind.what());
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
        panel.edit((state) => kind.dropped(state, read(from)));
    });
}

/**
 * Whether what is dragged comes above the line of region `index` when it is dropped there.
 *
 * @param {Panel} panel
 * @param {number} index
 */
function isAbove(panel, index) {
    const order = listOrder(panel.store.get());
    return order.indexOf(dragged.get(panel) ?? index) >= order.indexOf(index);
}
