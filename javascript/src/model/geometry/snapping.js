// Snapping of points and boxes to lines and to the grid of latent pixels.

/** @import {Box, Guides, Point, Size} from "../../types.js" */

import {clamp} from "../values.js";

const CELL = 8;

/**
 * Lines to which things snap: the borders, middle and thirds of the picture, and the borders of `boxes`.
 *
 * @param {Box[]} boxes
 * @returns {{x: number[], y: number[]}}
 */
export function snapLines(boxes) {
    const fixed = [0, 1 / 3, 0.5, 2 / 3, 1];
    return {x: [...fixed, ...boxes.flatMap((box) => [box[0], box[2]])], y: [...fixed, ...boxes.flatMap((box) => [box[1], box[3]])]};
}

/**
 * The nearest line within `reach`, else the nearest multiple of 8 pixels: {value, line} (line: null for the 8-pixel grid).
 *
 * @param {number} value
 * @param {number[]} lines
 * @param {number} reach
 * @param {number} pixels
 * @returns {{value: number, line: number | null}}
 */
export function snapValue(value, lines, reach, pixels) {
    let best = null;
    for (const line of lines) {
        if (Math.abs(line - value) <= reach && (best === null || Math.abs(line - value) < Math.abs(best - value))) best = line;
    }
    return best === null
        ? {value: clamp((Math.round((value * pixels) / CELL) * CELL) / pixels, 0, 1), line: null}
        : {value: best, line: best};
}

/**
 * A point snapped on both axes.
 *
 * @param {Point} point
 * @param {{x: number[], y: number[]}} lines
 * @param {Point} reach
 * @param {Size} size
 * @returns {Point & {guides: Guides}}
 */
export function snapPoint(point, lines, reach, [width, height]) {
    const x = snapValue(point.x, lines.x, reach.x, width);
    const y = snapValue(point.y, lines.y, reach.y, height);
    return {x: x.value, y: y.value, guides: {x: x.line, y: y.line}};
}

/**
 * How far `box`, wanted at an offset (dx, dy), really goes: its sides snap to lines first, then to 8 pixels. -> {dx, dy, guides}
 *
 * @param {Box} box
 * @param {number} dx
 * @param {number} dy
 * @param {{x: number[], y: number[]}} lines
 * @param {Point} reach
 * @param {Size} size
 * @returns {{dx: number, dy: number, guides: Guides}}
 */
export function snapShift(box, dx, dy, lines, reach, [width, height]) {
    /** @type {(low: number, high: number, shift: number, targets: number[], near: number, pixels: number) => {shift: number, line: number | null}} */
    const axis = (low, high, shift, targets, near, pixels) => {
        const tries = [low, high].map((side) => ({side, ...snapValue(side + shift, targets, near, pixels)}));
        const held = tries
            .filter((found) => found.line !== null)
            .sort((a, b) => Math.abs(a.value - a.side - shift) - Math.abs(b.value - b.side - shift))[0];
        const taken = held || tries[0];
        return {shift: clamp(taken.value - taken.side, -low, 1 - high), line: taken.line};
    };
    const x = axis(box[0], box[2], dx, lines.x, reach.x, width);
    const y = axis(box[1], box[3], dy, lines.y, reach.y, height);
    return {dx: x.shift, dy: y.shift, guides: {x: x.line, y: y.line}};
}
