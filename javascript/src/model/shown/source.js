// Edits of a picture in the state: the source layout, the pairs of source and target regions, the regions' keywords.

/** @import {Json, State} from "../../types.js" */

import {setField} from "../fields.js";
import {fromJson, toJson} from "../state.js";
import {copy} from "../values.js";

/** Methods that edit a picture; the first one is the default. */
export const EDIT_METHODS = ["mrgd", "p2p"];

const SOURCE_KEYS = ["regions", "grid", "base", "common", "overlap"];

/** Options that the drawer "Edit" shows in place of the panel's row of options. */
export const EDIT_OPTIONS = [
    "control",
    "tau",
    "tau_own",
    "self_until",
    "total",
    "t_total",
    "halo",
    "lambda_rs",
    "lambda_is",
    "lambda_ip",
    "guided",
    "guidance",
    "guidance_path",
    "gradient",
    "keyword_count",
    "keyword_choice",
    "kssa_gain",
    "inversion",
    "null_text",
    "lock",
    "lock_picture",
    "lock_control",
];

/**
 * Whether the state's method edits a picture.
 *
 * @param {State} state
 * @returns {boolean}
 */
export const isEditing = (state) => EDIT_METHODS.includes(state.method);

/**
 * Options of the state's method, {} for a method that does not edit.
 *
 * @param {State} state
 * @returns {Json}
 */
export const optionsOf = (state) => (isEditing(state) && state.options[state.method]) || {};

/**
 * @param {State} state
 * @param {string} name
 * @param {unknown} value
 * @returns {State}
 */
const setOption = (state, name, value) => setField(state, `options.${state.method}.${name}`, value);

/**
 * The layout of a state as `options.….source` holds it.
 *
 * @param {State} state
 * @returns {Json}
 */
export function asSource(state) {
    const json = toJson(state);
    return Object.fromEntries(SOURCE_KEYS.filter((key) => key in json).map((key) => [key, json[key]]));
}

/**
 * The source layout of the state, null without one.
 *
 * @param {State} state
 * @returns {Json | null}
 */
export const sourceOf = (state) => optionsOf(state).source || null;

/**
 * The layout in the settings that a picture was made with, as `options.….source` holds it.
 *
 * @param {Json} settings
 * @returns {Json}
 */
export const sourceOfSettings = (settings) =>
    copy(Object.fromEntries(SOURCE_KEYS.filter((key) => key in settings).map((key) => [key, settings[key]])));

/**
 * The state with a source, its own layout by default; a method that cannot edit gives way to MRGD.
 *
 * @param {State} state
 * @param {Json} [source]
 * @returns {State}
 */
export function lockSource(state, source = asSource(state)) {
    const next = {...(isEditing(state) ? state : {...state, method: EDIT_METHODS[0]}), text_from: "regions", enabled: true};
    return setOption(setOption(next, "source", source), "pairs", undefined);
}

/** Samplers that edits work with; the first one stands in for others. */
export const EDIT_SAMPLERS = ["Euler", "DDIM"];

/**
 * The sampler of an edit of a picture that was made with `sampler`.
 *
 * @param {string | null} sampler
 * @returns {string}
 */
export const editSampler = (sampler) =>
    EDIT_SAMPLERS.find((name) => name.toLowerCase() === String(sampler).toLowerCase()) || EDIT_SAMPLERS[0];

/**
 * State without a source and without pairs.
 *
 * @param {State} state
 * @returns {State}
 */
export const releaseSource = (state) => setOption(setOption(state, "source", undefined), "pairs", undefined);

/**
 * The source layout back on the canvas; it stays the source.
 *
 * @param {State} state
 * @returns {State}
 */
export function backToSource(state) {
    const source = sourceOf(state);
    return source ? fromJson({...toJson(state), grid: null, regions: [], base: {}, common: "", overlap: "blend", ...copy(source)}) : state;
}

/**
 * Pair target region `target` with source region `source` by hand (null: it is new); other pairs stay.
 *
 * @param {State} state
 * @param {number} target
 * @param {number | null} source
 * @returns {State}
 */
export function setPair(state, target, source) {
    /** @type {[number | null, number | null][]} */
    const pairs = optionsOf(state).pairs || [];
    const others = pairs.filter(([s, t]) => t !== target && (source === null || s !== source));
    return setOption(state, "pairs", [...others, [source, target]]);
}

/**
 * State without pairs set by hand: the server finds them again.
 *
 * @param {State} state
 * @returns {State}
 */
export const clearPairs = (state) => setOption(state, "pairs", undefined);

/**
 * Keywords of region `region` that were set by hand.
 *
 * @param {State} state
 * @param {number} region
 * @returns {string[]}
 */
export const keywordsOf = (state, region) => (optionsOf(state).keywords || [])[region] || [];

/**
 * Words divided by commas or spaces as the keywords of a region.
 *
 * @param {State} state
 * @param {number} region
 * @param {string} text
 * @returns {State}
 */
export function setKeywords(state, region, text) {
    const lists = state.regions.map((_, index) => (index === region ? text.split(/[\s,;]+/).filter(Boolean) : keywordsOf(state, index)));
    return setOption(state, "keywords", lists.some((words) => words.length) ? lists : undefined);
}

/**
 * Keywords in a picture's infotext: {region number from 0: "word word"}.
 *
 * @param {string} infotext
 * @returns {Record<number, string>}
 */
export function foundKeywords(infotext) {
    const at = (infotext || "").lastIndexOf("Regional keywords: ");
    const match = at < 0 ? null : /^Regional keywords: ("(?:[^"\\]|\\.)*"|[^,\n]*)/.exec(infotext.slice(at));
    if (!match) return {};
    const pairs = match[1]
        .replace(/^"|"$/g, "")
        .split(";")
        .flatMap((part) => {
            const found = /^\s*(\d+):(.*)$/.exec(part);
            return found ? [[Number(found[1]) - 1, found[2].trim()]] : [];
        });
    return Object.fromEntries(pairs);
}

/**
 * |a − b| of two RGBA byte arrays of one size, times `gain`, opaque; and the share of pixels that differ by more than `floor`.
 *
 * @param {ArrayLike<number>} first
 * @param {ArrayLike<number>} second
 * @param {number} [gain]
 * @param {number} [floor]
 * @returns {{bytes: Uint8ClampedArray<ArrayBuffer>, share: number}}
 */
export function pictureDifference(first, second, gain = 3, floor = 12) {
    const bytes = new Uint8ClampedArray(first.length);
    let changed = 0;
    for (let i = 0; i < first.length; i += 4) {
        let most = 0;
        for (let c = 0; c < 3; c++) {
            const gap = Math.abs(first[i + c] - second[i + c]);
            most = Math.max(most, gap);
            bytes[i + c] = gap * gain;
        }
        bytes[i + 3] = 255;
        if (most > floor) changed++;
    }
    return {bytes, share: first.length ? (changed * 4) / first.length : 0};
}
