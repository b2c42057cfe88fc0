// Mouse, pen and touch on the canvas: one pointer works the tool, the middle button or Space pans, two fingers zoom.

/** @import {View} from "../types.js" */
/** @import {Stage} from "./stage.js" */

import {regionAt} from "../model/geometry/hits.js";
import {panView} from "../model/geometry/view.js";
import {clamp} from "../model/values.js";
import {openMenu} from "./menu.js";
import {tools} from "./tools/index.js";

/** Two fingers that go apart by less than this factor scroll the page where the whole picture is shown. */
const APART = 1.15;

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
    canvas.addEventListener("contextmenu", (event) => showMenu(stage, event));
    canvas.addEventListener("wheel", (event) => turnWheel(stage, event), {passive: false});
}

/**
 * The menu of the regions at a point; by the keyboard, that of the chosen ones.
 *
 * @param {Stage} stage
 * @param {MouseEvent} event
 */
function showMenu(stage, event) {
    event.preventDefault();
    if (stage.draft || stage.polygon || stage.paint) return;
    const {panel} = stage;
    const byKey = event.button !== 2 && !stage.touched;
    const state = panel.store.get();
    const {x, y} = stage.toPoint(event);
    const hit = byKey ? -1 : regionAt(state, x, y, stage.masks.at, (each, index) => stage.boundsOf(each, index));
    if (hit >= 0 && !panel.selected.has(state.regions[hit]._id)) panel.select([state.regions[hit]._id], {reveal: true});
    if (hit < 0 && !byKey) panel.select([]);
    const box = stage.selectionBox(state);
    const frame = stage.canvas.getBoundingClientRect();
    const [left, top] = box ? stage.toScreen((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) : [frame.width / 2, frame.height / 2];
    openMenu(panel, byKey ? {x: frame.left + left, y: frame.top + top} : {x: event.clientX, y: event.clientY}, stage.canvas);
}

/**
 * Whether a finger of the tool Select has hold of nothing: then it scrolls the page, as beside the canvas.
 *
 * @param {Stage} stage
 */
function holdsNothing(stage) {
    if (!stage.touched || stage.tool !== "select" || stage.view.zoom > 1) return false;
    if (stage.gesture && stage.gesture.kind !== "marquee") return false;
    stage.gesture = null;
    return true;
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
        /** Height in the window of the finger, or between the two, that scrolls the page. @type {number | null} */
        this.scroll = null;
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
        this.scroll = holdsNothing(stage) ? event.clientY : null;
    }

    /** @param {PointerEvent} event */
    move(event) {
        const {stage} = this;
        if (this.pressed.has(event.pointerId)) this.pressed.set(event.pointerId, event);
        if (this.pinch) this.movePinch(this.pinch);
        else if (this.scroll !== null) this.moveScroll(event);
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
        this.scroll = null;
        if (this.pan || this.pinch) {
            this.pan = null;
            if (!this.pressed.size) this.pinch = null;
            return;
        }
        if (stage.active) stage.end(isLost ? null : stage.toPoint(event));
    }

    /**
     * @param {PointerEvent} event
     */
    moveScroll(event) {
        if (this.pressed.has(event.pointerId)) this.scrollTo(event.clientY);
    }

    /**
     * Scroll the page, or the panel on the whole screen, by as much as fingers have moved.
     *
     * @param {number} height Where they are in the window now.
     */
    scrollTo(height) {
        (document.fullscreenElement || window).scrollBy(0, (this.scroll ?? height) - height);
        this.scroll = height;
    }

    startPinch() {
        const {stage} = this;
        this.scroll = this.middle();
        stage.active = false;
        stage.cancel();
        this.pinch = {view: stage.view, ...this.fingers()};
    }

    /** Height of the middle of two fingers in the window. */
    middle() {
        const [a, b] = [...this.pressed.values()];
        return (a.clientY + b.clientY) / 2;
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
        if (this.pressed.size < 2) return undefined;
        const now = this.fingers();
        const at = {x: view.x + u / view.zoom, y: view.y + v / view.zoom};
        const zoom = clamp((view.zoom * now.far) / far, 1, 32);
        if (this.scroll !== null && view.zoom === 1 && zoom < APART) return this.scrollTo(this.middle());
        this.scroll = null; // they zoom from here on
        this.stage.view = panView({zoom, x: at.x - now.u / zoom, y: at.y - now.v / zoom}, 0, 0);
        return this.stage.redraw();
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
