// The state of the panel and its way to JSON and back. Nothing in model/ knows the DOM: it runs in the browser and in node.
// A state is the Settings JSON with every default filled in; functions take a state and return a new one.

/** @import {Json, Region, Schema, State} from "../types.js" */

import {copy, same} from "./values.js";
import {helpWords} from "./words/messages.js";

/** Version of the settings that this page writes. */
export const VERSION = 4;

/** Fields of a region that hold its shape; it has one of them, in a grid none. */
export const SHAPE_KINDS = ["box", "ellipse", "polygon", "mask", "procedural", "combined", "words"];

/** Those of them that the server draws. */
export const DRAWN_KINDS = ["procedural", "combined", "words"];

/** Defaults of a region's fields; `learn` adds those of the server's schema. @type {Json} */
export const REGION_DEFAULTS = {
    prompt: "",
    negative: "",
    name: "",
    group: "",
    weight: 1,
    base_share: 0,
    feather: 0.05,
    priority: 0,
    steps: Object.freeze([0, 1]),
    cfg_scale: null,
    seed: null,
    enabled: true,
};

/** Defaults of the settings. @type {Readonly<Json>} */
export const SETTINGS_DEFAULTS = Object.freeze({
    method: "attention_couple",
    grid: null,
    base: Object.freeze({prompt: null, negative: null, joined: false}),
    common: "",
    overlap: "blend",
    text_from: "regions",
    options: Object.freeze({}),
});

let lastId = 0;

/**
 * A region with every default filled in. `_id` names it within the page and never reaches the JSON; its number is a new one.
 *
 * @param {Json} [fields]
 * @returns {Region}
 */
export function makeRegion(fields) {
    const words = typeof fields?.words === "string" ? {words: {text: fields.words}} : {};
    const pictured = fields?.reference?.image ? {reference: makeReference(fields.reference)} : {};
    const {_number, ...given} = copy(fields || {});
    return /** @type {Region} */ ({...copy(REGION_DEFAULTS), ...given, ...words, ...pictured, _id: ++lastId});
}

/**
 * A reference with the defaults of what its inputs write one by one.
 *
 * @param {Json} fields
 * @returns {Json}
 */
export const makeReference = (fields) => ({weight: 1, steps: [0, 1], ...copy(fields)});

/**
 * Take the defaults of fields that this page does not know yet from the server's schema, so that they too are left out of the JSON.
 *
 * @param {Schema} schema
 */
export function learn(schema) {
    Object.entries(regionSchema(schema)).forEach(([name, kind]) => {
        if ("default" in kind && !SHAPE_KINDS.includes(name)) {
            REGION_DEFAULTS[name] = Array.isArray(kind.default) ? Object.freeze(kind.default) : kind.default;
        }
    });
}

/**
 * The server's schema, whose descriptions are tooltips in the panel.
 *
 * @param {string} text JSON.
 * @returns {Schema}
 */
export const readSchema = (text) =>
    JSON.parse(text, (key, value) => (key === "description" && typeof value === "string" ? helpWords(value) : value));

/**
 * The schema's fields of a region.
 *
 * @param {Schema} schema
 * @returns {Record<string, Schema>}
 */
export const regionSchema = (schema) => schema?.properties?.regions?.items?.properties || {};

/**
 * The schema's options of a method.
 *
 * @param {Schema} schema
 * @param {string} method
 * @returns {Record<string, Schema>}
 */
export const methodOptions = (schema, method) => schema?.properties?.options?.properties?.[method]?.properties || {};

/** Shares of the steps in which the regions of a new layout are made by themselves, and then see each other in self-attention alone. */
const ISOLATED = {isolate_until: 0.3, local_until: 0.6};

/**
 * What an untouched panel shows: off, two equal columns without text, and the main prompt joined to every region's.
 *
 * @returns {State}
 */
export function emptyState() {
    const defaults = /** @type {any} */ (copy(SETTINGS_DEFAULTS));
    return {
        version: VERSION,
        enabled: false,
        ...defaults,
        base: {...defaults.base, joined: true},
        options: {...defaults.options, attention_couple: {...ISOLATED}},
        regions: [makeRegion(), makeRegion()],
        grid: {ratios: "1,1", direction: "columns"},
    };
}

/**
 * Settings JSON (text, may be empty) -> state. Throws an Error with a readable text when it is not a JSON object.
 *
 * @param {string} text
 * @returns {State}
 */
export function parse(text) {
    if (!text || !text.trim()) return emptyState();
    /** @type {unknown} */
    let data;
    try {
        data = JSON.parse(text);
    } catch (error) {
        throw new Error(`The regional settings are not valid JSON: ${error.message}`);
    }
    return fromJson(data);
}

/**
 * Settings object -> state. Keys it does not know are kept, so that the checks of the server can name them.
 *
 * @param {any} data
 * @returns {State}
 */
