// Writing the layout as the main prompt.

/** @import {State} from "../../types.js" */

import {cellCount} from "../geometry/grid.js";
import {gridKeys} from "./grid_keys.js";

/**
 * @param {string[]} texts
 * @param {string[]} keys
 * @returns {string}
 */
const joinedWith = (texts, keys) => texts.map((text, i) => (i ? `${keys[i - 1]} ${text}` : text)).join("\n");

/**
 * @param {string} common
 * @param {string} base
 * @param {string} regions
 * @returns {string}
 */
function withHead(common, base, regions) {
    return [...(common ? [`${common} ADDCOMM`] : []), ...(base ? [`${base} ADDBASE`] : []), regions].join("\n");
}

/**
 * The regions' texts as one main prompt, and the state that takes them from there.
 * A negative of null is left as it is. The main prompt as it was becomes the base.
 *
 * @param {State} state
 * @param {{prompt: string, negative: string}} main
 * @returns {{state: State, prompt: string, negative: string | null, notes: string[]}}
 */
export function exportPrompt(state, main) {
    if (state.text_from !== "regions") {
        return {state, prompt: main.prompt, negative: null, notes: ["The regions follow the main prompt already."]};
    }
    const count = state.regions.length;
    const keys = state.grid && cellCount(state) === count ? gridKeys(state.grid) : Array(count).fill("BREAK");
    /** @param {string} text */
    const clean = (text) => (text || "").replace(/\b(ADDCOMM|ADDBASE|ADDCOL|ADDROW|BREAK|AND)\b/g, ",").trim();
    const base = state.base.prompt === null ? main.prompt : state.base.prompt;
    const prompt = withHead(
        clean(state.common),
        clean(base),
        joinedWith(
            state.regions.map((region) => clean(region.prompt)),
            keys,
        ),
    );
    const negatives = state.regions.some((region) => region.negative.trim());
    const mainNegative = state.base.negative === null ? main.negative : state.base.negative;
    const negative = negatives
        ? withHead(
              "",
              clean(mainNegative),
              joinedWith(
                  state.regions.map((region) => clean(region.negative)),
                  keys,
              ),
          )
        : null;
    const regions = state.regions.map((region) => ({...region, prompt: "", negative: negatives ? "" : region.negative}));
    const next = {
        ...state,
        text_from: "break",
        common: "",
        base: {...state.base, prompt: null, negative: negatives ? null : state.base.negative},
        regions,
    };
    return {
        state: next,
        prompt,
        negative,
        notes: ['The texts stand in the main prompt now, and "Region texts" follows it. "Split main prompt" brings them back.'],
    };
}
