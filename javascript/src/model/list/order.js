// The order of the list: that of the regions, that of layers where they cover one another; the regions of a group stand together.

/** @import {State} from "../../types.js" */

import {clamp, same} from "../values.js";

/**
 * Whether regions cover one another, as layers do.
 *
 * @param {State} state
 * @returns {boolean}
 */
export const isLayered = (state) => state.overlap === "over" && !state.grid;

/**
 * Indices of the regions, the uppermost of layers first.
 *
 * @param {State} state
 * @returns {number[]}
 */
function plainOrder(state) {
    const order = state.regions.map((_, index) => index);
    if (!isLayered(state)) return order;
    const priority = (/** @type {number} */ index) => Number(state.regions[index].priority) || 0;
    return order.sort((a, b) => priority(b) - priority(a) || b - a);
}

/**
 * The lines of the list in blocks: a group, which stands where its first region does, or a region without one.
 *
 * @param {State} state
 * @returns {{group: string, indices: number[]}[]}
 */
export function listBlocks(state) {
    /** @type {{group: string, indices: number[]}[]} */
    const blocks = [];
    for (const index of plainOrder(state)) {
        const {group} = state.regions[index];
        const known = group && blocks.find((block) => block.group === group);
        if (known) known.indices.push(index);
        else blocks.push({group: group || "", indices: [index]});
    }
    return blocks;
}

/**
 * Indices of the regions in the order of the list.
 *
 * @param {State} state
 * @returns {number[]}
 */
export const listOrder = (state) => listBlocks(state).flatMap((block) => block.indices);

/**
 * State whose list has this order, the same one where it has. Layers get the priorities of their places; in a grid the cells stay and the texts move.
 *
 * @param {State} state
 * @param {number[]} order
 * @returns {State}
 */
export function withOrder(state, order) {
    if (same(order, plainOrder(state))) return state;
    const regions = order.map((index) => state.regions[index]);
    if (!isLayered(state)) return {...state, regions};
    return {...state, regions: regions.reverse().map((region, priority) => ({...region, priority}))};
}

/**
 * State with a region put at the place of another one in the list, those between move up; it joins the group of that one.
 *
 * @param {State} state
 * @param {number} from Index of the region.
 * @param {number} to Index of the region whose place it takes.
 * @returns {State}
 */
export function reorder(state, from, to) {
    const order = state.grid ? plainOrder(state) : listOrder(state);
    const [start, end] = [order.indexOf(from), order.indexOf(to)];
    if (start < 0 || end < 0 || start === end) return state;
    const {group = ""} = state.regions[to];
    const joined = (state.regions[from].group || "") === group ? state : joinGroup(state, from, group);
    order.splice(end, 0, ...order.splice(start, 1));
    return withOrder(joined, order);
}

/**
 * @param {State} state
 * @param {number} index
 * @param {string} group
 * @returns {State}
 */
function joinGroup(state, index, group) {
    return {...state, regions: state.regions.map((region, i) => (i === index ? {...region, group} : region))};
}

/**
 * State with region `index` moved by lines of the list: within its group, or past whole groups. -Infinity and Infinity put it first and
 * last there. In a grid it moves by cells.
 *
 * @param {State} state
 * @param {number} index
 * @param {number} lines
 * @returns {State}
 */
export function moveInList(state, index, lines) {
    const {group} = state.regions[index];
    if (state.grid) return withOrder(state, moved(plainOrder(state), index, lines));
    const blocks = listBlocks(state);
    const at = blocks.findIndex((block) => block.indices.includes(index));
    if (!group) return withBlocks(state, blocks, at, lines);
    const within = {group, indices: moved(blocks[at].indices, index, lines)};
    return withOrder(
        state,
        blocks.flatMap((block, i) => (i === at ? within : block).indices),
    );
}

/**
 * State with a group moved as a whole by blocks of the list. In a grid it stays: its regions are cells.
 *
 * @param {State} state
 * @param {string} name
 * @param {number} lines
 * @returns {State}
 */
export function moveGroup(state, name, lines) {
    const blocks = listBlocks(state);
    const at = blocks.findIndex((block) => block.group === name);
    return at < 0 || state.grid ? state : withBlocks(state, blocks, at, lines);
}

/**
 * State with a group at the place of the block of region `to` in the list.
 *
 * @param {State} state
 * @param {string} name
 * @param {number} to
 * @returns {State}
 */
export function placeGroup(state, name, to) {
    const blocks = listBlocks(state);
    const place = (/** @type {(block: {group: string, indices: number[]}) => boolean} */ is) => blocks.findIndex(is);
    const [from, end] = [place((block) => block.group === name), place((block) => block.indices.includes(to))];
    return from < 0 || end < 0 ? state : moveGroup(state, name, end - from);
}

/**
 * @param {State} state
 * @param {{group: string, indices: number[]}[]} blocks
 * @param {number} at
 * @param {number} lines
 */
function withBlocks(state, blocks, at, lines) {
    const order = moved(blocks, blocks[at], lines).flatMap((block) => block.indices);
    return withOrder(state, order);
}

/**
 * @template T
 * @param {T[]} all
 * @param {T} one
 * @param {number} lines
 * @returns {T[]}
 */
function moved(all, one, lines) {
    const at = all.indexOf(one);
    const rest = all.filter((each) => each !== one);
    rest.splice(clamp(at + lines, 0, rest.length), 0, one);
    return rest;
}
