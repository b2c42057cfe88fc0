// Masks of all regions in one picture.

/** @import {Mask} from "../../types.js" */

import {paletteColour} from "../colours.js";

/**
 * Masks of one size -> RGBA: every pixel in the colour of its strongest region, black where there is none.
 *
 * @param {Mask[]} masks
 * @returns {Uint8ClampedArray<ArrayBuffer>}
 */
export function colourCoded(masks) {
    const pixels = new Uint8ClampedArray(masks[0].data.length * 4);
    const colours = masks.map((_, i) => paletteColour(i));
    for (let at = 0; at < masks[0].data.length; at++) {
        let best = -1;
        let most = 127;
        masks.forEach((mask, i) => {
            if (mask.data[at] >= most && mask.data[at] > 0) [best, most] = [i, mask.data[at]];
        });
        pixels.set(best < 0 ? [0, 0, 0, 255] : [...colours[best], 255], at * 4);
    }
    return pixels;
}

/**
 * The first three masks as red, green and blue.
 *
 * @param {Mask[]} masks
 * @returns {Uint8ClampedArray<ArrayBuffer>}
 */
export function channelPacked(masks) {
    const pixels = new Uint8ClampedArray(masks[0].data.length * 4);
    for (let at = 0; at < masks[0].data.length; at++) {
        pixels.set([0, 1, 2].map((i) => (masks[i] ? masks[i].data[at] : 0)).concat(255), at * 4);
    }
    return pixels;
}
