// Splitting the main prompt into the regions' prompts.

/** @import {SplitMode, State} from "../../types.js" */

import {cellCount} from "../geometry/grid.js";
import {gridKeys, gridOfKeys} from "./grid_keys.js";
import {detectMode, joinTexts, joinedParts, splitPrompt} from "./split.js";
import {makeRegion} from "../state.js";
import {same} from "../values.js";

/** As lib_regional allows them. */
const MOST_REGIONS = 256;

/**
 * @param {SplitMode} mode
 * @param {string[]} keys
 * @returns {string}
 */
const separatorsOf = (mode, keys) =>
    mode === "lines" ? "its line ends" : [...new Set(keys.filter((key) => key !== "\n"))].join(" and ") || "its keys";

/**
 * Write the parts of the main prompt into the regions -> {state, notes}: what was done, in words. The state is the same one if nothing was.
 *
 * @param {State} state
 * @param {string} prompt
 * @param {string} negative
 * @returns {{state: State, notes: string[]}}
 */
export function importPrompt(state, prompt, negative) {
    let parts;
    let mode;
    try {
        mode = detectMode(prompt);
        if (!mode) return {state, notes: ["The main prompt has no BREAK, no AND and one line only: there is nothing to split."]};
        parts = splitPrompt(prompt, mode);
    } catch (error) {
        return {state, notes: [error.message]};
    }
    const count = parts.regions.length;
    if (count > MOST_REGIONS) return {state, notes: [`The main prompt has ${count} parts, and there are at most ${MOST_REGIONS} regions.`]};
    const base = parts.base === null ? joinedParts(parts) : joinTexts(parts.common, parts.base);
    const notes = [
        `Split the main prompt at ${separatorsOf(mode, parts.keys)} into ${count} part${count === 1 ? "" : "s"}, one for each region.`,
    ];
    let next = fitLayout(state, parts.keys, count, notes);
    const regions = next.regions.map((region, i) =>
        i < count ? {...region, prompt: parts.regions[i], weight: mode === "and" ? parts.weights[i] : region.weight} : region,
    );
    next = {...next, regions, text_from: "regions", common: parts.common || "", base: {...next.base, prompt: base}};
    if (parts.common) notes.push(`Common prompt: ${quote(parts.common)}.`);
    notes.push(`Base prompt: ${quote(base)}. It stands for the main prompt now.`);
    return {state: importNegative(next, mode, negative, count, notes), notes};
}

/**
 * @param {State} state
 * @param {SplitMode} mode
 * @param {string} negative
 * @param {number} count
 * @param {string[]} notes
 * @returns {State}
 */
function importNegative(state, mode, negative, count, notes) {
    const parts = splitPrompt(negative || "", mode);
    if (parts.regions.length === 1) return state;
    if (parts.regions.length !== count) {
        notes.push(`The negative prompt has ${parts.regions.length} parts for ${count} regions: it was left as it is.`);
        return state;
    }
    notes.push("The negative prompt was split in the same way.");
    const regions = state.regions.map((region, i) => (i < count ? {...region, negative: parts.regions[i]} : region));
    return {...state, regions, base: {...state.base, negative: joinTexts(parts.common, parts.base)}};
}

/**
 * Bring the layout to `count` regions; in a grid the keys ADDCOL and ADDROW arrange them.
 *
 * @param {State} state
 * @param {string[]} keys
 * @param {number} count
 * @param {string[]} notes
 * @returns {State}
 */
function fitLayout(state, keys, count, notes) {
    if (!state.grid) {
        const missing = Math.max(0, count - state.regions.length);
        if (missing) {
            notes.push(
                `${missing} region${missing === 1 ? " is" : "s are"} new and lie${missing === 1 ? "s" : ""} in the middle: move ${missing === 1 ? "it" : "them"}.`,
            );
        }
        if (count < state.regions.length) notes.push(`Regions after number ${count} were left as they are.`);
        return {...state, regions: [...state.regions, ...Array.from({length: missing}, () => makeRegion({box: [0.25, 0.25, 0.75, 0.75]}))]};
    }
    const shaped = keys.some((key) => key === "ADDCOL" || key === "ADDROW");
    if (cellCount(state) === count && (!shaped || same(gridKeys(state.grid), keys))) return state;
    const grid = gridOfKeys(keys, shaped ? "columns" : state.grid.direction);
    notes.push(`The grid is now ${grid.ratios} in ${grid.direction}.`);
    const kept = state.regions.slice(0, count);
    return {...state, grid, regions: [...kept, ...Array.from({length: count - kept.length}, () => makeRegion())]};
}

/**
 * @param {string} text
 * @returns {string}
 */
function quote(text) {
    return text.length <= 60 ? `"${text}"` : `"${text.slice(0, 59)}…"`;
}
