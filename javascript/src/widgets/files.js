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
