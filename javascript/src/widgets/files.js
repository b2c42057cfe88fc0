// Files that the user chooses or saves.

import {el} from "./elements.js";

/** Pictures that the server can read, as the `accept` of a file input. */
export const PICTURES =
    "image/png,image/jpeg,image/webp,image/bmp,image/gif,image/svg+xml,image/tiff,.png,.jpg,.jpeg,.webp,.bmp,.gif,.svg,.tif,.tiff";

/**
 * Give the browser a file to save.
 *
 * @param {string} name
 * @param {Blob} blob
 */
export function download(name, blob) {
    const url = URL.createObjectURL(blob);
    el("a", {href: url, download: name}).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/**
 * Let the user choose a file.
 *
 * @param {string} accept
 * @param {(file: File) => unknown} take
 */
export function chooseFile(accept, take) {
    const input = el("input", {type: "file", accept, onchange: () => input.files && input.files.length && take(input.files[0])});
    input.click();
    return input;
}

/**
 * The picture that a paste brings; null where it brings a text, or none.
 *
 * @param {DataTransfer} data
 * @returns {File | null}
 */
export function pictureIn(data) {
    const all = data.types.includes("text/plain") ? [] : [...data.files];
    return all.find(({type}) => type.startsWith("image/")) || null;
}

/**
 * Listeners that take the first file dropped on an element.
 *
 * @param {(file: File) => unknown} take
 */
export function droppable(take) {
    const hasFile = (/** @type {DragEvent} */ event) => Boolean(event.dataTransfer?.types.includes("Files"));
    return {
        ondragover: (/** @type {DragEvent} */ event) => hasFile(event) && event.preventDefault(),
        ondrop: (/** @type {DragEvent} */ event) => {
            const file = event.dataTransfer?.files[0];
            if (!file) return;
            event.preventDefault();
            event.stopPropagation(); // the WebUI takes dropped pictures as its own
            take(file);
        },
    };
}
