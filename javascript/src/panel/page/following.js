// What the page outside of the panel does: size, main prompt, result, and whether the panel can be seen.

/** @import {Panel} from "../panel.js" */

import {shownPicture} from "../../host/gallery.js";
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
 * Update what follows the tab's size, main prompts and result, when one of them is another one.
 *
 * @param {Panel} panel
 */
export function followHost(panel) {
    const {stage} = panel;
    const result = OF_RESULT.includes(stage.background.kind) ? (shownPicture(panel.tab) || {src: undefined}).src : "";
    const now = JSON.stringify([panel.size(), panel.prompts(), panel.visible(), result]);
    if (now === panel.seen) return;
    panel.seen = now;
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
