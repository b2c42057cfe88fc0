// The canvas. Holds the view (zoom, background) and the work in progress, and draws at most once a frame.

/** @import {Background, Box, Guides, Paint, Point, PolygonDraft, Size, State, ToolPoint, View} from "../types.js" */
/** @import {Panel} from "../panel/panel.js" */

import {t} from "../host/language.js";
import {unionBox} from "../model/geometry/boxes.js";
import {maskText, regionBounds} from "../model/geometry/shapes.js";
import {snapLines, snapPoint} from "../model/geometry/snapping.js";
import {zoomView} from "../model/geometry/view.js";
import {isBlank, useShapes} from "../model/layout.js";
import {clamp} from "../model/values.js";
import {el} from "../widgets/elements.js";
import {attachKeys} from "./keys.js";
import {MaskCache} from "./layers/mask_cache.js";
import {attachPointers} from "./pointers.js";
import {drawStage} from "./render.js";
import {createToolbar} from "./toolbar.js";
import {tools} from "./tools/index.js";

const REACH = 8;
const CANVAS = {
    class: "rg-canvas",
    tabindex: "0",
    role: "application",
    "aria-roledescription": "layout editor",
    "aria-label": "Layout of the regions. Press ? for the keys.",
    "data-action": "stage",
};

/** The canvas of a panel with its toolbars. */
export class Stage {
    /** @param {Panel} panel */
    constructor(panel) {
        this.panel = panel;
        /** @type {View} */
        this.view = {zoom: 1, x: 0, y: 0};
        this.tool = "select";
        this.snapping = true;
        this.brush = {size: 0.16, softness: 0.4};
        /** @type {State | null} The state as the work in progress would make it. */
        this.draft = null;
        /** @type {Guides | null} */
        this.guides = null;
        /** @type {(Point & {keys?: boolean}) | null} `keys`: moved by the keyboard. */
        this.cursor = null;
        /** @type {any} What the tool does between press and release. */
        this.gesture = null;
        /** @type {Paint | null} */
        this.paint = null;
        /** @type {PolygonDraft | null} */
        this.polygon = null;
        /** Whether a tool is pressed. */
        this.active = false;
        /** Whether the space bar is held to pan. */
        this.space = false;
        /** Whether the last press was a finger's. */
        this.touched = false;
        /** What a drawing does to a grid, for a note once it is there. */
        this.freed = "";
        this.waiting = false;
        this.box = {width: 0, height: 0, ratio: 1};
        /** @type {Background} */
        this.background = {kind: "result", choice: "result", image: null};
        /** The live preview of a generation that runs. @type {HTMLImageElement | null} */
        this.live = null;
        this.masks = new MaskCache(this.redraw.bind(this), this.size.bind(this));
        this.canvas = el("canvas", CANVAS);
        this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
        this.liveText = el("div", {class: "rg-sr", "aria-live": "polite"});
        this.frame = el("div", {class: "rg-stage"}, this.canvas);
        this.bar = createToolbar(this);
        this.node = el("div", {class: "rg-figure"}, this.bar.top, this.frame, this.bar.bottom, this.liveText);
        attachPointers(this);
        attachKeys(this);
        if (typeof ResizeObserver !== "undefined") new ResizeObserver(() => this.resize()).observe(this.frame);
    }

    // ------------------------------------------------ state

    /** The state to show: the work in progress, else the panel's. */
    get state() {
        return this.draft || this.panel.store.get();
    }

    /** @returns {Size} */
    size() {
        const {width, height} = this.panel.size();
        return [width, height];
    }

    update() {
        const {width, height} = this.panel.size();
        const ratio = `${width} / ${height}`;
        this.bar.update();
        if (this.frame.dataset.ratio === ratio && this.box.width) return void this.redraw();
        this.frame.dataset.ratio = ratio;
        this.frame.style.aspectRatio = ratio;
        this.frame.style.setProperty("--rg-ratio", String(width / height));
        this.resize();
    }

    /**
     * Make the work in progress the state; a `key` joins it with the step of the same key just before.
     *
     * @param {string} [key]
     */
    commit(key) {
        const next = this.draft;
        const hadGrid = Boolean(this.panel.store.get().grid);
        Object.assign(this, {draft: null, guides: null});
        if (next) this.panel.edit(() => next, {key});
        else this.redraw();
        if (next && hadGrid && !next.grid && this.freed) this.panel.note(this.freed);
        this.freed = "";
    }

    cancel() {
        Object.assign(this, {draft: null, guides: null, paint: null, polygon: null, gesture: null});
        this.redraw();
    }

    /**
     * Box around region `index`, that of its mask's pixels included.
     *
     * @param {State} state
     * @param {number} index
     * @returns {Box}
     */
    boundsOf(state, index) {
        const region = state.regions[index];
        const text = !state.grid && region ? maskText(region) : undefined;
        if (text !== undefined) return (text && this.masks.bounds(text)) || [0, 0, 1, 1];
        return regionBounds(state, index);
    }

