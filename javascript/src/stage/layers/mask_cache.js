// Masks of the layout as pixels in the browser: each text is decoded once, and tinted for the canvas.

/** @import {Box, Colour, Mask, Size} from "../../types.js" */

import {callApi, errorText} from "../../host/server.js";
import {SHAPE_TEXT} from "../../model/geometry/shapes.js";
import {makeMask, maskBounds, readRle} from "../../model/masks/mask.js";
import {maskToUrl} from "../../model/masks/png.js";
import {el} from "../../widgets/elements.js";

const MOST = 200;
const LONGEST = 1024;

/** @typedef {{mask: Mask | null, tints: Map<string, HTMLCanvasElement>, bounds?: Box | null}} Entry */

/** Decoded masks by their text. */
export class MaskCache {
    /**
     * @param {() => void} changed Called when a mask that was asked for has been decoded.
     * @param {() => Size} [size] Of the picture, for shapes that the server draws.
     */
    constructor(changed, size = () => [512, 512]) {
        this.changed = changed;
        this.size = size;
        /** @type {Map<string, Entry>} */
        this.known = new Map();
        /** How many masks came after they were asked for. */
        this.decoded = 0;
        this.at = this.at.bind(this);
    }

    /**
     * A mask, null while it is not decoded.
     *
     * @param {string | undefined} text
     */
    get(text) {
        return text ? this.entry(text).mask : null;
    }

    /** @param {string} text */
    entry(text) {
        return this.known.get(this.key(text)) || this.load(text);
    }

    /**
     * A shape that the server draws is another one at another size of the picture.
     *
     * @param {string} text
     */
    key(text) {
        return text.startsWith(SHAPE_TEXT) ? `${this.size().join("x")} ${text}` : text;
    }

    /** @param {string} text */
    load(text) {
        const entry = this.keep(text, readRle(text));
        const pixels = this.pixels(text);
        if (!entry.mask && pixels) {
            pixels.then(
                (mask) => {
                    entry.mask = mask;
                    this.decoded++;
                    this.changed();
                },
                () => {},
            );
        }
        return entry;
    }

    /**
     * @param {string} text
     * @param {Mask | null} mask
     * @returns {Entry}
     */
    keep(text, mask) {
        const entry = {mask, tints: new Map()};
        this.known.set(this.key(text), entry);
        if (this.known.size > MOST) this.known.delete(/** @type {string} */ (this.known.keys().next().value));
        return entry;
    }

    /**
     * Wait for a mask that may not be decoded yet; null where the text is not a mask.
     *
     * @param {string | undefined} text
     */
    async wait(text) {
        const pixels = text && !this.get(text) ? this.pixels(text) : null;
        return pixels ? pixels.catch(() => null) : this.get(text);
    }

    /**
     * The mask of a picture or of a shape that the server draws; null for other texts.
     *
     * @param {string} text
     * @returns {Promise<Mask> | null}
     */
    pixels(text) {
        if (text.startsWith("data:image/")) return decodeMask(text);
        return text.startsWith(SHAPE_TEXT) ? drawnMask(text.slice(SHAPE_TEXT.length), this.size()) : null;
    }

    /**
     * Remember a mask that was just painted: it needs no decoding.
     *
     * @param {string} text
     * @param {Mask} mask
     */
    put(text, mask) {
        this.keep(text, mask);
    }

    /**
     * The mask's value, 0 to 255, at a point of the picture.
     *
     * @param {string} text
     * @param {number} x
     * @param {number} y
     */
    at(text, x, y) {
        const mask = this.get(text);
        if (!mask) return 0;
        const row = Math.min(mask.height - 1, Math.floor(y * mask.height));
        return mask.data[row * mask.width + Math.min(mask.width - 1, Math.floor(x * mask.width))];
    }

    /**
     * The mask in a colour as a canvas, null while it is not decoded.
     *
     * @param {string} text
     * @param {Colour} colour
     */
    tint(text, colour) {
        const mask = this.get(text);
        if (!mask) return null;
        const {tints} = this.entry(text);
        const key = colour.join();
        const tint = tints.get(key) || tinted(mask, colour);
        tints.set(key, tint);
        return tint;
    }

    /**
     * Box around the mask's pixels, null for an empty one and while it is not decoded.
     *
     * @param {string} text
     */
    bounds(text) {
        const mask = this.get(text);
        if (!mask) return null;
        const entry = this.entry(text);
        if (entry.bounds === undefined) entry.bounds = maskBounds(mask);
        return entry.bounds;
    }
}

/**
 * Write a mask as text, and remember the mask under it.
 *
 * @param {{masks: MaskCache}} stage
 * @param {Mask} mask
 */
export function storeMask(stage, mask) {
    const text = maskToUrl(mask);
    stage.masks.put(text, mask);
    return text;
}

/**
 * @param {string} shape JSON of a shape.
 * @param {Size} size
 * @returns {Promise<Mask>}
 */
async function drawnMask(shape, [width, height]) {
    const answer = await callApi("shape", {method: "POST", body: {shape: JSON.parse(shape), width, height}});
    if (!answer.ok) throw new Error(errorText(answer));
    const url = URL.createObjectURL(answer.data);
    return decodeMask(url).finally(() => URL.revokeObjectURL(url));
}

/**
 * @param {string} text Address of a picture.
 * @returns {Promise<Mask>}
 */
async function decodeMask(text) {
    const picture = new Image();
    picture.src = text;
    await picture.decode();
    const scale = Math.min(1, LONGEST / Math.max(picture.naturalWidth, picture.naturalHeight));
    const width = Math.max(1, Math.round(picture.naturalWidth * scale));
    const height = Math.max(1, Math.round(picture.naturalHeight * scale));
    const canvas = el("canvas", {width, height});
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", {willReadFrequently: true}));
    context.drawImage(picture, 0, 0, width, height);
    const {data} = context.getImageData(0, 0, width, height);
    const mask = makeMask(width, height);
    for (let at = 0; at < mask.data.length; at++) {
        mask.data[at] = ((0.299 * data[4 * at] + 0.587 * data[4 * at + 1] + 0.114 * data[4 * at + 2]) * data[4 * at + 3]) / 255;
    }
    return mask;
}

/**
 * @param {Mask} mask
 * @param {Colour} colour
 */
function tinted(mask, colour) {
    const canvas = el("canvas", {width: mask.width, height: mask.height});
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    tintInto(context, mask, colour, [0, 0, mask.width, mask.height]);
    return canvas;
}

/**
 * Write part of a mask into a canvas of its size: the colour, as opaque as the mask is white.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Mask} mask
 * @param {Colour} colour
 * @param {number[]} rect [x0, y0, x1, y1] in pixels.
 */
export function tintInto(context, mask, [red, green, blue], [x0, y0, x1, y1]) {
    if (x1 <= x0 || y1 <= y0) return;
    const pixels = context.createImageData(x1 - x0, y1 - y0);
    for (let row = y0, to = 0; row < y1; row++) {
        for (let from = row * mask.width + x0; from < row * mask.width + x1; from++, to += 4) {
            pixels.data[to] = red;
            pixels.data[to + 1] = green;
            pixels.data[to + 2] = blue;
            pixels.data[to + 3] = mask.data[from];
        }
    }
    context.putImageData(pixels, x0, y0);
}
