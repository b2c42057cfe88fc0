// Inputs made from a JSON schema: this is how fields and options appear that only the server knows.

/** @import {Editable, Field, FieldPath, Schema} from "../types.js" */

import {getField} from "../model/fields.js";
import {asPath, checkField, labelled, labelOf, lineField, numberField, selectField, setValue, shownText} from "./fields.js";
import {colourField} from "./colour_field.js";
import {ownField} from "./own_field.js";
import {pictureField} from "./picture_field.js";
import {referenceField} from "./reference_field.js";

/** @typedef {import("./fields.js").NumberOptions} NumberOptions */

/** Steps of the arrow keys. @type {Record<string, number>} */
const STEPS = {weight: 0.1, feather: 0.01, base_share: 0.05, cfg_scale: 0.5};

/**
 * The input for a JSON schema. Null for a type without an input.
 *
 * @param {Editable} panel
 * @param {FieldPath} path
 * @param {string} name
 * @param {Schema} schema
 * @returns {Field | null}
 */
export function schemaField(panel, path, name, schema) {
    const types = [schema.type || []].flat();
    const title = schema.description;
    const label = labelOf(name, schema);
    if (schema.enum) {
        const values = schema.enum.filter((value) => value !== null).map(shownText);
        const choices = values.map((value) => [value, value]);
        return selectField(panel, path, label, choices, title, schema.default);
    }
    if (schema.pattern?.startsWith("^#")) return colourField(panel, path, label, title);
    if (schema.pattern?.startsWith("^data:image")) return pictureField(panel, path, label, title);
    if (types.includes("object") && schema.properties?.image) return referenceField(panel, path, label, schema, schemaField);
    if (types.includes("boolean") && types.includes("null")) return ownField(panel, path, label, schema, schemaField);
    if (types.includes("boolean")) return withDefault(checkField(panel, path, label, {title}), schema.default);
    if (types.includes("number") || types.includes("integer")) return numberField(panel, path, label, numberOptions(name, schema, types));
    if (!types.includes("string")) return null;
    /** @param {string} text */
    const orNull = (text) => setValue(panel, asPath(path)(), text === "" ? null : text);
    const take = types.includes("null") ? orNull : undefined;
    const line = lineField(panel, path, {label, title, placeholder: shownText(schema.default), take});
    return {...line, node: labelled(label, line.input)};
}

/**
 * @param {string} name
 * @param {Schema} schema
 * @param {string[]} types
 * @returns {NumberOptions}
 */
function numberOptions(name, schema, types) {
    return {
        step: STEPS[name] || (types.includes("integer") ? 1 : 0.05),
        min: schema.minimum,
        max: schema.maximum,
        fallback: schema.default,
        title: schema.description,
        whenEmpty: types.includes("null") ? null : schema.default,
    };
}

/**
 * A check box that shows `value` while the state has none: options are not in the state until somebody sets them.
 *
 * @param {Field} field
 * @param {unknown} value
 * @returns {Field}
 */
function withDefault(field, value) {
    return {
        ...field,
        update(state) {
            field.update(state);
            if (getField(state, field.input.dataset.field) === undefined) field.input.checked = value === true;
        },
    };
}
