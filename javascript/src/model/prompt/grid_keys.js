// The keys ADDCOL and ADDROW of a grid.

/** @import {Grid} from "../../types.js" */

import {formatGrid, parseGrid} from "../geometry/grid.js";

/**
 * The grid whose cells follow each other by these keys.
 *
 * @param {string[]} keys
 * @param {string} direction
 * @returns {Grid}
 */
export function gridOfKeys(keys, direction) {
    const counts = [1];
    for (const key of keys) {
        if (key === "ADDROW") counts.push(1);
        else counts[counts.length - 1]++;
    }
    if (counts.length > 1 && counts.every((cells) => cells === 1)) return {ratios: counts.map(() => "1").join(","), direction: "rows"};
    return {ratios: formatGrid({groups: counts.map((cells) => ({size: 1, cells: Array(cells).fill(1)}))}, direction), direction};
}

/**
 * The keys between the cells of a grid: ADDCOL to the next cell of a row, ADDROW to the next row (in "rows" the other way round).
 *
 * @param {Grid} grid
 * @returns {string[]}
 */
export function gridKeys(grid) {
    const {groups} = parseGrid(grid.ratios, grid.direction);
    const [inner, outer] = grid.direction === "rows" ? ["ADDROW", "ADDCOL"] : ["ADDCOL", "ADDROW"];
    return groups.flatMap(({cells}, i) => [...(i ? [outer] : []), ...cells.slice(1).map(() => inner)]);
}
