// The drawer "Edit": keep the picture and its layout as the source, change regions, see what counts as changed and what came of it.

/** @import {Field, Schema, State} from "../types.js" */
/** @import {Panel} from "../panel/panel.js" */

import {t, translateMessage} from "../host/language.js";
import {debounce, isTyping} from "../host/page.js";
import {shownInfotext} from "../host/tab.js";
import {getField} from "../model/fields.js";
import {
    backToSource,
    clearPairs,
    EDIT_OPTIONS,
    foundKeywords,
    isEditing,
    lockSource,
    optionsOf,
    releaseSource,
    sourceOf,
} from "../model/shown/source.js";
import {methodOptions} from "../model/state.js";
import {button} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";
import {schemaField} from "../widgets/schema_fields.js";
import {changeRow, shorten} from "./edit_rows.js";
import {lockShown} from "./edit_lock.js";
import {createEditViews} from "./edit_views.js";

/** @import {Pair} from "./edit_rows.js" */

/** Options in sight, in words; the others stand under "Advanced" with the papers' names. */
const IN_SIGHT = ["lock", "lock_picture", "tau", "halo", "total"];

/** Labels of the options. @type {Record<string, string>} */
const NAMES = {
    control: "Attention control",
    tau: "Follow the old shapes (share of the steps)",
    tau_own: "τ of re-worded regions",
    self_until: "Self-attention until",
    total: "Look at the whole picture too",
    t_total: "T_total",
    halo: "Reach beyond the region (cells)",
    lambda_rs: "λ region-specific",
    lambda_is: "λ inter-image",
    lambda_ip: "λ inherent",
    guided: "Guided steps",
    guidance: "Guidance model",
    guidance_path: "Its folder",
    gradient: "Picture's gradient",
    keyword_count: "N keywords",
    keyword_choice: "Choose keywords",
    kssa_gain: "Keywords in self-attention",
    inversion: "Invert the picture (img2img)",
    null_text: "Null-text steps",
    lock: "Keep the rest",
    lock_picture: "… to the pixel",
    lock_control: "Attention control beside the lock",
};
const NO_SOURCE = "No source yet. Make a picture, lock it here, then add, remove or re-word regions: the rest stays.";

/**
 * The drawer "Edit".
 *
 * @param {Panel} panel
 */
export function createEdit(panel) {
    return new EditDrawer(panel);
}

class EditDrawer {
    /** @param {Panel} panel */
    constructor(panel) {
        this.panel = panel;
        this.views = createEditViews(panel);
        this.head = el("div", {class: "rg-row"});
        this.list = el("div", {class: "rg-edit-list", "data-field": "options.edit"});
        this.options = el("div", {class: "rg-row rg-edit-options"});
        this.advanced = el("div", {class: "rg-row rg-edit-options"});
        this.more = el("details", {class: "rg-more"}, el("summary", {localized: "Advanced"}), this.advanced);
        this.node = el("div", {class: "rg-edit"}, this.head, this.list, this.views.node, this.options, this.more);
        /** @type {Field[]} */
        this.fields = [];
        /** @type {string | null} The method whose options are shown. */
        this.method = null;
        /** @type {Pair[] | null} What the server found as changed. */
        this.changes = null;
        /** @type {string | null} What the list was drawn from, as JSON. */
        this.drawn = null;
        /** @type {boolean | null} Whether the buttons are those of a layout with a source. */
        this.hasSource = null;
        const soon = debounce(() => this.update(), 60);
        panel.store.subscribe(soon);
        panel.onChecked = (checked) => {
            this.changes = (checked && checked.edit) || null;
            soon();
        };
        setInterval(() => this.node.isConnected && panel.visible() && this.update(), 700);
    }

    opened() {
        this.panel.checks.again();
        this.update();
    }

    update() {
        const state = this.panel.store.get();
        this.drawHead(state);
        this.drawList(state);
        this.drawOptions(state);
        this.views.update();
    }

    /** Make the shown picture's layout the source; in img2img the panel's layout, for the picture that was given. */
    async lock() {
        const {panel} = this;
        if (panel.tab !== "img2img") return lockShown(panel, () => this.views.hold());
        if (!this.views.hold()) return panel.note("There is no picture to edit: give img2img one first.", true);
        panel.edit((state) => lockSource(state));
        return panel.note("This layout is that of the given picture now. Change regions and press Generate.");
    }

