// Regions as text for the clipboard.

/** @import {Json, Region, State} from "../types.js" */

import {shapeKind} from "./geometry/shapes.js";
import {useShapes} from "./layout.js";
import {onTop} from "./regions.js";
import {shiftAside} from "./selection.js";
import {VERSION, fromJson, makeRegion, toJson} from "./state.js";

const CLIP = "regional/regions";

/**
 * The regions of `ids` as text. In a grid they take their cells along as boxes.
 *
 * @param {State} state
 * @param {Set<number>} ids
 * @returns {string}
 */
export function copyText(state, ids) {
    const shaped = state.grid ? useShapes(state) : state;
    const regions = toJson({...shaped, regions: shaped.regions.filter((region) => ids.has(region._id))}).regions;
    return JSON.stringify({[CLIP]: VERSION, regions});
}

/**
 * Text of the clipboard -> regions. Whole settings and a bare list of regions do as well. Throws an Error that names what the text is instead.
 *
 * @param {string} text
 * @returns {Region[]}
 */
export function pasteRegions(text) {
    if (!text || !text.trim()) throw new Error("The clipboard is empty: copy a region first.");
    let data;
    try {
        data = JSON.parse(text);
    } catch (error) {
        throw new Error(
            `The clipboard holds no regions: ${/^\s*[[{]/.test(text) ? `its JSON is broken (${error.message})` : "it is plain text"}.`,
        );
    }
    const version = data && typeof data === "object" ? data[CLIP] || data.version : 1;
    if (version > VERSION) {
        throw new Error(`The regions of the clipboard have version ${version}, made by a newer Regional: this one reads up to ${VERSION}.`);
    }
    const list = Array.isArray(data) ? data : data && data.grid ? useShapes(fromJson(data)).regions : data && data.regions;
    if (!Array.isArray(list) || !list.length || !list.every((region) => region && typeof region === "object" && shapeKind(region))) {
        throw new Error("The clipboard holds JSON, but no regions with a place.");
    }
    return list.map((region) => makeRegion(withoutPrivate(region)));
}

/**
 * @param {Json} region
 * @returns {Json}
 */
const withoutPrivate = (region) => Object.fromEntries(Object.entries(region).filter(([key]) => !key.startsWith("_")));

/**
 * The region a little aside, as often as another one lies exactly where it is. Masks stay where they are.
 *
 * @param {State} state
 * @param {Region} region
 * @returns {Region}
 */
function besideOthers(state, region) {
    /** @param {Region} each */
    const place = ({box, ellipse, polygon}) => JSON.stringify([box, ellipse, polygon]);
    const taken = new Set(state.regions.map(place));
    let moved = region;
    for (let tries = 0; tries < 20 && shapeKind(region) !== "mask" && taken.has(place(moved)); tries++) moved = shiftAside(moved);
    return moved;
}

/**
 * State with `regions` added; a grid becomes free shapes first.
 *
 * @param {State} state
 * @param {Region[]} regions
 * @returns {State}
 */
export function addRegions(state, regions) {
    const free = useShapes(state);
    const joined = regions.reduce((now, region) => ({...now, regions: [...now.regions, onTop(now, besideOthers(now, region))]}), free);
    return {...joined, regions: joined.regions.slice(0, 256)};
}
