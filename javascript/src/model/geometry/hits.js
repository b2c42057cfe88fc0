// Hit tests: which region or handle lies at a point.

/** @import {Box, Corner, Point, Shaped, State} from "../../types.js" */

import {HANDLES} from "./boxes.js";
import {maskText, regionBounds, shapeBounds} from "./shapes.js";

/**
 * Whether a point lies in a shape; `maskAt(text, x, y)` gives the value of a mask, 0 to 255.
 *
 * @param {Shaped} region
 * @param {number} x
 * @param {number} y
 * @param {(text: string, x: number, y: number) => number} [maskAt]
 * @returns {boolean}
 */
export function contains(region, x, y, maskAt) {
    if (region.polygon) return insidePolygon(region.polygon, x, y);
    const text = maskText(region);
    if (text !== undefined) return maskAt !== undefined && maskAt(text, x, y) > 24;
    const [x0, y0, x1, y1] = shapeBounds(region);
    if (x < x0 || x > x1 || y < y0 || y > y1) return false;
    if (!region.ellipse) return true;
    return ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1;
}

/**
 * Even-odd.
 *
 * @param {Corner[]} points
 * @param {number} x
 * @param {number} y
 * @returns {boolean}
 */
export function insidePolygon(points, x, y) {
    let odd = false;
    points.forEach(([x0, y0], i) => {
        const [x1, y1] = points[(i + 1) % points.length];
        if (y0 > y !== y1 > y && x < x0 + ((x1 - x0) * (y - y0)) / (y1 - y0)) odd = !odd;
    });
    return odd;
}

/**
 * Index of the smallest region at a point, the later one of two of a size; -1 where there is none.
 *
 * @param {State} state
 * @param {number} x
 * @param {number} y
 * @param {(text: string, x: number, y: number) => number} [maskAt]
 * @param {(state: State, index: number) => Box} [boundsOf]
 * @returns {number}
 */
export function regionAt(state, x, y, maskAt, boundsOf = regionBounds) {
    let best = -1;
    let least = Infinity;
    state.regions.forEach((region, index) => {
        const [x0, y0, x1, y1] = boundsOf(state, index);
        const area = (x1 - x0) * (y1 - y0);
        const hit = state.grid ? x >= x0 && x < x1 && y >= y0 && y < y1 : contains(region, x, y, maskAt);
        if (hit && area <= least) [best, least] = [index, area];
    });
    return best;
}

/**
 * Name of the handle of `box` at a point, null where there is none; `reach` in fractions.
 *
 * @param {Box} box
 * @param {Point} point
 * @param {Point} reach
 * @returns {string | null}
 */
export function handleAt(box, point, reach) {
    const found = HANDLES.find(
        ([, u, v]) =>
            Math.abs(box[0] + (box[2] - box[0]) * u - point.x) <= reach.x && Math.abs(box[1] + (box[3] - box[1]) * v - point.y) <= reach.y,
    );
    return found ? found[0] : null;
}
