// The elements of the panel: the bar of settings, the layout row, the texts of the whole picture, the method's options.

/** @import {Field, State} from "../types.js" */
/** @import {Panel} from "./panel.js" */

import {t, translateMessage} from "../host/language.js";
import {accordion} from "../host/page.js";
import {cellCount, ratiosFault} from "../model/geometry/grid.js";
import {setGrid, useGrid, useShapes} from "../model/layout.js";
import {EDIT_METHODS, EDIT_OPTIONS} from "../model/shown/source.js";
import {methodOptions} from "../model/state.js";
import {Stage} from "../stage/stage.js";
import {button} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";
import {lineField, promptField, selectField} from "../widgets/fields.js";
import {schemaField} from "../widgets/schema_fields.js";
import {createOverlay} from "./overlay.js";
import {attachPanelKeys} from "./keys.js";
import {completeNames} from "./pickers/network_parts.js";
import {RegionList} from "./regions/list.js";
import {REPAINT_OPTIONS, repaintFields} from "./repaint.js";
import {enableField} from "./page/header.js";
import {RunBox} from "./page/run_box.js";
import {switchField} from "./page/switch_field.js";
import {createSections} from "./sections.js";

const OVERLAPS = [
    ["blend", "share by weight"],
    ["over", "later one covers"],
];
const TEXTS = [
    ["regions", "written here"],
    ["break", "main prompt, split at BREAK"],
    ["lines", "main prompt, one line each"],
    ["and", "main prompt, split at AND"],
];
const RATIOS_HELP = "Sizes of the cells: 1,1,2 for three cells; rows of columns as 1,1;2,1,1 (first number: size of the row)";

/** @typedef {ReturnType<typeof buildPanel>} PanelParts */

/**
 * Draw the panel into its mount.
 *
 * @param {Panel} panel
 */
export function buildPanel(panel) {
    const stage = new Stage(panel);
    const list = new RegionList(panel);
    const overlay = createOverlay(panel, stage);
    const messages = el("div", {class: "rg-messages", role: "status", "aria-live": "polite"});
    /** @type {Field[]} */
    const bound = [];
    /** @type {(field: Field) => HTMLElement} */
    const add = (field) => (bound.push(field), field.node);
    const options = buildOptions(panel);
    const bar = buildBar(panel, add, [options.options.box, ...options.beside.map(({box}) => box)]);
    const layout = buildLayout(panel, add);
    const texts = buildTexts(panel, add);
    const run = new RunBox(panel).node;
    const side = el("div", {class: "rg-side"}, stage.node, run, messages);
    bar.insertBefore(layout.row, bar.children[1]);
    const main = el("div", {class: "rg-main"}, list.node);
    const sections = createSections(panel);
    const node = el("div", {class: "rg"}, bar, el("div", {class: "rg-body"}, side, main), texts, sections);
    attachPanelKeys(panel, node);
    panel.mount.replaceChildren(node);
    const landmark = accordion(panel.tab) || node; // the WebUIs' pages have none
    landmark.setAttribute("role", "region");
    landmark.setAttribute("aria-label", `Regional, ${panel.tab}`);
    return {node, bar, run, sections, stage, list, overlay, messages, bound, texts, ...options, ...layout};
}

/** What goes with every method: its name in the options, and the title of its section. */
const BESIDE = {detail: "Detail pass", scores: "Scores and candidates"};

/**
 * The sections of options: of the method, with the panel's own choice, and of what goes with every method.
 *
 * @param {Panel} panel
 */
function buildOptions(panel) {
    const section = (/** @type {string} */ title) => {
        const row = el("div", {class: "rg-row rg-options"});
        return {row, box: el("details", {class: "rg-more"}, el("summary", {localized: title}), row)};
    };
    const beside = Object.entries(BESIDE).map(([owner, title]) => ({owner, ...section(title)}));
    const options = section("Options");
    options.box.append(el("div", {class: "rg-row"}, switchField(panel)));
    return {options, beside};
}

/**
 * @param {Panel} panel
 * @param {(field: Field) => HTMLElement} add
 * @param {HTMLElement[]} boxes
 */
function buildBar(panel, add, boxes) {
    const enable = enableField(panel);
    const node = add(enable);
    const fields = [
        selectField(panel, "method", "Method", panel.methods, "How the regions' prompts are made to act where they lie"),
        selectField(panel, "text_from", "Region texts", TEXTS, "Where the texts of the regions come from"),
    ];
    return el("div", {class: "rg-top"}, el("div", {class: "rg-bar"}, enable.isInHeader ? null : node, fields.map(add)), boxes);
}

/**
 * @param {Panel} panel
 * @param {(field: Field) => HTMLElement} add
 */
