// Editing a grid by hand: its dividers, splitting and merging of cells. The ratio string stays the only truth.

/** @import {Divider, Grid, GridGroup} from "../../types.js" */

import {formatGrid, parseGrid} from "./grid.js";
import {clamp} from "../values.js";

const LEAST = 0.02;

/**
 * @param {number[]} numbers
 * @returns {number}
 */
const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

/**
 * A size with four digits, so that ratio strings stay short.
 *
 * @param {number} number
 * @returns {number}
 */
export const neat = (number) => Number(number.toPrecision(4));

/**
 * Borders that can be dragged: {axis, at, from, to, low, high, group, cell}; `cell` is null for a border between groups.
 * `axis` "x" is a vertical line at `at`, drawn from `from` to `to` on the other axis.
 *
 * @param {Grid} grid
 * @returns {Divider[]}
 */
export function dividers(grid) {
    const {groups} = parseGrid(grid.ratios, grid.direction);
    /** @type {("x" | "y")[]} */
    const [outer, inner] = grid.direction === "rows" ? ["x", "y"] : ["y", "x"];
    const sizes = groups.map((group) => group.size);
    /** @type {Divider[]} */
    const found = [];
    let from = 0;
    groups.forEach(({size, cells}, group) => {
        const to = from + size / total(sizes);
        if (group + 1 < groups.length) {
            found.push({axis: outer, at: to, from: 0, to: 1, low: from, high: to + sizes[group + 1] / total(sizes), group, cell: null});
        }
        let before = 0;
        cells.slice(0, -1).forEach((part, cell) => {
            const at = before + part / total(cells);
            found.push({axis: inner, at, from, to, low: before, high: at + cells[cell + 1] / total(cells), group, cell});
            before = at;
        });
        from = to;
    });
    return found;
}

/**
 * The ratio string with a divider at `position`: only the two cells (or groups) beside it change.
 *
 * @param {Grid} grid
 * @param {Divider} divider
 * @param {number} position
 * @returns {string}
 */
export function moveDivider(grid, divider, position) {
    const parsed = parseGrid(grid.ratios, grid.direction);
    const sizes = divider.cell === null ? parsed.groups.map((group) => group.size) : parsed.groups[divider.group].cells.slice();
    const at = divider.cell === null ? divider.group : divider.cell;
    const low = Math.min(LEAST, (divider.high - divider.low) / 2);
    const share = (clamp(position, divider.low + low, divider.high - low) - divider.low) / (divider.high - divider.low);
    const both = sizes[at] + sizes[at + 1];
    [sizes[at], sizes[at + 1]] = [neat(both * share), neat(both * (1 - share))];
    if (divider.cell === null) {
        parsed.groups.forEach((group, i) => {
            group.size = sizes[i];
        });
    } else {
        parsed.groups[divider.group].cells = sizes;
    }
    return formatGrid(parsed, grid.direction);
}

/**
 * {groups, group, cell, first}: where cell `index` of a grid stands; `first` is the index of its group's first cell.
 *
 * @param {Grid} grid
 * @param {number} index
 * @returns {{groups: GridGroup[], group: number, cell: number, first: number} | null}
 */
export function findCell(grid, index) {
    const {groups} = parseGrid(grid.ratios, grid.direction);
    let first = 0;
    for (let group = 0; group < groups.length; group++) {
        if (index < first + groups[group].cells.length) return {groups, group, cell: index - first, first};
        first += groups[group].cells.length;
    }
    return null;
}
