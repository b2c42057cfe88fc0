// The drawers below the panel: presets, import, masks, edit. One is open at a time; none is built before it is opened.

/** @import {Panel} from "./panel.js" */

import {createEdit} from "../drawers/edit.js";
import {createImport} from "../drawers/import.js";
import {createMaskFiles} from "../drawers/mask_files.js";
import {createPresets} from "../drawers/presets.js";
import {callMenu} from "./page/call_menu.js";
import {button} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";

/** @typedef {{node: HTMLElement, opened?: () => unknown}} Drawer */

/** @type {{name: string, label: string, create: (panel: Panel) => Drawer}[]} */
const DRAWERS = [
    {name: "presets", label: "Layouts and presets", create: createPresets},
    {name: "import", label: "Import", create: createImport},
    {name: "masks", label: "Masks", create: createMaskFiles},
    {name: "edit", label: "Edit", create: createEdit},
];

/**
 * The row of the drawers' buttons, and the open drawer.
 *
 * @param {Panel} panel
 */
export function createSections(panel) {
    const holder = el("div", {class: "rg-drawer"});
    /** @type {Map<number, Drawer>} */
    const made = new Map();
    let open = -1;
    const tabs = DRAWERS.map(({name, label}, index) =>
        button(label, () => toggle(index), {"aria-expanded": "false", "data-action": `drawer-${name}`}),
    );
    const reset = button("Reset", () => panel.reset(), {
        class: "rg-button rg-last",
        "data-action": "reset",
        title: "Empty the panel; Undo brings it back",
    });

    /** @param {number} index */
    function toggle(index) {
        open = open === index ? -1 : index;
        tabs.forEach((tab, i) => {
            tab.setAttribute("aria-expanded", String(i === open));
            tab.classList.toggle("rg-on", i === open);
        });
        if (open < 0) return holder.replaceChildren();
        const drawer = made.get(open) || DRAWERS[open].create(panel);
        made.set(open, drawer);
        holder.replaceChildren(drawer.node);
        return drawer.opened?.();
    }

    return el(
        "div",
        {class: "rg-sections"},
        el("div", {class: "rg-row"}, tabs, panel.tab === "txt2img" ? callMenu(panel) : null, reset),
        holder,
    );
}
