// What lies under the regions: a picture, the weight maps, or attention maps.

/** @import {Stage} from "../stage.js" */

import {givenPicture, shownPicture} from "../../host/gallery.js";
import {t} from "../../host/language.js";
import {refreshAttention} from "./attention_maps.js";
import {chooseFile} from "../../widgets/files.js";

/** Kinds that follow the pictures of the page. */
export const OF_RESULT = ["result", "init", "words"];

const MOST_PIXELS = 64e6;
const LONGEST = 2048;

/**
 * Take a value of the menu "Background".
 *
 * @param {Stage} stage
 * @param {string} choice
 */
export function setBackground(stage, choice) {
    const [kind, scale] = choice.split(":");
    if (kind === "file") {
        chooseFile("image/png,image/jpeg,image/webp", (file) => showFile(stage, file));
        stage.bar.update();
        return;
    }
    stage.panel.note("");
    stage.background = {kind, choice, scale: Number(scale) || null, image: null, stale: kind === "map"};
    stage.panel.push();
    refreshBackground(stage);
    stage.redraw();
}

/**
 * @param {Stage} stage
 * @param {File} file
 * @returns {Promise<void>}
 */
async function showFile(stage, file) {
    try {
        const image = await readPicture(file);
        stage.background = {kind: "file", choice: "file", image};
        stage.panel.push();
        stage.bar.update();
        stage.redraw();
    } catch (error) {
        stage.panel.note(
            error instanceof RangeError ? error.message : t("{0} could not be read as a picture. PNG, JPEG and WebP work.", file.name),
            true,
        );
    }
}

/**
 * A file as a bitmap of the size that is needed. Rejects with a RangeError for a picture that is too large, with another error for a damaged one.
 *
 * @param {File} file
 * @returns {Promise<ImageBitmap>}
 */
async function readPicture(file) {
    if (/svg/i.test(file.type)) throw new Error("a drawing without pixels");
    const url = URL.createObjectURL(file);
    const picture = new Image();
    try {
        await new Promise((loaded, failed) => Object.assign(picture, {onload: loaded, onerror: failed, src: url}));
        const {naturalWidth: width, naturalHeight: height} = picture;
        if (width * height > MOST_PIXELS) {
            throw new RangeError(
                t("{0} has {1} megapixels: at most {2} can be shown.", file.name, Math.round((width * height) / 1e6), MOST_PIXELS / 1e6),
            );
        }
        await picture.decode();
        const scale = Math.min(1, LONGEST / Math.max(width, height));
        return await createImageBitmap(picture, {
            resizeWidth: Math.max(1, Math.round(width * scale)),
            resizeHeight: Math.max(1, Math.round(height * scale)),
            resizeQuality: "medium",
        });
    } finally {
        URL.revokeObjectURL(url);
    }
}

/**
 * The picture of a gallery or an image field that is on the page now.
 *
 * @param {Stage} stage
 * @returns {any}
 */
function hostPicture(stage) {
    const {tab} = stage.panel;
    if (stage.background.kind !== "init") return shownPicture(tab);
    return givenPicture();
}

/**
 * Take the background anew: the result may be another one, the weights may have changed.
 *
 * @param {Stage} stage
 */
export function refreshBackground(stage) {
    const {kind, scale} = stage.background;
    if (kind === "map") drawWeights(stage, scale);
    if (!OF_RESULT.includes(kind)) return;
    const found = hostPicture(stage);
    if (kind === "words") refreshAttention(stage, found);
    if (!found) stage.background.image = null;
    else if (!found.src || stage.background.src !== found.src) takePicture(stage, found);
}

/**
 * Lay a picture of the page under the regions, until another one is made or chosen.
 *
 * @param {Stage} stage
 * @param {string} src
 */
export function showPicture(stage, src) {
    const before = stage.background;
    const image = new Image();
    image.onload = () => {
        if (stage.background !== before) return; // another one was chosen while it was loaded
        stage.background = {kind: "picture", choice: "result", image};
        stage.redraw();
    };
    image.src = src;
}

/**
 * @param {Stage} stage
 * @param {number | null | undefined} scale
 */
function drawWeights(stage, scale) {
    const {background} = stage;
    stage.panel.checks.drawMap(scale, (image) => {
        if (stage.background !== background) return;
        Object.assign(background, {image, stale: false});
        stage.redraw();
    });
}

/**
 * @param {Stage} stage
 * @param {any} found An image, or the canvas of a sketch pad.
 */
function takePicture(stage, found) {
    const {background} = stage;
    const {src} = found;
    background.src = src;
    if (found.tagName === "CANVAS") {
        background.image = found;
        return;
    }
    const image = new Image();
    image.onload = () => {
        if (stage.background !== background || background.src !== src) return; // another one was chosen while it was loaded
        background.image = image;
        stage.redraw();
    };
    image.src = src;
}
