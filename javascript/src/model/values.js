// Small functions of values.

/**
 * A deep copy of plain data.
 *
 * @template T
 * @param {T} value
 * @returns {T}
 */
export const copy = (value) => JSON.parse(JSON.stringify(value));

/**
 * Whether two values are the same as JSON.
 *
 * @param {unknown} a
 * @param {unknown} b
 * @returns {boolean}
 */
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * The value, not below `low` and not above `high`.
 *
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {number}
 */
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * A coordinate with four decimals.
 *
 * @param {number} value
 * @returns {number}
 */
export const tidy = (value) => Math.round(value * 10000) / 10000;
