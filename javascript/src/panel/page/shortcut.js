// Alt+R: from anywhere on the page into the first region's prompt.

/** @import {Panel} from "../panel.js" */

import {find} from "../../host/page.js";
import {panels} from "../registry.js";

/** Milliseconds in which an accordion has to open. */
const OPENING = 3000;

/** @param {Element | null} node */
const isSeen = (node) => Boolean(node && node.getClientRects().length);

/** Listen for the key; the accordion is unfolded where it is closed. */
export function attachShortcut() {
    document.addEventListener("keydown", (event) => {
        if (!event.altKey || event.ctrlKey || event.metaKey || event.code !== "KeyR") return;
        const tab = Object.keys(panels).find((name) => isSeen(find(`#regional_${name} .label-wrap`)) || panels[name].visible());
        if (!tab) return;
        event.preventDefault();
        const panel = panels[tab];
        if (!panel.visible()) find(`#regional_${tab} .label-wrap`).click();
        focusSoon(panel, performance.now() + OPENING);
    });
}

/**
 * Put the keyboard into the first region's prompt as soon as the panel is seen.
 *
 * @param {Panel} panel
 * @param {number} end When to give up.
 */
function focusSoon(panel, end) {
    if (panel.visible()) panel.focusPrompt(0);
    else if (performance.now() < end) requestAnimationFrame(() => focusSoon(panel, end));
}
