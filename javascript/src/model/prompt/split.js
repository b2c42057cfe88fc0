// One prompt for many regions: splitting and joining, as lib_regional does it.

/** @import {PromptParts, SplitMode} from "../../types.js" */

const REGION_KEYS = ["ADDCOL", "ADDROW", "BREAK", "AND"];

/** Words at which a prompt is split into regions. @type {Record<SplitMode, string[]>} */
const SEPARATORS = {break: REGION_KEYS, lines: [], and: ["AND"]};

/**
 * Split at whole upper-case words -> [pieces, words found]. Inside <lora:…> and the like nothing is split.
 *
 * @param {string} text
 * @param {string[]} words
 * @returns {[string[], string[]]}
 */
function splitAtWords(text, words) {
    const pattern = new RegExp(`<[^<>\\n:]*:[^<>\\n]*>|(?<![\\p{L}\\p{N}_])(${words.join("|")})(?![\\p{L}\\p{N}_])`, "gu");
    /** @type {string[]} */
    const pieces = [];
    /** @type {string[]} */
    const found = [];
    let start = 0;
    for (const match of text.matchAll(pattern)) {
        if (!match[1]) continue;
        pieces.push(text.slice(start, match.index));
        found.push(match[1]);
        start = match.index + match[0].length;
    }
    return [[...pieces, text.slice(start)], found];
}

/**
 * `common ADDCOMM base ADDBASE region key region …` -> {common, base, regions, keys, weights}. Throws for keys out of order.
 *
 * @param {string} text
 * @param {SplitMode} mode
 * @returns {PromptParts}
 */
export function splitPrompt(text, mode) {
    const [pieces, found] = splitAtWords(text, ["ADDCOMM", "ADDBASE", ...SEPARATORS[mode]]);
    /** @type {string[]} */
    const head = found.filter((key) => key === "ADDCOMM" || key === "ADDBASE");
    if (!["", "ADDCOMM", "ADDBASE", "ADDCOMM ADDBASE"].includes(head.join(" ")) || head.some((key, i) => found[i] !== key)) {
        throw new Error(
            `The keys of the prompt are ${found.join(" ")}: at most one ADDCOMM, then at most one ADDBASE, then the regions can be read.`,
        );
    }
    /** @param {string} key */
    const front = (key) => (head.includes(key) ? pieces[head.indexOf(key)].trim() : null);
    let regions = pieces.slice(head.length);
    let keys = found.slice(head.length);
    if (mode === "lines") {
        regions = lines(regions[0], head.length > 0);
        keys = regions.slice(1).map(() => "\n");
    }
    /** @type {[string, number][]} */
    const weighted = regions.map((piece) => (mode === "and" ? takeWeight(piece) : [piece, 1]));
    return {
        common: front("ADDCOMM"),
        base: front("ADDBASE"),
        keys,
        regions: weighted.map(([piece]) => piece.trim()),
        weights: weighted.map(([, weight]) => weight),
    };
}

/**
 * @param {string} text
 * @param {boolean} afterKey
 * @returns {string[]}
 */
function lines(text, afterKey) {
    const all = text.split(/\r\n|\r|\n/);
    while (all.length > 1 && !all[all.length - 1].trim()) all.pop();
    return afterKey && all.length > 1 && !all[0].trim() ? all.slice(1) : all;
}

/**
 * @param {string} text
 * @returns {[string, number]}
 */
function takeWeight(text) {
    const colon = text.lastIndexOf(":");
    const match = colon < 0 ? null : /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)$/.exec(text.slice(colon + 1).trim());
    return match ? [text.slice(0, colon).trimEnd(), Number(match[0])] : [text, 1];
}

/**
 * The non-empty texts with ", " between. Commas and blanks at the seams are not doubled; BREAK and AND are joined by a blank.
 *
 * @param {...(string | null | undefined)} parts
 * @returns {string}
 */
export function joinTexts(...parts) {
    const texts = parts.flatMap((part) => (part && /[^ \t\r\n,]/.test(part) ? [part] : []));
    const pieces = texts.slice(0, 1);
    for (const text of texts.slice(1)) {
        const left = withoutSeam(pieces[pieces.length - 1]);
        const right = text.replace(/^[ \t\r\n,]+/, "");
        const bare = /\b(BREAK|AND)$/.test(left.slice(-KEY_AND_BEFORE)) || /^(BREAK|AND)\b/.test(right);
        pieces.splice(-1, 1, left, bare ? " " : ", ", right);
    }
    return pieces.join("");
}

/** Letters that decide whether a text ends with BREAK or AND. */
const KEY_AND_BEFORE = "BREAK".length + 1;

/**
 * The text without commas and blanks at its end, in linear time.
 *
 * @param {string} text
 * @returns {string}
 */
function withoutSeam(text) {
    let end = text.length;
    while (end && " \t\r\n,".includes(text[end - 1])) end--;
    return text.slice(0, end);
}

/**
 * Common, base and regions' texts as one prompt.
 *
 * @param {PromptParts} parts
 * @returns {string}
 */
export const joinedParts = (parts) => joinTexts(parts.common, parts.base, ...parts.regions);

/**
 * How a prompt seems to be divided: break, and, lines; null when it is one piece.
 *
 * @param {string} text
 * @returns {SplitMode | null}
 */
export function detectMode(text) {
    const [, keys] = splitAtWords(text, ["ADDCOMM", "ADDBASE", ...REGION_KEYS]);
    if (keys.some((key) => key !== "AND" && key !== "ADDCOMM" && key !== "ADDBASE")) return "break";
    if (keys.includes("AND")) return "and";
    if (splitPrompt(text, "lines").regions.length > 1) return "lines";
    return keys.length ? "break" : null;
}
