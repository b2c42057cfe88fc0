// Regional: what is done to several regions at once, and regions as text for the clipboard.
(function (R) {
    "use strict";

    const CLIP = "regional/regions";

    const indexOf = (state, id) => state.regions.findIndex((region) => region._id === id);
    const isFree = (region) => !region._lock;

    /** State with every region of `ids` that is not locked replaced by `change(region, index)`. */
    function changeRegions(state, ids, change) {
        const regions = state.regions.map((region, index) => (ids.has(region._id) && isFree(region) ? change(region, index) : region));
        return regions.every((region, i) => region === state.regions[i]) ? state : {...state, regions};
    }

    /** State without the regions of `ids`; locked ones stay, and a grid keeps one cell. */
    function removeRegions(state, ids) {
        return state.regions.filter((region) => ids.has(region._id) && isFree(region))
            .reduce((next, region) => (R.canRemove(next) ? R.removeRegion(next, indexOf(next, region._id)) : next), state);
    }

    /** Copies of the regions of `ids`, a little to the side -> {state, ids of the copies}. */
    function duplicateRegions(state, ids) {
        const made = new Set();
        const next = state.regions.filter((region) => ids.has(region._id)).reduce((now, region) => {
            const after = R.duplicateRegion(now, indexOf(now, region._id));
            made.add(after.regions[indexOf(now, region._id) + 1]._id);
            return after;
        }, state);
        const shifted = state.grid ? next : changeRegions(next, made, (region) => shiftAside(region));
        return {state: shifted, ids: made};
    }

    function shiftAside(region) {
        const bounds = R.shapeBounds(region);
        return R.mapShape(region, ...R.boxMap(bounds, R.shiftBox(bounds, bounds[2] > 0.96 ? -0.04 : 0.04, bounds[3] > 0.96 ? -0.04 : 0.04)));
    }

    /** A region put at another place of the list; in a grid the cells stay and the texts move. */
    function reorder(state, from, to) {
        if (from === to || !state.regions[from] || !state.regions[to]) return state;
        const regions = state.regions.slice();
        regions.splice(to, 0, ...regions.splice(from, 1));
        return {...state, regions};
    }

    /** Reordering where the list is the order of covering: the last region gets the highest priority. */
    function prioritise(state) {
        return {...state, regions: state.regions.map((region, index) => ({...region, priority: index}))};
    }

    /** A new region as it should join the state: where later ones cover, above all. */
    function onTop(state, region) {
        if (state.overlap !== "over" || state.grid || !state.regions.length) return region;
        return {...region, priority: Math.min(1000, Math.max(...state.regions.map((each) => Number(each.priority) || 0)) + 1)};
    }

    /** Only region `index` on; done again, all are as they were. */
    function solo(state, index) {
        const region = state.regions[index];
        if (state._solo && state._solo.id === region._id) {
            return {...state, _solo: null, regions: state.regions.map((each) => ({...each, enabled: state._solo.were[each._id] !== false}))};
        }
        const were = state._solo ? state._solo.were : Object.fromEntries(state.regions.map((each) => [each._id, each.enabled]));
        return {...state, _solo: {id: region._id, were}, regions: state.regions.map((each) => ({...each, enabled: each._id === region._id}))};
    }

    /** LoRAs and the like named in a prompt: [{kind, name, weight}]. */
    function findNetworks(text) {
        return [...String(text || "").matchAll(/<(lora|lyco|hypernet):([^:<>\n]+)(?::([^<>\n]*))?>/gi)]
            .map(([, kind, name, weight]) => ({kind: kind.toLowerCase(), name: name.trim(), weight: weight === undefined ? "1" : weight}));
    }

    // ---------------------------------------------------------------- clipboard

    /** The regions of `ids` as text. In a grid they take their cells along as boxes. */
    function copyText(state, ids) {
        const shaped = state.grid ? R.useShapes(state) : state;
        const regions = R.toJson({...shaped, regions: shaped.regions.filter((region) => ids.has(region._id))}).regions;
        return JSON.stringify({[CLIP]: R.VERSION, regions});
    }

    /** Text of the clipboard -> regions. Whole settings and a bare list of regions do as well. Throws an Error that says what the text is instead. */
    function pasteRegions(text) {
        if (!text || !text.trim()) throw new Error("The clipboard is empty: copy a region first.");
        let data;
        try {
            data = JSON.parse(text);
        } catch (error) {
            throw new Error(`The clipboard holds no regions: ${/^\s*[[{]/.test(text) ? `its JSON is broken (${error.message})` : "it is plain text"}.`);
        }
        const version = data && typeof data === "object" ? data[CLIP] || data.version : 1;
        if (version > R.VERSION) throw new Error(`The regions of the clipboard have version ${version}, made by a newer Regional: this one reads up to ${R.VERSION}.`);
        const list = Array.isArray(data) ? data : data && data.grid ? R.useShapes(R.fromJson(data)).regions : data && data.regions;
        if (!Array.isArray(list) || !list.length || !list.every((region) => region && typeof region === "object" && R.shapeKind(region))) {
            throw new Error("The clipboard holds JSON, but no regions with a place.");
        }
        return list.map((region) => R.makeRegion(withoutPrivate(region)));
    }

    const withoutPrivate = (region) => Object.fromEntries(Object.entries(region).filter(([key]) => !key.startsWith("_")));

    /** State with `regions` added; a grid becomes free shapes first. */
    function addRegions(state, regions) {
        const free = R.useShapes(state);
        const joined = regions.reduce((now, region) => ({...now, regions: [...now.regions, onTop(now, region)]}), free);
        return {...joined, regions: joined.regions.slice(0, 256)};
    }

    /** State with the places of `settings` (a layout without texts), and the texts and strengths of the regions that were there. */
    function withLayout(state, settings) {
        const layout = R.fromJson({enabled: true, ...settings});
        const regions = layout.regions.map((region, i) => {
            const old = state.regions[i];
            if (!old) return region;
            const {_id, prompt, negative, weight, base_share, steps, enabled} = old;
            return {...region, _id, prompt: prompt || region.prompt, negative: negative || region.negative, weight, base_share, steps, enabled, name: region.name || old.name};
        });
        return {...state, grid: layout.grid, overlap: layout.overlap, regions, _left: null, _grid: null};
    }

    // ---------------------------------------------------------------- masks of all regions in one picture

    /** Colour of region `index` in Regional Prompter's palette: hues 0, 180, 90, 270, 45, 135 … at half saturation and value. */
    function paletteColour(index) {
        const count = 2 ** Math.floor(Math.log2(Math.max(1, index))), hue = index ? (index - count + 0.5) * 360 / count : 0;
        const part = hue / 60, x = 1 - Math.abs((part % 2) - 1);
        return [[1, x, 0], [x, 1, 0], [0, 1, x], [0, x, 1], [x, 0, 1], [1, 0, x]][Math.floor(part) % 6].map((value) => Math.round(64 + 64 * value));
    }

    /** Masks of one size -> RGBA: every pixel in the colour of its strongest region, black where there is none. */
    function colourCoded(masks) {
        const pixels = new Uint8ClampedArray(masks[0].data.length * 4), colours = masks.map((_, i) => paletteColour(i));
        for (let at = 0; at < masks[0].data.length; at++) {
            let best = -1, most = 127;
            masks.forEach((mask, i) => { if (mask.data[at] >= most && mask.data[at] > 0) [best, most] = [i, mask.data[at]]; });
            pixels.set(best < 0 ? [0, 0, 0, 255] : [...colours[best], 255], at * 4);
        }
        return pixels;
    }

    /** The first three masks as red, green and blue. */
    function channelPacked(masks) {
        const pixels = new Uint8ClampedArray(masks[0].data.length * 4);
        for (let at = 0; at < masks[0].data.length; at++) pixels.set([0, 1, 2].map((i) => (masks[i] ? masks[i].data[at] : 0)).concat(255), at * 4);
        return pixels;
    }

    Object.assign(R, {
        withLayout, paletteColour, colourCoded, channelPacked, indexOf, changeRegions, removeRegions, duplicateRegions, reorder, prioritise, onTop, solo, findNetworks, copyText, pasteRegions, addRegions,
    });

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
