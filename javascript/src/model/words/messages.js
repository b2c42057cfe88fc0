// Where the checks' warnings are shown, and the server's sentences in the words of the panel.

const LABEL = /^Region (\d+)(?: \(.*?\))?:? (.*)$/s;

/** From how many regions on a warning that they share is one line below the canvas. */
const MANY = 3;

/** @param {string} text */
const split = (text) => {
    const found = LABEL.exec(text);
    return found ? {index: Number(found[1]) - 1, words: found[2]} : null;
};

/**
 * Words of a warning -> indices of the regions that have it.
 *
 * @param {string[]} warnings
 * @returns {Map<string, number[]>}
 */
function byWords(warnings) {
    /** @type {Map<string, number[]>} */
    const found = new Map();
    for (const part of warnings.map(split)) if (part) found.set(part.words, [...(found.get(part.words) || []), part.index]);
    return found;
}

/**
 * Warnings for the cards: region's index -> its sentences. What many regions share stands below the canvas.
 *
 * @param {string[]} warnings
 * @returns {Map<number, string[]>}
 */
export function regionWarnings(warnings) {
    /** @type {Map<number, string[]>} */
    const cards = new Map();
    for (const [words, indices] of byWords(warnings)) {
        if (indices.length < MANY) indices.forEach((index) => cards.set(index, [...(cards.get(index) || []), words]));
    }
    return cards;
}

/**
 * Warnings below the canvas: those of the whole, and one line for what many regions share.
 *
 * @param {string[]} warnings
 * @param {(index: number) => number} [numberOf] Number of a region by its index.
 * @returns {string[]}
 */
export function generalWarnings(warnings, numberOf = (index) => index + 1) {
    const many = [...byWords(warnings)].filter(([, indices]) => indices.length >= MANY);
    const lines = many.map(([words, indices]) => `Regions ${ranges(indices.map(numberOf).sort((a, b) => a - b))}: each ${words}`);
    return [...warnings.filter((text) => !split(text)), ...lines];
}

/**
 * Rising numbers, those in a row as a span: "1 to 4, 7".
 *
 * @param {number[]} numbers
 * @returns {string}
 */
export function ranges(numbers) {
    /** @type {[number, number][]} */
    const spans = [];
    for (const number of numbers) {
        const last = spans[spans.length - 1];
        if (last && number === last[1] + 1) last[1] = number;
        else spans.push([number, number]);
    }
    return spans.map(([a, b]) => (a === b ? `${a}` : b === a + 1 ? `${a}, ${b}` : `${a} to ${b}`)).join(", ");
}

const PARTS = /^text_from "\w+" splits the (negative prompt|prompt) into (\d+) parts?, but there (?:is|are) (\d+) regions?\.$/;

/** Names of the API -> those of the panel's fields. @type {Record<string, string>} */
const NAMES = {
    text_from: "Region texts",
    base_share: "Base share",
    cfg_scale: "CFG scale",
    "grid.ratios": "Sizes",
    overlap: "Where regions overlap",
};

/**
 * A sentence of the server without the API's names.
 *
 * @param {string} text
 * @returns {string}
 */
export function panelWords(text) {
    const parts = PARTS.exec(text);
    if (parts) {
        return `The main ${parts[1]} has ${parts[2]} part${parts[2] === "1" ? "" : "s"} for ${parts[3]} region${parts[3] === "1" ? "" : "s"}.`;
    }
    return text.replace(/\b(text_from|base_share|cfg_scale|grid\.ratios|overlap)\b(?=[ :])/g, (name) => NAMES[name]);
}

/** Words of the API in the fields' descriptions -> those of the panel. @type {[RegExp, string][]} */
const HELP = [
    [/ \((?:data URL|#rrggbb)\)/g, ""],
    [/: (?:true, false, or )?an object with [^;]*/g, ""],
    [/; null for none/g, ""],
    [/; null as options\.\w+ has it/g, "; empty: as the options have it"],
    [/; null (?:is|for) /g, "; empty: "],
    [/\bnull: /g, "empty: "],
    [/; null /g, "; empty "],
];

/**
 * A field's description in the words of somebody who types into it.
 *
 * @param {string} text
 * @returns {string}
 */
export const helpWords = (text) => HELP.reduce((words, [api, own]) => words.replace(api, own), text);

/**
 * The beginning of a text, on one line and without tags.
 *
 * @param {unknown} text
 * @returns {string}
 */
export function firstWords(text) {
    const words = String(text || "")
        .replace(/<[^<>]*>/g, " ")
        .replace(/\s+/g, " ")
        .trim();
    return words.length > 40 ? `${words.slice(0, 39).trimEnd()}…` : words;
}
