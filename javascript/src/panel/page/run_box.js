// Generate at the canvas: the host's own button, its progress and its live preview where one draws.

/** @import {Panel} from "../panel.js" */

import {find} from "../../host/page.js";
import {t} from "../../host/language.js";
import {button} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";

const EVERY = 300;

/** @param {Element | null} node */
const isSeen = (node) => Boolean(node && node.getClientRects().length);

/**
 * The button and what it says of a generation that runs. While one does, the button interrupts, and the canvas shows the live preview.
 *
 * @param {Panel} panel
 */
export function createRunBox(panel) {
    const host = (/** @type {string} */ name) => find(`#${panel.tab}_${name}`);
    let isRunning = false;
    const press = () => (isRunning ? host("interrupt") : host("generate"))?.click();
    const run = button("Generate", press, {class: "rg-button rg-primary rg-run", "data-action": "run", title: "Ctrl+Enter"});
    const words = el("span", {class: "rg-hint rg-progress", role: "status"});
    const node = el("div", {class: "rg-row rg-run-box"}, run, words);

    function follow() {
        if (!node.isConnected || !panel.visible()) return;
        const now = isSeen(host("interrupt"));
        if (now !== isRunning) {
            isRunning = now;
            run.textContent = t(now ? "Interrupt" : "Generate");
            run.classList.toggle("rg-stop", now);
            if (!now) setTimeout(() => panel.hostChanged(), 100);
        }
        const bar = now ? find(`#${panel.tab}_gallery_container .progressDiv, #${panel.tab}_results .progressDiv`) : null;
        const text = bar ? bar.textContent.trim() : "";
        if (words.textContent !== text) words.textContent = text;
        showLive(now);
    }

    /** @param {boolean} now */
    function showLive(now) {
        const all = now ? find(`#${panel.tab}_gallery_container`)?.querySelectorAll(".livePreview img") || [] : [];
        const live = all.length ? all[all.length - 1] : null;
        if (live === null && panel.stage.live === null) return;
        panel.stage.live = live && live.naturalWidth ? live : null;
        panel.stage.redraw();
    }

    setInterval(follow, EVERY);
    return {node};
}
