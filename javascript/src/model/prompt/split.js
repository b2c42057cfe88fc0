// Regional: one prompt for many regions: splitting, joining, writing the layout as prompt text and back.
(function (R) {
    "use strict";

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
            return {...state, regions: [...state.regions, ...Array.from({length: missing}, () => R.makeRegion({box: [0.25, 0.25, 0.75, 0.75]}))]};
        }
        const shaped = keys.some((key) => key === "ADDCOL" || key === "ADDROW");
        if (R.cellCount(state) === count && (!shaped || R.same(gridKeys(state.grid), keys))) return state;
        const grid = gridOfKeys(keys, shaped ? "columns" : state.grid.direction);
        notes.push(`The grid is now ${grid.ratios} in ${grid.direction}.`);
        const kept = state.regions.slice(0, count);
        return {...state, grid, regions: [...kept, ...Array.from({length: count - kept.length}, () => R.makeRegion())]};
    }

    function gridOfKeys(keys, direction) {
        const counts = keys.reduce((groups, key) => (key === "ADDROW" ? [...groups, 1] : [...groups.slice(0, -1), groups[groups.length - 1] + 1]), [1]);
        if (counts.length > 1 && counts.every((cells) => cells === 1)) return {ratios: counts.map(() => "1").join(","), direction: "rows"};
        return {ratios: R.formatGrid({groups: counts.map((cells) => ({size: 1, cells: Array(cells).fill(1)}))}, direction), direction};
    }

    // ---------------------------------------------------------------- the layout as prompt text

    /** The keys between the cells of a grid: ADDCOL to the next cell of a row, ADDROW to the next row (in "rows" the other way round). */
    function gridKeys(grid) {
        const {groups} = R.parseGrid(grid.ratios, grid.direction);
        const [inner, outer] = grid.direction === "rows" ? ["ADDROW", "ADDCOL"] : ["ADDCOL", "ADDROW"];
        return groups.flatMap(({cells}, i) => [...(i ? [outer] : []), ...cells.slice(1).map(() => inner)]);
    }

    const joinedWith = (texts, keys) => texts.map((text, i) => (i ? `${keys[i - 1]} ${text}` : text)).join("\n");

    function withHead(common, base, regions) {
        return [...(common ? [`${common} ADDCOMM`] : []), ...(base ? [`${base} ADDBASE`] : []), regions].join("\n");
    }

    /** The regions' texts as one main prompt, and the state that reads them from there -> {state, prompt, negative, notes}.
        A negative of null is left as it is. What the main prompt said becomes the base. */
    function exportPrompt(state, main) {
        if (state.text_from !== "regions") return {state, prompt: main.prompt, negative: null, notes: ["The regions follow the main prompt already."]};
        const count = state.regions.length, keys = state.grid && R.cellCount(state) === count ? gridKeys(state.grid) : Array(count).fill("BREAK");
        const clean = (text) => (text || "").replace(/\b(ADDCOMM|ADDBASE|ADDCOL|ADDROW|BREAK|AND)\b/g, ",").trim();
        const base = state.base.prompt === null ? main.prompt : state.base.prompt;
        const prompt = withHead(clean(state.common), clean(base), joinedWith(state.regions.map((region) => clean(region.prompt)), keys));
        const negatives = state.regions.some((region) => region.negative.trim());
        const mainNegative = state.base.negative === null ? main.negative : state.base.negative;
        const negative = negatives ? withHead("", clean(mainNegative), joinedWith(state.regions.map((region) => clean(region.negative)), keys)) : null;
        const regions = state.regions.map((region) => ({...region, prompt: "", negative: negatives ? "" : region.negative}));
        const next = {...state, text_from: "break", common: "", base: {prompt: null, negative: negatives ? null : state.base.negative}, regions};
        return {state: next, prompt, negative, notes: ['The texts stand in the main prompt now, and "Region texts" follows it. "Split main prompt" brings them back.']};
    }

    function quote(text) {
        return text.length <= 60 ? `"${text}"` : `"${text.slice(0, 59)}…"`;
    }

    Object.assign(R, {
        splitPrompt, joinTexts, joinedParts, detectMode, importPrompt, exportPrompt, gridKeys,
    });

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
