// What the page outside of the panel does: size, steps, main prompt, result, and whether the panel can be seen.

/** @import {Panel} from "../panel.js" */

import {shownPicture} from "../../host/gallery.js";
import {samplingSteps} from "../../host/tab.js";
import {OF_RESULT, refreshBackground} from "../../stage/layers/background.js";

/**
 * Update the panel when it comes into view.
 *
 * @param {Panel} panel
 */
export function followVisibility(panel) {
    if (typeof IntersectionObserver === "undefined") return;
    new IntersectionObserver((all) => all.some((one) => one.isIntersecting) && panel.hostChanged()).observe(panel.mount);
}

/**
 * Remember the last change too when the page is left at once.
 *
 * @param {Panel} panel
 */
export function followLeaving(panel) {
    window.addEventListener("pagehide", () => panel.parts.node.isConnected && panel.save());
}

/**
 * Update what follows the tab's size, steps, main prompts and result, when one of them is another one.
 *
 * @param {Panel} panel
 */
export function followHost(panel) {
    const {stage} = panel;
    const result = OF_RESULT.includes(stage.background.kind) ? (shownPicture(panel.tab) || {src: undefined}).src : "";
    const now = JSON.stringify([panel.size(), samplingSteps(panel.tab), panel.prompts(), panel.visible(), result]);
    if (now === panel.seen) return;
    panel.seen = now;
    panel.saveSoon();
    if (panel.ofPrompt !== null && panel.ofPrompt !== panel.prompts().prompt) {
        panel.ofPrompt = null;
        panel.note("");
    }
    stage.update();
    panel.list.update(panel.store.get());
    refreshBackground(stage);
    panel.overlay.update();
    panel.checks.soon();
}
