// Presets as a file: {"regional/presets": version, presets: {name: settings}}.

/** @import {Json} from "../types.js" */

import {t} from "../host/language.js";
import {VERSION} from "../model/state.js";

const FILE_KIND = "regional/presets";

/**
 * Presets -> text of a file.
 *
 * @param {Record<string, Json>} presets
 * @returns {string}
 */
export const writePresetFile = (presets) => JSON.stringify({[FILE_KIND]: VERSION, presets}, null, 1);

/**
 * Text of a file -> {name: settings}. One preset's settings do as well; its name is the file's. Throws an Error for any other text.
 *
 * @param {string} fileName
 * @param {string} text
 * @returns {Record<string, Json>}
 */
export function readPresetFile(fileName, text) {
    const data = parseFile(fileName, text);
    if (data && typeof data.presets === "object" && data[FILE_KIND] > VERSION) {
        throw new Error(
            t("{0} was written by a newer Regional (version {1}): this one reads up to {2}.", fileName, data[FILE_KIND], VERSION),
        );
    }
    if (data && typeof data.presets === "object" && data.presets && !Array.isArray(data.presets)) return data.presets;
    if (data && Array.isArray(data.regions)) {
        return {[fileName.replace(/\.json$/i, "").replace(/[^\p{L}\p{M}\p{Nd} ._-]/gu, "-")]: data};
    }
    throw new Error(t('{0} holds no presets: it should have been written by "Export all".', fileName));
}

/**
 * @param {string} fileName
 * @param {string} text
 * @returns {any}
 */
function parseFile(fileName, text) {
    try {
        return JSON.parse(text);
    } catch (error) {
        throw new Error(t("{0} is no preset file: its JSON is broken ({1}).", fileName, error.message));
    }
}
