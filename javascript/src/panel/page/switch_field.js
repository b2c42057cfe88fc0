// Whether work in the panel switches it on: a choice of the person, which the browser keeps.

/** @import {Panel} from "../panel.js" */

import {el} from "../../widgets/elements.js";
import {setSwitchesOn} from "../storage.js";

const HELP = "Typing into a region, drawing, or choosing a layout ticks Enable; Undo, or unticking it, switches it off";

/** @param {Panel} panel */
export function switchField(panel) {
    const input = el("input", {
        type: "checkbox",
        checked: panel.switches,
        "data-action": "switches-on",
        onchange: () => {
            panel.switches = input.checked;
            setSwitchesOn(panel.switches);
        },
    });
    return el("label", {class: "rg-check", title: HELP}, input, el("span", {localized: "Editing switches it on"}));
}
