// Source, result and their difference side by side, for the drawer "Edit".

/** @import {Panel} from "../panel/panel.js" */

import {givenPicture, shownPicture} from "../host/gallery.js";
import {translateMessage} from "../host/language.js";
import {pictureDifference, sourceOf} from "../model/shown/source.js";
import {el} from "../widgets/elements.js";

const WIDTH = 320;

/**
 * The three views; `hold` keeps the source picture, `release` drops it.
 *
 * @param {Panel} panel
 */
export function createEditViews(panel) {
    const [source, result, gap] = ["Source", "Result", "Difference"].map(createView);
    const node = el("div", {class: "rg-row rg-edit-views", hidden: true}, source.node, result.node, gap.node);
    /** @type {ImageData | null} */
    let held = null;
    /** @type {string | null} */
    let seen = null;

    /** Keep the picture that is the source: the one that img2img was given, else the one that the gallery shows now. False without one. */
    function hold() {
        const image = panel.tab === "img2img" ? givenPicture() : resultPicture(panel);
        if (!image) return false;
        held = pixelsOf(image);
        seen = null;
        return true;
    }

    function update() {
        const image = resultPicture(panel);
        node.hidden = !held || !sourceOf(panel.store.get());
        const name = `${image && image.src} ${held && held.width}`;
        if (node.hidden || !held || name === seen) return;
        seen = name;
        draw(source.canvas, held);
        const made = image ? pixelsOf(image, held) : null;
        result.node.hidden = gap.node.hidden = !made;
        if (!made) return;
        draw(result.canvas, made);
        const {bytes, share} = pictureDifference(held.data, made.data);
        draw(gap.canvas, new ImageData(bytes, held.width, held.height));
        gap.caption.textContent = translateMessage(`Difference: ${(share * 100).toFixed(share < 0.1 ? 1 : 0)} % of the picture`);
    }

    function release() {
        held = null;
        seen = null;
    }

    return {node, update, hold, release};
}

/** @param {string} label */
function createView(label) {
    const canvas = el("canvas", {class: "rg-edit-picture", role: "img", "aria-label": label});
    const caption = el("figcaption", {localized: label});
    return {canvas, caption, node: el("figure", {class: "rg-edit-view", "data-view": label.toLowerCase()}, canvas, caption)};
}

/**
 * The picture of the gallery once it is loaded; in img2img only when there is a source to compare it with.
 *
 * @param {Panel} panel
 */
function resultPicture(panel) {
    const given = panel.tab === "img2img" && !sourceOf(panel.store.get()) ? null : shownPicture(panel.tab);
    return given && given.complete && given.naturalWidth ? given : null; // until then it has the pixels of the one before
}

/**
 * The pixels of an <img> or <canvas>, at its own size or at that of `like`, at most WIDTH × the screen's density wide.
 *
 * @param {any} image
 * @param {ImageData} [like]
 */
function pixelsOf(image, like) {
    const [across, down] = image.tagName === "CANVAS" ? [image.width, image.height] : [image.naturalWidth, image.naturalHeight];
    const scale = like ? 1 : Math.min(1, (WIDTH * 2) / across);
    const width = like ? like.width : Math.max(1, Math.round(across * scale));
    const height = like ? like.height : Math.max(1, Math.round(down * scale));
    const canvas = el("canvas", {});
    Object.assign(canvas, {width, height});
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", {willReadFrequently: true}));
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ImageData} data
 */
function draw(canvas, data) {
    Object.assign(canvas, {width: data.width, height: data.height});
    canvas.getContext("2d")?.putImageData(data, 0, 0);
}
