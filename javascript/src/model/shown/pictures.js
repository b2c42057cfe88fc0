// The last pictures of a page, as the strip below the canvas shows them.

/** `numbers`: those of the regions when it was made; `isCut`: it was interrupted. @typedef {{src: string, infotext: string, numbers: number[], isCut: boolean}} Entry */

import {scoresOf} from "../words/infotext.js";

const MOST = 12;

/**
 * Pictures of a gallery without the grid that stands before a batch: it has the parameters of the first one.
 *
 * @param {Entry[]} entries
 * @returns {Entry[]}
 */
export const withoutGrid = (entries) => (entries.length > 2 && entries[0].infotext === entries[1].infotext ? entries.slice(1) : entries);

/**
 * The strip with pictures that it does not have yet, the newest first.
 *
 * @param {Entry[]} strip
 * @param {Entry[]} made
 * @returns {Entry[]}
 */
export function withPictures(strip, made) {
    const known = new Set(strip.map(({src}) => src));
    const fresh = made.filter(({src}) => src && !known.has(src));
    return fresh.length ? [...fresh, ...strip].slice(0, MOST) : strip;
}

/**
 * The lowest score of a picture's regions as a short text, and all of them in words; "" for a picture without scores.
 *
 * @param {Entry} entry
 * @returns {{lowest: string, each: string}}
 */
export function scoreWords({infotext, numbers}) {
    const scores = scoresOf(infotext);
    if (!scores) return {lowest: "", each: ""};
    const each = scores.regions.map(([place, score]) => `${numbers[place - 1] ?? place}: ${score.toFixed(2)}`);
    return {lowest: scores.lowest.toFixed(2), each: each.join(" · ")};
}
