// Mouse, pen and touch on the canvas: one pointer works the tool, the middle button or Space pans, two fingers zoom.

/** @import {View} from "../types.js" */
/** @import {Stage} from "./stage.js" */

import {panView} from "../model/geometry/view.js";
import {clamp} from "../model/values.js";
import {tools} from "./tools/index.js";

/** @typedef {{far: number, u: number, v: number}} Fingers Distance and middle of two fingers, in shares of the canvas. */

/**
 * Hand the canvas's pointer events to the tools.
 *
 * @param {Stage} stage
 */
export function attachPointers(stage) {
    const {canvas} = stage;
    const pointers = new Pointers(stage);
    canvas.addEventListener("pointerdown", (event) => pointers.down(event));
    canvas.addEventListener("pointermove", (event) => pointers.move(event));
    canvas.addEventListener("pointerup", (event) => pointers.up(event, false));
    canvas.addEventListener("pointercancel", (event) => pointers.up(event, true));
    canvas.addEventListener("pointerleave", () => pointers.leave());
    canvas.addEventListener("dblclick", (event) => tools[stage.tool].double?.(stage, stage.toPoint(event)));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => turnWheel(stage, event), {passive: false});
}

class Pointers {
    /** @param {Stage} stage */
    constructor(stage) {
        this.stage = stage;
        /** @type {Map<number, PointerEvent>} */
        this.pressed = new Map();
        /** @type {{x: number, y: number, view: View} | null} */
        this.pan = null;
        /** @type {(Fingers & {view: View}) | null} */
        this.pinch = null;
    }

    leave() {
        const {stage} = this;
        if (!stage.cursor || stage.cursor.keys) return;
        stage.cursor = null;
        stage.redraw();
    }

    /** @param {PointerEvent} event */
    down(event) {
        const {stage} = this;
        if (event.pointerType === "mouse" && event.button === 2) return;
        stage.touched = event.pointerType === "touch";
        stage.canvas.focus({preventScroll: true});
        stage.canvas.setPointerCapture(event.pointerId);
        this.pressed.set(event.pointerId, event);
        if (this.pressed.size === 2) this.startPinch();
        if (this.pressed.size > 1) return;
        event.preventDefault();
        if (event.button === 1 || stage.space) this.pan = {x: event.clientX, y: event.clientY, view: stage.view};
        else stage.begin(stage.toPoint(event));
    }

    /** @param {PointerEvent} event */
    move(event) {
        const {stage} = this;
        if (this.pressed.has(event.pointerId)) this.pressed.set(event.pointerId, event);
        if (this.pinch) this.movePinch(this.pinch);
        else if (this.pan) this.movePan(event, this.pan);
        else this.moveTool(stage, event);
    }

    /**
     * @param {Stage} stage
     * @param {PointerEvent} event
     */
    moveTool(stage, event) {
        const tool = tools[stage.tool];
        const point = stage.toPoint(event);
        if (tool.isBrush) {
            stage.cursor = {x: point.x, y: point.y};
            stage.redraw();
        }
        if (!stage.active) return void tool.hover?.(stage, point);
        const all = tool.isBrush && event.getCoalescedEvents ? event.getCoalescedEvents() : [];
        (all.length ? all : [event]).forEach((each) => tool.move(stage, stage.toPoint(each)));
    }

    /**
     * @param {PointerEvent} event
     * @param {boolean} isLost
     */
    up(event, isLost) {
        const {stage} = this;
        this.pressed.delete(event.pointerId);
        if (this.pan || this.pinch) {
            this.pan = null;
            if (!this.pressed.size) this.pinch = null;
            return;
        }
        if (stage.active) stage.end(isLost ? null : stage.toPoint(event));
    }

    startPinch() {
        const {stage} = this;
        stage.active = false;
        stage.cancel();
        this.pinch = {view: stage.view, ...this.fingers()};
    }

    /** @returns {Fingers} */
    fingers() {
        const frame = this.stage.canvas.getBoundingClientRect();
        const [a, b] = [...this.pressed.values()];
        return {
            far: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1,
            u: ((a.clientX + b.clientX) / 2 - frame.left) / frame.width,
            v: ((a.clientY + b.clientY) / 2 - frame.top) / frame.height,
        };
    }

    /** @param {Fingers & {view: View}} pinch */
    movePinch({view, far, u, v}) {
        if (this.pressed.size < 2) return;
        const now = this.fingers();
        const at = {x: view.x + u / view.zoom, y: view.y + v / view.zoom};
        const zoom = clamp((view.zoom * now.far) / far, 1, 32);
        this.stage.view = panView({zoom, x: at.x - now.u / zoom, y: at.y - now.v / zoom}, 0, 0);
        this.stage.redraw();
    }

    /**
     * @param {PointerEvent} event
     * @param {{x: number, y: number, view: View}} from
     */
    movePan(event, {x, y, view}) {
        const {box} = this.stage;
        this.stage.view = panView(view, (x - event.clientX) / box.width / view.zoom, (y - event.clientY) / box.height / view.zoom);
        this.stage.redraw();
    }
}

/**
 * Ctrl and wheel zoom; the wheel alone scrolls the page, or the picture when it is zoomed.
 *
 * @param {Stage} stage
 * @param {WheelEvent} event
 */
function turnWheel(stage, event) {
    const {view, box} = stage;
    if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        stage.zoom(Math.exp(-event.deltaY / 300), stage.toPoint(event));
    } else if (view.zoom > 1) {
        event.preventDefault();
        stage.view = panView(view, event.deltaX / box.width / view.zoom, event.deltaY / box.height / view.zoom);
        stage.redraw();
    }
}
