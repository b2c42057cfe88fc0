// Shapes of regions: their kind and bounds.

/** @import {Box, Region, Shaped, State} from "../../types.js" */

import {cellCount, gridBoxes} from "./grid.js";
import {DRAWN_KINDS, SHAPE_KINDS} from "../state.js";

/** Before the JSON of a shape that the server draws. */
export const SHAPE_TEXT = "shape:";

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
 * The words whose place is found while a picture is made, null for a region that has a place already.
 *
 * @param {Shaped} region
 * @returns {string | null}
 */
export const searchedWords = ({words}) => (words && typeof words === "object" && !words.found ? String(words.text ?? "") : null);

/** Texts of shapes that the server draws, by their JSON: a shape is not changed, another one takes its place. @type {WeakMap<object, string>} */
const texts = new WeakMap();

/**
 * What stands for the pixels of a region: its mask's text, or a text for a shape that the server draws; undefined for other shapes, ""
 * for one without pixels yet.
 *
 * @param {Shaped} region
 * @returns {string | undefined}
 */
export function maskText(region) {
    if (region.mask !== undefined) return region.mask;
    const kind = DRAWN_KINDS.find((name) => region[name] !== undefined);
    if (!kind) return undefined;
    const shape = region[kind];
    if (shape === null || typeof shape !== "object" || searchedWords(region) !== null) return "";
    const text = texts.get(shape) || SHAPE_TEXT + JSON.stringify({[kind]: shape});
    texts.set(shape, text);
    return text;
}

/**
 * The region without its shape, which is remembered in `_shape`.
 *
 * @param {Region} region
 * @returns {Region}
 */
export function dropShape(region) {
    const kind = shapeKind(region);
    const rest = withoutShape(region);
    if (kind) rest._shape = {[kind]: region[kind]};
    return rest;
}

/**
 * The region without its shape.
 *
 * @param {Region} region
 * @returns {Region}
 */
export function withoutShape(region) {
    const rest = {...region};
    SHAPE_KINDS.forEach((key) => delete rest[key]);
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
