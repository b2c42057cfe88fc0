// What the menu of the chosen regions offers.

/** @import {State} from "../types.js" */

import {wholeGroup} from "./list/groups.js";
import {isLayered} from "./list/order.js";

/** `name` is that of an act of the panel, `key` its shortcut on the canvas. @typedef {{name: string, label: string, key?: string}} Entry */

const LAYERS = [
    {name: "front", label: "Bring to the front"},
    {name: "up", label: "One up"},
    {name: "down", label: "One down"},
    {name: "back", label: "Send to the back"},
];
const LINES = [
    {name: "up", label: "Move up"},
    {name: "down", label: "Move down"},
];
const CELLS = [
    {name: "splitX", label: "Split side by side"},
    {name: "splitY", label: "Split into upper and lower"},
    {name: "merge", label: "Merge with the next cell"},
];
const GROUP = {name: "group", label: "Group", key: "Ctrl+G"};
const UNGROUP = {name: "ungroup", label: "Take out of the group", key: "Ctrl+Shift+G"};
const PASTE = {name: "paste", label: "Paste", key: "Ctrl+V"};
const OF_NONE = [{name: "add", label: "New box", key: "N"}, {name: "all", label: "Choose all", key: "Ctrl+A"}, PASTE];

/**
 * Whether one region, or one group as a whole, is chosen that can have another place in the list.
 *
 * @param {State} state
 * @param {Set<number>} ids
 */
const canMove = (state, ids) => state.regions.length > ids.size && (ids.size === 1 || (!state.grid && Boolean(wholeGroup(state, ids))));

/**
 * Entries in groups for the regions of `ids`.
 *
 * @param {State} state
 * @param {Set<number>} ids
 * @param {boolean} hasPicture Whether a picture is shown.
 * @returns {Entry[][]}
 */
export function menuEntries(state, ids, hasPicture) {
    const chosen = state.regions.filter((region) => ids.has(region._id));
    if (!chosen.length) return [OF_NONE];
    const isOne = chosen.length === 1;
    const isOff = chosen.every((region) => region.enabled === false);
    const isLocked = chosen.every((region) => region._lock);
    const again = [
        {name: "again", label: "Make it again in the shown picture"},
        {name: "detail", label: "Add detail to it in the shown picture"},
    ];
    const groups = [
        isOne && hasPicture ? again : [],
        [
            {name: "duplicate", label: "Duplicate", key: "Ctrl+D"},
            {name: "copy", label: "Copy as JSON", key: "Ctrl+C"},
            PASTE,
            ...(isLocked ? [] : [{name: "remove", label: "Remove", key: "Delete"}]),
        ],
        canMove(state, ids) ? (isLayered(state) ? LAYERS : LINES) : [],
        isOne && state.grid ? CELLS : [],
        isLocked
            ? []
            : [
                  {name: "invert", label: "Invert: all but this"},
                  {name: "toMask", label: "Convert to a mask"},
              ],
        [
            {name: "mute", label: isOff ? "Switch on" : "Mute"},
            ...(isOne ? [{name: "solo", label: "Only this one, or all again"}] : []),
            {name: "lock", label: isLocked ? "Unlock" : "Lock"},
        ],
        [GROUP, ...(chosen.some((region) => region.group) ? [UNGROUP] : [])],
        isOne && hasPicture ? [{name: "layer", label: "Save the shown picture's part as a layer"}] : [],
    ];
    return groups.filter((group) => group.length);
}
