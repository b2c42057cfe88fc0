// The server's checks of the settings, the weight maps it draws, and the messages below the canvas.

/** @import {Answer, State} from "../types.js" */
/** @import {Panel} from "./panel.js" */

import {t, translateMessage} from "../host/language.js";
import {debounce, find} from "../host/page.js";
import {whenReleased} from "../host/pressed.js";
import {callApi} from "../host/server.js";
import {inNumbers, numberOf, numbersOf} from "../model/numbers.js";
import {generalWarnings, panelWords, regionWarnings} from "../model/words/messages.js";
import {summary, toJson} from "../model/state.js";
import {refreshBackground} from "../stage/layers/background.js";
import {el} from "../widgets/elements.js";

/** @typedef {{field?: string, message?: string, detail?: string}} Problem */

/** Checks a panel's settings after every change, and shows what they find. */
export class Checks {
    /** @param {Panel} panel */
    constructor(panel) {
        this.panel = panel;
        /** @type {Problem[]} */
        this.problems = [];
        /** @type {string[]} */
        this.warnings = [];
        /** @type {string | null} The last request that was answered. */
        this.seen = null;
        /** @type {Record<string, AbortController>} */
        this.requests = {};
        /** Changes that were to be checked, and how many of them the last check had seen. */
        this.changes = {asked: 0, checked: 0};
        this.draw = () => this.showNow();
        this.checkSoon = debounce(async () => {
            const {asked} = this.changes;
            await this.check();
            this.changes.checked = asked;
            if (panel.stage.background.kind === "map") refreshBackground(panel.stage);
        }, 300);
    }

    /** Check after a moment, once for all changes until then. */
    soon() {
        this.changes.asked += 1;
        this.checkSoon();
    }

    /** Check even what was checked last. */
    again() {
        this.seen = null;
        this.soon();
    }

    /**
     * A signal for a new request; the one before under the same name is given up.
     *
     * @param {string} name
     */
    signal(name) {
        if (this.requests[name]) this.requests[name].abort();
        this.requests[name] = new AbortController();
        return this.requests[name].signal;
    }

    async check() {
        const {panel} = this;
        if (!panel.visible()) return;
        const body = {settings: toJson(panel.store.get()), ...panel.prompts(), ...panel.size(), report: true};
        const request = JSON.stringify(body);
        if (request === this.seen) return;
        const {asked} = this.changes;
        try {
            const answer = await callApi("validate", {method: "POST", body, signal: this.signal("check")});
            if (asked !== this.changes.asked) return; // of settings that are no more; the next check is under way
            this.seen = request;
            this.take(answer);
        } catch (error) {
            if (error.name === "AbortError" || asked !== this.changes.asked) return;
            this.problems = [];
            this.warnings = [t("The settings could not be checked: the server does not answer.")];
        }
        this.show();
    }

    /** @param {Answer} answer */
    take({ok: isAnswered, status, data}) {
        const {panel} = this;
        const ok = isAnswered && data.ok !== false;
        this.problems = ok ? [] : problemsOf(status, data);
        this.warnings = ok ? data.warnings || [] : [];
        panel.cost = ok && data.cost ? translateMessage(data.cost.text) : "";
        panel.stage.bar.update();
        if (panel.onChecked) panel.onChecked(ok ? data : null);
    }

    /**
     * The weight maps on a grid, drawn by the server, as an image; null where settings with problems have none. Settings that are not
     * checked yet wait for that: it asks again.
     *
     * @param {number | null | undefined} scale Pixels per cell of the grid.
     * @param {(image: ImageBitmap | null) => void} take
     */
    async drawMap(scale, take) {
        const {panel} = this;
        if (!panel.visible() || this.changes.checked !== this.changes.asked) return;
        if (this.problems.length) return take(null);
        const state = panel.store.get();
        const body = {settings: toJson(state), ...panel.size(), scale, labels: false, numbers: numbersOf(state)};
        try {
            const {ok, data} = await callApi("preview", {method: "POST", body, signal: this.signal("map")});
            take(ok ? await createImageBitmap(data) : null);
        } catch (error) {
            if (error.name === "AbortError") return;
            take(null);
            panel.note("The weight map could not be drawn: the server does not answer.", true);
        }
    }

