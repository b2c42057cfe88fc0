// Small functions of values.

/**
 * @template T
 * @param {T} value
 * @returns {T}
 */
export const copy = (value) => JSON.parse(JSON.stringify(value));

/**
 * @param {unknown} a
 * @param {unknown} b
 * @returns {boolean}
 */
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {number}
 */
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * @param {number} value
 * @returns {number}
 */
export const tidy = (value) => Math.round(value * 10000) / 10000;
