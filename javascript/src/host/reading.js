// Files that are read for the server.

import {t} from "./language.js";

const MEGABYTE = 1024 * 1024;
const LARGEST = 45 * MEGABYTE;

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
