// What is done to several regions at once.

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
 * Only region `index` on; done again, all are as they were.
 *
 * @param {State} state
 * @param {number} index
 * @returns {State}
 */
export function solo(state, index) {
    const {_id} = state.regions[index];
    return soloed(state, _id, new Set([_id]));
}

/**
 * Only the regions of `ids` on; done again with the same key, all are as they were.
 *
 * @param {State} state
 * @param {number | string} key
 * @param {Set<number>} ids
 * @returns {State}
 */
export function soloed(state, key, ids) {
    if (state._solo && state._solo.id === key) {
        return {...state, _solo: null, regions: state.regions.map((each) => ({...each, enabled: state._solo.were[each._id] !== false}))};
    }
    const were = state._solo ? state._solo.were : Object.fromEntries(state.regions.map((each) => [each._id, each.enabled]));
    return {...state, _solo: {id: key, were}, regions: state.regions.map((each) => ({...each, enabled: ids.has(each._id)}))};
}
