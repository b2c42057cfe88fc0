// A picture that acts as a prompt: chosen or dropped; once it is there, an input for each of its parameters.

/** @import {Editable, Field, FieldPath, Schema, State} from "../types.js" */
/** @import {MakeField} from "./own_field.js" */

import {getField, setField} from "../model/fields.js";
import {makeReference} from "../model/state.js";
import {el} from "./elements.js";
import {asPath, labelOf, numberField} from "./fields.js";
import {pictureField} from "./picture_field.js";

const ENDS = ["From step", "To step"];

/**
 * The input of an object that is null without its `image`.
 *
 * @param {Editable} panel
 * @param {FieldPath} path
 * @param {string} label
 * @param {Schema} schema
 * @param {MakeField} make
 * @returns {Field}
 */
export function referenceField(panel, path, label, schema, make) {
    const at = asPath(path);
    const {image, ...parts} = schema.properties || {};
    /** @param {string | null} text */
    const write = (text) =>
        panel.edit((state) => setField(state, at(), text === null ? null : makeReference({...getField(state, at()), image: text})));
    const picture = pictureField(panel, () => `${at()}.image`, label, `${schema.description} ${image?.description || ""}`, write);
    const fields = Object.entries(parts).flatMap(([name, part]) => {
        const of = () => `${at()}.${name}`;
        return part.type === "array" ? spanFields(panel, of, part) : make(panel, of, name, part) || [];
    });
    const inputs = el(
        "div",
        {class: "rg-numbers rg-values", hidden: true},
        fields.map((field) => field.node),
    );
    const node = el("div", {class: "rg-wide"}, picture.node, inputs);
    /** @param {State} state */
    const update = (state) => {
        picture.update(state);
        inputs.hidden = !getField(state, at());
        if (!inputs.hidden) fields.forEach((field) => field.update(state));
    };
    return {node, input: picture.input, update};
}

/**
 * The two ends of a range of steps.
 *
 * @param {Editable} panel
 * @param {() => string} at
 * @param {Schema} schema
 * @returns {Field[]}
 */
function spanFields(panel, at, schema) {
    return ENDS.map((words, side) =>
        numberField(panel, () => `${at()}[${side}]`, words, {
            min: 0,
            max: 1,
            step: 0.05,
            fallback: side,
            whenEmpty: side,
            title: `${labelOf("steps")}: ${schema.description}`,
        }),
    );
}
