// Tools that paint masks: brush, eraser, bucket.

/** @import {Mask, PaintTarget, Tool} from "../../types.js" */
/** @import {Stage} from "../stage.js" */

import {regionColour} from "../../model/colours.js";
import {maskText, withoutShape} from "../../model/geometry/shapes.js";
import {copyMask, drawShape, isEmptyMask, makeMask, maskSize, scaleMask} from "../../model/masks/mask.js";
import {applyStroke, floodFill, strokeSegment} from "../../model/masks/paint.js";
import {numbered} from "../../model/numbers.js";
import {onTop} from "../../model/regions.js";
import {makeRegion} from "../../model/state.js";
import {clamp} from "../../model/values.js";
import {storeMask, tintInto} from "../layers/mask_cache.js";

/** Least share of the brush's radius, for a pen that hardly presses. */
const LEAST_PRESSURE = 0.15;

/**
 * The region that is painted on: the selected one, turned into a mask where it is a shape; else a new one. Null for a locked region.
 *
 * @param {Stage} stage
 * @param {boolean} mayMake
 * @returns {PaintTarget | null}
 */
function paintTarget(stage, mayMake) {
    const state = stage.freeState();
    const chosen = state.regions.filter((region) => stage.panel.selected.has(region._id));
    const [width, height] = maskSize(stage.size());
    if (chosen.length !== 1) {
        return mayMake ? {state, region: onTop(state, makeRegion({mask: ""})), mask: makeMask(width, height), isNew: true} : null;
    }
    const [region] = chosen;
    if (region._lock) return null;
    const text = maskText(region);
    const known = text === undefined ? drawShape(region, width, height) : stage.masks.get(text) || makeMask(width, height);
    return {state, region, mask: scaleMask(known, width, height), isNew: false};
}

/**
 * Colour of a region that is painted on; a new one has that of the number that it will get.
 *
 * @param {PaintTarget} target
 */
function colourOf({state, region, isNew}) {
    const {regions} = numbered(isNew ? {...state, regions: [...state.regions, region]} : state);
    return regionColour(regions.find((each) => each._id === region._id)?._number - 1, region.colour);
}

/**
 * A tool that paints, or erases, along the pointer.
 *
 * @param {string} label
 * @param {string} key
 * @param {boolean} erase
 * @returns {Tool}
 */
export const brush = (label, key, erase) => ({
    label,
    key,
    isBrush: true,
    cursor: "none",
    down(stage, point) {
        const target = paintTarget(stage, !erase);
        if (!target) return void stage.panel.note(erase ? "Choose the region to erase from first." : "This region is locked.");
        const {mask} = target;
        const canvas = document.createElement("canvas");
        Object.assign(canvas, {width: mask.width, height: mask.height});
        stage.paint = {
            ...target,
            id: target.region._id,
            cover: makeMask(mask.width, mask.height),
            out: copyMask(mask),
            canvas,
            context: /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")),
            colour: colourOf(target),
        };
        tintInto(stage.paint.context, mask, stage.paint.colour, [0, 0, mask.width, mask.height]);
        this.move(stage, point);
    },
    move(stage, point) {
        const {paint} = stage;
        if (!paint) return;
        const r = Math.max(
            0.6,
            (stage.brush.size / 2) * Math.min(paint.mask.width, paint.mask.height) * Math.max(LEAST_PRESSURE, point.pressure),
        );
        const to = {x: point.x * paint.mask.width, y: point.y * paint.mask.height, r};
        const rect = strokeSegment(paint.cover, paint.last || to, to, stage.brush.softness);
        applyStroke(paint.mask, paint.cover, erase, paint.out, rect);
        tintInto(paint.context, paint.out, paint.colour, rect);
        paint.last = to;
        stage.redraw();
    },
    up(stage) {
        const {paint} = stage;
        if (!paint) return;
        stage.paint = null;
        putMask(stage, paint, paint.out);
    },
});

/**
 * Give a region its painted mask.
 *
 * @param {Stage} stage
 * @param {PaintTarget} target
 * @param {Mask} mask
 */
function putMask(stage, {state, region, isNew}, mask) {
    if (isEmptyMask(mask)) {
        stage.panel.note("Nothing would be left of the region: remove it instead.");
        stage.cancel();
        return;
    }
    const painted = {...withoutShape(region), mask: storeMask(stage, mask)};
    stage.draft = isNew
        ? {...state, regions: [...state.regions, painted]}
        : {...state, regions: state.regions.map((each) => (each._id === region._id ? painted : each))};
    stage.commit();
    stage.panel.select([region._id], {reveal: isNew});
}

/** Fills the area of one value around a click; with Alt it empties it. @type {Tool} */
export const fill = {
    label: "Fill: the area around a click",
    key: "g",
    cursor: "cell",
    down(stage, point) {
        const target = paintTarget(stage, true);
        if (!target) return void stage.panel.note("This region is locked.");
        const {width, height} = target.mask;
        const x = clamp(Math.floor(point.x * width), 0, width - 1);
        const y = clamp(Math.floor(point.y * height), 0, height - 1);
        return putMask(stage, target, floodFill(target.mask, x, y, point.alt ? 0 : 255));
    },
    move() {},
    up() {},
};
