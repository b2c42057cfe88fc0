// The rows of buttons above and below the canvas.

/** @import {Stage} from "./stage.js" */

import {t} from "../host/language.js";
import {dressTool, tool} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";
import {setBackground} from "./layers/background.js";
import {toggleFullScreen} from "./full_screen.js";
import {tools} from "./tools/index.js";

const ACTS = [
    ["undo", "Undo", "Ctrl+Z"],
    ["redo", "Redo", "Ctrl+Y"],
    ["duplicate", "Duplicate", "Ctrl+D"],
    ["mirrorX", "Mirror left and right", "H"],
    ["mirrorY", "Mirror top and bottom", "J"],
    ["copy", "Copy as JSON", "Ctrl+C"],
    ["paste", "Paste", "Ctrl+V"],
    ["remove", "Remove", "Delete"],
];
const CELL_ACTS = [
    ["splitX", "Split the cell side by side"],
    ["splitY", "Split the cell into upper and lower"],
    ["merge", "Merge with the next cell"],
];
const SCALES = [
    ["1", "picture"],
    ["8", "latent, 1/8"],
    ["16", "attention, 1/16"],
    ["32", "attention, 1/32"],
    ["64", "attention, 1/64"],
];
const SIDES = ["left", "centre", "right", "top", "middle", "bottom"];

/** @typedef {ReturnType<typeof createParts>} Parts */

/**
 * The rows above (`top`) and below (`bottom`) the canvas.
 *
 * @param {Stage} stage
 * @returns {{top: HTMLElement, bottom: HTMLElement, update: () => void}}
 */
export function createToolbar(stage) {
    const parts = createParts(stage);
    const {acts, cells, snap, zoomOut, zoomIn, fit} = parts;
    const further = el("div", {class: "rg-acts"}, group(...Object.values(acts)), group(parts.align, ...Object.values(cells)));
    const bottom = [parts.brush, parts.background, group(snap, zoomOut, zoomIn, fit, parts.full), parts.overlay, parts.caption];
    return {
        top: el("div", {class: "rg-toolbar", role: "toolbar", "aria-label": "Tools of the layout"}, group(...parts.toolButtons), further),
        bottom: el("div", {class: "rg-toolbar rg-caption"}, bottom),
        update: () => update(stage, parts),
    };
}

/** @param {...HTMLElement} nodes */
const group = (...nodes) => el("div", {class: "rg-tools", role: "group"}, nodes);

/** @param {Stage} stage */
function createParts(stage) {
    const toolButtons = Object.entries(tools).map(([name, {label, key}]) =>
        tool(name, label, () => stage.setTool(name), {key: key.toUpperCase(), "aria-pressed": "false", "data-action": `tool-${name}`}),
    );
    const acts = actButtons(stage, ACTS);
    const cells = actButtons(stage, CELL_ACTS);
    return {toolButtons, acts, cells, align: alignMenu(stage), ...brushInputs(stage), ...viewInputs(stage)};
}

/**
 * Buttons by the names of their acts.
 *
 * @param {Stage} stage
 * @param {string[][]} acts
 */
function actButtons(stage, acts) {
    return Object.fromEntries(
        acts.map(([name, label, key]) => [name, tool(name, label, () => stage.panel.act(name), {key, "data-action": name})]),
    );
}

/** @param {Stage} stage */
function alignMenu(stage) {
    const take = () => {
        stage.panel.align(menu.value);
        menu.value = "";
    };
    const menu = el(
        "select",
        {"aria-label": "Align", title: "Align: one region to the picture, several to each other", onchange: take},
        el("option", {value: "", localized: "Align…"}),
        SIDES.map((side) => el("option", {value: side, localized: side})),
    );
    return menu;
}

/** @param {Stage} stage */
function brushInputs(stage) {
    /** @type {(name: "size" | "softness", label: string, min: number) => HTMLInputElement} */
    const range = (name, label, min) => {
        const take = () => (stage.brush[name] = Number(input.value));
        const input = el("input", {type: "range", min, max: 1, step: 0.01, "aria-label": label, title: label, oninput: take});
        return input;
    };
    const brushSize = range("size", "Size of the brush", 0.01);
    const brushSoftness = range("softness", "Softness of the brush", 0);
    const brush = el(
        "div",
        {class: "rg-tools rg-brush"},
        el("label", {class: "rg-check"}, el("span", {localized: "Size"}), brushSize),
        el("label", {class: "rg-check"}, el("span", {localized: "Soft"}), brushSoftness),
    );
    return {brush, brushSize, brushSoftness};
}

