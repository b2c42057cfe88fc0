// The tool Select: chooses regions, moves and resizes them, moves corners and dividers.

/** @import {Corner, Divider, Grid, Point, State, Tool, ToolPoint} from "../../types.js" */
/** @import {Stage} from "../stage.js" */
/** @import {Gesture} from "./gestures.js" */

import {dividers} from "../../model/geometry/dividers.js";
import {cellCount} from "../../model/geometry/grid.js";
import {handleAt, regionAt} from "../../model/geometry/hits.js";
import {indexOf, replaceRegion} from "../../model/regions.js";
import {clamp, tidy} from "../../model/values.js";
import {chooseForMove, finishMarquee, finishMasks, gestures, hasMasks, startMarquee} from "./gestures.js";

/** Cursors of the handles. @type {Record<string, string>} */
const CURSORS = {nw: "nwse", se: "nwse", ne: "nesw", sw: "nesw", n: "ns", s: "ns", e: "ew", w: "ew"};

/** Chooses, moves and resizes. @type {Tool} */
export const select = {
    label: "Select",
    key: "v",
    cursor: "default",

    down(stage, point) {
        const state = stage.panel.store.get();
        const grabbed = grabbedAt(stage, state, point);
        if (grabbed) {
            stage.gesture = grabbed;
            return;
        }
        const hit = regionAt(state, point.x, point.y, stage.masks.at, (each, index) => stage.boundsOf(each, index));
        if (hit < 0) startMarquee(stage, point);
        else chooseForMove(stage, state, hit, point);
    },

    move(stage, point) {
        if (stage.gesture) gestures[stage.gesture.kind](stage, stage.gesture, point);
        stage.redraw();
    },

    up(stage) {
        const gesture = stage.gesture;
        stage.gesture = null;
        if (!gesture) return;
        if (gesture.kind === "marquee") finishMarquee(stage, gesture);
        else if (gesture.lifted) finishMasks(stage, gesture);
        else if (!stage.draft && gesture.click) stage.panel.select(gesture.click, {reveal: true});
        stage.commit();
    },

    hover(stage, point) {
        stage.canvas.style.cursor = cursorOf(grabbedAt(stage, stage.panel.store.get(), point));
    },

    /** A double click on a polygon's side adds a corner, elsewhere it goes to the region's prompt. */
    double(stage, point) {
        const state = stage.panel.store.get();
        const [region] = stage.selectedRegions(state);
        if (!region) return;
        const index = indexOf(state, region._id);
        const side = region.polygon && !region._lock && !state.grid ? nearSide(stage, region.polygon, point) : -1;
        if (side < 0 || !region.polygon) {
            stage.panel.focusPrompt(index);
            return;
        }
        const polygon = region.polygon.slice();
        polygon.splice(side + 1, 0, [tidy(point.x), tidy(point.y)]);
        stage.panel.edit((s) => replaceRegion(s, index, {...region, polygon}));
    },
};

/**
 * What a press at a point takes hold of: a divider of the grid, a corner of a polygon, a handle of the selection.
 *
 * @param {Stage} stage
 * @param {State} state
 * @param {ToolPoint} point
 * @returns {Gesture | null}
 */
function grabbedAt(stage, state, point) {
    if (!state.grid) return grabbedHandle(stage, state, point);
    const divider = cellCount(state) === null ? undefined : nearDivider(stage, state.grid, point);
    return divider ? {kind: "divider", divider, state} : null;
}

/** @param {Gesture | null} grabbed */
function cursorOf(grabbed) {
    if (!grabbed) return "default";
    if (grabbed.kind === "divider") return grabbed.divider.axis === "x" ? "col-resize" : "row-resize";
    return grabbed.kind === "size" ? `${CURSORS[grabbed.handle]}-resize` : "move";
}

/**
 * @param {Stage} stage
 * @param {Grid} grid
 * @param {ToolPoint} point
 * @returns {Divider | undefined}
 */
function nearDivider(stage, grid, point) {
    const reach = stage.reach(point.touch ? 2 : 0.8);
    return dividers(grid).find(({axis, at, from, to}) => {
        const [along, across, near] = axis === "x" ? [point.x, point.y, reach.x] : [point.y, point.x, reach.y];
        return Math.abs(along - at) <= near && across >= from && across <= to;
    });
}

/**
 * The corner of a polygon or the handle of the selection under a point, as a gesture.
 *
 * @param {Stage} stage
 * @param {State} state
 * @param {ToolPoint} point
 * @returns {Gesture | null}
 */
function grabbedHandle(stage, state, point) {
    const chosen = stage.selectedRegions(state);
    const box = stage.selectionBox(state);
    const reach = stage.reach(point.touch ? 2 : 1);
    if (!box || chosen.every((region) => region._lock)) return null;
    const points = chosen.length === 1 && chosen[0].polygon;
    const corner = points ? points.findIndex(([x, y]) => Math.abs(x - point.x) <= reach.x && Math.abs(y - point.y) <= reach.y) : -1;
    if (corner >= 0) return {kind: "corner", state, id: chosen[0]._id, corner};
    const handle = handleAt(box, point, reach);
    if (!handle) return null;
    return {kind: "size", state, handle, box, lifted: hasMasks(chosen)};
}

/**
 * Number of the side of a polygon near a point, -1 where there is none.
 *
 * @param {Stage} stage
 * @param {Corner[]} points
 * @param {Point} point
 * @returns {number}
 */
function nearSide(stage, points, point) {
    const {zoom} = stage.view;
    const {box} = stage;
    /** @param {number[]} corner */
    const toPixels = ([x, y]) => [x * zoom * box.width, y * zoom * box.height];
    const [px, py] = toPixels([point.x, point.y]);
    return points.findIndex((corner, i) => {
        const [ax, ay] = toPixels(corner);
        const [bx, by] = toPixels(points[(i + 1) % points.length]);
        const length2 = (bx - ax) ** 2 + (by - ay) ** 2;
        const t = length2 ? clamp(((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length2, 0, 1) : 0;
        return Math.hypot(px - ax - t * (bx - ax), py - ay - t * (by - ay)) <= 7;
    });
}
