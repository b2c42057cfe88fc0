// Tools that draw shapes: box, ellipse, polygon.

/** @import {Point, Tool} from "../../types.js" */
/** @import {Stage} from "../stage.js" */

import {boxBetween, isDrawn} from "../../model/geometry/boxes.js";
import {shapeBounds} from "../../model/geometry/shapes.js";
import {onTop} from "../../model/regions.js";
import {makeRegion} from "../../model/state.js";
import {clamp, tidy} from "../../model/values.js";

/**
 * A tool that draws a shape from corner to corner; Shift makes it as wide as high.
 *
 * @param {"box" | "ellipse"} kind
 * @param {string} label
 * @param {string} key
 * @returns {Tool}
 */
export const drag = (kind, label, key) => ({
    label,
    key,
    down(stage, point) {
        stage.gesture = {state: stage.freeState(), from: stage.snapped(point)};
    },
    move(stage, point) {
        if (!stage.gesture) return;
        const to = stage.snapped(point);
        const {state, from} = stage.gesture;
        stage.guides = to.guides;
        const box = boxBetween(from, point.shift ? square(stage, from, to) : to);
        stage.gesture.region = stage.gesture.region || onTop(state, makeRegion({[kind]: box}));
        stage.gesture.region = {...stage.gesture.region, [kind]: box};
        stage.draft = isDrawn(box, stage.size()) ? {...state, regions: [...state.regions, stage.gesture.region]} : null;
        stage.redraw();
    },
    up(stage) {
        const region = stage.draft && stage.gesture && stage.gesture.region;
        stage.gesture = null;
        stage.commit();
        if (region) stage.panel.drawn(region._id);
    },
});

/**
 * `to` moved so that both sides of the box have as many pixels.
 *
 * @param {Stage} stage
 * @param {Point} from
 * @param {Point} to
 * @returns {Point}
 */
function square(stage, from, to) {
    const [width, height] = stage.size();
    const side = Math.max(Math.abs(to.x - from.x) * width, Math.abs(to.y - from.y) * height);
    return {x: from.x + (Math.sign(to.x - from.x || 1) * side) / width, y: from.y + (Math.sign(to.y - from.y || 1) * side) / height};
}

/** Its corners are clicked, or drawn in one stroke. @type {Tool} */
export const polygon = {
    label: "Polygon: click its corners, double click ends; or draw it in one stroke",
    key: "p",
    down(stage, point) {
        const at = stage.snapped(point);
        stage.polygon = stage.polygon || {state: stage.freeState(), points: []};
        const [first] = stage.polygon.points;
        const reach = stage.reach();
        if (stage.polygon.points.length > 2 && Math.abs(first[0] - at.x) <= reach.x && Math.abs(first[1] - at.y) <= reach.y) {
            return closePolygon(stage);
        }
        stage.polygon.points.push([tidy(at.x), tidy(at.y)]);
        stage.redraw();
        return undefined;
    },
    move(stage, point) {
        if (!stage.polygon) return;
        const last = stage.polygon.points[stage.polygon.points.length - 1];
        const reach = stage.reach(1.2);
        if (Math.abs(last[0] - point.x) < reach.x && Math.abs(last[1] - point.y) < reach.y) return;
        if (stage.polygon.points.length < 500) stage.polygon.points.push([tidy(clamp(point.x, 0, 1)), tidy(clamp(point.y, 0, 1))]);
        stage.polygon.stroke = true;
        stage.redraw();
    },
    up(stage) {
        if (stage.polygon && stage.polygon.stroke && stage.polygon.points.length > 3) closePolygon(stage);
    },
    hover(stage, point) {
        if (!stage.polygon) return;
        const at = stage.snapped(point);
        stage.polygon.next = [at.x, at.y];
        stage.redraw();
    },
    double(stage) {
        if (stage.polygon && stage.polygon.points.length > 3) stage.polygon.points.pop();
        closePolygon(stage);
    },
};

/**
 * Make a region of the polygon that is being drawn.
 *
 * @param {Stage} stage
 */
export function closePolygon(stage) {
    if (!stage.polygon) return;
    const {state, points} = stage.polygon;
    stage.polygon = null;
    const box = shapeBounds({polygon: points});
    if (points.length < 3 || !isDrawn(box, stage.size())) {
        stage.redraw();
        return;
    }
    const region = onTop(state, makeRegion({polygon: points}));
    stage.draft = {...state, regions: [...state.regions, region]};
    stage.commit();
    stage.panel.drawn(region._id);
}
