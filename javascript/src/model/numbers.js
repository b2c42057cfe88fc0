// Numbers of regions, by which their colours go too: a region keeps its number, whatever becomes of the others.

/** @import {State} from "../types.js" */

/**
 * Number of region `index`, from 1.
 *
 * @param {State} state
 * @param {number} index
 * @returns {number}
 */
export const numberOf = (state, index) => state.regions[index]?._number ?? index + 1;

/**
 * @param {Set<number>} taken
 * @returns {number}
 */
function lowestFree(taken) {
    let number = 1;
    while (taken.has(number)) number++;
    taken.add(number);
    return number;
}

/**
 * State whose regions all have a number of their own: new ones get the lowest that is free. The same state where all have one.
 *
 * @param {State} state
 * @returns {State}
 */
export function numbered(state) {
    /** @type {Set<number>} */
    const taken = new Set();
    const own = state.regions.map(({_number}) => Number.isInteger(_number) && _number > 0 && !taken.has(_number) && taken.add(_number));
    if (own.every(Boolean)) return state;
    return {...state, regions: state.regions.map((region, i) => (own[i] ? region : {...region, _number: lowestFree(taken)}))};
}

/**
 * State whose regions have these numbers, in order; as many as there are regions, else the numbers that they have.
 *
 * @param {State} state
 * @param {unknown} numbers
 * @returns {State}
 */
export function withNumbers(state, numbers) {
    if (!Array.isArray(numbers) || numbers.length !== state.regions.length) return numbered(state);
    return numbered({...state, regions: state.regions.map((region, i) => ({...region, _number: numbers[i]}))});
}

/**
 * @param {State} state
 * @returns {number[]}
 */
export const numbersOf = (state) => state.regions.map((_, index) => numberOf(state, index));

/**
 * A sentence of the server, which counts the regions of the layout, with the numbers that the regions have.
 *
 * @param {string} text
 * @param {State} state
 * @returns {string}
 */
export const inNumbers = (text, state) =>
    text.replace(/\b([Rr]egion) (\d+)\b/g, (all, word, digits) =>
        state.regions[Number(digits) - 1] ? `${word} ${numberOf(state, Number(digits) - 1)}` : all,
    );
