// Attention on the words of every region, over the finished picture. The server keeps the maps while this view is chosen.

/** @import {Answer, AttentionMap, Background, Colour, State, ToPixels} from "../../types.js" */
/** @import {Stage} from "../stage.js" */

import {shownImage, shownPicture} from "../../host/gallery.js";
import {callApi} from "../../host/server.js";
import {regionColour} from "../../model/colours.js";
import {numberOf} from "../../model/numbers.js";
import {el} from "../../widgets/elements.js";

const EVERY = 1500;

const PENDING = "The next picture shows where the words of each region are looked at.";

const NONE = "No attention was kept of this picture: the method works without attention of its own regions, or its regions have no words.";

/**
 * A map as a canvas of its grid in a colour: clear where the attention is least, opaque where it is most.
 *
 * @param {AttentionMap} map
 * @param {Colour} colour
 * @returns {HTMLCanvasElement}
 */
function tintLevels({grid: [height, width], levels}, [red, green, blue]) {
    const bytes = Uint8Array.from(atob(levels), (letter) => letter.charCodeAt(0));
    const canvas = el("canvas", {width, height});
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const pixels = context.createImageData(width, height);
    const least = bytes.reduce((low, level) => Math.min(low, level), 255);
    const reach = Math.max(1, 255 - least);
    bytes.forEach((level, at) => pixels.data.set([red, green, blue, 255 * ((level - least) / reach) ** 1.5], at * 4));
    context.putImageData(pixels, 0, 0);
    return canvas;
}

/**
 * Ask for the maps of the tab's last picture: when another one is shown, and now and then, since a picture made again has the same address.
 *
 * @param {Stage} stage
 * @param {HTMLImageElement | null} shown
 * @returns {Promise<void>}
 */
export async function refreshAttention(stage, shown) {
    const {panel, background} = stage;
    background.timer = background.timer || setInterval(() => again(stage, background), EVERY);
    const src = shown ? shown.src : "";
    if (background.waits) return;
    background.waits = true;
    const answer = await callApi(`attention/${encodeURIComponent(panel.mapsName)}`).catch(() => null);
    background.waits = false;
    const key = `${src} ${answer ? `${answer.status} ${answer.data.serial}` : ""}`;
    if (stage.background !== background || key === background.key) return;
    background.key = key;
    const images = answer && answer.ok ? answer.data.images : [];
    background.words = images[shownImage(panel.tab, shown, images.length)] || null;
    background.tints = new Map();
    panel.note(attentionNote(answer, background));
    stage.redraw();
}

/**
 * @param {Answer | null} answer
 * @param {Background} background
 */
function attentionNote(answer, {words}) {
    if (!answer) return "The server does not answer.";
    if (!answer.ok || !answer.data.images.length) return PENDING;
    return words && words.length ? "" : NONE;
}

/**
 * @param {Stage} stage
 * @param {Background} background
 */
function again(stage, background) {
    if (stage.background !== background || !stage.canvas.isConnected) clearInterval(background.timer);
    else if (stage.panel.visible() && !document.hidden) refreshAttention(stage, shownPicture(stage.panel.tab));
}

/**
 * Draw the maps of the chosen regions, or of all without a choice, over a darkened picture.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Background} background
 * @param {{at: ToPixels, chosen: Set<number>, state: State}} view
 */
export function drawAttention(context, {words, tints}, {at, chosen, state}) {
    const [x0, y0] = at(0, 0);
    const [x1, y1] = at(1, 1);
    context.save();
    context.fillStyle = "rgba(0, 0, 0, 0.35)";
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
    const some = state.regions.some((region) => chosen.has(region._id));
    for (const map of words || []) {
        const region = state.regions[map.region];
        if (some && !(region && chosen.has(region._id))) continue;
        const colour = regionColour(numberOf(state, map.region) - 1, region?.colour);
        const key = `${map.region} ${colour}`;
        const tint = tints?.get(key) || tintLevels(map, colour);
        tints?.set(key, tint);
        context.globalAlpha = 0.85;
        context.drawImage(tint, x0, y0, x1 - x0, y1 - y0);
    }
    context.restore();
}
