// The store of the panel's state, and the switch that changes by hand set.

/** @import {Region, State, Store} from "../types.js" */

import {numbered} from "./numbers.js";

/**
 * Holds the state, whose regions all have numbers, and calls its subscribers with `(state, origin, before)` after every change.
 *
 * @param {State} initial
 * @returns {Store}
 */
export function createStore(initial) {
    let state = numbered(initial);
    /** @type {Set<(state: State, origin: string, before: State) => void>} */
    const listeners = new Set();
    return {
        get: () => state,
        set(next, origin) {
            if (next === state) return;
            const before = state;
            state = numbered(next);
            listeners.forEach((listener) => listener(state, origin, before));
        },
        update(change, origin) {
            this.set(change(state), origin);
        },
        subscribe(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
    };
}

/** Fields of a region that are work on the picture: its words and its place. */
const WORK = ["prompt", "box", "ellipse", "polygon", "mask", "procedural", "combined", "picture"];

/**
 * Whether a change is one that asks for regions: a text was typed into one, a shape was drawn or moved, a grid or a layout was chosen.
 * Taking away asks for nothing.
 *
 * @param {State} before
 * @param {State} next
 * @returns {boolean}
 */
export function asksForRegions(before, next) {
    if (before.regions === next.regions && before.grid === next.grid) return false;
    if (next.grid && before.grid !== next.grid && next.regions.length >= before.regions.length) return true;
    const old = new Map(before.regions.map((region) => [region._id, region]));
    return next.regions.some((region) => isWork(old.get(region._id), region));
}

/**
 * @param {Region | undefined} before
 * @param {Region} region
 */
function isWork(before, region) {
    if (before === region) return false;
    return WORK.some((field) => region[field] && region[field] !== before?.[field]);
}

/**
 * The state after a change by hand: a panel that is off is switched on when the change asks for regions. A change that sets the switch
 * itself has its way.
 *
 * @param {State} before
 * @param {State} next
 * @returns {State}
 */
export function switchedOn(before, next) {
    return !before.enabled && !next.enabled && asksForRegions(before, next) ? {...next, enabled: true} : next;
}
