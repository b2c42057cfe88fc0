// A picture of the state, as a data URL: chosen from a file, shown small, taken away.

/** @import {Editable, Field, FieldPath, State} from "../types.js" */

import {t} from "../host/language.js";
import {getField} from "../model/fields.js";
import {button} from "./buttons.js";
import {el} from "./elements.js";
import {asPath, setValue} from "./fields.js";
import {readFile} from "../host/reading.js";
import {chooseFile, droppable} from "./files.js";

const ACCEPTED = "image/png,image/jpeg,image/webp,image/bmp,image/tiff,.png,.jpg,.jpeg,.webp,.bmp,.tif,.tiff";

/**
 * The picture at a path, or null; `write` puts another one into the state. Files can be dropped on it.
 *
 * @param {Editable} panel
 * @param {FieldPath} path
 * @param {string} label
 * @param {string} [title]
 * @param {(picture: string | null) => void} [write]
 * @returns {Field}
 */
export function pictureField(panel, path, label, title, write = (picture) => setValue(panel, asPath(path)(), picture)) {
    const at = asPath(path);
    const fault = el("span", {class: "rg-hint", role: "alert"});
    /** @param {File} file */
    const take = async (file) => {
        try {
            write(await readFile(file));
            fault.textContent = "";
        } catch (error) {
            fault.textContent = error.message;
        }
    };
    const input = button("Choose…", () => chooseFile(ACCEPTED, take), {title, "data-field": at(), "data-action": "picture-choose"});
    const remove = button("Remove", () => write(null), {"data-action": "picture-remove", hidden: true});
    const frame = el("span", {});
    const row = el("div", {class: "rg-row", ...droppable(take)}, input, remove, frame, fault);
    /** @type {unknown} */
    let shown = null;
    /** @param {State} state */
    const update = (state) => {
        input.dataset.field = at();
        const value = getField(state, at()) ?? null;
        if (value === shown) return;
        shown = value;
        const isPicture = String(value).startsWith("data:image/"); // no other address is fetched
        remove.hidden = value === null;
        frame.replaceChildren(
            ...(isPicture ? [el("img", {class: "rg-picture", alt: t("Picture of the region"), src: String(value)})] : []),
        );
    };
    const name = el("span", {class: "rg-label", localized: label});
    return {node: el("div", {class: "rg-field rg-wide"}, name, row), input, update};
}
