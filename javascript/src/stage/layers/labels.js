// Labels of regions on the canvas: number and first words, shortened to the room that there is.

/** @import {Box, LayoutView, Region} from "../../types.js" */

import {css, regionColour, textColour} from "../../model/colours.js";
import {maskText} from "../../model/geometry/shapes.js";
import {clamp} from "../../model/values.js";

/** Labels as they were drawn before: measuring a text costs more than drawing it. @type {Map<string, {text: string, width: number}>} */
const labels = new Map();
const MOST_LABELS = 2000;

/**
 * The label of a region, at the upper left of its bounds.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Region} region
 * @param {number} number
 * @param {Box} bounds
 * @param {LayoutView} view
 */
export function drawLabel(context, region, number, bounds, view) {
    const mask = maskText(region);
    if (mask !== undefined && view.masks && !view.masks.bounds(mask) && view.hidden !== region._id) return;
    const [x0, y0] = view.at(bounds[0], bounds[1]);
    const [x1] = view.at(bounds[2], bounds[3]);
    const words = (region.name || (region.prompt || "").replace(/<[^<>]*>/g, " ")).replace(/\s+/g, " ").trim().slice(0, 40);
    const room = x1 - x0 - 10;
    context.font = `600 ${view.fontSize || 12}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    const {text, width: wide} = fittedLabel(context, number, words, room - 8);
    const width = wide + 10;
    const height = (view.fontSize || 12) + 6;
    const x = clamp(x0 + 3, 2, Math.max(2, view.width - width - 2));
    const y = clamp(y0 + 3, 2, Math.max(2, view.height - height - 2));
    context.fillStyle = css(regionColour(number - 1, region.colour), region.enabled === false ? 0.6 : 1);
    context.fillRect(x, y, width, height);
    context.fillStyle = textColour(number - 1, region.colour);
    context.fillText(text, x + 5, y + height / 2 + 0.5);
}

/**
 * Number and words of a region, shortened to a width in pixels, and the width that they have.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {number} number
 * @param {string} words
 * @param {number} room
 */
function fittedLabel(context, number, words, room) {
    const key = `${context.font} ${Math.round(room)} ${number} ${words}`;
    const known = labels.get(key);
    if (known) return known;
    const made = measured(context, number, words, room);
    if (labels.size >= MOST_LABELS) labels.clear();
    labels.set(key, made);
    return made;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} number
 * @param {string} words
 * @param {number} room
 */
function measured(context, number, words, room) {
    for (let length = words.length; length > 2; length -= Math.ceil(length / 6)) {
        const text = `${number}  ${words.slice(0, length)}${length < words.length ? "…" : ""}`;
        const {width} = context.measureText(text);
        if (width <= room) return {text, width};
    }
    return {text: String(number), width: context.measureText(String(number)).width};
}