export function fromJson(data) {
    if (data === null || typeof data !== "object" || Array.isArray(data)) throw new Error("The regional settings must be a JSON object.");
    if (data.unreadable) throw new Error(String(data.unreadable));
    if (Object.keys(data).length === 0) return emptyState();
    /** @type {any} */
    const state = {enabled: false, ...copy(SETTINGS_DEFAULTS), ...upgraded(copy(data))};
    delete state.attention_maps;
    state.base = {...SETTINGS_DEFAULTS.base, ...(state.base || {})};
    if (state.grid) state.grid = {ratios: "1,1", direction: "columns", ...state.grid};
    /** @type {unknown[]} */
    const regions = Array.isArray(data.regions) ? data.regions : [];
    state.regions = regions.map((region) => makeRegion(region && typeof region === "object" ? region : {}));
    return state;
}

/**
 * Settings of older versions in the form of this one: an MRGD edit, which has a source, had no lock in version 1 (and where none is
 * named), the paper's weight of what is kept until version 2, and attention control beside the lock until version 3, unless it asked for
 * something else. Until then MRGD's joined prediction took part from the first step.
 *
 * @param {any} data
 * @returns {any}
 */
function upgraded(data) {
    const version = data.version ?? 1;
    if (![1, 2, 3].includes(version)) return data;
    const edit = data.options?.mrgd ?? {};
    if (typeof edit !== "object" || (data.method !== "mrgd" && !Object.keys(edit).length)) return {...data, version: VERSION};
    const meant = {t_total: 0, ...(edit.source ? editsUntil(version) : {})};
    return {...data, version: VERSION, options: {...data.options, mrgd: {...meant, ...edit}}};
}

/**
 * What an MRGD edit of an older version meant where it named nothing else.
 *
 * @param {number} version
 * @returns {Record<string, any>}
 */
const editsUntil = (version) => ({
    ...(version === 1 ? {lock: false} : {}),
    ...(version <= 2 ? {lambda_ip: 300} : {}),
    lock_control: true,
});

/**
 * The method that the text of an untouched panel begins with ("" for the default); null for a text with a layout in it.
 *
 * @param {string} text
 * @returns {string | null}
 */
export function untouchedMethod(text) {
    if (!text || !text.trim()) return "";
    try {
        const {enabled, method, regions, ...rest} = JSON.parse(text);
        return !enabled && Array.isArray(regions) && !regions.length && !Object.keys(rest).length ? method || "" : null;
    } catch {
        return null;
    }
}

/**
 * State -> Settings object in its short form: what equals a default is left out.
 *
 * @param {State} state
 * @returns {Json}
 */
export function toJson(state) {
    const {version, enabled, method, regions, ...rest} = state;
    return {version, enabled, method, regions: regions.map(shortRegion), ...shortSettings(rest)};
}

/** JSON of regions: a region is never changed in place. @type {WeakMap<Region, Json>} */
const shortRegions = new WeakMap();

/** @param {Region} region */
function shortRegion(region) {
    const known = shortRegions.get(region);
    if (known) return known;
    const short = withoutDefaults(region, REGION_DEFAULTS);
    shortRegions.set(region, short);
    return short;
}

/**
 * Settings without the fields that equal a default, those of `base` and `options` included.
 *
 * @param {Json} rest
 * @returns {Json}
 */
function shortSettings(rest) {
    const short = withoutDefaults(rest, SETTINGS_DEFAULTS);
    if (short.base) short.base = withoutDefaults(short.base, SETTINGS_DEFAULTS.base);
    if (short.base && !Object.keys(short.base).length) delete short.base;
    if (short.options) {
        short.options = Object.fromEntries(Object.entries(short.options).filter(([, options]) => Object.keys(options || {}).length));
    }
    if (short.options && !Object.keys(short.options).length) delete short.options;
    return short;
}

/**
 * An object without private fields, undefined ones and those that equal a default.
 *
 * @param {Json} object
 * @param {Json} defaults
 * @returns {Json}
 */
export function withoutDefaults(object, defaults) {
    return Object.fromEntries(
        Object.entries(object).filter(
            ([key, value]) => !key.startsWith("_") && value !== undefined && !(key in defaults && same(value, defaults[key])),
        ),
    );
}

/**
 * State -> JSON text; `more` is added for this one request.
 *
 * @param {State} state
 * @param {Json} [more]
 * @returns {string}
 */
export function serialize(state, more = {}) {
    return JSON.stringify({...toJson(state), ...more});
}

/**
 * Whether the settings are those of a fresh panel.
 *
 * @param {State} state
 * @returns {boolean}
 */
export function isUntouched(state) {
    return same(toJson(state), toJson(emptyState()));
}

/**
 * One line about the state, for the closed panel.
 *
 * @param {State} state
 * @returns {string}
 */
export function summary(state) {
    if (!state.enabled) return "off";
    const count = state.regions.filter((region) => region.enabled !== false).length;
    return `on, ${count} region${count === 1 ? "" : "s"}`;
}
