// What the buttons and keys of the panel do to the chosen regions.

/** @import {Box, Region} from "../types.js" */
/** @import {Panel} from "./panel.js" */

import {t} from "../host/language.js";
import {addRegions, pasteRegions} from "../model/clipboard.js";
import {alignBox, boxMap, mapShape, mirrorShape} from "../model/geometry/boxes.js";
import {mergeCells, splitCell} from "../model/layout.js";
import {warpMask} from "../model/masks/mask.js";
import {addRegion, withSwitch} from "../model/regions.js";
import {newGroup, setGroup, wholeGroup} from "../model/list/groups.js";
import {moveGroup, moveInList} from "../model/list/order.js";
import {changeRegions, duplicateRegions, removeRegions, solo} from "../model/selection.js";
import {storeMask} from "../stage/layers/mask_cache.js";
import {copyToClipboard, pasteFromClipboard} from "./clipboard.js";
import {chosenToMasks, invertChosen, saveLayer} from "./menu/shape_acts.js";
import {addDetail, makeAgain} from "./page/one_region.js";

/** @type {Record<string, (panel: Panel) => unknown>} */
const ACTS = {
    undo: (panel) => panel.undo(),
    redo: (panel) => panel.redo(),
    remove: (panel) => panel.edit((state) => removeRegions(state, panel.selected)),
    duplicate: (panel) => {
        const {state, ids} = duplicateRegions(panel.store.get(), panel.selected);
        panel.edit(() => state);
        panel.select(ids, {reveal: true});
    },
    mirrorX: (panel) => mirror(panel, true),
    mirrorY: (panel) => mirror(panel, false),
    copy: (panel) => copyToClipboard(panel),
    paste: (panel) => pasteFromClipboard(panel),
    splitX: (panel) => splitChosen(panel, "x"),
    splitY: (panel) => splitChosen(panel, "y"),
    up: (panel) => moveChosen(panel, -1),
    down: (panel) => moveChosen(panel, 1),
    front: (panel) => moveChosen(panel, -Infinity),
    back: (panel) => moveChosen(panel, Infinity),
    solo: (panel) => panel.edit((state) => solo(state, chosenIndex(panel))),
    mute: (panel) => flip(panel, "enabled", false, true),
    lock: (panel) => flip(panel, "_lock", true, false),
    add: (panel) => panel.addBox(),
    all: (panel) => panel.select(panel.store.get().regions.map((region) => region._id)),
    group: (panel) => groupChosen(panel),
    ungroup: (panel) => panel.edit((state) => setGroup(state, panel.selected, "")),
    invert: (panel) => invertChosen(panel),
    toMask: (panel) => chosenToMasks(panel),
    layer: (panel) => saveLayer(panel),
    again: (panel) => makeAgain(panel, chosenIndex(panel)),
    detail: (panel) => addDetail(panel, chosenIndex(panel)),
    merge: (panel) => {
        const next = mergeCells(panel.store.get(), chosenIndex(panel));
        if (next) panel.edit(() => next);
        else panel.note("This cell has no next one to merge with: merging works along a row, and between rows of one cell.");
    },
};

/**
 * Do what a button or key of this name stands for.
 *
 * @param {Panel} panel
 * @param {string} name
 */
export function act(panel, name) {
    ACTS[name](panel);
}

/**
 * The chosen regions as a new group, whose name can be typed at once.
 *
 * @param {Panel} panel
 */
function groupChosen(panel) {
    if (!panel.selected.size) return;
    const {state, name} = newGroup(panel.store.get(), panel.selected, t("Group"));
    panel.edit(() => state);
    panel.list.groups.focus(name);
}

/** @param {Panel} panel */
const chosenIndex = (panel) => panel.store.get().regions.findIndex((region) => panel.selected.has(region._id));

/**
 * @param {Panel} panel
 * @param {number} lines
 */
