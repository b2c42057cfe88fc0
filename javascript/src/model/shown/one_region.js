// Settings that make one region of a finished picture again, or add detail to it, and keep the rest.

/** @import {Json, State} from "../../types.js" */
/** @import {Parameters} from "../words/infotext.js" */

import {toJson} from "../state.js";
import {same} from "../values.js";
import {withBase} from "../words/infotext.js";

const LEFT_OUT = ["enabled", "version", "attention_maps"];

/** @param {Json} settings */
const asSource = (settings) => Object.fromEntries(Object.entries(settings).filter(([key]) => !LEFT_OUT.includes(key)));

/**
 * What of a region makes the picture: name and colour are for the editor alone.
 *
 * @param {Json | undefined} region
 */
function inPicture(region) {
    const {name, colour, ...rest} = region || {};
    return region && Object.entries(rest).sort(([one], [other]) => (one < other ? -1 : 1));
}

/**
 * What a picture's repainting began with and which of its regions were made again: nothing yet for a picture of another method.
 *
 * @param {Json} settings Of the picture.
 * @returns {{source: Json, made: number[]}}
 */
function repaintedIn(settings) {
    const options = settings.options?.repaint;
    if (settings.method !== "repaint" || !options?.source) return {source: asSource(settings), made: []};
    const {source, regions = []} = options;
    /** @type {Json[]} */
    const all = settings.regions || [];
    const differs = all.flatMap((region, index) => (same(inPicture(region), inPicture(source.regions?.[index])) ? [] : [index]));
    return {source, made: regions.length ? regions : differs};
}

/**
 * Settings that make region `index` of the layout again in a picture, from another noise. A picture that came out of this before is made
 * from the same source, with the same seeds of the regions that were made again then.
 *
 * @param {State} state
 * @param {number} index
 * @param {Json} settings That the picture was made with.
 * @param {Parameters} parameters Of the picture.
 * @param {number} seed
 * @returns {Json}
 */
export function againSettings(state, index, settings, parameters, seed) {
    const {source, made} = repaintedIn(settings);
    const now = toJson(state);
    const before = made.filter((each) => each < now.regions.length && each !== index);
    const regions = now.regions.map((/** @type {Json} */ region, /** @type {number} */ at) =>
        at === index ? {...region, seed} : before.includes(at) ? {...region, seed: settings.regions[at]?.seed ?? null} : region,
    );
    const filled = withBase(source, parameters);
    const repaint = {...now.options?.repaint, source: filled, regions: [...before, index].sort((a, b) => a - b)};
    return {...now, enabled: true, method: "repaint", text_from: "regions", base: filled.base, regions, options: {...now.options, repaint}};
}

/**
 * Settings that make a picture again, with a detail pass of one of its regions.
 *
 * @param {State} state
 * @param {number} index
 * @param {Json} settings That the picture was made with.
 * @param {Parameters} parameters Of the picture.
 * @returns {Json | null} Null where the picture has no such region.
 */
export function detailSettings(state, index, settings, parameters) {
    if (!settings.regions?.[index]) return null;
    const own = state.regions[index].detail;
    const detail = own && typeof own === "object" ? own : true;
    const regions = settings.regions.map((/** @type {Json} */ region, /** @type {number} */ at) =>
        at === index ? {...region, detail} : region,
    );
    return {...withBase(settings, parameters), enabled: true, regions};
}
