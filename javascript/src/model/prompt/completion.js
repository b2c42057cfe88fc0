// Completing the name of a LoRA in a prompt.

/** @typedef {{from: number, to: number, matches: string[]}} Completion Place of the name in the text, and the names that fit. */

const OPEN = /<(?:lora|lyco):([^<>:\n]*)$/i;

/**
 * The names that fit what stands before the caret, those that begin with it first; null where no name is being written.
 *
 * @param {string} text
 * @param {number} caret
 * @param {string[]} names
 * @returns {Completion | null}
 */
export function completionAt(text, caret, names) {
    const found = OPEN.exec(text.slice(0, caret));
    if (!found) return null;
    const written = found[1].trim().toLowerCase();
    const begins = (/** @type {string} */ name) => (name.toLowerCase().startsWith(written) ? 0 : 1);
    const matches = names.filter((name) => name.toLowerCase().includes(written)).sort((a, b) => begins(a) - begins(b) || (a < b ? -1 : 1));
    const after = /^[^<>\n]*>?/.exec(text.slice(caret));
    const isClosed = Boolean(after && after[0].endsWith(">"));
    return {from: caret - found[1].length, to: isClosed && after ? caret + after[0].length : caret, matches};
}

/**
 * The text with a name in its place, and where the caret belongs.
 *
 * @param {string} text
 * @param {{from: number, to: number}} at
 * @param {string} name
 * @returns {{text: string, caret: number}}
 */
export function completed(text, {from, to}, name) {
    const strength = /^[^<>:\n]*:([^<>\n]*)>$/.exec(text.slice(from, to))?.[1] || "1";
    const tag = `${name}:${strength}>`;
    return {text: text.slice(0, from) + tag + text.slice(to), caret: from + tag.length};
}
