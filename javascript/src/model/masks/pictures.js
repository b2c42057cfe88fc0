// Masks of all regions in one picture.

/** @import {Mask} from "../../types.js" */

import {paletteColour} from "../colours.js";

/**
 * Turn RGBA bytes into grey ones in place: brightness (Rec. 601) times opacity, rounded to 33 steps, opaque.
 *
 * @param {Uint8ClampedArray} bytes
 */
export function toMaskPixels(bytes) {
    for (let i = 0; i < bytes.length; i += 4) {
        const grey = ((0.299 * bytes[i] + 0.587 * bytes[i + 1] + 0.114 * bytes[i + 2]) * bytes[i + 3]) / 255;
        bytes[i] = bytes[i + 1] = bytes[i + 2] = Math.min(255, Math.round(grey / 8) * 8);
        bytes[i + 3] = 255;
    }
}

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