/** @param {Stage} stage */
function backgroundMenu(stage) {
    const isImg2img = stage.panel.tab === "img2img";
    const menu = el(
        "select",
        {
            "aria-label": "Background",
            title: "What lies under the regions",
            "data-action": "background",
            onchange: () => setBackground(stage, menu.value),
        },
        el("option", {value: "none", localized: "Background: none"}),
        el("option", {value: "result", localized: "last result"}),
        isImg2img ? el("option", {value: "init", localized: "init image"}) : null,
        el("option", {value: "file", localized: "a picture…"}),
        el(
            "optgroup",
            {label: t("Weight map")},
            SCALES.map(([value, text]) => el("option", {value: `map:${value}`, text: `${t("weights")}: ${t(text)}`})),
        ),
        el("optgroup", {label: t("Attention")}, el("option", {value: "words", localized: "attention of the words"})),
    );
    return menu;
}

/** @param {Stage} stage */
function viewInputs(stage) {
    const toggleSnapping = () => {
        stage.snapping = !stage.snapping;
        stage.bar.update();
    };
    const overlay = el("input", {type: "checkbox", "data-action": "overlay", onchange: () => stage.panel.overlay.show(overlay.checked)});
    const overlayTitle = {class: "rg-check", title: "Draw the regions over the picture in the gallery"};
    return {
        background: backgroundMenu(stage),
        snap: tool("magnet", "Snap to edges, thirds and 8 pixels", toggleSnapping, {"aria-pressed": "true", "data-action": "snap"}),
        caption: el("span", {class: "rg-hint"}),
        overlay: el("label", overlayTitle, overlay, el("span", {localized: "over the result"})),
        zoomIn: tool("zoomIn", "Zoom in", () => stage.zoom(1.5), {key: "+"}),
        zoomOut: tool("zoomOut", "Zoom out", () => stage.zoom(1 / 1.5), {key: "-"}),
        fit: tool("fit", "Show all", () => stage.fit(), {key: "0"}),
        full: tool("full", "Full screen", () => toggleFullScreen(stage), {key: "F", "data-action": "full-screen"}),
    };
}

/**
 * @param {Stage} stage
 * @param {Parts} parts
 */
function update(stage, parts) {
    const {panel} = stage;
    const hasGrid = Boolean(panel.store.get().grid);
    const none = !panel.selected.size;
    parts.toolButtons.forEach((node) => {
        const on = node.dataset.action === `tool-${stage.tool}`;
        node.classList.toggle("rg-on", on);
        node.setAttribute("aria-pressed", String(on));
    });
    const {acts, align, cells} = parts;
    acts.undo.disabled = !panel.history.canUndo();
    acts.redo.disabled = !panel.history.canRedo();
    for (const name of ["duplicate", "copy", "remove"]) acts[name].disabled = none;
    for (const name of ["mirrorX", "mirrorY"]) acts[name].disabled = none || hasGrid;
    align.hidden = hasGrid;
    align.disabled = none;
    Object.values(cells).forEach((node) => {
        node.hidden = !hasGrid;
        node.disabled = panel.selected.size !== 1;
    });
    updateView(stage, parts);
}

/**
 * Brush, snapping, zoom, caption and background.
 *
 * @param {Stage} stage
 * @param {Parts} parts
 */
function updateView(stage, {brush, brushSize, brushSoftness, snap, fit, caption, background}) {
    const {width, height} = stage.panel.size();
    brush.hidden = !tools[stage.tool].isBrush;
    brushSize.value = String(stage.brush.size);
    brushSoftness.value = String(stage.brush.softness);
    snap.classList.toggle("rg-on", stage.snapping);
    snap.setAttribute("aria-pressed", String(stage.snapping));
    fit.disabled = stage.view.zoom === 1;
    const zoom = stage.view.zoom > 1 ? `${Math.round(stage.view.zoom * 100)} %` : "";
    caption.textContent = [`${width} × ${height}`, zoom, stage.panel.cost].filter(Boolean).join(" · ");
    background.value = stage.background.choice || "none";
    dressTool(snap, "magnet", t(stage.snapping ? "Snapping to edges, thirds and 8 pixels: on" : "Snapping: off"));
}
