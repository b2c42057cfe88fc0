// How the main prompt acts: behind every region's prompt, only where no region is, or mixed into the regions by a share.

/** @import {State} from "../../types.js" */

/** "own": the regions have different shares, which only their cards show. @typedef {"joined" | "apart" | "shared" | "own"} BackgroundMode */

/** The share that "shared" begins with. */
const FIRST_SHARE = 0.2;

/**
 * The share that all regions have in common, null where they differ or there are none.
 *
 * @param {State} state
 * @returns {number | null}
 */
export function commonShare(state) {
    const [first, ...others] = state.regions.map((region) => region.base_share);
    return typeof first === "number" && others.every((share) => share === first) ? first : null;
}

/**
 * How the main prompt acts in a state.
 *
 * @param {State} state
 * @returns {BackgroundMode}
 */
export function backgroundMode(state) {
    if (state.base.joined) return "joined";
    const share = commonShare(state);
    if (share !== null) return share > 0 ? "shared" : "apart";
    return state.regions.length ? "own" : "apart";
}

/**
 * State whose regions all have a share of the main prompt.
 *
 * @param {State} state
 * @param {unknown} share
 * @returns {State}
 */
export const withShare = (state, share) => ({...state, regions: state.regions.map((region) => ({...region, base_share: share}))});

/**
 * State whose main prompt acts in another way. What the choice before had set goes; shares that differ stay for "joined" and "own".
 *
 * @param {State} state
 * @param {string} mode
 * @returns {State}
 */
export function setBackgroundMode(state, mode) {
    const next = {...state, base: {...state.base, joined: mode === "joined"}};
    if (mode === "shared") return withShare(next, commonShare(state) || FIRST_SHARE);
    if (mode === "apart" || backgroundMode(state) === "shared") return withShare(next, 0);
    return next;
}

/**
 * State in which regions that were not there before have the share that all others had.
 *
 * @param {State} before
 * @param {State} next
 * @returns {State}
 */
export function inheritShare(before, next) {
    if (before.regions === next.regions || backgroundMode(before) !== "shared") return next;
    const known = new Set(before.regions.map((region) => region._id));
    const share = commonShare(before);
    const isNew = (/** @type {{_id: number, base_share?: unknown}} */ region) => !known.has(region._id) && region.base_share === 0;
    if (!next.regions.some(isNew)) return next;
    return {...next, regions: next.regions.map((region) => (isNew(region) ? {...region, base_share: share} : region))};
}
