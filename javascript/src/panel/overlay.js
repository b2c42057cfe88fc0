// The regions drawn over the picture in the gallery.

/** @import {Stage} from "../stage/stage.js" */
/** @import {Panel} from "./panel.js" */

import {pictureBox, shownPicture} from "../host/gallery.js";
import {drawRegions} from "../stage/drawing.js";
import {el} from "../widgets/elements.js";

/**
 * The overlay of a panel; `show` switches it on or off.
 *
 * @param {Panel} panel
 * @param {Stage} stage
 * @returns {{update: () => void, show: (value: boolean) => void}}
 */
export function createOverlay(panel, stage) {
    const canvas = el("canvas", {class: "rg-overlay", "aria-hidden": "true"});
    let on = false;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    let timer;

    function update() {
        const image = on ? shownPicture(panel.tab) : null;
        if (!image || !image.naturalWidth || !panel.visible()) return void canvas.remove();
        const {left, top, width, height} = pictureBox(image);
        if (!canvas.isConnected) document.body.append(canvas);
        const style = {left: left + window.scrollX, top: top + window.scrollY, width, height};
        Object.entries(style).forEach(([name, value]) => canvas.style.setProperty(name, `${value}px`));
        Object.assign(canvas, {width: Math.round(width), height: Math.round(height)});
        drawRegions(/** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")), panel.store.get(), {
            at: (x, y) => [x * width, y * height],
            width,
            height,
            masks: stage.masks,
            labels: true,
            alpha: 0,
            boundsOf: (state, index) => stage.boundsOf(state, index),
        });
    }

    /** @param {boolean} value */
    function show(value) {
        on = value;
        clearInterval(timer);
        if (on) timer = setInterval(update, 400);
        update();
    }

    return {update, show};
}
