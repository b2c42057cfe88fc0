// Moving, resizing, mirroring and aligning shapes. Coordinates are shares of the picture, sizes are [width, height] in pixels.

/** @import {Box, Point, Shaped, Size} from "../../types.js" */

import {clamp} from "../values.js";

const SMALLEST = 8;

/** Name and position of the handles of a box. @type {[string, number, number][]} */
export const HANDLES = [
    ["nw", 0, 0],
    ["n", 0.5, 0],
    ["ne", 1, 0],
    ["e", 1, 0.5],
    ["se", 1, 1],
    ["s", 0.5, 1],
    ["sw", 0, 1],
    ["w", 0, 0.5],
];

/**
 * @param {number} value
 * @returns {number}
 */
const fine = (value) => Math.round(value * 1e6) / 1e6;

/**
 * @param {number} value
 * @returns {number}
 */
const inside = (value) => clamp(fine(value), 0, 1);

/**
 * The region with every coordinate of its shape mapped. A mask has no coordinates and stays as it is; words
 * are searched anew.
 *
 * @template {Shaped} R
 * @param {R} region
 * @param {(x: number) => number} mapX
 * @param {(y: number) => number} mapY
 * @returns {R}
 */
export function mapShape(region, mapX, mapY) {
    /** @param {Box} box */
    const corners = (box) => {
        const [x0, x1] = [inside(mapX(box[0])), inside(mapX(box[2]))].sort((a, b) => a - b);
        const [y0, y1] = [inside(mapY(box[1])), inside(mapY(box[3]))].sort((a, b) => a - b);
        return [x0, y0, x1, y1];
    };
    if (region.box) return {...region, box: corners(region.box)};
    if (region.ellipse) return {...region, ellipse: corners(region.ellipse)};
    if (region.polygon) return {...region, polygon: region.polygon.map(([x, y]) => [inside(mapX(x)), inside(mapY(y))])};
    if (region.words?.found) return {...region, words: {...region.words, found: undefined}};
    if (region.procedural && typeof region.procedural === "object") {
        return {...region, procedural: mapParameters(region.procedural, corners, mapX, mapY)};
    }
    return region;
}

/**
 * Points and box of a computed mask, moved.
 *
 * @param {Record<string, any>} shape
 * @param {(box: Box) => Box} corners
 * @param {(x: number) => number} mapX
 * @param {(y: number) => number} mapY
 * @returns {Record<string, any>}
 */
function mapParameters(shape, corners, mapX, mapY) {
    const moved = {...shape};
    for (const name of ["from", "to"]) if (shape[name]) moved[name] = [inside(mapX(shape[name][0])), inside(mapY(shape[name][1]))];
    if (shape.box) moved.box = corners(shape.box);
    return moved;
}

/**
 * What takes `from` to `to`, axis by axis.
 *
 * @param {Box} from
 * @param {Box} to
 * @returns {[(x: number) => number, (y: number) => number]}
 */
export function boxMap(from, to) {
    /** @type {(a0: number, a1: number, b0: number, b1: number) => (value: number) => number} */
    const axis = (a0, a1, b0, b1) => (value) => (a1 - a0 < 1e-9 ? b0 : b0 + ((value - a0) * (b1 - b0)) / (a1 - a0));
    return [axis(from[0], from[2], to[0], to[2]), axis(from[1], from[3], to[1], to[3])];
}

/**
 * Smallest box around all boxes, null without any.
 *
 * @param {Box[]} boxes
 * @returns {Box | null}
 */
export function unionBox(boxes) {
    if (!boxes.length) return null;
    /** @type {(pick: (...values: number[]) => number, at: number) => number} */
    const side = (pick, at) => pick(...boxes.map((box) => box[at]));
    return [side(Math.min, 0), side(Math.min, 1), side(Math.max, 2), side(Math.max, 3)];
}

