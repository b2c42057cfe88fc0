// Painted masks as plain bytes, {width, height, data}: 0 is outside, 255 inside, row by row. Brush, eraser, bucket.

/** @import {Dab, Mask} from "../../types.js" */

import {copyMask} from "./mask.js";
import {clamp} from "../values.js";

/**
 * Opacity, 0 to 1, of a stroke of radius `r` at distance `d`: 1 within the hard core, smoothly less up to the rim.
 * `softness` 0 is a hard edge (one pixel wide), 1 falls off from the middle.
 *
 * @param {number} d
 * @param {number} r
 * @param {number} softness
 * @returns {number}
 */
export function falloff(d, r, softness) {
    const core = Math.min(r * (1 - softness), r - 0.5);
    const rim = Math.max(r, core + 1);
    if (d <= core) return 1;
    if (d >= rim) return 0;
    const t = (rim - d) / (rim - core);
    return t * t * (3 - 2 * t);
}

/**
 * Draw one piece of a stroke into the mask `cover`; pieces join by their maximum, so that overlap does not add up.
 * `a` and `b` are {x, y, r} in mask pixels; the radius runs evenly between them. -> [x0, y0, x1, y1], what was touched.
 *
 * @param {Mask} cover
 * @param {Dab} a
 * @param {Dab} b
 * @param {number} softness
 * @returns {number[]}
 */
export function strokeSegment(cover, a, b, softness) {
    const reach = Math.max(a.r, b.r) + 1;
    const x0 = Math.max(0, Math.floor(Math.min(a.x, b.x) - reach));
    const x1 = Math.min(cover.width, Math.ceil(Math.max(a.x, b.x) + reach));
    const y0 = Math.max(0, Math.floor(Math.min(a.y, b.y) - reach));
    const y1 = Math.min(cover.height, Math.ceil(Math.max(a.y, b.y) + reach));
    const dx = b.x - a.x;
    const dy = b.y - a.y;
    const length2 = dx * dx + dy * dy;
    for (let row = y0; row < y1; row++) {
        for (let column = x0; column < x1; column++) {
            const px = column + 0.5 - a.x;
            const py = row + 0.5 - a.y;
            const t = length2 ? clamp((px * dx + py * dy) / length2, 0, 1) : 0;
            const [ex, ey] = [px - t * dx, py - t * dy];
            const d = Math.sqrt(ex * ex + ey * ey); // several times as fast as Math.hypot
            const r = a.r + t * (b.r - a.r);
            const at = row * cover.width + column;
            if (d < r + 1) cover.data[at] = Math.max(cover.data[at], 255 * falloff(d, r, softness));
        }
    }
    return [x0, y0, x1, y1];
}

/**
 * `base` with a stroke on it, written into `out` within `rect`: painting takes the greater value, erasing takes away.
 *
 * @param {Mask} base
 * @param {Mask} cover
 * @param {boolean} erase
 * @param {Mask} out
 * @param {number[]} [rect]
 * @returns {Mask}
 */
export function applyStroke(base, cover, erase, out, [x0, y0, x1, y1] = [0, 0, base.width, base.height]) {
    for (let row = y0; row < y1; row++) {
        for (let at = row * base.width + x0, end = row * base.width + x1; at < end; at++) {
            const before = base.data[at];
            const stroke = cover.data[at];
            out.data[at] = erase ? (before * (255 - stroke)) / 255 : Math.max(before, stroke);
        }
    }
    return out;
}

/**
 * A copy of the mask in which the area around pixel (x, y) that is as it, up to `tolerance`, has `value`.
 *
 * @param {Mask} mask
 * @param {number} x
 * @param {number} y
 * @param {number} [value]
 * @param {number} [tolerance]
 * @returns {Mask}
 */
export function floodFill(mask, x, y, value = 255, tolerance = 96) {
    const {width, height} = mask;
    const result = copyMask(mask);
    const seed = mask.data[y * width + x];
    const seen = new Uint8Array(width * height);
    const stack = [y * width + x];
    /** @param {number} at */
    const open = (at) => !seen[at] && Math.abs(mask.data[at] - seed) <= tolerance;
    while (stack.length) {
        const start = /** @type {number} */ (stack.pop());
        if (!open(start)) continue;
        const row = start - (start % width);
        let left = start;
        let right = start;
        while (left > row && open(left - 1)) left--;
        while (right < row + width - 1 && open(right + 1)) right++;
        for (let at = left; at <= right; at++) {
            seen[at] = 1;
            result.data[at] = value;
            if (at >= width && open(at - width)) stack.push(at - width);
            if (at < width * (height - 1) && open(at + width)) stack.push(at + width);
        }
    }
    return result;
}