    /** Box around the selected regions, null without any. */
    selectionBox(state = this.state) {
        return unionBox(
            state.regions.flatMap((region, index) => (this.panel.selected.has(region._id) ? [this.boundsOf(state, index)] : [])),
        );
    }

    selectedRegions(state = this.state) {
        return state.regions.filter((region) => this.panel.selected.has(region._id));
    }

    /** @param {string} name */
    setTool(name) {
        if (this.tool === name) return;
        this.cancel();
        this.tool = name;
        this.cursor = null;
        this.bar.update();
        this.canvas.style.cursor = tools[name].cursor || "crosshair";
        this.announce(tools[name].label);
        this.redraw();
    }

    /** The state with free shapes, for a tool that draws: the cells of a grid become boxes, those of a grid without any text vanish. */
    freeState() {
        const state = this.panel.store.get();
        if (!state.grid) return state;
        const isEmpty = state.regions.every(isBlank);
        this.freed = isEmpty ? "Your drawing took the place of the empty grid." : "The grid has become free shapes, so that you can draw.";
        return isEmpty ? {...useShapes(state), regions: []} : useShapes(state);
    }

    /**
     * Announce a text to screen readers.
     *
     * @param {string} text
     */
    announce(text) {
        this.liveText.textContent = t(text);
    }

    resize() {
        const box = this.frame.getBoundingClientRect();
        const ratio = Math.min(2, window.devicePixelRatio || 1);
        const width = Math.max(1, Math.round(box.width * ratio));
        const height = Math.max(1, Math.round(box.height * ratio));
        if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, {width, height});
        this.box = {width: width / ratio, height: height / ratio, ratio};
        this.redraw();
    }

    /**
     * Shares of the picture -> CSS pixels of the canvas.
     *
     * @param {number} x
     * @param {number} y
     * @returns {[number, number]}
     */
    toScreen(x, y) {
        const {zoom} = this.view;
        return [(x - this.view.x) * zoom * this.box.width, (y - this.view.y) * zoom * this.box.height];
    }

    /**
     * A mouse, pen or touch event as a point of the picture.
     *
     * @param {MouseEvent} event
     * @returns {ToolPoint}
     */
    toPoint(event) {
        const frame = this.canvas.getBoundingClientRect();
        const u = (event.clientX - frame.left) / frame.width;
        const v = (event.clientY - frame.top) / frame.height;
        const {pointerType, pressure} = /** @type {PointerEvent} */ (event);
        return {
            x: this.view.x + u / this.view.zoom,
            y: this.view.y + v / this.view.zoom,
            pressure: pointerType === "pen" ? pressure : 1,
            shift: event.shiftKey,
            alt: event.altKey,
            ctrl: event.ctrlKey || event.metaKey,
            touch: pointerType === "touch",
        };
    }

    /** How near a pointer has to be, as shares of the picture. */
    reach(scale = 1) {
        const {zoom} = this.view;
        return {x: (REACH * scale) / zoom / this.box.width, y: (REACH * scale) / zoom / this.box.height};
    }

    /**
     * A point where snapping puts it; Alt switches that off. Borders of the regions of `except` are left out.
     *
     * @param {ToolPoint} point
     * @param {Set<number>} [except]
     * @returns {Point & {guides: Guides | null}}
     */
    snapped(point, except = new Set()) {
        if (!this.snapping || point.alt) return {x: clamp(point.x, 0, 1), y: clamp(point.y, 0, 1), guides: null};
        return snapPoint(point, this.lines(except), this.reach(), this.size());
    }

    /**
     * Lines to snap to.
     *
     * @param {Set<number>} except
     */
    lines(except) {
        const state = this.panel.store.get();
        return snapLines(state.regions.flatMap((region, index) => (except.has(region._id) ? [] : [this.boundsOf(state, index)])));
    }

    /**
     * @param {number} factor
     * @param {Point} [at] The point that keeps its position; the middle by default.
     */
    zoom(factor, at) {
        this.view = zoomView(this.view, factor, at || {x: this.view.x + 0.5 / this.view.zoom, y: this.view.y + 0.5 / this.view.zoom});
        this.bar.update();
        this.redraw();
    }

    fit() {
        this.view = {zoom: 1, x: 0, y: 0};
        this.bar.update();
        this.redraw();
    }

    redraw() {
        if (this.waiting) return;
        this.waiting = true;
        requestAnimationFrame(() => {
            this.waiting = false;
            if (this.canvas.isConnected && this.box.width) this.draw();
        });
    }

    draw() {
        drawStage(this);
    }

    /**
     * Press the tool.
     *
     * @param {ToolPoint} point
     */
    begin(point) {
        this.active = true;
        tools[this.tool].down(this, point);
    }

    /**
     * Release the tool; null gives up what it did.
     *
     * @param {ToolPoint | null} point
     */
    end(point) {
        this.active = false;
        if (point) tools[this.tool].up(this, point);
        else this.cancel();
    }
}