function moveChosen(panel, lines) {
    const index = chosenIndex(panel);
    const group = wholeGroup(panel.store.get(), panel.selected);
    if (group) panel.edit((state) => moveGroup(state, group, lines));
    else if (index >= 0) panel.edit((state) => moveInList(state, index, lines));
}

/**
 * Give the chosen regions a field's value `on`; `off` where all have that one.
 *
 * @param {Panel} panel
 * @param {string} field
 * @param {boolean} on
 * @param {boolean} off
 */
function flip(panel, field, on, off) {
    const {selected} = panel;
    panel.edit((state) => {
        const isOn = state.regions.every((region) => !selected.has(region._id) || Boolean(region[field]) === on);
        const value = isOn ? off : on;
        return {...state, regions: state.regions.map((region) => (selected.has(region._id) ? withSwitch(region, field, value) : region))};
    });
}

/**
 * @param {Panel} panel
 * @param {"x" | "y"} axis
 */
function splitChosen(panel, axis) {
    const index = chosenIndex(panel);
    if (index >= 0) panel.edit((state) => splitCell(state, index, axis));
}

/**
 * A region moved from `from` to `to`: a shape by `change` of its numbers, a mask by its pixels.
 *
 * @param {Panel} panel
 * @param {Region} region
 * @param {(region: Region) => Region} change
 * @param {Box} from
 * @param {Box} to
 */
function transformed(panel, region, change, from, to) {
    if (region.mask === undefined) return change(region);
    const mask = panel.stage.masks.get(region.mask);
    return mask ? {...region, mask: storeMask(panel.stage, warpMask(mask, from, to))} : region;
}

/**
 * @param {Panel} panel
 * @param {boolean} horizontal
 */
function mirror(panel, horizontal) {
    const to = horizontal ? [1, 0, 0, 1] : [0, 1, 1, 0];
    /** @param {Region} region */
    const change = (region) => mirrorShape(region, horizontal);
    if (panel.store.get().grid) return;
    panel.edit((state) => changeRegions(state, panel.selected, (region) => transformed(panel, region, change, [0, 0, 1, 1], to)));
}

/**
 * Add the regions of a text from the clipboard. A text without regions gives a message and changes nothing.
 *
 * @param {Panel} panel
 * @param {string} text
 */
export function paste(panel, text) {
    try {
        const regions = pasteRegions(text);
        panel.edit((state) => addRegions(state, regions));
        panel.select(
            regions.map((region) => region._id),
            {reveal: true},
        );
        panel.note(t("Regions pasted: {0}.", regions.length));
    } catch (error) {
        panel.note(error.message, true);
    }
}

/**
 * The selection with its frame `from` at `to`.
 *
 * @param {Panel} panel
 * @param {Box} from
 * @param {Box} to
 * @param {string} [key]
 */
export function place(panel, from, to, key) {
    const map = boxMap(from, to);
    /** @param {Region} region */
    const change = (region) => mapShape(region, ...map);
    panel.edit((state) => changeRegions(state, panel.selected, (region) => transformed(panel, region, change, from, to)), {key});
}

/**
 * Align one region to the picture, several to their common frame.
 *
 * @param {Panel} panel
 * @param {string} side
 */
export function align(panel, side) {
    const {stage, selected} = panel;
    const frame = (selected.size > 1 && stage.selectionBox(panel.store.get())) || [0, 0, 1, 1];
    panel.edit((state) =>
        changeRegions(state, selected, (region, index) => {
            const from = stage.boundsOf(state, index);
            const to = alignBox(from, side, frame);
            return transformed(panel, region, (shape) => mapShape(shape, ...boxMap(from, to)), from, to);
        }),
    );
}

/**
 * A new box in the middle of the picture, or a new cell of the grid.
 *
 * @param {Panel} panel
 */
export function addBox(panel) {
    panel.edit(addRegion);
    const {regions} = panel.store.get();
    panel.select([regions[regions.length - 1]._id], {reveal: true});
}
