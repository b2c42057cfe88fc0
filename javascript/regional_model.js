// Regional: the state of the panel and what can be done with it. No DOM here: this file runs in the browser (window.Regional) and in node.
// A state is the Settings JSON with every default filled in; functions take a state and give back a new one.
(function (root, factory) {
    const model = factory();
    if (typeof module === "object" && module.exports) module.exports = model;
    else root.Regional = Object.assign(root.Regional || {}, model);
})(typeof self !== "undefined" ? self : globalThis, function () {
    "use strict";

    const VERSION = 1;
    const SHAPE_KINDS = ["box", "ellipse", "polygon", "mask"];
    const REGION_DEFAULTS = Object.freeze({
        prompt: "", negative: "", name: "", weight: 1, base_share: 0, feather: 0.05, priority: 0, steps: Object.freeze([0, 1]), cfg_scale: null, seed: null,
        enabled: true,
    });
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
        if (Object.keys(data).length === 0) return emptyState();
        const state = {version: VERSION, enabled: false, ...copy(SETTINGS_DEFAULTS), ...copy(data)};
        state.base = {...SETTINGS_DEFAULTS.base, ...(state.base || {})};
        if (state.grid) state.grid = {ratios: "1,1", direction: "columns", ...state.grid};
        const regions = Array.isArray(data.regions) ? data.regions : [];
        state.regions = regions.map((region) => makeRegion(region && typeof region === "object" ? region : {}));
        return state;
    }

    /** State -> Settings object in its short form: what equals a default is left out. */
    function toJson(state) {
        const {version, enabled, method, regions, ...rest} = state;
        return {version, enabled, method, regions: regions.map((region) => withoutDefaults(region, REGION_DEFAULTS)), ...shortSettings(rest)};
    }

    function shortSettings(rest) {
        const short = withoutDefaults(rest, SETTINGS_DEFAULTS);
        if (short.base) short.base = withoutDefaults(short.base, SETTINGS_DEFAULTS.base);
        return short;
    }

    function withoutDefaults(object, defaults) {
        return Object.fromEntries(Object.entries(object).filter(
            ([key, value]) => !key.startsWith("_") && value !== undefined && !(key in defaults && same(value, defaults[key]))));
    }

    function serialize(state) {
        return JSON.stringify(toJson(state));
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

    // ---------------------------------------------------------------- grid

    /** Ratio string -> {groups: [{size, cells: [..]}]} along the outer axis; one group when the string has a single axis. */
    function parseGrid(ratios, direction) {
        const text = String(ratios).trim();
        if (!text.includes(";")) return {groups: [{size: 1, cells: text.split(",").map(ratio)}]};
        const [outer, inner] = direction === "rows" ? [",", ";"] : [";", ","];
        const groups = text.split(outer).map((part) => {
            const numbers = part.split(inner).map(ratio);
            return {size: numbers[0], cells: numbers.length > 1 ? numbers.slice(1) : [1]};
        });
        return {groups};
    }

    function ratio(piece) {
        const text = piece.trim();
        const value = /^([0-9]+\.?[0-9]*|\.[0-9]+)$/.test(text) ? Number(text) : NaN;
        if (!(value >= 1e-6 && value <= 1e6)) throw new Error(`"${text}" is not a size above 0`);
        return value;
    }

    function formatGrid({groups}, direction) {
        const [outer, inner] = direction === "rows" ? [",", ";"] : [";", ","];
        if (groups.length === 1) return groups[0].cells.join(",");
        const write = (short) => groups.map(({size, cells}) => (short && cells.length === 1 ? [size] : [size, ...cells]).join(inner)).join(outer);
        return write(true).includes(";") ? write(true) : write(false);
    }

    /** Boxes [x0, y0, x1, y1] of a grid in reading order of its string. Throws when the string is malformed. */
    function gridBoxes(grid) {
        const boxes = [];
        for (const [o0, o1, group] of spans(parseGrid(grid.ratios, grid.direction).groups, (g) => g.size)) {
            for (const [i0, i1] of spans(group.cells, (cell) => cell)) {
                boxes.push(grid.direction === "rows" ? [o0, i0, o1, i1] : [i0, o0, i1, o1]);
            }
        }
        return boxes;
    }

    function spans(items, sizeOf) {
        const total = items.reduce((sum, item) => sum + sizeOf(item), 0);
        let before = 0;
        return items.map((item) => {
            const start = before / total;
            before += sizeOf(item);
            return [start, before / total, item];
        });
    }

    /** Number of cells of the state's grid; null without a grid or when its string is malformed. */
    function cellCount(state) {
        if (!state.grid) return null;
        try {
            return gridBoxes(state.grid).length;
        } catch {
            return null;
        }
    }

    /** State with a new ratio string or direction. Regions are added for new cells; untouched ones at the end go with their cells. */
    function setGrid(state, grid) {
        const next = {...state, grid: {...state.grid, ...grid}};
        const cells = cellCount(next);
        if (cells === null || cells > 256) return next;
        const regions = next.regions.slice();
        while (regions.length < cells) regions.push(makeRegion());
        while (regions.length > cells && isBlank(regions[regions.length - 1])) regions.pop();
        return {...next, regions};
    }

    function isBlank(region) {
        return Object.keys(withoutDefaults(region, REGION_DEFAULTS)).length === 0;
    }

    /** Free shapes -> grid. The shapes are remembered for the way back. */
    function useGrid(state) {
        if (state.grid) return state;
        const regions = state.regions.length ? state.regions : [makeRegion()];
        const before = state._grid && cellCount({grid: state._grid}) === regions.length ? state._grid : null;
        const grid = before || {ratios: regions.map(() => "1").join(","), direction: "columns"};
        return {...state, grid, _left: grid, regions: regions.map(dropShape)};
    }

    /** Grid -> free shapes: the cells as boxes, or the shapes left behind when the grid was not changed since. */
    function useShapes(state) {
        if (!state.grid) return state;
        const back = same(state.grid, state._left) && state.regions.every((region) => region._shape);
        const boxes = cellCount(state) === null ? [] : gridBoxes(state.grid).map((box) => box.map(tidy));
        const regions = state.regions.map((region, i) => {
            const {_shape, ...rest} = region;
            return {...(back ? _shape : {box: boxes[i] || [0.25, 0.25, 0.75, 0.75]}), ...rest};
        });
        return {...state, grid: null, _grid: state.grid, regions};
    }

    // ---------------------------------------------------------------- regions

    function shapeKind(region) {
        return SHAPE_KINDS.find((kind) => kind in region && region[kind] !== undefined) || null;
    }

    function dropShape(region) {
        const kind = shapeKind(region);
        const rest = {...region};
        SHAPE_KINDS.forEach((key) => delete rest[key]);
        if (kind) rest._shape = {[kind]: region[kind]};
        return rest;
    }

    /** Smallest box around a region's shape; the whole canvas for a mask or numbers that make no sense. */
    function shapeBounds(region) {
        const numbers = region.box || region.ellipse;
        const usable = (list) => Array.isArray(list) && list.every((value) => typeof value === "number" && Number.isFinite(value));
        if (usable(numbers) && numbers.length === 4) return numbers.slice();
        const points = region.polygon;
        if (!Array.isArray(points) || points.length < 2 || !points.every((point) => usable(point) && point.length === 2)) return [0, 0, 1, 1];
        const xs = points.map((point) => point[0]), ys = points.map((point) => point[1]);
        return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    }

    /** Box of region `index` as it lies in the picture: its grid cell, or the bounds of its shape. */
    function regionBounds(state, index) {
        if (!state.grid) return shapeBounds(state.regions[index] || {});
        return cellCount(state) === null ? [0, 0, 1, 1] : gridBoxes(state.grid)[index] || [0, 0, 1, 1];
    }

    /** State in which region `index` has a shape of another kind, as near as can be to the one it had. */
    function setShapeKind(state, index, kind) {
        const region = state.regions[index];
        if (shapeKind(region) === kind) return state;
        const [x0, y0, x1, y1] = shapeBounds(region);
        const shape = {
            box: [x0, y0, x1, y1], ellipse: [x0, y0, x1, y1],
            polygon: [[x0, y0], [x1, y0], [x1, y1], [x0, y1]], mask: region._mask || "",
        }[kind];
        const rest = {...region, _mask: region.mask || region._mask};
        SHAPE_KINDS.forEach((key) => delete rest[key]);
        return replaceRegion(state, index, {[kind]: shape, ...rest});
    }

    function replaceRegion(state, index, region) {
        return {...state, regions: state.regions.map((old, i) => (i === index ? region : old))};
    }

    /** Add a region at the end; a grid gets one more cell. */
    function addRegion(state) {
        const region = makeRegion(state.grid ? {} : {box: [0.25, 0.25, 0.75, 0.75]});
        return {...changeCells(state, (cells, sizes) => cells.push(sizes(cells.length - 1))), regions: [...state.regions, region]};
    }

    function duplicateRegion(state, index) {
        const {_id, ...fields} = state.regions[index];
        const regions = state.regions.slice();
        regions.splice(index + 1, 0, makeRegion(fields));
        return {...changeCells(state, (cells, sizes, at) => cells.splice(at + 1, 0, sizes(at)), index), regions};
    }

    function removeRegion(state, index) {
        return {...changeCells(state, (cells, _, at) => cells.splice(at, 1), index), regions: state.regions.filter((_, i) => i !== index)};
    }

    /** Whether one region fewer still is a layout: a grid has at least one cell. */
    function canRemove(state) {
        return state.regions.length > (state.grid ? 1 : 0);
    }

    function moveRegion(state, index, step) {
        const target = index + step;
        if (target < 0 || target >= state.regions.length) return state;
        const regions = state.regions.slice();
        [regions[index], regions[target]] = [regions[target], regions[index]];
        return {...state, regions};
    }

    /** Let `change(cells, sizeAt, position)` edit the cells of the group that holds cell `index` (default: the last one). */
    function changeCells(state, change, index) {
        const count = cellCount(state);
        if (count === null || count !== state.regions.length) return state;
        const grid = parseGrid(state.grid.ratios, state.grid.direction);
        let at = index === undefined ? count - 1 : index;
        const group = grid.groups.find((candidate) => at < candidate.cells.length || ((at -= candidate.cells.length), false));
        change(group.cells, (position) => group.cells[position] || 1, at);
        grid.groups = grid.groups.filter((candidate) => candidate.cells.length > 0);
        return {...state, grid: {...state.grid, ratios: formatGrid(grid, state.grid.direction)}};
    }

    // ---------------------------------------------------------------- texts, as lib_regional/core/prompt.py does it

    const REGION_KEYS = ["ADDCOL", "ADDROW", "BREAK", "AND"];
    const SEPARATORS = {break: REGION_KEYS, lines: [], and: ["AND"]};

    /** Split at whole upper-case words -> [pieces, words found]. Inside <lora:…> and the like nothing is split. */
    function splitAtWords(text, words) {
        const pattern = new RegExp(`<[^<>\\n]*:[^<>\\n]*>|(?<![\\p{L}\\p{N}_])(${words.join("|")})(?![\\p{L}\\p{N}_])`, "gu");
        const pieces = [], found = [];
        let start = 0;
        for (const match of text.matchAll(pattern)) {
            if (!match[1]) continue;
            pieces.push(text.slice(start, match.index));
            found.push(match[1]);
            start = match.index + match[0].length;
        }
        return [[...pieces, text.slice(start)], found];
    }

    /** `common ADDCOMM base ADDBASE region key region …` -> {common, base, regions, keys, weights}. Throws for keys out of order. */
    function splitPrompt(text, mode) {
        const [pieces, found] = splitAtWords(text, ["ADDCOMM", "ADDBASE", ...SEPARATORS[mode]]);
        const head = found.filter((key) => key === "ADDCOMM" || key === "ADDBASE");
        if (!["", "ADDCOMM", "ADDBASE", "ADDCOMM ADDBASE"].includes(head.join(" ")) || head.some((key, i) => found[i] !== key)) {
            throw new Error(`The keys of the prompt are ${found.join(" ")}: at most one ADDCOMM, then at most one ADDBASE, then the regions can be read.`);
        }
        const front = (key) => (head.includes(key) ? pieces[head.indexOf(key)].trim() : null);
        let regions = pieces.slice(head.length), keys = found.slice(head.length);
        if (mode === "lines") {
            regions = lines(regions[0], head.length > 0);
            keys = regions.slice(1).map(() => "\n");
        }
        const weighted = regions.map((piece) => (mode === "and" ? takeWeight(piece) : [piece, 1]));
        return {
            common: front("ADDCOMM"), base: front("ADDBASE"), keys,
            regions: weighted.map(([piece]) => piece.trim()), weights: weighted.map(([, weight]) => weight),
        };
    }

    function lines(text, afterKey) {
        const all = text.split(/\r\n|\r|\n/);
        while (all.length > 1 && !all[all.length - 1].trim()) all.pop();
        return afterKey && all.length > 1 && !all[0].trim() ? all.slice(1) : all;
    }

    function takeWeight(text) {
        const match = /\s*:\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*$/.exec(text);
        return match ? [text.slice(0, match.index), Number(match[1])] : [text, 1];
    }

    /** The non-empty texts with ", " between. Commas and blanks at the seams are not doubled, and next to BREAK or AND is none. */
    function joinTexts(...parts) {
        const texts = parts.filter((part) => part && /[^ \t\r\n,]/.test(part));
        return texts.slice(1).reduce((joined, text) => {
            const left = joined.replace(/[ \t\r\n,]+$/, ""), right = text.replace(/^[ \t\r\n,]+/, "");
            return left + (/\b(BREAK|AND)$/.test(left) || /^(BREAK|AND)\b/.test(right) ? " " : ", ") + right;
        }, texts[0] || "");
    }

    const joinedParts = (parts) => joinTexts(parts.common, parts.base, ...parts.regions);

    // ---------------------------------------------------------------- import of a main prompt

    const placesOf = (mode, keys) => (mode === "lines" ? "its line ends" : [...new Set(keys.filter((key) => key !== "\n"))].join(" and ") || "its keys");

    /** How a prompt seems to be divided: break, and, lines; null when it is one piece. */
    function detectMode(text) {
        const [, keys] = splitAtWords(text, ["ADDCOMM", "ADDBASE", ...REGION_KEYS]);
        if (keys.some((key) => key !== "AND" && key !== "ADDCOMM" && key !== "ADDBASE")) return "break";
        if (keys.includes("AND")) return "and";
        if (splitPrompt(text, "lines").regions.length > 1) return "lines";
        return keys.length ? "break" : null;
    }

    /** Write the parts of the main prompt into the regions -> {state, notes}: what was done, in words. The state is the same one if nothing was. */
    function importPrompt(state, prompt, negative) {
        let parts, mode;
        try {
            mode = detectMode(prompt);
            if (!mode) return {state, notes: ["The main prompt has no BREAK, no AND and one line only: there is nothing to split."]};
            parts = splitPrompt(prompt, mode);
        } catch (error) {
            return {state, notes: [error.message]};
        }
        const count = parts.regions.length;
        const base = parts.base === null ? joinedParts(parts) : joinTexts(parts.common, parts.base);
        const notes = [`Split the main prompt at ${placesOf(mode, parts.keys)} into ${count} part${count === 1 ? "" : "s"}, one for each region.`];
        let next = fitLayout(state, parts.keys, count, notes);
        const regions = next.regions.map((region, i) => (i < count ? {...region, prompt: parts.regions[i], weight: mode === "and" ? parts.weights[i] : region.weight} : region));
        next = {...next, regions, text_from: "regions", common: parts.common || "", base: {...next.base, prompt: base}};
        if (parts.common) notes.push(`Common prompt: ${quote(parts.common)}.`);
        notes.push(`Base prompt: ${quote(base)}. It stands for the main prompt now.`);
        return {state: importNegative(next, mode, negative, count, notes), notes};
    }

    function importNegative(state, mode, negative, count, notes) {
        const parts = splitPrompt(negative || "", mode);
        if (parts.regions.length === 1) return state;
        if (parts.regions.length !== count) {
            notes.push(`The negative prompt has ${parts.regions.length} parts for ${count} regions: it was left as it is.`);
            return state;
        }
        notes.push("The negative prompt was split in the same way.");
        const regions = state.regions.map((region, i) => (i < count ? {...region, negative: parts.regions[i]} : region));
        return {...state, regions, base: {...state.base, negative: joinTexts(parts.common, parts.base)}};
    }

    /** Bring the layout to `count` places; in a grid the keys ADDCOL and ADDROW say how they lie. */
    function fitLayout(state, keys, count, notes) {
        if (!state.grid) {
            const missing = Math.max(0, count - state.regions.length);
            if (missing) notes.push(`${missing} region${missing === 1 ? " is" : "s are"} new and lie${missing === 1 ? "s" : ""} in the middle: move ${missing === 1 ? "it" : "them"}.`);
            if (count < state.regions.length) notes.push(`Regions after number ${count} were left as they are.`);
            return {...state, regions: [...state.regions, ...Array.from({length: missing}, () => makeRegion({box: [0.25, 0.25, 0.75, 0.75]}))]};
        }
        const shaped = keys.some((key) => key === "ADDCOL" || key === "ADDROW");
        if (!shaped && cellCount(state) === count) return state;
        const grid = gridOfKeys(keys, shaped ? "columns" : state.grid.direction);
        notes.push(`The grid is now ${grid.ratios} in ${grid.direction}.`);
        const kept = state.regions.slice(0, count);
        return {...state, grid, regions: [...kept, ...Array.from({length: count - kept.length}, () => makeRegion())]};
    }

    function gridOfKeys(keys, direction) {
        const counts = keys.reduce((groups, key) => (key === "ADDROW" ? [...groups, 1] : [...groups.slice(0, -1), groups[groups.length - 1] + 1]), [1]);
        if (counts.length > 1 && counts.every((cells) => cells === 1)) return {ratios: counts.map(() => "1").join(","), direction: "rows"};
        return {ratios: formatGrid({groups: counts.map((cells) => ({size: 1, cells: Array(cells).fill(1)}))}, direction), direction};
    }

    function quote(text) {
        return text.length <= 60 ? `"${text}"` : `"${text.slice(0, 59)}…"`;
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

    return {
        VERSION, SHAPE_KINDS, REGION_DEFAULTS, SETTINGS_DEFAULTS,
        makeRegion, emptyState, parse, fromJson, toJson, serialize, isUntouched,
        parseNumber, toMaskPixels, parsePoints, formatPoints, getField, setField, clamp, tidy,
        regionColour, cssColour, textColour,
        parseGrid, formatGrid, gridBoxes, cellCount, setGrid, useGrid, useShapes,
        shapeKind, shapeBounds, regionBounds, setShapeKind, replaceRegion, addRegion, duplicateRegion, removeRegion, canRemove, moveRegion,
        splitPrompt, joinTexts, joinedParts, detectMode, importPrompt,
        createStore, summary,
    };
});
