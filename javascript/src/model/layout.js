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
 * Divide a cell in two along an axis ("x": side by side); the others stay as they are. A grid that cannot hold the division as a list of
 * columns is written as one of rows, or the other way round; one that can hold it in neither becomes free shapes. The new cell is empty.
 *
 * @param {State} state
 * @param {number} index
 * @param {"x" | "y"} axis
 * @returns {State}
 */
export function splitCell(state, index, axis) {
    const found = cellOf(state, index);
    if (!found) return state;
    const {groups, group, cell} = found;
    const grid = {...found.grid};
    const regions = state.regions.slice();
    if ((axis === "x") === (grid.direction === "columns")) {
        groups[group].cells.splice(cell, 1, ...Array(2).fill(neat(groups[group].cells[cell] / 2)));
        regions.splice(index + 1, 0, makeRegion());
        return withGroups(state, grid, groups, regions);
    }
    const {size, cells} = groups[group];
    if (cells.length === 1) {
        groups.splice(group, 1, {size: neat(size / 2), cells: [1]}, {size: neat(size / 2), cells: [1]});
    } else if (groups.length === 1) {
        grid.direction = grid.direction === "columns" ? "rows" : "columns";
        groups.splice(0, 1, ...cells.map((part, at) => ({size: part, cells: at === cell ? [1, 1] : [1]})));
    } else {
        return splitBox(useShapes(state), index, axis);
    }
    regions.splice(index + 1, 0, makeRegion());
    return withGroups(state, grid, groups, regions);
}

/**
 * Divide the box of region `index` in two along an axis.
 *
 * @param {State} state Without a grid.
 * @param {number} index
 * @param {"x" | "y"} axis
 * @returns {State}
 */
function splitBox(state, index, axis) {
    const box = state.regions[index].box || [0, 0, 1, 1];
    const at = axis === "x" ? 0 : 1;
    const middle = tidy((box[at] + box[at + 2]) / 2);
    const [one, other] = [box.slice(), box.slice()];
    one[at + 2] = other[at] = middle;
    const regions = state.regions.slice();
    regions.splice(index, 1, {...regions[index], box: one}, makeRegion({box: other, feather: regions[index].feather}));
    return {...state, regions};
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
        const {_id, _number, prompt, negative, weight, base_share, steps, enabled} = old;
        return {
            ...region,
            _id,
            _number,
            prompt: prompt || region.prompt,
            negative: negative || region.negative,
            weight,
            base_share,
            steps,
            enabled,
            name: region.name || old.name,
            colour: region.colour || old.colour,
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