/**
 * A box between two corners in any order, inside the picture.
 *
 * @param {Point} a
 * @param {Point} b
 * @returns {Box}
 */
export const boxBetween = (a, b) => [
    inside(Math.min(a.x, b.x)),
    inside(Math.min(a.y, b.y)),
    inside(Math.max(a.x, b.x)),
    inside(Math.max(a.y, b.y)),
];

/**
 * Whether a drawn box is more than a slip of the hand.
 *
 * @param {Box} box
 * @param {Size} size
 * @returns {boolean}
 */
export const isDrawn = (box, [width, height]) => (box[2] - box[0]) * width >= SMALLEST && (box[3] - box[1]) * height >= SMALLEST;

/**
 * `box` moved by (dx, dy), kept inside the picture at its size.
 *
 * @param {Box} box
 * @param {number} dx
 * @param {number} dy
 * @returns {Box}
 */
export function shiftBox(box, dx, dy) {
    const x = clamp(dx, -box[0], 1 - box[2]);
    const y = clamp(dy, -box[1], 1 - box[3]);
    return [fine(box[0] + x), fine(box[1] + y), fine(box[2] + x), fine(box[3] + y)];
}

/**
 * `box` with the handle `name` at `point`; it never turns over and keeps at least 8 pixels. `keep`: width to height as they were.
 *
 * @param {Box} box
 * @param {string} name
 * @param {Point} point
 * @param {Size} size
 * @param {boolean} [keep]
 * @returns {Box}
 */
export function resizeBox(box, name, point, [width, height], keep) {
    const next = box.slice();
    const least = [SMALLEST / width, SMALLEST / height];
    if (name.includes("w")) next[0] = clamp(point.x, 0, box[2] - least[0]);
    if (name.includes("e")) next[2] = clamp(point.x, box[0] + least[0], 1);
    if (name.includes("n")) next[1] = clamp(point.y, 0, box[3] - least[1]);
    if (name.includes("s")) next[3] = clamp(point.y, box[1] + least[1], 1);
    if (keep && name.length === 2) keepAspect(next, box, name);
    return next.map(fine);
}

/**
 * @param {Box} next
 * @param {Box} box
 * @param {string} name
 */
function keepAspect(next, box, name) {
    const scale = Math.min((next[2] - next[0]) / (box[2] - box[0]), (next[3] - next[1]) / (box[3] - box[1]));
    const w = (box[2] - box[0]) * scale;
    const h = (box[3] - box[1]) * scale;
    if (name.includes("w")) next[0] = box[2] - w;
    else next[2] = box[0] + w;
    if (name.includes("n")) next[1] = box[3] - h;
    else next[3] = box[1] + h;
}

/**
 * A mirror image within the picture, or within `box`.
 *
 * @template {Shaped} R
 * @param {R} region
 * @param {boolean} horizontal
 * @param {Box} [box]
 * @returns {R}
 */
export function mirrorShape(region, horizontal, box = [0, 0, 1, 1]) {
    return horizontal
        ? mapShape(
              region,
              (x) => box[0] + box[2] - x,
              (y) => y,
          )
        : mapShape(
              region,
              (x) => x,
              (y) => box[1] + box[3] - y,
          );
}

/**
 * Where `box` goes when it is aligned to a side ("left", "centre", "right", "top", "middle", "bottom") of `frame`.
 *
 * @param {Box} box
 * @param {string} side
 * @param {Box} frame
 * @returns {Box}
 */
export function alignBox(box, side, frame) {
    const width = box[2] - box[0];
    const height = box[3] - box[1];
    const x = {left: frame[0], centre: (frame[0] + frame[2] - width) / 2, right: frame[2] - width}[side];
    const y = {top: frame[1], middle: (frame[1] + frame[3] - height) / 2, bottom: frame[3] - height}[side];
    return shiftBox(box, x === undefined ? 0 : x - box[0], y === undefined ? 0 : y - box[1]);
}
