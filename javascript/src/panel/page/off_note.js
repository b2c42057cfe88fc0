// The note beside Generate while a panel with texts is off: the picture would be made without its regions.

/** @import {State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {find} from "../../host/page.js";
import {setField} from "../../model/fields.js";
import {button} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";

/**
 * A note that stands at the end of what holds the tab's Generate button, while it is needed.
 *
 * @param {Panel} panel
 */
export function createOffNote(panel) {
    const on = button("Switch on", () => panel.edit((state) => setField(state, "enabled", true)), {"data-action": "switch-on"});
    const node = el("div", {class: "rg-off-note", role: "status"}, el("span", {localized: "Regional is off."}), on);
    return {
        /** @param {State} state */
        update(state) {
            const needed = !state.enabled && state.regions.some((region) => region.prompt);
            const place = needed ? find(`#${panel.tab}_actions_column`) || find(`#${panel.tab}_generate_box`) : null;
            if (!place) node.remove();
            else if (node.parentElement !== place) place.append(node);
        },
    };
}
