// Shapes of regions: their kind and bounds.

/** @import {Box, Region, Shaped, State} from "../../types.js" */

import {cellCount, gridBoxes} from "./grid.js";
import {SHAPE_KINDS} from "../state.js";

/**
 * Name of the field that holds a region's shape, null without a shape.
 *
 * @param {Shaped} region
 * @returns {string | null}
 */
export function shapeKind(region) {
    return SHAPE_KINDS.find((kind) => kind in region && region[kind] !== undefined) || null;
}

/**
 * The region without its shape, which is remembered in `_shape`.
 *
 * @param {Region} region
 * @returns {Region}
 */
export function dropShape(region) {
    const kind = shapeKind(region);
    const rest = {...region};
    SHAPE_KINDS.forEach((key) => delete rest[key]);
    if (kind) rest._shape = {[kind]: region[kind]};
    return rest;
}

/**
 * Whether `list` holds `count` finite numbers.
 *
 * @param {unknown} list
 * @param {number} count
 */
const areNumbers = (list, count) => Array.isArray(list) && list.length === count && list.every(Number.isFinite);

/**
 * Smallest box around a region's shape; the whole canvas for a mask or numbers that make no sense.
 *
 * @param {Shaped} region
 * @returns {Box}
 */
export function shapeBounds(region) {
    const numbers = region.box || region.ellipse;
    if (numbers && areNumbers(numbers, 4)) return numbers.slice();
    const points = region.polygon;
    if (!Array.isArray(points) || points.length < 2 || !points.every((point) => areNumbers(point, 2))) return [0, 0, 1, 1];
    const xs = points.map((point) => point[0]);
    const ys = points.map((point) => point[1]);
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/**
 * Box of region `index` as it lies in the picture: its grid cell, or the bounds of its shape.
 *
 * @param {State} state
 * @param {number} index
 * @returns {Box}
 */
export function regionBounds(state, index) {
    if (!state.grid) return shapeBounds(state.regions[index] || {});
    return cellCount(state) === null ? [0, 0, 1, 1] : gridBoxes(state.grid)[index] || [0, 0, 1, 1];
}
