// Regional: the state of the panel and its way to JSON and back. No DOM in any regional_model*.js: they run in the browser and in node.
// A state is the Settings JSON with every default filled in; functions take a state and give back a new one.
(function (R) {
    "use strict";

    const VERSION = 1;
    const SHAPE_KINDS = ["box", "ellipse", "polygon", "mask"];
    const REGION_DEFAULTS = {
        prompt: "", negative: "", name: "", weight: 1, base_share: 0, feather: 0.05, priority: 0, steps: Object.freeze([0, 1]), cfg_scale: null, seed: null,
        enabled: true,
    };
    const SETTINGS_DEFAULTS = Object.freeze({
        method: "attention_couple", grid: null, base: Object.freeze({prompt: null, negative: null}), common: "", overlap: "blend",
        text_from: "regions", options: Object.freeze({}),
    });

    const copy = (value) => JSON.parse(JSON.stringify(value));
    const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
    const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
    const tidy = (value) => Math.round(value * 10000) / 10000;

    // ---------------------------------------------------------------- state <-> JSON

    let lastId = 0;

    /** A region with every default filled in. `_id` names it within the page and never reaches the JSON. */
    function makeRegion(fields) {
        return {...copy(REGION_DEFAULTS), ...copy(fields || {}), _id: ++lastId};
    }

    /** Take the defaults of fields that this page does not know yet from the server's schema, so that they too are left out of the JSON. */
    function learn(schema) {
        const known = ((((schema || {}).properties || {}).regions || {}).items || {}).properties || {};
        Object.entries(known).forEach(([name, kind]) => {
            if ("default" in kind && !SHAPE_KINDS.includes(name)) REGION_DEFAULTS[name] = Array.isArray(kind.default) ? Object.freeze(kind.default) : kind.default;
        });
    }

    /** What an untouched panel shows: off, two equal columns without text. */
    function emptyState() {
        return {
            version: VERSION, enabled: false, ...copy(SETTINGS_DEFAULTS),
            regions: [makeRegion(), makeRegion()], grid: {ratios: "1,1", direction: "columns"},
        };
    }

    /** Settings JSON (text, may be empty) -> state. Throws an Error with a readable text when it is not a JSON object. */
    function parse(text) {
        if (!text || !text.trim()) return emptyState();
        let data;
        try {
            data = JSON.parse(text);
        } catch (error) {
            throw new Error(`The regional settings are not valid JSON: ${error.message}`);
        }
        return fromJson(data);
    }

    /** Settings object -> state. Keys it does not know are kept, so that the checks of the server can name them. */
    function fromJson(data) {
        if (data === null || typeof data !== "object" || Array.isArray(data)) throw new Error("The regional settings must be a JSON object.");
        if (data.unreadable) throw new Error(String(data.unreadable));
        if (Object.keys(data).length === 0) return emptyState();
        const state = {version: VERSION, enabled: false, ...copy(SETTINGS_DEFAULTS), ...copy(data)};
        delete state.attention_maps;
        state.base = {...SETTINGS_DEFAULTS.base, ...(state.base || {})};
        if (state.grid) state.grid = {ratios: "1,1", direction: "columns", ...state.grid};
        const regions = Array.isArray(data.regions) ? data.regions : [];
        state.regions = regions.map((region) => makeRegion(region && typeof region === "object" ? region : {}));
        return state;
    }

    /** The method that the text of an untouched panel begins with ("" for the default); null for a text with a layout in it. */
    function untouchedMethod(text) {
        if (!text || !text.trim()) return "";
        try {
            const {enabled, method, regions, ...rest} = JSON.parse(text);
            return !enabled && Array.isArray(regions) && !regions.length && !Object.keys(rest).length ? method || "" : null;
        } catch {
            return null;
        }
    }

    /** State -> Settings object in its short form: what equals a default is left out. */
    function toJson(state) {
        const {version, enabled, method, regions, ...rest} = state;
        return {version, enabled, method, regions: regions.map((region) => withoutDefaults(region, REGION_DEFAULTS)), ...shortSettings(rest)};
    }

    function shortSettings(rest) {
        const short = withoutDefaults(rest, SETTINGS_DEFAULTS);
        if (short.base) short.base = withoutDefaults(short.base, SETTINGS_DEFAULTS.base);
        if (short.base && !Object.keys(short.base).length) delete short.base;
        if (short.options) short.options = Object.fromEntries(Object.entries(short.options).filter(([, options]) => Object.keys(options || {}).length));
        if (short.options && !Object.keys(short.options).length) delete short.options;
        return short;
    }

    function withoutDefaults(object, defaults) {
        return Object.fromEntries(Object.entries(object).filter(
            ([key, value]) => !key.startsWith("_") && value !== undefined && !(key in defaults && same(value, defaults[key]))));
    }

    /** State -> JSON text, with what only this one request is to know beside it. */
    function serialize(state, more = {}) {
        return JSON.stringify({...toJson(state), ...more});
    }

    // ---------------------------------------------------------------- fields

    /** What a number field holds: a number, undefined when empty (the default counts), or the text itself so that the checks can name it. */
    function parseNumber(text) {
        const plain = String(text).trim().replace(/^([+-]?\d*),(\d+)$/, "$1.$2");
        if (plain === "") return undefined;
        return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : String(text);
    }

    /** "x y" pairs, one a line or divided by semicolons, -> [[x, y], …]. */
    function parsePoints(text) {
        return String(text).split(/[;\n]/).map((line) => line.trim()).filter(Boolean)
            .map((line) => line.split(/[\s,]+/).filter(Boolean).map(parseNumber));
    }

    function formatPoints(points) {
        return (points || []).map((point) => [].concat(point).join(" ")).join("\n");
    }

    /** Read a JSON path such as `regions[2].steps[0]`. */
    function getField(state, path) {
        return pathKeys(path).reduce((value, key) => (value === undefined || value === null ? undefined : value[key]), state);
    }

    /** State with the field at a JSON path set. `undefined` stands for "nothing given". */
    function setField(state, path, value) {
        return setAt(state, pathKeys(path), value);
    }

    function pathKeys(path) {
        return String(path).split(/[.[\]]/).filter(Boolean).map((key) => (/^\d+$/.test(key) ? Number(key) : key));
    }

    function setAt(target, [key, ...rest], value) {
        const result = Array.isArray(target) ? target.slice() : {...target};
        result[key] = rest.length ? setAt(result[key] || {}, rest, value) : value;
        return result;
    }

    /** Turn RGBA bytes into grey ones in place: brightness (Rec. 601) times opacity, rounded to 33 steps, opaque. */
    function toMaskPixels(bytes) {
        for (let i = 0; i < bytes.length; i += 4) {
            const grey = (0.299 * bytes[i] + 0.587 * bytes[i + 1] + 0.114 * bytes[i + 2]) * bytes[i + 3] / 255;
            bytes[i] = bytes[i + 1] = bytes[i + 2] = Math.min(255, Math.round(grey / 8) * 8);
            bytes[i + 3] = 255;
        }
    }

    /** The settings as a fresh panel would write them: nothing to tell the server yet. */
    function isUntouched(state) {
        return same(toJson(state), toJson(emptyState()));
    }

    // ---------------------------------------------------------------- colours

    /** Colour of a region as [red, green, blue] (0..255): hues a golden angle apart, so that neighbours in the list differ. */
    function regionColour(index) {
        const hue = (262 + index * 137.508) % 360;
        return hslToRgb(hue, 0.68, 0.56);
    }

    function hslToRgb(hue, saturation, lightness) {
        const reach = saturation * Math.min(lightness, 1 - lightness);
        return [0, 8, 4].map((offset) => {
            const k = (offset + hue / 30) % 12;
            return Math.floor(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))) + 0.5);
        });
    }

    function cssColour(index) {
        return `rgb(${regionColour(index).join(", ")})`;
    }

    /** Black or white, whichever reads better on a region's colour. */
    function textColour(index) {
        const [red, green, blue] = regionColour(index);
        return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
    }

    // ---------------------------------------------------------------- store

    /** Holds the state; subscribers hear `(state, origin, before)` after every change. */
    function createStore(initial) {
        let state = initial;
        const listeners = new Set();
        return {
            get: () => state,
            set(next, origin) {
                if (next === state) return;
                const before = state;
                state = next;
                listeners.forEach((listener) => listener(state, origin, before));
            },
            update(change, origin) {
                this.set(change(state), origin);
            },
            subscribe(listener) {
                listeners.add(listener);
                return () => listeners.delete(listener);
            },
        };
    }

    /** One line about the state, for the closed panel. */
    function summary(state) {
        if (!state.enabled) return "off";
        const count = state.regions.filter((region) => region.enabled !== false).length;
        return `on, ${count} region${count === 1 ? "" : "s"}`;
    }

    Object.assign(R, {
        VERSION, SHAPE_KINDS, REGION_DEFAULTS, SETTINGS_DEFAULTS, copy, same, clamp, tidy,
        learn, makeRegion, emptyState, untouchedMethod, parse, fromJson, toJson, serialize, isUntouched, withoutDefaults,
        parseNumber, toMaskPixels, parsePoints, formatPoints, getField, setField,
        regionColour, cssColour, textColour, createStore, summary,
    });

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
