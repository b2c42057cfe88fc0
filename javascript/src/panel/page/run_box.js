// Generate at the canvas: the host's own button, its progress and its live preview where one draws, and the last pictures.

/** @import {Panel} from "../panel.js" */

import {find} from "../../host/page.js";
import {t} from "../../host/language.js";
import {setBackground} from "../../stage/layers/background.js";
import {button} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";
import {Strip} from "./strip.js";

const EVERY = 300;

/** @param {Element | null} node */
const isSeen = (node) => Boolean(node && node.getClientRects().length);

/** The button and what it says of a generation that runs. While one does, the button interrupts, and the canvas shows the live preview. */
export class RunBox {
    /** @param {Panel} panel */
    constructor(panel) {
        this.panel = panel;
        this.isRunning = false;
        /** Whether the last generation was interrupted. */
        this.isCut = false;
        this.strip = new Strip(panel);
        const press = () => this.host(this.isRunning ? "interrupt" : "generate")?.click();
        this.run = button("Generate", press, {class: "rg-button rg-primary rg-run", "data-action": "run", title: "Ctrl+Enter"});
        this.words = el("span", {class: "rg-hint rg-progress", role: "status"});
        this.node = el("div", {}, el("div", {class: "rg-row rg-run-box"}, this.run, this.words), this.strip.node);
        document.addEventListener("click", ({target}) => this.seeInterrupt(target), true);
        setInterval(() => this.follow(), EVERY);
    }

    /** @param {string} name */
    host(name) {
        return find(`#${this.panel.tab}_${name}`);
    }

    /** @param {EventTarget | null} target */
    seeInterrupt(target) {
        const pressed = this.isRunning && this.host("interrupt");
        if (pressed && target instanceof Node && pressed.contains(target)) this.isCut = true;
    }

    follow() {
        const {panel, words} = this;
        if (!this.node.isConnected || !panel.visible()) return;
        const now = isSeen(this.host("interrupt"));
        if (now !== this.isRunning) this.turn(now);
        const bar = now ? find(`#${panel.tab}_gallery_container .progressDiv, #${panel.tab}_results .progressDiv`) : null;
        const text = bar ? bar.textContent.trim() : "";
        if (words.textContent !== text) words.textContent = text;
        this.showLive(now);
        if (!now) this.strip.follow(this.isCut);
    }

    /**
     * A generation has begun, or ended.
     *
     * @param {boolean} now
     */
    turn(now) {
        const {panel, run} = this;
        this.isRunning = now;
        run.textContent = t(now ? "Interrupt" : "Generate");
        run.classList.toggle("rg-stop", now);
        if (now) {
            this.isCut = false;
            if (panel.stage.background.kind === "picture") setBackground(panel.stage, "result");
            return;
        }
        setTimeout(() => panel.hostChanged(), 100);
        if (this.isCut) panel.note("Interrupted: this picture is not finished.");
    }

    /** @param {boolean} now */
    showLive(now) {
        const {stage, tab} = this.panel;
        const all = now ? find(`#${tab}_gallery_container`)?.querySelectorAll(".livePreview img") || [] : [];
        const live = all.length ? all[all.length - 1] : null;
        if (live === null && stage.live === null) return;
        stage.live = live && live.naturalWidth ? live : null;
        stage.redraw();
    }
}