function buildLayout(panel, add) {
    /** @type {(label: string, change: (state: State) => State) => HTMLElement} */
    const mode = (label, change) => button(label, () => panel.edit(change), {"data-action": `layout-${label}`});
    const modes = [mode("Grid", useGrid), mode("Free shapes", useShapes)];
    const directions = ["columns", "rows"].map((each) => [each, each]);
    const direction = selectField(panel, "grid.direction", "Grid of", directions, "Direction in which a plain list of sizes runs");
    const ratios = lineField(panel, "grid.ratios", {
        label: "Sizes",
        title: RATIOS_HELP,
        take: (text) => takeRatios(panel, text, ratios.input, fault),
    });
    const fault = el("span", {class: "rg-field-fault", role: "alert", hidden: true});
    const overlap = selectField(panel, "overlap", "Where regions overlap", OVERLAPS);
    const count = el("span", {});
    const sizes = el("label", {class: "rg-field rg-ratios"}, el("span", {class: "rg-label"}, `${t("Sizes")} `, count), add(ratios), fault);
    const gridParts = [add(direction), sizes];
    const freeParts = [add(overlap)];
    direction.input.addEventListener("change", () => panel.edit((state) => setGrid(state, {})));
    const choice = el("div", {class: "rg-switch", role: "group", "aria-label": "Layout"}, modes);
    const row = el("div", {class: "rg-row rg-layout", "data-field": "grid"}, choice, gridParts, freeParts);
    return {row, modes, count, gridParts, freeParts};
}

/**
 * A ratio string as it is typed: a good one makes the grid; a malformed one leaves it as it was, and its fault stands at the field.
 *
 * @param {Panel} panel
 * @param {string} text
 * @param {HTMLInputElement} input
 * @param {HTMLElement} fault
 */
function takeRatios(panel, text, input, fault) {
    const wrong = ratiosFault(text, panel.store.get().grid?.direction || "columns");
    if (!wrong) panel.edit((state) => setGrid(state, {ratios: text}), {key: "grid"});
    fault.textContent = wrong ? translateMessage(`${wrong}. The grid stays as it was.`) : "";
    fault.hidden = !wrong;
    input.toggleAttribute("aria-invalid", Boolean(wrong));
    if (wrong) input.setAttribute("aria-invalid", "true");
}

/**
 * @param {Panel} panel
 * @param {(field: Field) => HTMLElement} add
 */
function buildTexts(panel, add) {
    const fields = [
        promptField(panel, "common", "Common prompt", {placeholder: "put in front of every region's prompt"}),
        promptField(panel, "base.prompt", "Base prompt", {emptyIsNull: true, placeholder: "empty: the main prompt"}),
        promptField(panel, "base.negative", "Base negative prompt", {emptyIsNull: true, placeholder: "empty: the main negative prompt"}),
    ];
    fields.forEach((field) => completeNames(panel, field));
    return el("details", {class: "rg-more rg-texts"}, el("summary", {localized: "Texts for the whole picture"}), fields.map(add));
}

/**
 * Show the options of the chosen method and of what goes with every method, as the schema describes them; those of the drawer "Edit"
 * stand there.
 *
 * @param {Panel} panel
 * @param {PanelParts} parts
 * @returns {Field[]}
 */
export function drawMethodOptions(panel, {options, beside}) {
    const {method} = panel.store.get();
    const elsewhere = EDIT_METHODS.includes(method) ? EDIT_OPTIONS : method === "repaint" ? REPAINT_OPTIONS : [];
    const own = method === "repaint" && panel.schema ? repaintFields(panel) : [];
    const drawn = [
        {...options, fields: [...own, ...optionFields(panel, method, elsewhere)]},
        ...beside.map(({owner, row, box}) => ({row, box, fields: optionFields(panel, owner, [])})),
    ];
    for (const {row, box, fields} of drawn) {
        row.replaceChildren(...fields.map((field) => field.node));
        box.hidden = box !== options.box && !fields.length;
    }
    return drawn.flatMap(({fields}) => fields);
}

/**
 * @param {Panel} panel
 * @param {string} owner A method, or a pass.
 * @param {string[]} elsewhere Options without an input here.
 * @returns {Field[]}
 */
const optionFields = (panel, owner, elsewhere) =>
    Object.entries(methodOptions(panel.schema, owner))
        .filter(([name]) => !elsewhere.includes(name))
        .flatMap(([name, schema]) => schemaField(panel, `options.${owner}.${name}`, name, schema) || []);

/**
 * Show what belongs to a grid or to free shapes.
 *
 * @param {PanelParts} parts
 * @param {State} state
 */
export function updateLayout({modes, gridParts, freeParts, count, texts}, state) {
    const cells = cellCount(state);
    modes.forEach((node, i) => {
        const on = Boolean(state.grid) === (i === 0);
        node.classList.toggle("rg-on", on);
        node.setAttribute("aria-pressed", String(on));
    });
    gridParts.forEach((node) => node.toggleAttribute("hidden", !state.grid));
    freeParts.forEach((node) => node.toggleAttribute("hidden", Boolean(state.grid)));
    count.textContent = cells === null ? "" : t(cells === 1 ? "(1 cell)" : "({0} cells)", cells);
    if (state.common || state.base.prompt !== null || state.base.negative !== null) texts.open = true;
}
