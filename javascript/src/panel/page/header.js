// "Enable" in the header of the panel's accordion, where the host has it for its own parts: seen and reached while the panel is closed.

/** @import {Field} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {find} from "../../host/page.js";
import {checkField} from "../../widgets/fields.js";

/**
 * The field; it stands beside the header, whose button must hold no other control. A page without an accordion has it in the bar.
 *
 * @param {Panel} panel
 * @returns {Field & {isInHeader: boolean}}
 */
export function enableField(panel) {
    const field = checkField(panel, "enabled", "Enable", {class: "rg-check rg-enable"});
    const header = find(`#regional_${panel.tab} > .label-wrap`);
    if (!header) return {...field, isInHeader: false};
    header.parentElement.querySelectorAll(":scope > .rg").forEach((/** @type {Element} */ old) => old.remove());
    field.node.classList.add("rg", "rg-header-enable");
    header.before(field.node);
    field.input.addEventListener("change", () => {
        const isEmpty = !panel.store.get().regions.some((region) => region.prompt);
        if (field.input.checked && isEmpty && !panel.visible()) header.click();
    });
    return {...field, isInHeader: true};
}
