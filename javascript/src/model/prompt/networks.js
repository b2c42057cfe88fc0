// Networks named in prompts, and the host's lists of them.

/** "loras", or "embeddings" (textual inversion). @typedef {"loras" | "embeddings"} NetworkKind */

/**
 * LoRAs and the like named in a prompt: [{kind, name, weight}].
 *
 * @param {string | undefined} text
 * @returns {{kind: string, name: string, weight: string}[]}
 */
export function findNetworks(text) {
    return [...String(text || "").matchAll(/<(lora|lyco|hypernet):([^:<>\n]+)(?::([^<>\n]*))?>/gi)].map(([, kind, name, weight]) => ({
        kind: kind.toLowerCase(),
        name: name.trim(),
        weight: weight === undefined ? "1" : weight,
    }));
}

/**
 * The names that have every word of a search, in their order.
 *
 * @param {string[]} names
 * @param {string} search
 * @returns {string[]}
 */
export function searchNames(names, search) {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    return names.filter((name) => words.every((word) => name.toLowerCase().includes(word)));
}

/**
 * The first letters of a name, for a tile without a picture: of its first two words, or of its only one.
 *
 * @param {string} name
 * @returns {string}
 */
export function firstLetters(name) {
    const [first = "", second] = name.match(/[\p{L}\p{N}]+/gu) || [];
    const letters = second ? [first, second].map((word) => [...word][0]) : [...first].slice(0, 2);
    return letters.join("").toUpperCase() || "?";
}

/**
 * How a prompt names a network.
 *
 * @param {NetworkKind} kind
 * @param {string} name
 * @returns {string}
 */
export const nameInPrompt = (kind, name) => (kind === "loras" ? `<lora:${name}:1>` : name);

/**
 * Words with the spaces that keep them apart from what stands around `at` in a text.
 *
 * @param {string} text
 * @param {number} at
 * @param {string} words
 * @returns {string}
 */
export function spaced(text, at, words) {
    const before = at > 0 && !/[\s([{|]/.test(text[at - 1]) ? " " : "";
    const after = at < text.length && !/[\s,.;:)\]}|]/.test(text[at]) ? " " : "";
    return before + words + after;
}

/** Keys that move among tiles -> by how many tiles, for a number of columns. @type {Record<string, (columns: number) => number>} */
const MOVES = {ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (columns) => -columns, ArrowDown: (columns) => columns};

/**
 * The tile to which a key moves: -1 for what stands above the tiles, null for a key that moves nowhere.
 *
 * @param {string} key
 * @param {number} at
 * @param {number} count Of tiles.
 * @param {number} columns
 * @returns {number | null}
 */
export function nextTile(key, at, count, columns) {
    if (key === "Home") return 0;
    if (key === "End") return count - 1;
    if (!MOVES[key]) return null;
    const to = at + MOVES[key](columns);
    if (to < 0) return key === "ArrowUp" ? -1 : 0;
    return Math.min(to, count - 1);
}
