// The card of one region.

/** @import {Field, Region, State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {t} from "../../host/language.js";
import {samplingSteps} from "../../host/tab.js";
import {cssColour, hexColour, textColour} from "../../model/colours.js";
import {shapeKind} from "../../model/geometry/shapes.js";
import {firstWords} from "../../model/words/messages.js";
import {numberOf} from "../../model/numbers.js";
import {indexOf, stepSpan} from "../../model/regions.js";
import {REGION_DEFAULTS, regionSchema, SHAPE_KINDS} from "../../model/state.js";
import {same} from "../../model/values.js";
import {el} from "../../widgets/elements.js";
import {colourField} from "../../widgets/colour_field.js";
import {labelOf, lineField, numberField, promptField} from "../../widgets/fields.js";
import {droppable} from "../../widgets/files.js";
import {schemaField} from "../../widgets/schema_fields.js";
import {takePicture} from "../pickers/given_pictures.js";
import {cardFoot} from "./card_foot.js";
import {cardHead} from "./card_head.js";
import {attachDrag} from "./drag.js";
import {groupField} from "./group_field.js";
import {drawShapeInputs} from "./shape_inputs.js";

/** Fields that every card shows; those that only the schema knows follow. */
const NUMBERS = ["weight", "base_share", "feather", "priority"];
/** More regions than this stand as one line each; the chosen one is open. */
export const MANY = 4;
/** Fields with inputs of their own. */
const ELSEWHERE = ["prompt", "negative", "name", "group", "colour", "enabled", "steps", ...SHAPE_KINDS];
const STEP_HELP = ["Share of the steps after which this region begins, 0 to 1", "Share of the steps after which this region ends, 0 to 1"];

/** @typedef {(name: string) => () => string} PathOf JSON path of a field of the card's region, by the field's name. */
/** @typedef {ReturnType<typeof cardFields>} CardFields */
/** @typedef {ReturnType<typeof cardFoot>} CardFoot */

/**
 * The card of a region, with what the list needs of it.
 *
 * @param {Panel} panel
 * @param {number} id
 */
export function createCard(panel, id) {
    const index = () => indexOf(panel.store.get(), id);
    /** @type {PathOf} */
    const at = (name) => () => `regions[${index()}]${name ? `.${name}` : ""}`;
    const fields = cardFields(panel, at, id);
    const head = cardHead(panel, index, fields.name);
    const foot = cardFoot(panel, index, fields);
    const shape = el("div", {class: "rg-row rg-shape"});
    const more = el(
        "details",
        {class: "rg-more"},
        el("summary", {localized: "Negative, weight, steps …"}),
        fields.negative.node,
        el(
            "div",
            {class: "rg-numbers"},
            fields.numbers.map((field) => field.node),
        ),
        shape,
    );
    const choose = {
        onfocusin: () => panel.selected.has(id) || panel.select([id]),
        onclick: (/** @type {MouseEvent} */ event) => chooseByClick(panel, id, event),
    };
    const below = el("div", {class: "rg-card-foot"}, foot.acts, more);
    const pictures = droppable((file) => takePicture(panel, index(), file));
    const parts = [head.node, fields.prompt.node, foot.part, foot.networks, foot.warning, below];
    const node = el("div", {class: "rg-region", role: "group", tabindex: "-1", ...choose, ...pictures}, parts);
    attachDrag(panel, node, head.grip, index);
    const update = cardUpdate(panel, {node, head, fields, foot, shape, more, at});
    /** What the card was brought to last. @type {unknown[] | null} */
    const seen = null;
    return {
        node,
        prompt: fields.prompt.input,
        tokens: fields.tokens,
        warning: foot.warning,
        update,
        seen: /** @type {unknown[] | null} */ (seen),
    };
}

/**
 * The function that brings a card to a state; it draws again only what has changed.
 *
 * @param {Panel} panel
 * @param {{node: HTMLElement, head: {update: Function}, fields: CardFields, foot: CardFoot, shape: HTMLElement, more: HTMLDetailsElement, at: PathOf}} card
 */
function cardUpdate(panel, {node, head, fields, foot, shape: holder, more, at}) {
    const all = [fields.name, fields.prompt, fields.negative, ...fields.numbers];
    /** @type {string} */
    let shape;
    /** @type {{region: Region, position: number} | undefined} */
    let before;
    /** @type {Field[]} */
    let shapeFields = [];
    return (/** @type {State} */ state, /** @type {Region} */ region, /** @type {number} */ position) => {
        all.forEach((field) => field.update(state));
        head.update(state, region, position);
        dressCard(panel, node, fields, state, region, position);
        foot.update(state, region, panel.list.parts(state)[position]);
        const kind = `${Boolean(state.grid)} ${shapeKind(region)} ${region.procedural?.kind} ${region.combined?.op} ${Boolean(region.words?.found)}`;
        const isMoved = more.open && before && !same(before.region.polygon, region.polygon);
        if (kind !== shape || isMoved) shapeFields = drawShapeInputs(panel, holder, state, region, at);
        shapeFields.forEach((field) => field.update(state));
        shape = kind;
        before = {region, position};
    };
}

