// Regional: what an edit says of itself in the state: the source layout, which regions belong together, the regions' keywords. No DOM.
(function (R) {
    "use strict";

    const METHODS = ["mrgd", "p2p"];
    const SOURCE_KEYS = ["regions", "grid", "base", "common", "overlap"];
    /** Options that the Edit drawer shows, in place of the row beside the method. */
    const OPTIONS = [
        "control", "tau", "tau_own", "self_until", "total", "t_total", "halo", "lambda_rs", "lambda_is", "lambda_ip", "guided", "guidance", "guidance_path",
        "gradient", "keyword_count", "keyword_choice", "kssa_gain", "inversion", "null_text", "lock", "lock_picture",
    ];

    const edits = (state) => METHODS.includes(state.method);
    const optionsOf = (state) => (edits(state) && state.options[state.method]) || {};
    const setOption = (state, name, value) => R.setField(state, `options.${state.method}.${name}`, value);

    /** The layout of a state as `options.….source` holds it. */
    function asSource(state) {
        const json = R.toJson(state);
        return Object.fromEntries(SOURCE_KEYS.filter((key) => key in json).map((key) => [key, json[key]]));
    }

    const sourceOf = (state) => optionsOf(state).source || null;

    /** The state whose source is its own layout as it is now; a method that cannot edit gives way to MRGD. */
    function lockSource(state) {
        const next = {...(edits(state) ? state : {...state, method: METHODS[0]}), text_from: "regions", enabled: true};
        return setOption(setOption(next, "source", asSource(state)), "pairs", undefined);
    }

    const releaseSource = (state) => setOption(setOption(state, "source", undefined), "pairs", undefined);

    /** The source layout back on the canvas; it stays the source. */
    function backToSource(state) {
        const source = sourceOf(state);
        return source ? R.fromJson({...R.toJson(state), grid: null, regions: [], base: {}, common: "", overlap: "blend", ...R.copy(source)}) : state;
    }

    /** Say by hand that target region `target` is source region `source` (null: it is new), beside what was said before. */
    function setPair(state, target, source) {
        const others = (optionsOf(state).pairs || []).filter(([s, t]) => t !== target && (source === null || s !== source));
        return setOption(state, "pairs", [...others, [source, target]]);
    }

    const clearPairs = (state) => setOption(state, "pairs", undefined);

    const keywordsOf = (state, region) => (optionsOf(state).keywords || [])[region] || [];

    /** Words divided by commas or spaces as the keywords of a region. */
    function setKeywords(state, region, text) {
        const lists = state.regions.map((_, index) => (index === region ? text.split(/[\s,;]+/).filter(Boolean) : keywordsOf(state, index)));
        return setOption(state, "keywords", lists.some((words) => words.length) ? lists : undefined);
    }

    /** Keywords that a picture's infotext tells of: {region number from 0: "word word"}. */
    function foundKeywords(infotext) {
        const told = /Regional keywords: ("(?:[^"\\]|\\.)*"|[^,\n]*)/.exec(infotext || "");
        if (!told) return {};
        const pairs = told[1].replace(/^"|"$/g, "").split(";").map((part) => /^\s*(\d+):\s*(.*?)\s*$/.exec(part)).filter(Boolean);
        return Object.fromEntries(pairs.map(([, number, words]) => [Number(number) - 1, words]));
    }

    /** |a − b| of two RGBA byte arrays of one size, `gain` times as strong, opaque, into a new one; and the share of pixels that differ. */
    function difference(first, second, gain = 3, floor = 12) {
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
            changed += most > floor;
        }
        return {bytes, share: first.length ? changed * 4 / first.length : 0};
    }

    R.edit = {METHODS, OPTIONS, edits, asSource, sourceOf, optionsOf, lockSource, releaseSource, backToSource, setPair, clearPairs, keywordsOf, setKeywords, foundKeywords, difference};

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