    /** Show problems, warnings, notes and hints, and mark the fields with problems: as soon as no press can be lost by it. */
    show() {
        whenReleased(this.draw);
    }

    showNow() {
        const {panel} = this;
        const state = panel.store.get();
        panel.mount.querySelectorAll("[aria-invalid]").forEach((node) => node.removeAttribute("aria-invalid"));
        panel.messages.replaceChildren(
            ...this.problems.map((problem) => problemRow(panel, problem)),
            ...generalWarnings(this.warnings, (index) => numberOf(state, index)).map((text) =>
                el("div", {class: "rg-message rg-warning", text: translateMessage(text)}),
            ),
            ...panel.notes.map(({text, isBad}) =>
                el("div", {class: `rg-message${isBad ? " rg-problem-text" : ""}`, role: isBad ? "alert" : null, text}),
            ),
            ...hints(state),
        );
        panel.list.warn(regionWarnings(this.warnings));
        showBadge(panel, state, this.problems);
    }
}

/**
 * @param {number} status
 * @param {any} data
 * @returns {Problem[]}
 */
function problemsOf(status, data) {
    return data.problems && data.problems.length ? data.problems : [{field: "", message: data.detail || `The checks answered ${status}.`}];
}

/** @param {State} state */
function hints(state) {
    const written = state.regions.some((region) => region.prompt);
    const hint = {class: "rg-message rg-warning", localized: "Regional is off: tick Enable to use these regions."};
    return !state.enabled && written ? [el("div", hint)] : [];
}

/**
 * Show in the accordion's title whether the panel is on and whether its settings have errors.
 *
 * @param {Panel} panel
 * @param {State} state
 * @param {Problem[]} problems
 */
function showBadge(panel, state, problems) {
    const label = find(`#regional_${panel.tab} .label-wrap span`);
    if (!label) return;
    let badge = label.querySelector(".rg-badge");
    if (!badge) label.append((badge = el("span", {class: "rg-badge"})));
    const wrong = state.enabled && problems.length > 0;
    const text = state.enabled ? translateMessage(summary(state) + (wrong ? ", with errors" : "")) : "";
    if (badge.textContent !== text) badge.textContent = text;
    badge.classList.toggle("rg-bad", wrong);
}

/**
 * @param {Panel} panel
 * @param {Problem} problem
 */
function problemRow(panel, problem) {
    const node = fieldNode(panel, problem.field || "");
    const said = panelWords(problem.message || problem.detail || String(problem));
    const text = translateMessage(problem.field?.startsWith("regions[") ? inNumbers(said, panel.store.get()) : said);
    if (!node) return el("div", {class: "rg-message rg-problem", text});
    node.setAttribute("aria-invalid", "true");
    return el("button", {type: "button", class: "rg-message rg-problem", text, title: "Go to the field", onclick: () => reveal(node)});
}

/**
 * The input of a JSON path, or of the nearest thing around it.
 *
 * @param {Panel} panel
 * @param {string} path
 * @returns {HTMLElement | null}
 */
function fieldNode(panel, path) {
    for (let name = path; name; name = name.slice(0, Math.max(0, name.lastIndexOf("."), name.lastIndexOf("[")))) {
        /** @type {HTMLElement | null} */
        const node = panel.mount.querySelector(`[data-field="${CSS.escape(name)}"], [data-field="${CSS.escape(name)}[0]"]`);
        if (node) return node;
    }
    return null;
}

/** @param {HTMLElement} node */
function reveal(node) {
    for (let details = node.closest("details"); details; details = details.parentElement && details.parentElement.closest("details")) {
        details.open = true;
    }
    node.focus();
    node.scrollIntoView({block: "nearest"});
}
