// Ratio strings of grids, their cells and borders.

/** @import {Box, Grid, GridGroup, State} from "../../types.js" */

/**
 * Ratio string -> {groups: [{size, cells: [..]}]} along the outer axis; one group when the string has a single axis.
 *
 * @param {string} ratios
 * @param {string} direction
 * @returns {{groups: GridGroup[]}}
 */
export function parseGrid(ratios, direction) {
    const text = String(ratios).trim();
    if (!text.includes(";")) return {groups: [{size: 1, cells: text.split(",").map(ratio)}]};
    const [outer, inner] = direction === "rows" ? [",", ";"] : [";", ","];
    const groups = text.split(outer).map((part) => {
        const numbers = part.split(inner).map(ratio);
        return {size: numbers[0], cells: numbers.length > 1 ? numbers.slice(1) : [1]};
    });
    return {groups};
}

/**
 * @param {string} piece
 * @returns {number}
 */
function ratio(piece) {
    const text = piece.trim();
    const value = /^([0-9]+(\.[0-9]*)?|\.[0-9]+)$/.test(text) ? Number(text) : NaN;
    if (!(value >= 1e-6 && value <= 1e6)) throw new Error(`"${text}" is not a size above 0`);
    return value;
}

/**
 * Groups of cells -> ratio string, as short as it can be written.
 *
 * @param {{groups: GridGroup[]}} parsed
 * @param {string} direction
 * @returns {string}
 */
export function formatGrid({groups}, direction) {
    const [outer, inner] = direction === "rows" ? [",", ";"] : [";", ","];
    if (groups.length === 1) return groups[0].cells.join(",");
    /** @param {boolean} short */
    const write = (short) =>
        groups.map(({size, cells}) => (short && cells.length === 1 ? [size] : [size, ...cells]).join(inner)).join(outer);
    return write(true).includes(";") ? write(true) : write(false);
}

/**
 * Boxes [x0, y0, x1, y1] of a grid in reading order of its string. Throws when the string is malformed.
 *
 * @param {Grid} grid
 * @returns {Box[]}
 */
export function gridBoxes(grid) {
    const boxes = [];
    for (const [o0, o1, group] of spans(parseGrid(grid.ratios, grid.direction).groups, (g) => g.size)) {
        for (const [i0, i1] of spans(group.cells, (cell) => cell)) {
            boxes.push(grid.direction === "rows" ? [o0, i0, o1, i1] : [i0, o0, i1, o1]);
        }
    }
    return boxes;
}

/**
 * @template T
 * @param {T[]} items
 * @param {(item: T) => number} sizeOf
 * @returns {[number, number, T][]}
 */
function spans(items, sizeOf) {
    const total = items.reduce((sum, item) => sum + sizeOf(item), 0);
    let before = 0;
    return items.map((item) => {
        const start = before / total;
        before += sizeOf(item);
        return [start, before / total, item];
    });
}

/**
 * What is wrong with a ratio string, "" for a good one.
 *
 * @param {string} ratios
 * @param {string} direction
 * @returns {string}
 */
export function ratiosFault(ratios, direction) {
    try {
        const count = gridBoxes({ratios, direction}).length;
        return count > 256 ? `${count} cells: at most 256 are possible` : "";
    } catch (error) {
        return error.message;
    }
}

/**
 * Number of cells of the state's grid; null without a grid or when its string is malformed.
 *
 * @param {{grid: Grid | null}} state
 * @returns {number | null}
 */
export function cellCount(state) {
    if (!state.grid) return null;
    try {
        return gridBoxes(state.grid).length;
    } catch {
        return null;
    }
}

/**
 * Let `change(cells, sizeAt, position)` edit the cells of the group that holds cell `index` (default: the last one).
 *
 * @param {State} state
 * @param {(cells: number[], sizeAt: (position: number) => number, position: number) => unknown} change
 * @param {number} [index]
 * @returns {State}
 */
export function changeCells(state, change, index) {
    const count = cellCount(state);
    if (!state.grid || count === null || count !== state.regions.length) return state;
    const grid = parseGrid(state.grid.ratios, state.grid.direction);
    let at = index === undefined ? count - 1 : index;
    const group = grid.groups.find((candidate) => at < candidate.cells.length || ((at -= candidate.cells.length), false));
    if (!group) return state;
    change(group.cells, (position) => group.cells[position] || 1, at);
    grid.groups = grid.groups.filter((candidate) => candidate.cells.length > 0);
    return {...state, grid: {...state.grid, ratios: formatGrid(grid, state.grid.direction)}};
}
