// Groups of regions: a region names its group, and a group is what names it.

/** @import {Region, State} from "../../types.js" */

import {isLayered, listOrder, withOrder} from "./order.js";
import {soloed} from "../selection.js";

/** Longest name of a group. */
export const LONGEST_GROUP = 80;

/**
 * Names of the groups, in the order of the regions.
 *
 * @param {State} state
 * @returns {string[]}
 */
export const groupNames = (state) => [...new Set(state.regions.map((region) => region.group || ""))].filter(Boolean);

/**
 * Ids of the regions of a group.
 *
 * @param {State} state
 * @param {string} name
 * @returns {number[]}
 */
export const idsOfGroup = (state, name) => state.regions.filter((region) => region.group === name).map((region) => region._id);

/**
 * The group whose regions, of which there are several, are exactly those of `ids`; "" where there is none.
 *
 * @param {State} state
 * @param {Set<number>} ids
 * @returns {string}
 */
export function wholeGroup(state, ids) {
    const group = state.regions.find((region) => ids.has(region._id))?.group || "";
    const members = group ? idsOfGroup(state, group) : [];
    return members.length > 1 && members.length === ids.size && members.every((id) => ids.has(id)) ? group : "";
}

/**
 * @param {State} state
 * @param {(region: Region) => Region} change
 * @returns {State}
 */
const withRegions = (state, change) => ({...state, regions: state.regions.map(change)});

/**
 * State in which the regions of `ids` are in a group, "" for none. Layers of a group follow one another: where they did not, they come to the
 * uppermost.
 *
 * @param {State} state
 * @param {Iterable<number>} ids
 * @param {string} group
 * @returns {State}
 */
export function setGroup(state, ids, group) {
    const chosen = new Set(ids);
    const next = withRegions(state, (region) => (chosen.has(region._id) ? {...region, group} : region));
    return isLayered(next) ? withOrder(next, listOrder(next)) : next;
}

/**
 * State in which the regions of `ids` are a new group, and its name: the first of "Group 1", "Group 2" … that is free.
 *
 * @param {State} state
 * @param {Iterable<number>} ids
 * @param {string} word "Group" in the language of the page.
 * @returns {{state: State, name: string}}
 */
export function newGroup(state, ids, word) {
    const taken = groupNames(state);
    let number = 1;
    while (taken.includes(`${word} ${number}`)) number++;
    const name = `${word} ${number}`;
    return {state: setGroup(state, ids, name), name};
}

/**
 * State in which a group has another name; that of another group joins them. An empty name leaves it.
 *
 * @param {State} state
 * @param {string} name
 * @param {string} next
 * @returns {State}
 */
export function renameGroup(state, name, next) {
    const short = next.trim().slice(0, LONGEST_GROUP);
    return short && short !== name ? setGroup(state, idsOfGroup(state, name), short) : state;
}

/**
 * Whether no region of a group acts.
 *
 * @param {State} state
 * @param {string} name
 */
export const isGroupMuted = (state, name) => state.regions.every((region) => region.group !== name || region.enabled === false);

/**
 * State with a group switched off, or on again; then regions that were off before stay off.
 *
 * @param {State} state
 * @param {string} name
 * @returns {State}
 */
export function muteGroup(state, name) {
    const of = (/** @type {Region} */ region) => region.group === name;
    if (!isGroupMuted(state, name)) {
        return withRegions(state, (region) => (of(region) ? {...region, enabled: false, _muted: region.enabled !== false} : region));
    }
    const some = state.regions.some((region) => of(region) && region._muted);
    return withRegions(state, (region) => (of(region) ? {...region, enabled: !some || Boolean(region._muted), _muted: false} : region));
}

/**
 * What `_solo` calls a group.
 *
 * @param {string} name
 */
export const soloKey = (name) => `group:${name}`;

/**
 * Only a group on; done again, all are as they were.
 *
 * @param {State} state
 * @param {string} name
 * @returns {State}
 */
export const soloGroup = (state, name) => soloed(state, soloKey(name), new Set(idsOfGroup(state, name)));
