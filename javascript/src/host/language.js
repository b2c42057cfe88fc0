// The language of the WebUI: its `localization` maps English sentences to translations.

const MOST_SENTENCES = 3000;
/** @type {Set<string>} */
const shown = new Set();
/** @type {Set<string>} */
const translations = new Set();

/**
 * A sentence of this panel in the language of the WebUI, with values for {0}, {1} …
 * What this has returned before is a translation already and stays as it is.
 *
 * @param {unknown} words
 * @param {...unknown} values
 * @returns {string}
 */
export function t(words, ...values) {
    const key = String(words);
    if (translations.has(key)) return key;
    const found = String((window.localization || {})[key] || key);
    const answer = found.replace(/\{(\d)\}/g, (all, at) => (at in values ? String(values[at]) : all));
    if (/[a-z]{2}/i.test(key) && shown.size < MOST_SENTENCES) shown.add(key);
    if (answer !== key && translations.size < MOST_SENTENCES) translations.add(answer);
    return answer;
}

/**
 * Sentences of the server in the language of the WebUI: their numbers and quotations are the values.
 *
 * @param {unknown} text
 * @returns {string}
 */
export function translateMessage(text) {
    return String(text).split("\n").map(translateLine).join("\n");
}

/** @param {string} line */
function translateLine(line) {
    /** @type {string[]} */
    const values = [];
    const key = line.replace(/"[^"]*"|\d+(?:\.\d+)?/g, (value) => (values.length < 10 ? `{${values.push(value) - 1}}` : value));
    return translations.has(line) ? line : t(key, ...values);
}

/** All sentences that have been shown so far, as the beginning of a localization file (JSON). */
export const strings = () => JSON.stringify(Object.fromEntries([...shown].sort().map((words) => [words, ""])), null, 1);
