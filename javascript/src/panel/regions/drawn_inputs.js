// The inputs of shapes that the server draws: computed masks by their kind and parameters, combinations by their operation, and words.

/** @import {Field, Json, Region, Schema} from "../../types.js" */
/** @import {Panel} from "../panel.js" */
/** @import {PathOf} from "./card.js" */

import {formatPoints, parsePoints, setField} from "../../model/fields.js";
import {shapeKind} from "../../model/geometry/shapes.js";
import {indexOf} from "../../model/regions.js";
import {regionSchema} from "../../model/state.js";
import {copy} from "../../model/values.js";
import {button} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";
import {labelled, labelOf, numberField, promptField, selectField} from "../../widgets/fields.js";
import {schemaField} from "../../widgets/schema_fields.js";

/** @typedef {{nodes: HTMLElement[], fields: Field[]}} Inputs */

const CORNERS = ["left", "top", "right", "bottom"];
const SEVERAL = ["union", "intersection", "difference"];

/**
 * The schema's alternatives of a kind of shape, by their first property (kind or op).
 *
 * @param {Schema} schema
 * @param {string} kind
 * @returns {Record<string, Record<string, Schema>>}
 */
function alternatives(schema, kind) {
    const name = kind === "procedural" ? "kind" : "op";
    const rows = regionSchema(schema)[kind]?.oneOf || [];
    return Object.fromEntries(
        rows.flatMap(({properties = {}}) =>
            (properties[name].enum || [properties[name].const]).map((value) => [String(value), properties]),
        ),
    );
}

/**
 * Parameters with their defaults.
 *
 * @param {Record<string, Schema>} properties
 * @returns {Json}
 */
const defaults = (properties) =>
    copy(
        Object.fromEntries(Object.entries(properties).flatMap(([name, {default: value}]) => (value === undefined ? [] : [[name, value]]))),
    );

/**
 * The shape with which a region begins that is to be drawn by the server: a gradient, or what it was, inverted. Null without a schema.
 *
 * @param {Schema} schema
 * @param {string} kind
 * @param {Region} region
 * @returns {Json | null}
 */
export function drawnShape(schema, kind, region) {
    if (kind === "combined") {
        const before = shapeKind(region) || "box";
        const part = before === "words" ? {box: [0, 0, 1, 1]} : {[before]: copy(region[before] ?? [0, 0, 1, 1])};
        return {op: "invert", of: [part]};
    }
    if (kind === "words") return {text: ""};
    const [first] = Object.entries(alternatives(schema, kind));
    return first ? {kind: first[0], ...defaults(first[1])} : null;
}

/**
 * @param {Panel} panel
 * @param {string} kind
 * @param {Region} region
 * @param {PathOf} at
 * @returns {Inputs}
 */
export function drawnInputs(panel, kind, region, at) {
    if (kind === "words") return wordInputs(panel, region, at);
    const rows = alternatives(panel.schema, kind);
    const shape = region[kind] || {};
    const name = kind === "procedural" ? "kind" : "op";
    const isSeveral = (shape.of || []).length > 1;
    const choices = Object.keys(rows).filter((value) => name === "kind" || SEVERAL.includes(value) === isSeveral);
    const select = selectField(panel, at(`${kind}.${name}`), name === "kind" ? "Kind" : "Operation", choices.map(worded));
    select.input.addEventListener("change", () => choose(panel, kind, region, name, rows, select.input.value));
    const parts = Object.entries(rows[shape[name]] || {}).filter(([key]) => key !== name && key !== "of");
    const inputs = parts.map(([key, schema]) => parameterInputs(panel, key, schema, (path) => at(`${kind}.${path}`)));
    return {nodes: [select.node, ...inputs.flatMap((each) => each.nodes)], fields: [select, ...inputs.flatMap((each) => each.fields)]};
}

/**
 * Words of the base prompt, how they are cut, and the way back to searching them where a picture has brought their mask.
 *
 * @param {Panel} panel
 * @param {Region} region
 * @param {PathOf} at
 * @returns {Inputs}
 */
