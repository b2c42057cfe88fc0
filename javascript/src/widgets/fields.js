// Inputs bound to a path of the state: {node, input, update(state)}. `path` may be a function, because a region's index changes when it moves.

/** @import {Editable, Field, FieldPath, Schema, State} from "../types.js" */

import {getField, parseNumber, setField} from "../model/fields.js";
import {clamp, same, tidy} from "../model/values.js";
import {el} from "./elements.js";

/** @typedef {{label: string, placeholder?: string, title?: string, maxlength?: number, take?: (text: string) => void}} LineOptions */

/**
 * `whenEmpty` is the value of an empty input, `fallback` what it shows as a default.
 *
 * @typedef {object} NumberOptions
 * @property {number} [step]
 * @property {number} [min]
 * @property {number} [max]
 * @property {number | null} [fallback]
 * @property {string} [title]
 * @property {number | null} [whenEmpty]
 */

/** @typedef {{placeholder?: string, emptyIsNull?: boolean, id?: string, after?: HTMLElement}} PromptOptions */

/**
 * @param {FieldPath} path
 * @returns {() => string}
 */
export const asPath = (path) => (typeof path === "function" ? path : () => path);

/**
 * @param {unknown} value
 * @returns {string}
 */
export const shownText = (value) => (value === undefined || value === null ? "" : String(value));

/** @type {(input: {value: string}, value: unknown) => void} */
const writeText = (input, value) => {
    input.value = shownText(value);
};

/**
 * @param {string} name Of a field.
 * @param {Schema} [schema]
 * @returns {string}
 */
export const labelOf = (name, schema) => schema?.title || (name[0].toUpperCase() + name.slice(1)).replace(/_/g, " ");

/**
 * An input with its label.
 *
 * @param {string} label
 * @param {HTMLElement} input
 * @param {Record<string, unknown>} [attributes]
 */
export function labelled(label, input, attributes) {
    return el("label", {class: "rg-field", ...attributes}, el("span", {class: "rg-label", localized: label}), input);
}

/**
 * @param {Editable} panel
 * @param {string} path
 * @param {unknown} value
 */
export function setValue(panel, path, value) {
    panel.edit((state) => setField(state, path, value), {key: `field:${path}`});
}

/**
 * The update of a bound input: take its path, and write the state's value unless the input has it already.
 *
 * @template {HTMLElement} I
 * @param {I} input
 * @param {() => string} path
 * @param {(input: I) => unknown} read
 * @param {(input: I, value: any) => void} write
 * @returns {(state: State) => void}
 */
export function bound(input, path, read, write) {
    return (state) => {
        const at = path();
        if (input.dataset.field !== at) input.dataset.field = at;
        const value = getField(state, at);
        if (!same(read(input), value === undefined ? null : value)) write(input, value);
    };
}

/**
 * A check box.
 *
 * @param {Editable} panel
 * @param {FieldPath} path
 * @param {string} label
 * @param {Record<string, unknown>} [attributes]
 * @returns {Field}
 */
export function checkField(panel, path, label, attributes) {
    const at = asPath(path);
    const input = el("input", {type: "checkbox", "data-field": at(), onchange: () => setValue(panel, at(), input.checked)});
    const node = el("label", {class: "rg-check", ...attributes}, input, el("span", {localized: label}));
    const read = () => input.checked;
    /** @type {(input: HTMLInputElement, value: unknown) => void} */
    const write = (_input, value) => {
        input.checked = value === true;
    };
    return {node, input, update: bound(input, at, read, write)};
}

/**
 * A menu of [value, words]. A value that is not among them is added when the state has it.
 *
 * @param {Editable} panel
 * @param {FieldPath} path
 * @param {string} label
 * @param {string[][]} choices
 * @param {string} [title]
 * @param {string} [fallback]
 * @returns {Field}
 */
export function selectField(panel, path, label, choices, title, fallback) {
    const at = asPath(path);
    const input = el(
        "select",
        {"data-field": at(), title, onchange: () => setValue(panel, at(), input.value)},
        choices.map(([value, words]) => el("option", {value, localized: words})),
    );
    /** @type {(input: HTMLSelectElement, given: any) => void} */
    const write = (_input, given) => {
        const value = given ?? fallback ?? null;
        if (![...input.options].some((option) => option.value === value)) input.append(el("option", {value, text: shownText(value)}));
        input.value = value;
    };
    return {node: labelled(label, input), input, update: bound(input, at, () => input.value, write)};
}

/**
 * A prompt: a text area as the WebUI has them (class names, `input` events), so that tag completion and weight keys work in it.
 *
 * @param {Editable} panel
 * @param {FieldPath} path
 * @param {string} label
 * @param {PromptOptions} [options]
 * @returns {Field & {name: HTMLElement}}
 */
export function promptField(panel, path, label, {placeholder = "", emptyIsNull = false, id, after} = {}) {
    const at = asPath(path);
    const read = () => (emptyIsNull && input.value === "" ? null : input.value);
    const input = el("textarea", {
        rows: 2,
        placeholder,
        id,
        spellcheck: "false",
        class: "scroll-hide",
        "data-testid": "textbox",
        "data-field": at(),
        oninput: () => setValue(panel, at(), read()),
    });
    const name = el("span", {class: "rg-label", localized: label});
    const field = el("label", {class: "rg-field"}, el("span", {class: "rg-label-row"}, name, after), input);
    const node = el("div", {class: "rg-wide gradio-textbox prompt"}, field);
    return {node, input, name, update: bound(input, at, read, writeText)};
}

/**
 * One line of text. `take` gets what is typed in place of the state.
 *
 * @param {Editable} panel
 * @param {FieldPath} path
 * @param {LineOptions} options
 * @returns {Field}
 */
export function lineField(panel, path, {label, placeholder = "", title, take, maxlength}) {
    const at = asPath(path);
    const input = el("input", {
        type: "text",
        placeholder,
        title,
        spellcheck: "false",
        autocomplete: "off",
        "data-field": at(),
        "aria-label": label,
        maxlength,
        oninput: () => (take ? take(input.value) : setValue(panel, at(), input.value)),
    });
    return {node: input, input, update: bound(input, at, () => input.value, writeText)};
}

/**
 * A number as text: what is not a number stays as typed, and the checks name it. Arrow keys step.
 *
 * @param {Editable} panel
 * @param {FieldPath} path
 * @param {string} label
 * @param {NumberOptions} options
 * @returns {Field}
 */
export function numberField(panel, path, label, {step = 0.05, min = -Infinity, max = Infinity, fallback = null, title, whenEmpty}) {
    const at = asPath(path);
    /** @param {string} text */
    const take = (text) => {
        const value = parseNumber(text);
        setValue(panel, at(), value === undefined ? whenEmpty : value);
    };
    const line = lineField(panel, at, {label, placeholder: shownText(fallback), title, take});
    /** @type {HTMLInputElement} */
    const input = line.input;
    input.inputMode = "decimal";
    input.addEventListener("keydown", (event) => {
        if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
        const from = input.value.trim() === "" ? fallback : parseNumber(input.value);
        if (typeof from !== "number") return;
        event.preventDefault();
        input.value = String(clamp(tidy(from + (event.key === "ArrowUp" ? step : -step)), min, max));
        take(input.value);
    });
    const read = () => {
        const value = parseNumber(input.value);
        return value === undefined ? (whenEmpty ?? null) : value;
    };
    return {node: labelled(label, input, {class: "rg-field rg-number"}), input, update: bound(input, at, read, writeText)};
}
