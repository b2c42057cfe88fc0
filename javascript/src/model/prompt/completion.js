// Completing the name of a LoRA or an embedding in a prompt.

/**
 * `from` and `to` are the place of the name in the text; a name that `isWord` is written as it is, without a tag.
 *
 * @typedef {{from: number, to: number, matches: string[], isWord?: boolean}} Completion
 */

const OPEN = /<(?:lora|lyco):([^<>:\n]*)$/i;
/** A word of three letters or more in front of the caret, outside of tags. */
const WORD = /(?:^|[\s,.;:()[\]{}|])((?=[^\s,.;:()[\]{}|<>]{3})[^\s,;:()[\]{}|<>]+)$/u;

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
 * The embeddings whose names begin with the word that ends at the caret; null where no such word is being written, or it is a whole name.
 *
 * @param {string} text
 * @param {number} caret
 * @param {string[]} names
 * @returns {Completion | null}
 */
export function embeddingAt(text, caret, names) {
    if (!names.length || /^[\p{L}\p{N}_-]/u.test(text.slice(caret))) return null;
    const word = WORD.exec(text.slice(Math.max(0, caret - 200), caret))?.[1];
    if (!word || names.includes(word)) return null;
    const matches = names.filter((name) => name.toLowerCase().startsWith(word.toLowerCase())).sort();
    return {from: caret - word.length, to: caret, matches, isWord: true};
}

/**
 * The text with a name in its place, and where the caret belongs.
 *
 * @param {string} text
 * @param {{from: number, to: number, isWord?: boolean}} at
 * @param {string} name
 * @returns {{text: string, caret: number}}
 */
export function completed(text, {from, to, isWord}, name) {
    const strength = /^[^<>:\n]*:([^<>\n]*)>$/.exec(text.slice(from, to))?.[1] || "1";
    const words = isWord ? name : `${name}:${strength}>`;
    return {text: text.slice(0, from) + words + text.slice(to), caret: from + words.length};
}