function wordInputs(panel, region, at) {
    const {properties = {}} = regionSchema(panel.schema).words?.oneOf?.find((one) => one.properties) || {};
    const shown = Object.entries(properties).filter(([name]) => name !== "found");
    const fields = shown.map(([name, schema]) => schemaField(panel, at(`words.${name}`), name, schema)).filter((field) => field !== null);
    const nodes = fields.map((field) => field.node);
    const search = () => {
        const index = indexOf(panel.store.get(), region._id);
        panel.edit((state) => setField(state, `regions[${index}].words`, {...state.regions[index].words, found: undefined}));
    };
    const title = "This picture's parameters have brought the mask; without it the words are searched again";
    if (region.words?.found) nodes.push(button("Search the words again", search, {"data-action": "words-search", title}));
    return {nodes, fields};
}

/** @type {(value: string) => [string, string]} */
const worded = (value) => [value, value.replace("_", " ")];

/**
 * Another kind or operation: its own parameters with their defaults, those of the same name as they were.
 *
 * @param {Panel} panel
 * @param {string} kind
 * @param {Region} region
 * @param {string} name
 * @param {Record<string, Record<string, Schema>>} rows
 * @param {string} chosen
 */
function choose(panel, kind, region, name, rows, chosen) {
    const index = indexOf(panel.store.get(), region._id);
    const given = region[kind];
    const properties = rows[chosen] || {};
    const kept = Object.fromEntries(Object.entries(given).filter(([key]) => key in properties));
    const needed = kind === "procedural" && chosen === "text" && !kept.text ? {text: "A"} : {};
    const amount = "amount" in properties && !("amount" in kept) ? {amount: chosen === "threshold" ? 0.5 : 0.02} : {};
    const shape = {...defaults(properties), ...kept, ...needed, ...amount, [name]: chosen};
    panel.edit((state) => setField(state, `regions[${index}].${kind}`, shape));
}

/**
 * The inputs of one parameter: a number, two or four of them, pairs one a line, or a text.
 *
 * @param {Panel} panel
 * @param {string} name
 * @param {Schema} schema
 * @param {PathOf} at
 * @returns {Inputs}
 */
function parameterInputs(panel, name, schema, at) {
    const title = schema.description;
    if (schema.type === "array" && schema.items?.type === "array") return pairsInput(panel, name, schema, at);
    if (schema.type === "array") {
        const sides = schema.maxItems === 4 ? CORNERS : ["x", "y"].map((axis) => `${labelOf(name)} ${axis}`);
        const fields = sides.map((side, i) => numberField(panel, at(`${name}[${i}]`), side, {min: 0, max: 1, title}));
        return {nodes: fields.map((field) => field.node), fields};
    }
    const field =
        schema.type === "string" && !schema.enum ? promptField(panel, at(name), labelOf(name)) : schemaField(panel, at(name), name, schema);
    return field ? {nodes: [field.node], fields: [field]} : {nodes: [], fields: []};
}

/**
 * @param {Panel} panel
 * @param {string} name
 * @param {Schema} schema
 * @param {PathOf} at
 * @returns {Inputs}
 */
function pairsInput(panel, name, schema, at) {
    const path = at(name);
    const write = () => panel.edit((state) => setField(state, path(), parsePoints(input.value)), {key: `field:${path()}`});
    const input = el("textarea", {rows: 3, "data-field": path(), spellcheck: "false", title: schema.description, oninput: write});
    /** @type {Field} */
    const field = {
        node: labelled(`${labelOf(name)}: position value, one a line`, input, {class: "rg-field rg-points"}),
        input,
        update(state) {
            const shown = formatPoints(
                path()
                    .split(/[.[\]]+/)
                    .filter(Boolean)
                    .reduce((value, key) => value?.[key], /** @type {any} */ (state)),
            );
            if (document.activeElement !== input && input.value !== shown) input.value = shown;
        },
    };
    return {nodes: [field.node], fields: [field]};
}
