// Acts of the menu that change what a region is made of, and the one that saves its part of a picture.

/** @import {Mask, Region, State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {maskOf} from "../../drawers/mask_files.js";
import {shownPicture} from "../../host/gallery.js";
import {t} from "../../host/language.js";
import {shapeKind, withoutShape} from "../../model/geometry/shapes.js";
import {useShapes} from "../../model/layout.js";
import {invertMask, isEmptyMask} from "../../model/masks/mask.js";
import {numberOf} from "../../model/numbers.js";
import {changeRegions} from "../../model/selection.js";
import {storeMask, tintInto} from "../../stage/layers/mask_cache.js";
import {el} from "../../widgets/elements.js";
import {download} from "../../widgets/files.js";

/**
 * Give the chosen regions that are not locked the masks that `change` makes of theirs; a grid becomes free shapes first.
 *
 * @param {Panel} panel
 * @param {(mask: Mask) => Mask} change
 * @param {(region: Region) => boolean} [isMeant]
 */
async function withMasks(panel, change, isMeant = () => true) {
    const before = panel.store.get();
    const state = useShapes(before);
    /** @type {Map<number, string>} */
    const made = new Map();
    for (const [index, region] of state.regions.entries()) {
        if (!panel.selected.has(region._id) || region._lock || !isMeant(region)) continue;
        const mask = change(await maskOf(panel, state, index));
        if (isEmptyMask(mask)) return panel.note(t("Nothing would be left of region {0}.", numberOf(state, index)), true);
        made.set(region._id, storeMask(panel.stage, mask));
    }
    if (panel.store.get() !== before || !made.size) return undefined; // changed while masks were drawn
    return panel.edit(() =>
        changeRegions(state, new Set(made.keys()), (region) => ({...withoutShape(region), mask: made.get(region._id)})),
    );
}

/** @param {Panel} panel */
export const invertChosen = (panel) => withMasks(panel, invertMask);

/** @param {Panel} panel */
export const chosenToMasks = (panel) =>
    withMasks(
        panel,
        (mask) => mask,
        (region) => shapeKind(region) !== "mask",
    );

/**
 * Save what lies of the shown picture in the chosen region, transparent outside of it.
 *
 * @param {Panel} panel
 */
export async function saveLayer(panel) {
    const state = panel.store.get();
    const index = state.regions.findIndex((region) => panel.selected.has(region._id));
    const picture = shownPicture(panel.tab);
    if (index < 0 || !picture) return;
    const {naturalWidth: width, naturalHeight: height} = picture;
    const mask = await maskOf(panel, state, index);
    const cover = el("canvas", {width: mask.width, height: mask.height});
    tintInto(/** @type {CanvasRenderingContext2D} */ (cover.getContext("2d")), mask, [0, 0, 0], [0, 0, mask.width, mask.height]);
    const canvas = el("canvas", {width, height});
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.drawImage(picture, 0, 0);
    context.globalCompositeOperation = "destination-in";
    context.drawImage(cover, 0, 0, width, height);
    canvas.toBlob((blob) => blob && download(`${layerName(state, index)}.png`, blob), "image/png");
}

/**
 * @param {State} state
 * @param {number} index
 */
function layerName(state, index) {
    return `region ${numberOf(state, index)} ${state.regions[index].name || ""}`.replace(/[^\p{L}\p{N} _-]/gu, "").trim();
}
