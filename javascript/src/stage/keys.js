// The canvas by keyboard. Every tool works with a crosshair: arrows move it, Space presses and lets go.

/** @import {State, ToolPoint} from "../types.js" */
/** @import {Stage} from "./stage.js" */

import {toggleFullScreen} from "./full_screen.js";
import {showKeys} from "./key_help.js";
import {tools} from "./tools/index.js";
import {closePolygon} from "./tools/shapes.js";
import {t} from "../host/language.js";
import {resizeBox, shiftBox} from "../model/geometry/boxes.js";
import {dividers, moveDivider} from "../model/geometry/dividers.js";
import {panView} from "../model/geometry/view.js";
import {numberOf} from "../model/numbers.js";
import {indexOf} from "../model/regions.js";
import {listOrder} from "../model/list/order.js";
import {clamp} from "../model/values.js";

/** @type {Record<string, number[]>} */
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

const NEAR = 1e-6;

/**
 * Hand the canvas's keys to the tools and the panel.
 *
 * @param {Stage} stage
 */
export function attachKeys(stage) {
    const {canvas} = stage;
    canvas.addEventListener("keydown", (event) => {
        if (press(stage, event)) {
            event.preventDefault();
            event.stopPropagation();
        }
    });
    canvas.addEventListener("keyup", (event) => {
        if (event.key === " ") stage.space = false;
    });
    canvas.addEventListener("blur", () => {
        stage.space = false;
        if (stage.cursor && stage.cursor.keys) dropCursor(stage);
    });
}

/** @param {Stage} stage */
function dropCursor(stage) {
    if (stage.active) stage.end(null);
    stage.cursor = null;
    stage.redraw();
}

/**
 * Whether the key meant something here.
 *
 * @param {Stage} stage
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
function press(stage, event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) return withCtrl(stage, key, event);
    if (ARROWS[key]) return arrow(stage, ARROWS[key], event);
    const action = PLAIN[key];
    if (action) return action(stage, event) !== false;
    const tool = Object.keys(tools).find((name) => tools[name].key === key);
    if (tool) stage.setTool(tool);
    return Boolean(tool);
}

/**
 * @param {Stage} stage
 * @param {string} key
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
function withCtrl(stage, key, event) {
    const {panel} = stage;
    if (ARROWS[key]) return arrow(stage, ARROWS[key], event);
    if (key === "z") return (event.shiftKey ? panel.redo() : panel.undo(), true);
    if (key === "y") return (panel.redo(), true);
    if (key === "d") return (panel.act("duplicate"), true);
    if (key === "g") return panel.act(event.shiftKey ? "ungroup" : "group");
    if (key === "a") return (panel.select(panel.store.get().regions.map((region) => region._id)), true);
    return false;
}

/**
 * @param {number} factor
 * @returns {(stage: Stage) => void}
 */
const resizeBrush = (factor) => (stage) => {
    stage.brush.size = clamp(stage.brush.size * factor, 0.01, 1);
    stage.bar.update();
    stage.redraw();
};

/** Keys without Ctrl; false leaves the key to the page. @type {Record<string, (stage: Stage, event: KeyboardEvent) => unknown>} */
const PLAIN = {
    Delete: (stage) => stage.panel.act("remove"),
    Backspace: (stage) => stage.panel.act("remove"),
    Escape: (stage) => escape(stage),
    Enter: (stage) => enter(stage),
    " ": (stage, event) => space(stage, event),
    PageDown: (stage, event) => step(stage, 1, event.shiftKey),
    PageUp: (stage, event) => step(stage, -1, event.shiftKey),
    "+": (stage) => stage.zoom(1.25),
    "=": (stage) => stage.zoom(1.25),
    "-": (stage) => stage.zoom(0.8),
    0: (stage) => stage.fit(),
    "[": resizeBrush(1 / 1.2),
    "]": resizeBrush(1.2),
    "?": (stage) => showKeys(stage.canvas),
    f: (stage) => toggleFullScreen(stage),
    h: (stage) => stage.panel.act("mirrorX"),
    j: (stage) => stage.panel.act("mirrorY"),
    n: (stage) => stage.panel.addBox(),
};

/**
 * @param {Stage} stage
 * @returns {boolean}
 */
function escape(stage) {
    if (stage.active || stage.draft || stage.polygon || stage.paint) {
        stage.active = false;
        stage.cancel();
        return true;
    }
    if (stage.cursor && stage.cursor.keys) return (dropCursor(stage), true);
    if (stage.tool !== "select") return (stage.setTool("select"), true);
    const any = stage.panel.selected.size > 0;
    stage.panel.select([]);
    return any;
}

/**
 * @param {Stage} stage
 * @returns {boolean}
 */
function enter(stage) {
    if (stage.polygon) {
        closePolygon(stage);
        return true;
    }
    const [region] = stage.selectedRegions();
    return region ? stage.panel.focusPrompt(indexOf(stage.state, region._id)) : false;
}

/**
 * With a drawing tool: press at the crosshair, or let go. With Select: hold it to pan.
 *
 * @param {Stage} stage
 * @param {KeyboardEvent} event
 */
