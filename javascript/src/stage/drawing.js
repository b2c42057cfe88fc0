// Drawing a layout into a canvas: for the editor, for thumbnails and for the overlay on a result.

/** @import {Box, Grid, Guides, LayoutView, Region, Shaped, State, ToPixels} from "../types.js" */
/** @import {MaskCache} from "./layers/mask_cache.js" */

import {css, regionColour} from "../model/colours.js";
import {HANDLES} from "../model/geometry/boxes.js";
import {dividers} from "../model/geometry/dividers.js";
import {maskText, regionBounds} from "../model/geometry/shapes.js";
import {numberOf} from "../model/numbers.js";
import {drawLabel} from "./layers/labels.js";
import {drawSearched} from "./searched.js";

/**
 * Path of a region's outline, in pixels.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Shaped} region
 * @param {Box} bounds
 * @param {ToPixels} at
 */
export function tracePath(context, region, bounds, at) {
    const [x0, y0] = at(bounds[0], bounds[1]);
    const [x1, y1] = at(bounds[2], bounds[3]);
    context.beginPath();
    if (region.ellipse) {
        context.ellipse((x0 + x1) / 2, (y0 + y1) / 2, Math.max(0, (x1 - x0) / 2), Math.max(0, (y1 - y0) / 2), 0, 0, 2 * Math.PI);
    } else if (region.polygon) {
        region.polygon.forEach((point, i) => {
            const [x, y] = at(point[0], point[1]);
            if (i) context.lineTo(x, y);
            else context.moveTo(x, y);
        });
        context.closePath();
    } else {
        context.rect(x0, y0, x1 - x0, y1 - y0);
    }
}

/**
 * All regions: filled in their colours, outlined, numbered.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {State} state
 * @param {LayoutView} view
 */
export function drawRegions(context, state, view) {
    const order = state.regions.map((_, index) => index);
    if (state.overlap === "over") order.sort((a, b) => (state.regions[a].priority || 0) - (state.regions[b].priority || 0));
    const boxes = order.map((index) => view.boundsOf(state, index));
    order.forEach((index, i) =>
        drawRegion(context, state.regions[index], numberOf(state, index), boxes[i], {...view, isGrid: Boolean(state.grid)}),
    );
    if (!state.grid) drawSearched(context, state, view);
    if (view.labels) order.forEach((index, i) => drawLabel(context, state.regions[index], numberOf(state, index), boxes[i], view));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Region} region
 * @param {number} number
 * @param {Box} bounds
 * @param {LayoutView & {isGrid: boolean}} view
 */
function drawRegion(context, region, number, bounds, view) {
    const colour = regionColour(number - 1, region.colour);
    const chosen = view.selected && view.selected.has(region._id);
    const shape = view.isGrid ? {} : region;
    const off = region.enabled === false;
    const alpha = (view.alpha === undefined ? 0.32 : view.alpha) * (off ? 0.3 : 1) * (chosen ? 1.35 : 1);
    context.save();
    const text = view.isGrid ? undefined : maskText(region);
    if (text !== undefined) {
        const tint = view.masks.tint(text, colour);
        context.globalAlpha = Math.min(1, Math.max(alpha, 0.12) * 1.6);
        const [x0, y0] = view.at(0, 0);
        const [x1, y1] = view.at(1, 1);
        if (tint && view.hidden !== region._id) context.drawImage(tint, x0, y0, x1 - x0, y1 - y0);
    } else {
        tracePath(context, shape, bounds, view.at);
        if (alpha > 0) {
            context.fillStyle = css(colour, alpha);
            context.fill();
        }
        context.lineWidth = chosen ? 2.5 : 1.5;
        context.setLineDash(off ? [3, 4] : []);
        context.strokeStyle = css(colour, off ? 0.6 : 1);
        context.stroke();
    }
    context.restore();
}

/**
 * Frame and handles of the selection.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {ToPixels} at
 * @param {{handles: boolean, locked: boolean}} options
 */
export function drawSelection(context, box, at, {handles, locked}) {
    const [x0, y0] = at(box[0], box[1]);
    const [x1, y1] = at(box[2], box[3]);
    context.save();
    const strokes = /** @type {const} */ ([
        ["rgba(0, 0, 0, 0.7)", 3],
        ["#fff", 1.5],
    ]);
    for (const [colour, width] of strokes) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.setLineDash(locked ? [2, 4] : [6, 3]);
        context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
    context.setLineDash([]);
    for (const [, u, v] of handles ? HANDLES : []) drawKnob(context, x0 + (x1 - x0) * u, y0 + (y1 - y0) * v);
    context.restore();
}

/**
 * A square handle, or a round one, around a point.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {boolean} [round]
 */
export function drawKnob(context, x, y, round) {
    context.beginPath();
    if (round) context.arc(x, y, 5, 0, 2 * Math.PI);
    else context.rect(x - 4.5, y - 4.5, 9, 9);
    context.fillStyle = "#fff";
    context.strokeStyle = "#111";
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
}

/**
 * Lines of the grid that can be dragged, with a grip in their middle.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Grid} grid
 * @param {ToPixels} at
 */
export function drawDividers(context, grid, at) {
    for (const {axis, at: line, from, to} of dividers(grid)) {
        const [a, b] = axis === "x" ? [at(line, from), at(line, to)] : [at(from, line), at(to, line)];
        context.beginPath();
        context.moveTo(...a);
        context.lineTo(...b);
        context.strokeStyle = "rgba(0, 0, 0, 0.65)";
        context.lineWidth = 4;
        context.stroke();
        context.strokeStyle = "#fff";
        context.lineWidth = 1.5;
        context.stroke();
        drawKnob(context, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, true);
    }
}

/**
 * The frame that is drawn to choose regions.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {ToPixels} at
 */
export function drawMarquee(context, box, at) {
    const [x0, y0] = at(box[0], box[1]);
    const [x1, y1] = at(box[2], box[3]);
    context.save();
    context.fillStyle = "rgba(255, 255, 255, 0.15)";
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
    context.setLineDash([4, 3]);
    context.strokeStyle = "#fff";
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    context.restore();
}

/**
 * Lines to which something has just snapped.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Guides} guides
 * @param {ToPixels} at
 */
export function drawGuides(context, guides, at) {
    context.save();
    context.strokeStyle = "#f0f";
    context.lineWidth = 1;
    context.setLineDash([4, 3]);
    context.beginPath();
    /** @param {[number, number][]} line */
    const draw = ([from, to]) => {
        context.moveTo(...from);
        context.lineTo(...to);
    };
    if (typeof guides.x === "number") draw([at(guides.x, 0), at(guides.x, 1)]);
    if (typeof guides.y === "number") draw([at(0, guides.y), at(1, guides.y)]);
    context.stroke();
    context.restore();
}

/**
 * Checkerboard under everything.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {number} height
 */
export function drawEmpty(context, width, height) {
    context.fillStyle = "#8a8a8a";
    context.fillRect(0, 0, width, height);
    context.fillStyle = "#969696";
    for (let y = 0; y < height; y += 12) for (let x = (y / 12) % 2 ? 12 : 0; x < width; x += 24) context.fillRect(x, y, 12, 12);
}

/**
 * Picture of a layout on `canvas`, without handles: for presets.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {State} state
 * @param {MaskCache} masks
 */
export function drawThumbnail(canvas, state, masks) {
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const {width, height} = canvas;
    drawEmpty(context, width, height);
    drawRegions(context, state, {
        at: (x, y) => [x * width, y * height],
        width,
        height,
        masks,
        boundsOf: regionBounds,
        labels: false,
        alpha: 0.75,
    });
}
