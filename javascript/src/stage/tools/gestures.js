// What the tool Select does between press and release: move, resize, corner, divider, marquee.

/** @import {Box, Region, State, ToolPoint} from "../../types.js" */
/** @import {Stage} from "../stage.js" */

/**
 * A press of the tool Select. `kind` is a name of `gestures`; the other fields belong to some kinds only.
 *
 * @typedef {Record<string, any> & {kind: string}} Gesture
 */

import {boxBetween, boxMap, mapShape, resizeBox, shiftBox} from "../../model/geometry/boxes.js";
import {moveDivider} from "../../model/geometry/dividers.js";
import {snapShift} from "../../model/geometry/snapping.js";
import {scaleMask, warpMask} from "../../model/masks/mask.js";
import {changeRegions} from "../../model/selection.js";
import {tidy} from "../../model/values.js";
import {storeMask} from "../layers/mask_cache.js";

/**
 * Whether any of the regions has a mask that can change.
 *
 * @param {Region[]} regions
 * @returns {boolean}
 */
export const hasMasks = (regions) => regions.some((region) => region.mask !== undefined && !region._lock);

/**
 * Begin a frame that chooses the regions it touches.
 *
 * @param {Stage} stage
 * @param {ToolPoint} point
 */
export function startMarquee(stage, point) {
    if (!point.shift) stage.panel.select([]);
    stage.gesture = {kind: "marquee", from: point, kept: new Set(stage.panel.selected)};
}

/**
 * Choose region `hit`, and begin to move the selection.
 *
 * @param {Stage} stage
 * @param {State} state
 * @param {number} hit
 * @param {ToolPoint} point
 */
export function chooseForMove(stage, state, hit, point) {
    const id = state.regions[hit]._id;
    const was = stage.panel.selected.has(id);
    if (point.shift || point.ctrl) stage.panel.select([...stage.panel.selected].filter((each) => each !== id).concat(was ? [] : [id]));
    else if (!was) stage.panel.select([id], {reveal: true});
    if (state.grid) return;
    const box = stage.selectionBox(state);
    if (box) {
        stage.gesture = {
            kind: "move",
            state,
            box,
            from: point,
            lifted: hasMasks(stage.selectedRegions(state)),
            click: was && !point.shift ? [id] : null,
        };
    }
}

/** What a drag does, by the kind of gesture. @type {Record<string, (stage: Stage, gesture: Gesture, point: ToolPoint) => void>} */
export const gestures = {
    divider(stage, {divider, state}, point) {
        /** @type {"x" | "y"} */
        const axis = divider.axis;
        const all = new Set(stage.panel.store.get().regions.map((region) => region._id));
        const {guides, ...at} = stage.snapping && !point.alt ? stage.snapped(point, all) : {...point, guides: null};
        stage.guides = guides ? {[axis]: guides[axis]} : null;
        stage.draft = {...state, grid: {...state.grid, ratios: moveDivider(state.grid, divider, at[axis])}};
    },

    corner(stage, {state, id, corner}, point) {
        const at = stage.snapped(point, new Set([id]));
        stage.guides = at.guides;
        stage.draft = changeRegions(state, new Set([id]), (region) => ({
            ...region,
            polygon: (region.polygon || []).map((old, i) => (i === corner ? [tidy(at.x), tidy(at.y)] : old)),
        }));
    },

    size(stage, gesture, point) {
        const at = stage.snapped(point, stage.panel.selected);
        stage.guides = at.guides;
        const to = resizeBox(gesture.box, gesture.handle, at, stage.size(), point.shift);
        shapeDraft(stage, gesture, to);
    },

    move(stage, gesture, point) {
        const dx = point.x - gesture.from.x;
        const dy = point.y - gesture.from.y;
        if (!stage.draft && isClick(stage, dx, dy)) return;
        const lines = stage.lines(stage.panel.selected);
        const snaps = stage.snapping && !point.alt;
        const moved = snaps ? snapShift(gesture.box, dx, dy, lines, stage.reach(), stage.size()) : {dx, dy, guides: null};
        stage.guides = moved.guides;
        shapeDraft(stage, gesture, shiftBox(gesture.box, moved.dx, moved.dy));
    },

    marquee(stage, gesture, point) {
        gesture.to = point;
        const box = boxBetween(gesture.from, point);
        const state = stage.panel.store.get();
        const touched = state.regions.filter((_, index) => overlaps(stage.boundsOf(state, index), box)).map((region) => region._id);
        stage.panel.select([...new Set([...gesture.kept, ...touched])]);
    },
};

/**
 * Whether a drag by a share of the picture is less than 3 pixels.
 *
 * @param {Stage} stage
 * @param {number} dx
 * @param {number} dy
 */
function isClick({box, view}, dx, dy) {
    return Math.abs(dx) * box.width * view.zoom < 3 && Math.abs(dy) * box.height * view.zoom < 3;
}

/**
 * @param {Box} a
 * @param {Box} b
 * @returns {boolean}
 */
const overlaps = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/**
 * A marquee that was not dragged is a click beside all regions: choose none.
 *
 * @param {Stage} stage
 * @param {Gesture} gesture
 */
export function finishMarquee(stage, gesture) {
    if (!gesture.to && !gesture.kept.size) stage.panel.select([]);
    if (gesture.to && !stage.panel.selected.size) stage.panel.note("Nothing lies there. Box (R) draws a region.");
}

/**
 * The selection with its frame at `to`: shapes follow at once, masks as previews.
 *
 * @param {Stage} stage
 * @param {Gesture} gesture
 * @param {Box} to
 */
function shapeDraft(stage, gesture, to) {
    gesture.to = to;
    const map = boxMap(gesture.box, to);
    stage.draft = changeRegions(gesture.state, stage.panel.selected, (region) =>
        region.mask === undefined ? mapShape(region, ...map) : warpedPreview(stage, gesture, region, to),
    );
}

/**
 * While a mask is dragged it is warped at a quarter of its resolution; `finishMasks` does it in full.
 *
 * @param {Stage} stage
 * @param {Gesture} gesture
 * @param {Region} region
 * @param {Box} to
 * @returns {Region}
 */
function warpedPreview(stage, gesture, region, to) {
    const mask = stage.masks.get(region.mask);
    if (!mask) return region;
    const text = `draft:${region._id}`;
    const small = gesture[text] || (gesture[text] = scaleMask(mask, Math.ceil(mask.width / 4), Math.ceil(mask.height / 4)));
    stage.masks.put(text, warpMask(small, gesture.box, to));
    return {...region, mask: text};
}

/**
 * Warp the dragged masks in full resolution.
 *
 * @param {Stage} stage
 * @param {Gesture} gesture
 */
export function finishMasks(stage, gesture) {
    if (!gesture.to || !stage.draft) return;
    /** @type {Region[]} */
    const originals = gesture.state.regions;
    stage.draft = changeRegions(stage.draft, stage.panel.selected, (region) => {
        const mask = stage.masks.get(originals.find((each) => each._id === region._id)?.mask);
        return mask ? {...region, mask: storeMask(stage, warpMask(mask, gesture.box, gesture.to))} : region;
    });
}
