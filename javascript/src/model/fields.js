// Fields of the state by their JSON paths, and what stands in an input as a value.

/** @import {State} from "../types.js" */

/**
 * What a number field holds: a number, undefined when empty (the default counts), or the text itself so that the checks can name it.
 *
 * @param {unknown} text
 * @returns {number | string | undefined}
 */
export function parseNumber(text) {
    const plain = String(text)
        .trim()
        .replace(/^([+-]?\d*),(\d+)$/, "$1.$2");
    if (plain === "") return undefined;
    return /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : String(text);
}

/**
 * "x y" pairs, one a line or divided by semicolons, -> [[x, y], …].
 *
 * @param {string} text
 * @returns {(number | string | undefined)[][]}
 */
export function parsePoints(text) {
    return String(text)
        .split(/[;\n]/)
        .map((line) => line.trim())
        .filter(Boolean)
        .map((line) =>
            line
                .split(/[\s,]+/)
                .filter(Boolean)
                .map(parseNumber),
        );
}

/**
 * [[x, y], …] -> "x y" pairs, one a line.
 *
 * @param {unknown[] | undefined} points
 * @returns {string}
 */
export function formatPoints(points) {
    return (points || []).map((point) => [point].flat().join(" ")).join("\n");
}

/**
 * Read a JSON path such as `regions[2].steps[0]`.
 *
 * @param {State} state
 * @param {string} path
 * @returns {any}
 */
export function getField(state, path) {
    return pathKeys(path).reduce((value, key) => (value === undefined || value === null ? undefined : value[key]), state);
}

/**
 * State with the field at a JSON path set. `undefined` stands for "nothing given".
 *
 * @template {object} S
 * @param {S} state
 * @param {string} path
 * @param {unknown} value
 * @returns {S}
 */
export function setField(state, path, value) {
    return setAt(state, pathKeys(path), value);
}

/**
 * @param {string} path
 * @returns {(string | number)[]}
 */
function pathKeys(path) {
    return String(path)
        .split(/[.[\]]/)
        .filter(Boolean)
        .map((key) => (/^\d+$/.test(key) ? Number(key) : key));
}

/**
 * @param {any} target
 * @param {(string | number)[]} keys
 * @param {unknown} value
 * @returns {any}
 */
function setAt(target, [key, ...rest], value) {
    const result = Array.isArray(target) ? target.slice() : {...target};
    result[key] = rest.length ? setAt(result[key] || {}, rest, value) : value;
    return result;
}
