// A picture to click into: points inside and outside of an object, and a box around it, for masks that a model finds.

import {clamp, tidy} from "../model/values.js";
import {button} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";

const WIDEST = 420;
const CLICK = 6;
const MOST = 64;
const HELP = "Click: inside the object. With Shift: outside of it. Drag: a box around it.";

/** @typedef {{x: number, y: number}} Place Shares of the picture's width and height. */

/** The area. It is hidden until a picture is there and clicks are allowed. */
export class ClickArea {
    constructor() {
        this.canvas = el("canvas", {class: "rg-click-area", role: "img", "aria-label": HELP, "data-action": "find-area"});
        const clear = button("Clear", () => this.clear(), {"data-action": "find-clear"});
        const help = el("div", {class: "rg-hint", localized: HELP});
        this.node = el("div", {hidden: true}, help, this.canvas, el("div", {class: "rg-row"}, clear));
        this.image = new Image();
        /** @type {number[][]} */
        this.clicks = [];
        /** @type {number[] | null} */
        this.box = null;
        /** @type {Place | null} */
        this.from = null;
        this.allowed = false;
        this.image.addEventListener("load", () => this.draw());
        this.canvas.addEventListener("pointerdown", (event) => {
            this.from = this.placeOf(event);
            this.canvas.setPointerCapture(event.pointerId);
        });
        this.canvas.addEventListener("pointerup", (event) => this.release(this.placeOf(event), event.shiftKey));
    }

    /** What the server takes. */
    values() {
        return {clicks: this.clicks, box: this.box};
    }

    /** @param {string} picture A data URL. */
    show(picture) {
        this.clear();
        this.image.src = picture;
    }

    /** @param {boolean} allowed */
    allow(allowed) {
        this.allowed = allowed;
        this.draw();
    }

    clear() {
        this.clicks = [];
        this.box = null;
        this.draw();
    }

    /**
     * The end of a click or a drag.
     *
     * @param {Place} to
     * @param {boolean} outside
     */
    release(to, outside) {
        const {from, canvas} = this;
        this.from = null;
        if (!from) return;
        const moved = Math.min(Math.abs(to.x - from.x) * canvas.width, Math.abs(to.y - from.y) * canvas.height);
        if (moved > CLICK) this.box = [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x), Math.max(from.y, to.y)];
        else if (this.clicks.length < MOST) this.clicks.push([to.x, to.y, outside ? 0 : 1]);
        this.draw();
    }

    /**
     * @param {PointerEvent} event
     * @returns {Place}
     */
    placeOf(event) {
        const frame = this.canvas.getBoundingClientRect();
        const share = (/** @type {number} */ at, /** @type {number} */ size) => tidy(clamp(at / size, 0, 1));
        return {x: share(event.clientX - frame.left, frame.width), y: share(event.clientY - frame.top, frame.height)};
    }

    draw() {
        const context = this.canvas.getContext("2d");
        this.node.hidden = !this.allowed || !this.image.naturalWidth;
        if (!context || this.node.hidden) return;
        const scale = Math.min(1, WIDEST / this.image.naturalWidth);
        this.canvas.width = Math.max(1, Math.round(this.image.naturalWidth * scale));
        this.canvas.height = Math.max(1, Math.round(this.image.naturalHeight * scale));
        context.drawImage(this.image, 0, 0, this.canvas.width, this.canvas.height);
        drawMarks(context, this.clicks, this.box);
    }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number[][]} clicks
 * @param {number[] | null} box
 */
function drawMarks(context, clicks, box) {
    const {width, height} = context.canvas;
    context.lineWidth = 2;
    context.strokeStyle = "#fff";
    for (const [x, y, inside] of clicks) {
        context.beginPath();
        context.arc(x * width, y * height, 5, 0, 7);
        context.fillStyle = inside ? "#2a2" : "#c22";
        context.fill();
        context.stroke();
    }
    if (box) context.strokeRect(box[0] * width, box[1] * height, (box[2] - box[0]) * width, (box[3] - box[1]) * height);
}
