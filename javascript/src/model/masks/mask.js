// Masks as plain bytes, {width, height, data}: 0 is outside, 255 inside, row by row. Sizes, bounds, warps.

/** @import {Box, Mask, Shaped, Size} from "../../types.js" */

import {boxMap} from "../geometry/boxes.js";
import {contains} from "../geometry/hits.js";

const LONGEST_MASK_SIDE = 512;

/**
 * [width, height] of a mask for a picture of `size`: its aspect, at most 512 pixels long, at most the picture itself.
 *
 * @param {Size} size
 * @returns {Size}
 */
export function maskSize([width, height]) {
    const scale = Math.min(1, LONGEST_MASK_SIDE / Math.max(width, height));
    return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

/**
 * A mask of these bytes, empty without any.
 *
 * @param {number} width
 * @param {number} height
 * @param {Uint8ClampedArray<ArrayBuffer>} [data]
 * @returns {Mask}
 */
export const makeMask = (width, height, data) => ({width, height, data: data || new Uint8ClampedArray(width * height)});

/**
 * A mask with the same bytes.
 *
 * @param {Mask} mask
 * @returns {Mask}
 */
export const copyMask = (mask) => makeMask(mask.width, mask.height, mask.data.slice());

/**
 * A mask of what is outside.
 *
 * @param {Mask} mask
 * @returns {Mask}
 */
export const invertMask = ({width, height, data}) =>
    makeMask(
        width,
        height,
        data.map((level) => 255 - level),
    );

/**
 * A region's box, ellipse or polygon as a mask, hard-edged, judged at the pixels' centres.
 *
 * @param {Shaped} region
 * @param {number} width
 * @param {number} height
 * @param {Box} [bounds]
 * @returns {Mask}
 */
export function drawShape(region, width, height, bounds) {
    const mask = makeMask(width, height);
    const shape = bounds ? {box: bounds} : region;
    for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
            if (contains(shape, (column + 0.5) / width, (row + 0.5) / height)) mask.data[row * width + column] = 255;
        }
    }
    return mask;
}

/**
 * Smallest box around everything above `least`, as fractions; null for an empty mask.
 *
 * @param {Mask} mask
 * @param {number} [least]
 * @returns {Box | null}
 */
export function maskBounds(mask, least = 12) {
    let x0 = mask.width;
    let y0 = mask.height;
    let x1 = -1;
    let y1 = -1;
    for (let row = 0, at = 0; row < mask.height; row++) {
        for (let column = 0; column < mask.width; column++, at++) {
            if (mask.data[at] < least) continue;
            if (column < x0) x0 = column;
            if (column > x1) x1 = column;
            if (row < y0) y0 = row;
            y1 = row;
        }
    }
    return x1 < 0 ? null : [x0 / mask.width, y0 / mask.height, (x1 + 1) / mask.width, (y1 + 1) / mask.height];
}

/**
 * The mask as it looks after `from` (a box) has become `to`; a turned-over `to` mirrors. Bilinear; outside is 0.
 *
 * @param {Mask} mask
 * @param {Box} from
 * @param {Box} to
 * @returns {Mask}
 */
export function warpMask(mask, from, to) {
    const {width, height} = mask;
    const result = makeMask(width, height);
    const back = boxMap(to, from);
    const flipX = to[0] > to[2];
    const flipY = to[1] > to[3];
    /** @type {(x: number) => number} */
    const mapX = flipX ? (x) => from[0] + ((x - to[0]) * (from[2] - from[0])) / (to[2] - to[0]) : back[0];
    /** @type {(y: number) => number} */
    const mapY = flipY ? (y) => from[1] + ((y - to[1]) * (from[3] - from[1])) / (to[3] - to[1]) : back[1];
    for (let row = 0, at = 0; row < height; row++) {
        const y = mapY((row + 0.5) / height) * height - 0.5;
        for (let column = 0; column < width; column++, at++) result.data[at] = sample(mask, mapX((column + 0.5) / width) * width - 0.5, y);
    }
    return result;
}

/**
 * @param {Mask} mask
 * @param {number} x
 * @param {number} y
 * @returns {number}
 */
function sample({width, height, data}, x, y) {
    const [x0, y0] = [Math.floor(x + 1e-6), Math.floor(y + 1e-6)];
    const u = Math.max(0, x - x0);
    const v = Math.max(0, y - y0);
    /** @type {(column: number, row: number) => number} */
    const pixel = (column, row) => (column < 0 || row < 0 || column >= width || row >= height ? 0 : data[row * width + column]);
    if (u < 1e-6 && v < 1e-6) return pixel(x0, y0);
    return (pixel(x0, y0) * (1 - u) + pixel(x0 + 1, y0) * u) * (1 - v) + (pixel(x0, y0 + 1) * (1 - u) + pixel(x0 + 1, y0 + 1) * u) * v;
}

/**
 * Another resolution, by averaging or repeating pixels.
 *
 * @param {Mask} mask
 * @param {number} width
 * @param {number} height
 * @returns {Mask}
 */
export function scaleMask(mask, width, height) {
    if (mask.width === width && mask.height === height) return mask;
    const result = makeMask(width, height);
    for (let row = 0; row < height; row++) {
        const y0 = Math.floor((row * mask.height) / height);
        const y1 = Math.max(y0 + 1, Math.floor(((row + 1) * mask.height) / height));
        for (let column = 0; column < width; column++) {
            const x0 = Math.floor((column * mask.width) / width);
            const x1 = Math.max(x0 + 1, Math.floor(((column + 1) * mask.width) / width));
            let sum = 0;
            for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += mask.data[y * mask.width + x];
            result.data[row * width + column] = Math.round(sum / ((y1 - y0) * (x1 - x0)));
        }
    }
    return result;
}

/**
 * `rle:WxH:0*1024,255*3,128` -> mask; null for anything else.
 *
 * @param {string} text
 * @returns {Mask | null}
 */
export function readRle(text) {
    const match = /^rle:(\d+)x(\d+):(.*)$/s.exec(text);
    if (!match || Number(match[1]) * Number(match[2]) > 64e6) return null;
    const mask = makeMask(Number(match[1]), Number(match[2]));
    let at = 0;
    for (const piece of match[3].split(",")) {
        const [value, length] = piece.split("*");
        mask.data.fill(Number(value), at, (at += Number(length || 1)));
    }
    return at === mask.data.length ? mask : null;
}

/**
 * Whether all of a mask is outside.
 *
 * @param {Mask} mask
 * @returns {boolean}
 */
export const isEmptyMask = (mask) => maskBounds(mask, 1) === null;
