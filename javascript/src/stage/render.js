// Draws the canvas: background, regions, work in progress, selection, guides, cursor.

/** @import {Paint, PolygonDraft, State, ToPixels} from "../types.js" */
/** @import {Stage} from "./stage.js" */

import {t} from "../host/language.js";
import {boxBetween} from "../model/geometry/boxes.js";
import {cellCount} from "../model/geometry/grid.js";
import {numbered} from "../model/numbers.js";
import {drawAttention} from "./layers/attention_maps.js";
import {drawDividers, drawEmpty, drawGuides, drawKnob, drawMarquee, drawRegions, drawSelection} from "./drawing.js";
import {OF_RESULT} from "./layers/background.js";
import {tools} from "./tools/index.js";

/**
 * Draw all of the canvas.
 *
 * @param {Stage} stage
 */
export function drawStage(stage) {
    const {context} = stage;
    const state = numbered(stage.state);
    const {width, height, ratio} = stage.box;
    /** @type {ToPixels} */
    const at = (x, y) => stage.toScreen(x, y);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (stage.paint && drawGround(stage, stage.paint)) return drawPainted(stage, stage.paint, at);
    drawEmpty(context, width, height);
    drawBackground(stage, at);
    if (state.grid && cellCount(state) === null) return;
    drawLayout(stage, state, at);
    if (!stage.paint) return drawOver(stage, state, at);
    keepGround(stage, stage.paint);
    drawPainted(stage, stage.paint, at);
}

/**
 * The regions, with their numbers.
 *
 * @param {Stage} stage
 * @param {State} state
 * @param {ToPixels} at
 */
function drawLayout(stage, state, at) {
    const {width, height} = stage.box;
    const isMap = stage.background.kind === "map" || stage.background.kind === "words";
    drawRegions(stage.context, state, {
        at,
        width,
        height,
        selected: stage.panel.selected,
        masks: stage.masks,
        boundsOf: (each, index) => stage.boundsOf(each, index),
        labels: true,
        alpha: isMap || stage.background.image || stage.live ? 0 : undefined,
        hidden: stage.paint ? stage.paint.id : undefined,
    });
}

/**
 * What the layout as it is now was drawn from.
 *
 * @param {Stage} stage
 */
const drawnFrom = ({state, view, box, background, live, masks}) => [
    state,
    view,
    box,
    background.image,
    background.stale,
    background.words,
    live,
    live?.src,
    masks.decoded,
];

/**
 * Keep what is drawn as the ground of the stroke: it is the same for all of its moves.
 *
 * @param {Stage} stage
 * @param {Paint} paint
 */
function keepGround(stage, paint) {
    const {width, height} = stage.canvas;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, {width, height});
    canvas.getContext("2d")?.drawImage(stage.canvas, 0, 0);
    paint.ground = {canvas, from: drawnFrom(stage)};
}

/**
 * Draw the kept ground of a stroke; false where the layout, or the view of it, is another one by now.
 *
 * @param {Stage} stage
 * @param {Paint} paint
 */
function drawGround(stage, {ground}) {
    if (!ground || drawnFrom(stage).some((value, i) => value !== ground.from[i])) return false;
    const {canvas} = ground;
    const {ratio} = stage.box;
    stage.context.drawImage(canvas, 0, 0, canvas.width / ratio, canvas.height / ratio);
    return true;
}

/**
 * The stroke, and what lies above it.
 *
 * @param {Stage} stage
 * @param {Paint} paint
 * @param {ToPixels} at
 */
function drawPainted(stage, paint, at) {
    drawPaint(stage.context, paint, at);
    if (stage.state.grid) drawDividers(stage.context, stage.state.grid, at);
    if (stage.cursor) drawCursor(stage, stage.cursor, at);
}

/**
 * What lies above the layout: work in progress, the selection, lines of the grid, guides, the cursor.
 *
 * @param {Stage} stage
 * @param {State} state
 * @param {ToPixels} at
 */
function drawOver(stage, state, at) {
    const {context} = stage;
    if (stage.polygon) drawPolygon(context, stage.polygon, at);
    drawChosen(stage, state, at);
    if (state.grid) drawDividers(context, state.grid, at);
    if (stage.gesture?.kind === "marquee" && stage.gesture.to) drawMarquee(context, boxBetween(stage.gesture.from, stage.gesture.to), at);
    if (stage.guides) drawGuides(context, stage.guides, at);
    if (stage.cursor) drawCursor(stage, stage.cursor, at);
}

