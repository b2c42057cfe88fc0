// Colours of regions.

/** @import {Colour} from "../types.js" */

/**
 * A colour for CSS.
 *
 * @param {Colour} colour
 * @param {number} [alpha]
 * @returns {string}
 */
export const css = ([red, green, blue], alpha = 1) => `rgba(${red}, ${green}, ${blue}, ${alpha})`;

const OWN = /^#[0-9a-f]{6}$/i;

/**
 * Colour of a region as [red, green, blue] (0..255): its own, else hues a golden angle apart, so that neighbours in the list differ.
 *
 * @param {number} index
 * @param {string | null} [own] "#rrggbb"
 * @returns {Colour}
 */
export function regionColour(index, own) {
    if (own && OWN.test(own)) return [1, 3, 5].map((at) => parseInt(own.slice(at, at + 2), 16));
    const hue = (262 + index * 137.508) % 360;
    return hslToRgb(hue, 0.68, 0.56);
}

/**
 * @param {number} hue
 * @param {number} saturation
 * @param {number} lightness
 * @returns {Colour}
 */
function hslToRgb(hue, saturation, lightness) {
    const reach = saturation * Math.min(lightness, 1 - lightness);
    return [0, 8, 4].map((offset) => {
        const k = (offset + hue / 30) % 12;
        return Math.floor(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))) + 0.5);
    });
}

/**
 * Colour of a region for CSS.
 *
 * @param {number} index
 * @param {string | null} [own]
 * @returns {string}
 */
export function cssColour(index, own) {
    return `rgb(${regionColour(index, own).join(", ")})`;
}

/**
 * The colour that an input of colours shows.
 *
 * @param {number} index
 * @param {string | null} [own]
 */
export const hexColour = (index, own) =>
    `#${regionColour(index, own)
        .map((value) => value.toString(16).padStart(2, "0"))
        .join("")}`;

/**
 * Black or white, whichever reads better on a region's colour.
 *
 * @param {number} index
 * @param {string | null} [own]
 * @returns {string}
 */
export function textColour(index, own) {
    const [red, green, blue] = regionColour(index, own);
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
}

/**
 * Colour of region `index` in Regional Prompter's palette: hues 0, 180, 90, 270, 45, 135 … at half saturation and value.
 *
 * @param {number} index
 * @returns {Colour}
 */
export function paletteColour(index) {
    const count = 2 ** Math.floor(Math.log2(Math.max(1, index)));
    const hue = index ? ((index - count + 0.5) * 360) / count : 0;
    const part = hue / 60;
    const x = 1 - Math.abs((part % 2) - 1);
    return [
        [1, x, 0],
        [x, 1, 0],
        [0, 1, x],
        [0, x, 1],
        [x, 0, 1],
        [1, 0, x],
    ][Math.floor(part) % 6].map((value) => Math.round(64 + 64 * value));
}
