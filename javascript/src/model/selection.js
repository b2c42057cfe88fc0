// What is done to several regions at once, and to their order.

/** @import {Region, State} from "../types.js" */

import {boxMap, mapShape, shiftBox} from "./geometry/boxes.js";
import {shapeBounds} from "./geometry/shapes.js";
import {canRemove, duplicateRegion, indexOf, removeRegion} from "./regions.js";
import {clamp} from "./values.js";

/**
 * @param {Region} region
 * @returns {boolean}
 */
const isFree = (region) => !region._lock;

/**
 * State with every region of `ids` that is not locked replaced by `change(region, index)`.
 *
 * @param {State} state
 * @param {Set<number>} ids
 * @param {(region: Region, index: number) => Region} change
 * @returns {State}
 */
export function changeRegions(state, ids, change) {
    const regions = state.regions.map((region, index) => (ids.has(region._id) && isFree(region) ? change(region, index) : region));
    return regions.every((region, i) => region === state.regions[i]) ? state : {...state, regions};
}

/**
 * State without the regions of `ids`; locked ones stay, and a grid keeps one cell.
 *
 * @param {State} state
 * @param {Set<number>} ids
 * @returns {State}
 */
export function removeRegions(state, ids) {
    return state.regions
        .filter((region) => ids.has(region._id) && isFree(region))
        .reduce((next, region) => (canRemove(next) ? removeRegion(next, indexOf(next, region._id)) : next), state);
}

/**
 * Copies of the regions of `ids`, a little to the side -> {state, ids of the copies}.
 *
 * @param {State} state
 * @param {Set<number>} ids
 * @returns {{state: State, ids: Set<number>}}
 */
export function duplicateRegions(state, ids) {
    /** @type {Set<number>} */
    const made = new Set();
    const next = state.regions
        .filter((region) => ids.has(region._id))
        .reduce((now, region) => {
            const after = duplicateRegion(now, indexOf(now, region._id));
            made.add(after.regions[indexOf(now, region._id) + 1]._id);
            return after;
        }, state);
    const shifted = state.grid ? next : changeRegions(next, made, (region) => shiftAside(region));
    return {state: shifted, ids: made};
}

/**
 * The region a little to the right and down, or to the left and up where there is no room.
 *
 * @param {Region} region
 * @returns {Region}
 */
export function shiftAside(region) {
    const bounds = shapeBounds(region);
    return mapShape(region, ...boxMap(bounds, shiftBox(bounds, bounds[2] > 0.96 ? -0.04 : 0.04, bounds[3] > 0.96 ? -0.04 : 0.04)));
}

/**
 * Whether regions cover one another, as layers do.
 *
 * @param {State} state
 * @returns {boolean}
 */
export const isLayered = (state) => state.overlap === "over" && !state.grid;

/**
 * Indices of the regions in the order of the list. Of layers the uppermost comes first.
 *
 * @param {State} state
 * @returns {number[]}
 */
export function listOrder(state) {
    const order = state.regions.map((_, index) => index);
    if (!isLayered(state)) return order;
    const priority = (/** @type {number} */ index) => Number(state.regions[index].priority) || 0;
    return order.sort((a, b) => priority(b) - priority(a) || b - a);
}

/**
 * State with a region put at the place of another one in the list, those between move up. Layers get the priorities of their places; in a
 * grid the cells stay and the texts move.
 *
 * @param {State} state
 * @param {number} from Index of the region.
 * @param {number} to Index of the region whose place it takes.
 * @returns {State}
 */
export function reorder(state, from, to) {
    const order = listOrder(state);
    const [start, end] = [order.indexOf(from), order.indexOf(to)];
    if (start < 0 || end < 0 || start === end) return state;
    order.splice(end, 0, ...order.splice(start, 1));
    const regions = order.map((index) => state.regions[index]);
    if (!isLayered(state)) return {...state, regions};
    return {...state, regions: regions.reverse().map((region, priority) => ({...region, priority}))};
}

/**
 * State with region `index` moved by lines of the list, at most to its end; -Infinity and Infinity put it first and last.
 *
 * @param {State} state
 * @param {number} index
 * @param {number} lines
 * @returns {State}
 */
export function moveInList(state, index, lines) {
    const order = listOrder(state);
    return reorder(state, index, order[clamp(order.indexOf(index) + lines, 0, order.length - 1)]);
}

/**
 * Only region `index` on; done again, all are as they were.
 *
 * @param {State} state
 * @param {number} index
 * @returns {State}
 */
export function solo(state, index) {
    const region = state.regions[index];
    if (state._solo && state._solo.id === region._id) {
        return {...state, _solo: null, regions: state.regions.map((each) => ({...each, enabled: state._solo.were[each._id] !== false}))};
    }
    const were = state._solo ? state._solo.were : Object.fromEntries(state.regions.map((each) => [each._id, each.enabled]));
    return {...state, _solo: {id: region._id, were}, regions: state.regions.map((each) => ({...each, enabled: each._id === region._id}))};
}