function space(stage, event) {
    if (event.repeat) return;
    if (stage.tool === "select" && !(stage.cursor && stage.cursor.keys)) {
        stage.space = true;
        return;
    }
    stage.cursor = {...(stage.cursor || {x: 0.5, y: 0.5}), keys: true};
    const point = keyPoint(stage, event);
    if (stage.active) stage.end(point);
    else stage.begin(point);
    if (stage.tool === "polygon" || stage.tool === "fill") stage.active = false;
    stage.redraw();
}

/**
 * @param {Stage} stage
 * @param {KeyboardEvent} event
 * @returns {ToolPoint}
 */
const keyPoint = (stage, event) => ({...(stage.cursor || {x: 0.5, y: 0.5}), pressure: 1, shift: false, alt: event.altKey, ctrl: false});

/**
 * Choose the region after (or before) the chosen ones; with `more` in addition to them.
 *
 * @param {Stage} stage
 * @param {number} by
 * @param {boolean} more
 */
function step(stage, by, more) {
    const state = stage.panel.store.get();
    const {selected} = stage.panel;
    const order = listOrder(state);
    if (!order.length) return;
    const chosen = order.flatMap((index, line) => (selected.has(state.regions[index]._id) ? [line] : []));
    const at = chosen.length ? chosen[by > 0 ? chosen.length - 1 : 0] : -1;
    const next = order[(at + by + order.length + (at < 0 && by < 0 ? 1 : 0)) % order.length];
    const region = state.regions[next];
    stage.panel.select([...(more ? selected : []), region._id], {reveal: true});
    stage.announce(`${t("Region {0}", numberOf(state, next))} ${region.name || region.prompt || ""}`);
}

/**
 * @param {Stage} stage
 * @param {number[]} direction
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
function arrow(stage, [dx, dy], event) {
    const [width, height] = stage.size();
    const pixels = event.ctrlKey ? 1 : 8;
    if (stage.tool !== "select") return moveCursor(stage, (dx * pixels) / width, (dy * pixels) / height, event);
    if (!stage.panel.selected.size) return stage.view.zoom > 1 && panBy(stage, dx, dy);
    const state = stage.panel.store.get();
    if (state.grid) return moveBorder(stage, state, (dx * pixels) / width, (dy * pixels) / height);
    const from = stage.selectionBox(state);
    if (!from) return false;
    const to = event.shiftKey
        ? resizeBox(from, dx ? "e" : "s", {x: from[2] + (dx * pixels) / width, y: from[3] + (dy * pixels) / height}, [width, height])
        : shiftBox(from, (dx * pixels) / width, (dy * pixels) / height);
    stage.panel.place(from, to, `keys:${event.shiftKey}`);
    return true;
}

/**
 * Move what is seen of a zoomed picture by a tenth.
 *
 * @param {Stage} stage
 * @param {number} dx
 * @param {number} dy
 * @returns {boolean}
 */
function panBy(stage, dx, dy) {
    stage.view = panView(stage.view, dx / 10 / stage.view.zoom, dy / 10 / stage.view.zoom);
    stage.redraw();
    return true;
}

/**
 * @param {Stage} stage
 * @param {number} dx
 * @param {number} dy
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
function moveCursor(stage, dx, dy, event) {
    const now = stage.cursor || {x: 0.5, y: 0.5};
    stage.cursor = {x: clamp(now.x + dx, 0, 1), y: clamp(now.y + dy, 0, 1), keys: true};
    if (stage.active) tools[stage.tool].move(stage, keyPoint(stage, event));
    else tools[stage.tool].hover?.(stage, keyPoint(stage, event));
    const [width, height] = stage.size();
    stage.announce(`${Math.round(stage.cursor.x * width)}, ${Math.round(stage.cursor.y * height)}`);
    stage.redraw();
    return true;
}

/**
 * In a grid the arrows move the border after the chosen cell, else the one before it.
 *
 * @param {Stage} stage
 * @param {State} state
 * @param {number} dx
 * @param {number} dy
 * @returns {boolean}
 */
function moveBorder(stage, state, dx, dy) {
    const {grid} = state;
    if (!grid) return false;
    const index = state.regions.findIndex((region) => stage.panel.selected.has(region._id));
    const [x0, y0, x1, y1] = stage.boundsOf(state, index);
    const axis = dx ? "x" : "y";
    const [before, after, from, to] = dx ? [x0, x1, y0, y1] : [y0, y1, x0, x1];
    const along = dividers(grid).filter((each) => each.axis === axis && from < each.to - NEAR && to > each.from + NEAR);
    /** @param {number} value */
    const at = (value) => along.find((each) => Math.abs(each.at - value) < NEAR);
    const divider = at(after) || at(before);
    if (!divider) return false;
    const ratios = moveDivider(grid, divider, divider.at + dx + dy);
    stage.panel.edit((now) => ({...now, grid: {...grid, ratios}}), {key: `border:${axis}`});
    return true;
}