/**
 * @param {Panel} panel
 * @param {number} id
 * @param {MouseEvent} event
 */
function chooseByClick(panel, id, event) {
    if (/** @type {Element} */ (event.target).closest("button, input, textarea, select, summary, label")) return;
    panel.select(event.ctrlKey || event.metaKey || event.shiftKey ? [...panel.selected, id] : [id]);
    panel.stage.canvas.focus({preventScroll: true});
}

/**
 * @param {Panel} panel
 * @param {PathOf} at
 * @param {number} id
 */
function cardFields(panel, at, id) {
    const tokens = el("span", {class: "rg-tokens", title: "Tokens of this prompt, as the host counts them"});
    const schema = regionSchema(panel.schema);
    const names = [...NUMBERS, ...Object.keys(schema).filter((name) => !NUMBERS.includes(name) && !ELSEWHERE.includes(name))];
    const numbers = names.flatMap((name) => {
        const kind = schema[name] || {type: "number", default: /** @type {any} */ (REGION_DEFAULTS)[name]};
        return schemaField(panel, at(name), name, kind) || [];
    });
    /** @type {(side: number, label: string) => Field} */
    const step = (side, label) =>
        numberField(panel, at(`steps[${side}]`), label, {min: 0, max: 1, fallback: side, whenEmpty: side, title: STEP_HELP[side]});
    /** @param {State} state */
    const ofNumber = (state) => hexColour(numberOf(state, indexOf(state, id)) - 1);
    const colour = colourField(panel, at("colour"), labelOf("colour", schema.colour), schema.colour?.description, ofNumber);
    return {
        tokens,
        numbers: [
            ...numbers,
            colour,
            groupField(panel, at, id, schema.group?.description),
            step(0, "From step"),
            step(1, "To step"),
            stepsField(panel, id),
        ],
        name: lineField(panel, at("name"), {label: labelOf("name", schema.name), title: "Name, for you and for messages", maxlength: 200}),
        prompt: promptField(panel, at("prompt"), labelOf("prompt", schema.prompt), {
            id: `regional_${panel.tab}_prompt_${id}`,
            after: tokens,
            placeholder: "what is in this region",
        }),
        negative: promptField(panel, at("negative"), labelOf("negative", schema.negative), {
            placeholder: "added to the main negative prompt",
        }),
    };
}

/**
 * The steps in which a region acts, counted in those of the tab.
 *
 * @param {Panel} panel
 * @param {number} id
 * @returns {Field}
 */
function stepsField(panel, id) {
    const node = el("span", {class: "rg-hint rg-wide", "data-action": "steps-hint"});
    const update = (/** @type {State} */ state) => {
        const count = samplingSteps(panel.tab);
        const steps = state.regions[indexOf(state, id)]?.steps || [];
        const span = count ? stepSpan(steps, count) : null;
        node.textContent = span ? t("acts in the steps {0} to {1} of {2}", ...span, count) : "";
    };
    return {node, input: node, update};
}

/**
 * Number, colours and labels of a card.
 *
 * @param {Panel} panel
 * @param {HTMLElement} node
 * @param {CardFields} fields
 * @param {State} state
 * @param {Region} region
 * @param {number} position
 */
function dressCard(panel, node, fields, state, region, position) {
    const number = numberOf(state, position);
    node.dataset.field = `regions[${position}]`;
    node.setAttribute("aria-label", t("Region {0}", number));
    node.style.setProperty("--rg-colour", cssColour(number - 1, region.colour));
    node.style.setProperty("--rg-on-colour", textColour(number - 1, region.colour));
    node.classList.toggle("rg-muted", region.enabled === false);
    node.classList.toggle("rg-in-group", Boolean(region.group));
    fields.name.input.placeholder =
        ((panel.isNarrow || state.regions.length > MANY) && firstWords(region.prompt)) || t("Region {0}", number);
    const split = state.text_from !== "regions";
    fields.prompt.name.textContent = t(split ? "Added to this region's part of the main prompt" : "Prompt");
    fields.prompt.input.placeholder = t(split ? "nothing added" : "what is in this region");
}
