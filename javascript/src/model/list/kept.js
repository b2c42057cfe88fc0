// What a page knows of its regions beside the settings, in the order of the regions: it outlasts a reload, and stands in no settings.

/** @import {State} from "../../types.js" */

import {numbersOf, withNumbers} from "../numbers.js";

/**
 * Numbers of the regions; which of them are locked; which a muted group switches on again; and what stands alone, a region by its index or a
 * group by its key, with what was on before.
 *
 * @typedef {{numbers: number[], locked: boolean[], muted: boolean[], solo: {of: number | string, were: boolean[]} | null}} Kept
 */

/**
 * @param {State} state
 * @returns {Kept}
 */
export function keptOf(state) {
    const {regions, _solo} = state;
    const of = typeof _solo?.id === "number" ? regions.findIndex((region) => region._id === _solo.id) : _solo?.id;
    return {
        numbers: numbersOf(state),
        locked: regions.map((region) => Boolean(region._lock)),
        muted: regions.map((region) => Boolean(region._muted)),
        solo: of === undefined || of === -1 ? null : {of, were: regions.map((region) => _solo.were[region._id] !== false)},
    };
}

/**
 * State with what was kept of the same regions. What belongs to another number of regions, or is damaged, leaves the state as it is.
 *
 * @param {State} state
 * @param {Partial<Kept> | null} kept
 * @returns {State}
 */
export function withKept(state, kept) {
    const {regions} = state;
    /** @type {(list: unknown) => list is unknown[]} */
    const fits = (list) => Array.isArray(list) && list.length === regions.length;
    const {numbers, locked, muted, solo} = kept || {};
    const marks = regions.map((_, i) => ({
        ...(fits(locked) && locked[i] ? {_lock: true} : {}),
        ...(fits(muted) && muted[i] ? {_muted: true} : {}),
    }));
    const next = withNumbers({...state, regions: regions.map((region, i) => ({...region, ...marks[i]}))}, numbers);
    const id = typeof solo?.of === "number" ? regions[solo.of]?._id : solo?.of;
    if (id === undefined || !fits(solo?.were)) return next;
    return {...next, _solo: {id, were: Object.fromEntries(regions.map((region, i) => [region._id, solo.were[i] !== false]))}};
}
