// The drawer of mask pictures: one per region, one with a colour per region, one with a region in each of red, green and blue.

/** @import {Mask, State} from "../types.js" */
/** @import {Panel} from "../panel/panel.js" */

/** @typedef {{name: string, label: string, help: string, single: boolean}} MaskSource A way to find masks in a picture. */

import {shownPicture} from "../host/gallery.js";
import {callApi, errorText} from "../host/server.js";
import {addRegions} from "../model/clipboard.js";
import {setField} from "../model/fields.js";
import {maskText} from "../model/geometry/shapes.js";
import {withLayout} from "../model/layout.js";
import {drawShape, makeMask, maskSize, scaleMask} from "../model/masks/mask.js";
import {channelPacked, colourCoded} from "../model/masks/pictures.js";
import {encodePng} from "../model/masks/png.js";
import {numberOf} from "../model/numbers.js";
import {makeRegion, toJson} from "../model/state.js";
import {button} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";
import {readFile} from "../host/reading.js";
import {chooseFile, download, PICTURES} from "../widgets/files.js";
import {PictureMasks} from "./picture_masks.js";

const SAVES = [
    {kind: "colours", label: "A colour for each region", title: "Regional Prompter's colours, in order"},
    {kind: "channels", label: "Red, green and blue", title: "The first three regions, greys and all"},
    {kind: "each", label: "Every region on its own", title: "One file per region"},
];

/**
 * The drawer "Masks".
 *
 * @param {Panel} panel
 */
export function createMaskFiles(panel) {
    const loads = el("div", {class: "rg-row"});
    listSources(panel, loads);
    const saves = SAVES.map(({kind, label, title}) =>
        button(label, () => savePicture(panel, kind), {title, "data-action": `masks-save-${kind}`}),
    );
    const layers = button("The result in layers", () => saveLayers(panel), {
        title: "A ZIP of transparent pictures, one for each region of the picture that is shown",
        "data-action": "masks-layers",
    });
    const node = el(
        "div",
        {class: "rg-maskfiles"},
        el("div", {class: "rg-label", localized: "Load: the regions are replaced, their prompts stay"}),
        loads,
        new PictureMasks(panel).node,
        el("div", {class: "rg-label", localized: "Save"}),
        el("div", {class: "rg-row"}, saves, layers),
    );
    return {node};
}

/**
 * Buttons of the mask sources that the server lists.
 *
 * @param {Panel} panel
 * @param {HTMLElement} row
 */
async function listSources(panel, row) {
    const answer = await callApi("masks").catch(() => null);
    /** @type {MaskSource[]} */
    const sources = answer?.ok ? answer.data.sources : [];
    const buttons = sources.map((source) => {
        const choose = () => chooseFile(PICTURES, (file) => loadRegions(panel, source, file));
        return button(source.label, choose, {title: source.help, "data-action": `masks-${source.name}`});
    });
    row.replaceChildren(...(buttons.length ? buttons : [el("span", {localized: "The server lists no way to load masks."})]));
}

/**
 * Masks that the server finds in a picture file. A picture that it refuses gives null and a message.
 *
 * @param {Panel} panel
 * @param {string} kind
 * @param {File} file
 * @returns {Promise<{mask: string, name: string}[] | null>}
 */
async function masksOf(panel, kind, file) {
    try {
        const answer = await callApi("masks", {method: "POST", body: {picture: await readFile(file), kind}});
        if (answer.ok) {
            panel.note((answer.data.notes || []).join("\n"));
            return answer.data.regions;
        }
        panel.note(`${file.name}: ${errorText(answer)}`, true);
    } catch (error) {
        panel.note(error instanceof TypeError ? "The server does not answer." : error.message, true);
    }
    return null;
}

/**
 * @param {Panel} panel
 * @param {MaskSource} source
 * @param {File} file
 */
async function loadRegions(panel, source, file) {
    const found = await masksOf(panel, source.name, file);
    if (!found) return;
    if (source.single) {
        const name = file.name.replace(/\.\w+$/, "").slice(0, 60);
        panel.edit((state) => addRegions(state, [makeRegion({mask: found[0].mask, name})]));
    } else {
        panel.edit((state) => withLayout(state, {regions: found.map(({mask, name}) => ({mask, name}))}));
    }
}

/**
 * Take the mask of one region from a file.
 *
 * @param {Panel} panel
 * @param {number} index
 * @param {File} file
 */
export async function loadMask(panel, index, file) {
    const found = await masksOf(panel, "grey", file);
    if (found) panel.edit((state) => setField(state, `regions[${index}].mask`, found[0].mask));
}

/**
 * Every region's mask at one size, soft borders of painted ones included.
 *
 * @param {Panel} panel
 * @returns {Promise<Mask[]>}
 */
async function allMasks(panel) {
    const state = panel.store.get();
    return Promise.all(state.regions.map((_, index) => maskOf(panel, state, index)));
}

/**
 * Mask of region `index`, at the size of painted ones; empty for a mask that cannot be read.
 *
 * @param {Panel} panel
 * @param {State} state
 * @param {number} index
 * @returns {Promise<Mask>}
 */
export async function maskOf(panel, state, index) {
    const [width, height] = maskSize(panel.stage.size());
    const region = state.regions[index];
    const text = state.grid ? undefined : maskText(region);
    if (text !== undefined) return scaleMask((await panel.stage.masks.wait(text)) || makeMask(width, height), width, height);
    return drawShape(state.grid ? {} : region, width, height, state.grid ? panel.stage.boundsOf(state, index) : undefined);
}

/**
 * Save the shown picture cut into its regions' layers.
 *
 * @param {Panel} panel
 */
async function saveLayers(panel) {
    const shown = shownPicture(panel.tab);
    if (!shown) return panel.note("There is no picture yet: generate one first.");
    try {
        const file = new File([await (await fetch(shown.src)).blob()], "picture");
        const body = {picture: await readFile(file), settings: {...toJson(panel.store.get()), enabled: true}};
        const answer = await callApi("layers", {method: "POST", body});
        if (!answer.ok) return panel.note(errorText(answer), true);
        return download("layers.zip", answer.data);
    } catch (error) {
        return panel.note(error instanceof TypeError ? "The server does not answer." : error.message, true);
    }
}

/**
 * @param {Panel} panel
 * @param {string} kind
 */
async function savePicture(panel, kind) {
    const masks = await allMasks(panel);
    if (!masks.length) return panel.note("There is no region yet.");
    if (kind === "each") {
        return masks.forEach((mask, i) =>
            download(`region ${numberOf(panel.store.get(), i)}.png`, new Blob([encodePng(mask)], {type: "image/png"})),
        );
    }
    const pixels = kind === "colours" ? colourCoded(masks) : channelPacked(masks);
    const [{width, height}] = masks;
    const canvas = el("canvas", {width, height});
    canvas.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
    return canvas.toBlob((blob) => blob && download(`regions ${kind}.png`, blob), "image/png");
}
