// A colour as #rrggbb, or none.

/** @import {Editable, Field, FieldPath, State} from "../types.js" */

import {getField} from "../model/fields.js";
import {button} from "./buttons.js";
import {el} from "./elements.js";
import {asPath, labelled, setValue} from "./fields.js";

const COLOUR = /^#[0-9a-f]{6}$/i;

/**
 * The browser's own choice of a colour, and a button that takes it back.
 *
 * @param {Editable} panel
 * @param {FieldPath} path
 * @param {string} label
 * @param {string} [title]
 * @param {(state: State) => string} [otherwise] The colour that counts without one, as #rrggbb.
 * @returns {Field}
 */
export function colourField(panel, path, label, title, otherwise = () => "#808080") {
    const at = asPath(path);
    const input = el("input", {type: "color", title, "data-field": at(), oninput: () => setValue(panel, at(), input.value)});
    const none = button("None", () => setValue(panel, at(), null), {class: "rg-button rg-mini", "data-action": "colour-none"});
    const node = el("div", {class: "rg-field rg-colour-field"}, labelled(label, input), none);
    /** @param {State} state */
    const update = (state) => {
        input.dataset.field = at();
        const value = getField(state, at()) ?? null;
        const shown = COLOUR.test(value) ? value.toLowerCase() : otherwise(state);
        if (input.value !== shown) input.value = shown;
        none.hidden = value === null;
    };
    return {node, input, update};
}
