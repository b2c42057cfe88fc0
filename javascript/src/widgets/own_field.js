// A value that is switched on or off, left to what holds for all (null), or given values of its own (an object).

/** @import {Editable, Field, FieldPath, Schema, State} from "../types.js" */

import {getField} from "../model/fields.js";
import {el} from "./elements.js";
import {asPath, labelled, setValue} from "./fields.js";

/** @typedef {(panel: Editable, path: FieldPath, name: string, schema: Schema) => Field | null} MakeField */

const CHOICES = [
    ["null", "as for all"],
    ["true", "on"],
    ["false", "off"],
];

/**
 * A menu for null, true and false; where the schema has an object too, "with values of its own" shows an input for each of them.
 *
 * @param {Editable} panel
 * @param {FieldPath} path
 * @param {string} label
 * @param {Schema} schema
 * @param {MakeField} make
 * @returns {Field}
 */
export function ownField(panel, path, label, schema, make) {
    const at = asPath(path);
    const parts = Object.entries(schema.properties || {});
    const choices = parts.length ? [...CHOICES, ["own", "with values of its own"]] : CHOICES;
    const take = () => setValue(panel, at(), input.value === "own" ? {} : JSON.parse(input.value));
    const input = el(
        "select",
        {"data-field": at(), title: schema.description, onchange: take},
        choices.map(([value, words]) => el("option", {value, localized: words})),
    );
    const fields = parts.flatMap(([name, part]) => make(panel, () => `${at()}.${name}`, name, part) || []);
    const inputs = el(
        "div",
        {class: "rg-numbers rg-values", hidden: true},
        fields.map((field) => field.node),
    );
    const node = el("div", {class: "rg-wide"}, labelled(label, input), inputs);
    /** @param {State} state */
    const update = (state) => {
        input.dataset.field = at();
        const value = getField(state, at());
        const isOwn = Boolean(value) && typeof value === "object";
        input.value = isOwn ? "own" : String(value ?? null);
        inputs.hidden = !isOwn;
        if (isOwn) fields.forEach((field) => field.update(state));
    };
    return {node, input, update};
}
