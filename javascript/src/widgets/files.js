// Files that the user chooses or saves.

import {t} from "../host/language.js";
import {el} from "./elements.js";

/** Pictures that the server can read, as the `accept` of a file input. */
export const PICTURES =
    "image/png,image/jpeg,image/webp,image/bmp,image/gif,image/svg+xml,image/tiff,.png,.jpg,.jpeg,.webp,.bmp,.gif,.svg,.tif,.tiff";
const MEGABYTE = 1024 * 1024;
const LARGEST = 45 * MEGABYTE;

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
 * A file as a data URL. Rejects with an Error for a file that is too large or cannot be read.
 *
 * @param {File} file
 * @returns {Promise<string>}
 */
export function readFile(file) {
    if (file.size > LARGEST) {
        const size = Math.round(file.size / MEGABYTE);
        return Promise.reject(new Error(t("{0} has {1} MB: at most {2} can be read.", file.name, size, LARGEST / MEGABYTE)));
    }
    return new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(String(reader.result));
        reader.onerror = () => reject(new Error(t("{0} could not be read.", file.name)));
        reader.readAsDataURL(file);
    });
}