    release() {
        this.views.release();
        this.panel.edit(releaseSource);
    }

    /** @param {State} state */
    drawHead(state) {
        const {panel} = this;
        const has = Boolean(sourceOf(state));
        if (has === this.hasSource) return;
        this.hasSource = has;
        const label = has ? "Take this picture and layout as the source" : "Lock this picture and layout as the source";
        const lock = button(label, () => this.lock(), {"data-action": "edit-lock"});
        const back = button("Back to the source layout", () => panel.edit(backToSource), {"data-action": "edit-back"});
        const release = button("Release", () => this.release(), {"data-action": "edit-release"});
        this.head.replaceChildren(lock, ...(has ? [back, release] : []));
    }

    /** @param {State} state */
    drawList(state) {
        const {panel, list} = this;
        const source = sourceOf(state);
        const key = JSON.stringify([source, this.changes, state.regions, optionsOf(state), shownInfotext(panel.tab)]);
        const isBusy = list.contains(document.activeElement) && isTyping(document.activeElement);
        if (key === this.drawn || isBusy) return;
        this.drawn = key;
        list.replaceChildren(...(source ? this.rows(state, source) : [el("div", {class: "rg-message", localized: NO_SOURCE})]));
    }

    /**
     * @param {State} state
     * @param {Record<string, any>} source
     */
    rows(state, source) {
        const {panel, changes} = this;
        const found = foundKeywords(shownInfotext(panel.tab));
        const names = sourceNames(source);
        const explicit = optionsOf(state).pairs || [];
        const known = (changes || []).filter((pair) => pair.target === null || pair.target < state.regions.length);
        const count = known.filter((pair) => pair.kind !== "inherent").length;
        const counted = count ? `${count} change${count === 1 ? "" : "s"}` : "Nothing is changed yet";
        const text = translateMessage(changes ? counted : "Looking at what changed …");
        const again = explicit.length ? button("Find again", () => panel.edit(clearPairs), {"data-action": "edit-find"}) : null;
        const head = el("div", {class: "rg-row"}, el("strong", {text, "data-action": "edit-count"}), again);
        return [head, ...known.map((pair) => changeRow(panel, state, pair, names, found))];
    }

    /** @param {State} state */
    drawOptions(state) {
        const {panel} = this;
        if (state.method !== this.method) {
            this.method = state.method;
            const known = methodOptions(panel.schema, state.method);
            const names = isEditing(state) ? EDIT_OPTIONS.filter((name) => known[name]) : [];
            const make = (/** @type {string[]} */ some) =>
                some.flatMap((name) => optionField(panel, state.method, name, known[name]) || []);
            const [first, others] = [
                make(IN_SIGHT.filter((name) => names.includes(name))),
                make(names.filter((name) => !IN_SIGHT.includes(name))),
            ];
            this.fields = [...first, ...others];
            this.options.replaceChildren(...first.map((field) => field.node));
            this.advanced.replaceChildren(...others.map((field) => field.node));
            this.more.hidden = !others.length;
        }
        this.fields.forEach((field) => field.update(state));
    }
}

/**
 * Names of the source's regions. Cells of a grid have a number like any other region.
 *
 * @param {Record<string, any>} source
 */
function sourceNames(source) {
    /** @type {{name?: string, prompt?: string}[]} */
    const regions = source.regions || [];
    return regions.map((region, index) => `${index + 1} ${shorten(region.name || region.prompt || "")}`);
}

/**
 * An option with the paper's name for it; a choice that was not made shows the default.
 *
 * @param {Panel} panel
 * @param {string} method
 * @param {string} name
 * @param {Schema} schema
 * @returns {Field | null}
 */
function optionField(panel, method, name, schema) {
    const field = schemaField(panel, `options.${method}.${name}`, name, schema);
    if (!field) return null;
    const label = field.node.querySelector("span");
    if (label && NAMES[name]) label.textContent = t(NAMES[name]);
    if (!schema.enum) return field;
    return {
        ...field,
        update(state) {
            if (getField(state, field.input.dataset.field) === undefined) field.input.value = schema.default;
            else field.update(state);
        },
    };
}
