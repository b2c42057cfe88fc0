// The shape of a region in numbers, at the end of its card, and its mask as a picture.

/** @import {Field, Region, State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */
/** @import {PathOf} from "./card.js" */
/** @import {Inputs} from "./drawn_inputs.js" */

import {loadMask} from "../../drawers/mask_files.js";
import {formatPoints, parsePoints, setField} from "../../model/fields.js";
import {maskText, shapeKind, withoutShape} from "../../model/geometry/shapes.js";
import {drawShape, maskSize} from "../../model/masks/mask.js";
import {encodePng} from "../../model/masks/png.js";
import {numberOf} from "../../model/numbers.js";
import {indexOf, replaceRegion, setShapeKind} from "../../model/regions.js";
import {DRAWN_KINDS, SHAPE_KINDS} from "../../model/state.js";
import {clamp} from "../../model/values.js";
import {storeMask} from "../../stage/layers/mask_cache.js";
import {button} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";
import {labelled, numberField} from "../../widgets/fields.js";
import {chooseFile, download, PICTURES} from "../../widgets/files.js";
import {drawnInputs, drawnShape} from "./drawn_inputs.js";

/** Names of kinds of shapes that are not their own. @type {Record<string, string>} */
const NAMES = {procedural: "computed", words: "words of the base prompt"};

/**
 * Fill `holder` with the inputs of a region's shape. -> the fields that follow the state.
 *
 * @param {Panel} panel
 * @param {HTMLElement} holder
 * @param {State} state
 * @param {Region} region
 * @param {PathOf} at
 * @returns {Field[]}
 */
export function drawShapeInputs(panel, holder, state, region, at) {
    if (state.grid) {
        holder.replaceChildren();
        return [];
    }
    const kind = shapeKind(region);
    const index = () => indexOf(panel.store.get(), region._id);
    const select = el(
        "select",
        {"data-field": at("shape")(), "aria-label": "Shape", onchange: () => changeKind(panel, index(), select.value)},
        kind ? null : el("option", {value: "", localized: "choose…"}),
        SHAPE_KINDS.map((value) => el("option", {value, localized: NAMES[value] || value})),
    );
    select.value = kind || "";
    const {nodes, fields} = kind ? shapeInputs(panel, kind, region, at) : {nodes: [], fields: []};
    holder.replaceChildren(labelled("Shape", select), ...nodes);
    return fields;
}

/**
 * @param {Panel} panel
 * @param {number} index
 * @param {string} kind
 */
async function changeKind(panel, index, kind) {
    const region = panel.store.get().regions[index];
    const {stage} = panel;
    if (DRAWN_KINDS.includes(kind)) {
        const shape = drawnShape(panel.schema, kind, region);
        return shape && panel.edit((state) => replaceRegion(state, index, {...withoutShape(region), [kind]: shape}));
    }
    if (kind !== "mask" || region.mask !== undefined || region._mask) return panel.edit((state) => setShapeKind(state, index, kind));
    const text = maskText(region);
    const drawn = text && (stage.masks.get(text) || (await stage.masks.wait(text))); // the server may still be drawing it
    if (panel.store.get().regions[index] !== region) return undefined; // changed meanwhile
    const mask = drawn || drawShape(region, ...maskSize(stage.size()));
    return panel.edit((state) => replaceRegion(state, index, {...withoutShape(region), mask: storeMask(stage, mask)}));
}

/**
 * @param {Panel} panel
 * @param {string} kind
 * @param {Region} region
 * @param {PathOf} at
 * @returns {Inputs}
 */
function shapeInputs(panel, kind, region, at) {
    if (kind === "mask") return {nodes: maskInputs(panel, region), fields: []};
    if (kind === "polygon") return {nodes: [polygonInput(panel, region, at)], fields: []};
    if (DRAWN_KINDS.includes(kind)) return drawnInputs(panel, kind, region, at);
    const title = "Share of the picture's width or height, 0 to 1";
    const fields = ["left", "top", "right", "bottom"].map((side, i) => {
        const far = i < 2 ? 0 : 1;
        return numberField(panel, at(`${kind}[${i}]`), side, {min: 0, max: 1, fallback: far, whenEmpty: far, title});
    });
    return {nodes: fields.map((field) => field.node), fields};
}

/**
 * @param {Panel} panel
 * @param {Region} region
 * @param {PathOf} at
 */
function polygonInput(panel, region, at) {
    const points = region.polygon || [];
    const write = () => panel.edit((state) => setField(state, at("polygon")(), parsePoints(input.value)), {key: `polygon:${region._id}`});
    const input = el("textarea", {
        rows: clamp(points.length, 3, 8),
        "data-field": at("polygon[0]")(),
        spellcheck: "false",
        value: formatPoints(points),
        oninput: write,
    });
    return labelled("Points: x y, one a line, 0 to 1", input, {class: "rg-field rg-points"});
}

/**
 * @param {Panel} panel
 * @param {Region} region
 */
function maskInputs(panel, region) {
    const index = () => indexOf(panel.store.get(), region._id);
    const choose = () => chooseFile(PICTURES, (file) => loadMask(panel, index(), file));
    return [
        button("Load a picture…", choose, {"data-action": "mask-load", title: "White is inside, greys are kept"}),
        button("Save as PNG", () => saveMask(panel, index()), {"data-action": "mask-save"}),
    ];
}

/**
 * @param {Panel} panel
 * @param {number} index
 */
async function saveMask(panel, index) {
    const region = panel.store.get().regions[index];
    const mask = await panel.stage.masks.wait(region.mask);
    if (!mask) return panel.note("This region has no mask yet.");
    const name = (region.name || `region ${numberOf(panel.store.get(), index)}`).replace(/[^\p{L}\p{N} _-]/gu, "");
    return download(`${name}.png`, new Blob([encodePng(mask)], {type: "image/png"}));
}
