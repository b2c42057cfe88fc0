// The part of the main prompt that each region gets where the regions follow it.

/** @import {State} from "../../types.js" */

import {splitPrompt} from "./split.js";

/**
 * The regions' parts of the main prompt, null for a region without one; none at all where the texts are written in the regions.
 *
 * @param {State} state
 * @param {string} prompt
 * @returns {(string | null)[]}
 */
export function partsOfPrompt({text_from: mode, regions}, prompt) {
    if (mode !== "break" && mode !== "lines" && mode !== "and") return [];
    try {
        const parts = splitPrompt(prompt, mode).regions;
        return regions.map((_, index) => parts[index] ?? null);
    } catch {
        return regions.map(() => null); // keys out of order: the checks name them
    }
}