/**
 * @param {Stage} stage
 * @param {ToPixels} at
 */
function drawBackground(stage, at) {
    const {context, background} = stage;
    const image = OF_RESULT.includes(background.kind) && stage.live ? stage.live : background.image;
    if (!image || !(image.complete === undefined || image.complete) || !(image.naturalWidth || image.width)) {
        if (background.stale) drawWaiting(stage);
        return;
    }
    const [x0, y0] = at(0, 0);
    const [x1, y1] = at(1, 1);
    context.imageSmoothingEnabled = background.kind !== "map" && (image.naturalWidth || image.width) > 256;
    context.globalAlpha = background.stale ? 0.4 : 1;
    context.drawImage(image, x0, y0, x1 - x0, y1 - y0);
    context.globalAlpha = 1;
    context.imageSmoothingEnabled = true;
    if (background.stale) drawWaiting(stage);
    if (background.words) drawAttention(context, background, {at, chosen: stage.panel.selected, state: stage.state});
}

/**
 * A line that says that the weight map is on its way.
 *
 * @param {Stage} stage
 */
function drawWaiting({context, box}) {
    const text = t("Drawing the weight map …");
    context.font = "600 13px system-ui, sans-serif";
    context.textBaseline = "middle";
    const width = context.measureText(text).width + 16;
    context.fillStyle = "rgba(0, 0, 0, 0.75)";
    context.fillRect((box.width - width) / 2, box.height - 34, width, 24);
    context.fillStyle = "#fff";
    context.fillText(text, (box.width - width) / 2 + 8, box.height - 21.5);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Paint} paint
 * @param {ToPixels} at
 */
function drawPaint(context, paint, at) {
    const [x0, y0] = at(0, 0);
    const [x1, y1] = at(1, 1);
    context.globalAlpha = 0.6;
    context.drawImage(paint.canvas, x0, y0, x1 - x0, y1 - y0);
    context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {PolygonDraft} polygon
 * @param {ToPixels} at
 */
function drawPolygon(context, {points, next}, at) {
    context.beginPath();
    [...points, ...(next ? [next] : [])].forEach(([x, y], i) => (i ? context.lineTo(...at(x, y)) : context.moveTo(...at(x, y))));
    context.lineWidth = 2;
    context.strokeStyle = "#fff";
    context.stroke();
    points.forEach(([x, y]) => drawKnob(context, ...at(x, y), true));
}

/**
 * @param {Stage} stage
 * @param {State} state
 * @param {ToPixels} at
 */
function drawChosen(stage, state, at) {
    const chosen = stage.selectedRegions(state);
    const box = stage.selectionBox(state);
    if (!box) return;
    const locked = chosen.every((region) => region._lock);
    const canSize = stage.tool === "select" && !locked && !state.grid;
    drawSelection(stage.context, box, at, {handles: canSize, locked});
    const points = canSize && chosen.length === 1 && chosen[0].polygon;
    if (points) points.forEach(([x, y]) => drawKnob(stage.context, ...at(x, y), true));
}

/**
 * The keyboard's crosshair, or the ring of the brush.
 *
 * @param {Stage} stage
 * @param {{x: number, y: number, keys?: boolean}} cursor
 * @param {ToPixels} at
 */
function drawCursor(stage, cursor, at) {
    const {context, box} = stage;
    const [x, y] = at(cursor.x, cursor.y);
    const ring = tools[stage.tool].isBrush ? (stage.brush.size / 2) * Math.min(box.width, box.height) * stage.view.zoom : 0;
    const strokes = /** @type {const} */ ([
        ["rgba(0, 0, 0, 0.8)", 3],
        ["#fff", 1.3],
    ]);
    for (const [colour, width] of strokes) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.beginPath();
        if (ring) context.arc(x, y, ring, 0, 2 * Math.PI);
        if (cursor.keys) {
            context.moveTo(x - 9, y);
            context.lineTo(x + 9, y);
            context.moveTo(x, y - 9);
            context.lineTo(x, y + 9);
        }
        context.stroke();
    }
}
