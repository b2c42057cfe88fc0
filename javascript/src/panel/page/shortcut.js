// Alt+R: from anywhere on the page into the first region's prompt.

import {find} from "../../host/page.js";
import {panels} from "../registry.js";

const OPENING = 400;

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
        if (panel.visible()) return void panel.focusPrompt(0);
        find(`#regional_${tab} .label-wrap`).click();
        setTimeout(() => panel.focusPrompt(0), OPENING);
    });
}
