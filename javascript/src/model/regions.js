// The list of regions and the shapes in it.

/** @import {Region, State} from "../types.js" */

import {changeCells} from "./geometry/grid.js";
import {shapeBounds, shapeKind} from "./geometry/shapes.js";
import {SHAPE_KINDS, makeRegion} from "./state.js";

/**
 * Index of the region with an id, -1 where there is no such region.
 *
 * @param {State} state
 * @param {number} id
 * @returns {number}
 */
export const indexOf = (state, id) => state.regions.findIndex((region) => region._id === id);

/**
 * First and last sampling step, from 1, of a region that acts from one share of the steps to another; null where there is none.
 *
 * @param {unknown[]} shares
 * @param {number} count Of the sampling steps.
 * @returns {[number, number] | null}
 */
export function stepSpan([from, to], count) {
    if (typeof from !== "number" || typeof to !== "number") return null;
    const [first, last] = [Math.ceil(from * count - 1e-9) + 1, Math.ceil(to * count - 1e-9)];
    return first <= last ? [first, last] : null;
}

/**
 * A new region as it should join the state: where later ones cover, above all.
 *
 * @param {State} state
 * @param {Region} region
 * @returns {Region}
 */
export function onTop(state, region) {
    if (state.overlap !== "over" || state.grid || !state.regions.length) return region;
    return {...region, priority: Math.min(1000, Math.max(...state.regions.map((each) => Number(each.priority) || 0)) + 1)};
}

/**
 * State in which region `index` has a shape of another kind, as near as can be to the one it had.
 *
 * @param {State} state
 * @param {number} index
 * @param {string} kind
 * @returns {State}
 */
export function setShapeKind(state, index, kind) {
    const region = state.regions[index];
    if (shapeKind(region) === kind) return state;
    const [x0, y0, x1, y1] = shapeBounds(region);
    /** @type {Record<string, unknown>} */
    const shapes = {
        box: [x0, y0, x1, y1],
        ellipse: [x0, y0, x1, y1],
        polygon: [
            [x0, y0],
            [x1, y0],
            [x1, y1],
            [x0, y1],
        ],
        mask: region._mask || "",
    };
    /** @type {Record<string, unknown>} */
    const rest = {...region, _mask: region.mask || region._mask};
    SHAPE_KINDS.forEach((key) => delete rest[key]);
    return replaceRegion(state, index, /** @type {Region} */ ({[kind]: shapes[kind], ...rest}));
}

/**
 * State with another region at `index`.
 *
 * @param {State} state
 * @param {number} index
 * @param {Region} region
 * @returns {State}
 */
export function replaceRegion(state, index, region) {
    return {...state, regions: state.regions.map((old, i) => (i === index ? region : old))};
}

/**
 * A region with another value of a field. One whose own eye was used follows that, whatever its group did before.
 *
 * @param {Region} region
 * @param {string} field
 * @param {unknown} value
 * @returns {Region}
 */
export const withSwitch = (region, field, value) => ({...region, [field]: value, ...(field === "enabled" ? {_muted: false} : {})});

/**
 * Add a region at the end; a grid gets one more cell.
 *
 * @param {State} state
 * @returns {State}
 */
export function addRegion(state) {
    const region = onTop(state, makeRegion(state.grid ? {} : {box: [0.25, 0.25, 0.75, 0.75]}));
    return {...changeCells(state, (cells, sizes) => cells.push(sizes(cells.length - 1))), regions: [...state.regions, region]};
}

/**
 * State with a copy of region `index` after it; a grid gets one more cell.
 *
 * @param {State} state
 * @param {number} index
 * @returns {State}
 */
export function duplicateRegion(state, index) {
    const {_id, ...fields} = state.regions[index];
    const regions = state.regions.slice();
    regions.splice(index + 1, 0, makeRegion(fields));
    return {...changeCells(state, (cells, sizes, at) => cells.splice(at + 1, 0, sizes(at)), index), regions};
}

/**
 * State without region `index`; a grid loses its cell.
 *
 * @param {State} state
 * @param {number} index
 * @returns {State}
 */
export function removeRegion(state, index) {
    return {...changeCells(state, (cells, _, at) => cells.splice(at, 1), index), regions: state.regions.filter((_, i) => i !== index)};
}

/**
 * Whether one region fewer still is a layout: a grid has at least one cell.
 *
 * @param {State} state
 * @returns {boolean}
 */
export function canRemove(state) {
    return state.regions.length > (state.grid ? 1 : 0);
}
