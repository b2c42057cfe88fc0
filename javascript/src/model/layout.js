// Grid and free shapes: switching between them, changing cells, applying a layout.

/** @import {Grid, GridGroup, Json, Region, State} from "../types.js" */

import {findCell, neat} from "./geometry/dividers.js";
import {cellCount, formatGrid, gridBoxes} from "./geometry/grid.js";
import {dropShape} from "./geometry/shapes.js";
import {REGION_DEFAULTS, fromJson, makeRegion, withoutDefaults} from "./state.js";
import {same, tidy} from "./values.js";

/**
 * State whose grid has these cells.
 *
 * @param {State} state
 * @param {Grid} grid
 * @param {GridGroup[]} groups
 * @param {Region[]} regions
 * @returns {State}
 */
function withGroups(state, grid, groups, regions) {
    return {...state, grid: {...grid, ratios: formatGrid({groups}, grid.direction)}, regions};
}

/**
 * Cell `index` of the state's grid; null without a grid, or when cells and regions are not as many.
 *
 * @param {State} state
 * @param {number} index
 */
function cellOf(state, index) {
    const {grid} = state;
    const cell = grid && cellCount(state) === state.regions.length ? findCell(grid, index) : null;
    return grid && cell ? {grid, ...cell} : null;
}

/**
 * Divide a cell in two along an axis ("x": side by side). Across its group's direction the whole group is divided. The new cells are empty.
 *
 * @param {State} state
 * @param {number} index
 * @param {"x" | "y"} axis
 * @returns {State}
 */
export function splitCell(state, index, axis) {
    const found = cellOf(state, index);
    if (!found) return state;
    const {grid, groups, group, cell, first} = found;
    const regions = state.regions.slice();
    if ((axis === "x") === (grid.direction === "columns")) {
        groups[group].cells.splice(cell, 1, ...Array(2).fill(neat(groups[group].cells[cell] / 2)));
        regions.splice(index + 1, 0, makeRegion());
        return withGroups(state, grid, groups, regions);
    }
    const half = neat(groups[group].size / 2);
    const cells = groups[group].cells;
    groups.splice(group, 1, {size: half, cells: cells.slice()}, {size: half, cells: cells.slice()});
    regions.splice(first + cells.length, 0, ...cells.map(() => makeRegion()));
    return withGroups(state, grid, groups, regions);
}

/**
 * Make one cell of a cell and the next one: the next of its group, or the next group where both are one cell. Null where the two are not one rectangle.
 *
 * @param {State} state
 * @param {number} index
 * @returns {State | null}
 */
export function mergeCells(state, index) {
    const found = cellOf(state, index);
    if (!found) return null;
    const {grid, groups, group, cell} = found;
    if (cell + 1 < groups[group].cells.length) {
        groups[group].cells.splice(cell, 2, neat(groups[group].cells[cell] + groups[group].cells[cell + 1]));
    } else if (group + 1 < groups.length && groups[group].cells.length === 1 && groups[group + 1].cells.length === 1) {
        groups.splice(group, 2, {size: neat(groups[group].size + groups[group + 1].size), cells: [1]});
    } else {
        return null;
    }
    const [one, other] = [state.regions[index], state.regions[index + 1]];
    const kept = one.prompt || !other.prompt ? one : other;
    return withGroups(
        state,
        grid,
        groups,
        state.regions.flatMap((region, i) => (i === index ? [kept] : i === index + 1 ? [] : [region])),
    );
}

/**
 * State with the shapes of `settings` (a layout without texts), and the texts and strengths of the regions that were there.
 *
 * @param {State} state
 * @param {Json} settings
 * @returns {State}
 */
export function withLayout(state, settings) {
    const layout = fromJson({enabled: true, ...settings});
    const regions = layout.regions.map((region, i) => {
        const old = state.regions[i];
        if (!old) return region;
        const {_id, prompt, negative, weight, base_share, steps, enabled} = old;
        return {
            ...region,
            _id,
            prompt: prompt || region.prompt,
            negative: negative || region.negative,
            weight,
            base_share,
            steps,
            enabled,
            name: region.name || old.name,
        };
    });
    return {...state, grid: layout.grid, overlap: layout.overlap, regions, _left: null, _grid: null};
}

/**
 * State with a new ratio string or direction. Regions are added for new cells; untouched ones at the end go with their cells.
 *
 * @param {State} state
 * @param {Partial<Grid>} grid
 * @returns {State}
 */
export function setGrid(state, grid) {
    const next = {...state, grid: /** @type {Grid} */ ({...state.grid, ...grid})};
    const cells = cellCount(next);
    if (cells === null || cells > 256) return next;
    const regions = next.regions.slice();
    while (regions.length < cells) regions.push(makeRegion());
    while (regions.length > cells && isBlank(regions[regions.length - 1])) regions.pop();
    return {...next, regions};
}

/**
 * Whether a region has nothing but defaults.
 *
 * @param {Region} region
 * @returns {boolean}
 */
export function isBlank(region) {
    return Object.keys(withoutDefaults(region, REGION_DEFAULTS)).length === 0;
}

/**
 * Free shapes -> grid. The shapes are remembered for the way back.
 *
 * @param {State} state
 * @returns {State}
 */
export function useGrid(state) {
    if (state.grid) return state;
    const regions = state.regions.length ? state.regions : [makeRegion()];
    const before = state._grid && cellCount({grid: state._grid}) === regions.length ? state._grid : null;
    const grid = before || {ratios: regions.map(() => "1").join(","), direction: "columns"};
    return {...state, grid, _left: grid, regions: regions.map(dropShape)};
}

/**
 * Grid -> free shapes: the cells as boxes, or the shapes left behind when the grid was not changed since.
 *
 * @param {State} state
 * @returns {State}
 */
export function useShapes(state) {
    if (!state.grid) return state;
    const back = same(state.grid, state._left) && state.regions.every((region) => region._shape);
    const boxes = cellCount(state) === null ? [] : gridBoxes(state.grid).map((box) => box.map(tidy));
    const regions = state.regions.map((region, i) => {
        const {_shape, ...rest} = region;
        return {...(back ? _shape : {box: boxes[i] || [0.25, 0.25, 0.75, 0.75]}), ...rest};
    });
    return {...state, grid: null, _grid: state.grid, regions};
}
