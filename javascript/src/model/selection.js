// What is done to several regions at once, and to their order.

/** @import {Region, State} from "../types.js" */

import {boxMap, mapShape, shiftBox} from "./geometry/boxes.js";
import {shapeBounds} from "./geometry/shapes.js";
import {canRemove, duplicateRegion, indexOf, removeRegion} from "./regions.js";

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
 * A region put at another position of the list; in a grid the cells stay and the texts move.
 *
 * @param {State} state
 * @param {number} from
 * @param {number} to
 * @returns {State}
 */
export function reorder(state, from, to) {
    if (from === to || !state.regions[from] || !state.regions[to]) return state;
    const regions = state.regions.slice();
    regions.splice(to, 0, ...regions.splice(from, 1));
    return {...state, regions};
}

/**
 * Reordering where the list is the order of covering: the last region gets the highest priority.
 *
 * @param {State} state
 * @returns {State}
 */
export function prioritise(state) {
    return {...state, regions: state.regions.map((region, index) => ({...region, priority: index}))};
}

/**
 * Priorities after the order of the list, where later regions cover earlier ones and no grid keeps them apart.
 *
 * @param {State} state
 * @returns {State}
 */
export const coverByOrder = (state) => (state.overlap === "over" && !state.grid ? prioritise(state) : state);

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
