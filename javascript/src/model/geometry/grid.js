// Regional: ratio strings of grids, their cells and borders.
(function (R) {
    "use strict";

    // ---------------------------------------------------------------- grid

    /** Ratio string -> {groups: [{size, cells: [..]}]} along the outer axis; one group when the string has a single axis. */
    function parseGrid(ratios, direction) {
        const text = String(ratios).trim();
        if (!text.includes(";")) return {groups: [{size: 1, cells: text.split(",").map(ratio)}]};
        const [outer, inner] = direction === "rows" ? [",", ";"] : [";", ","];
        const groups = text.split(outer).map((part) => {
            const numbers = part.split(inner).map(ratio);
            return {size: numbers[0], cells: numbers.length > 1 ? numbers.slice(1) : [1]};
        });
        return {groups};
    }

    function ratio(piece) {
        const text = piece.trim();
        const value = /^([0-9]+\.?[0-9]*|\.[0-9]+)$/.test(text) ? Number(text) : NaN;
        if (!(value >= 1e-6 && value <= 1e6)) throw new Error(`"${text}" is not a size above 0`);
        return value;
    }

    function formatGrid({groups}, direction) {
        const [outer, inner] = direction === "rows" ? [",", ";"] : [";", ","];
        if (groups.length === 1) return groups[0].cells.join(",");
        const write = (short) => groups.map(({size, cells}) => (short && cells.length === 1 ? [size] : [size, ...cells]).join(inner)).join(outer);
        return write(true).includes(";") ? write(true) : write(false);
    }

    /** Boxes [x0, y0, x1, y1] of a grid in reading order of its string. Throws when the string is malformed. */
    function gridBoxes(grid) {
        const boxes = [];
        for (const [o0, o1, group] of spans(parseGrid(grid.ratios, grid.direction).groups, (g) => g.size)) {
            for (const [i0, i1] of spans(group.cells, (cell) => cell)) {
                boxes.push(grid.direction === "rows" ? [o0, i0, o1, i1] : [i0, o0, i1, o1]);
            }
        }
        return boxes;
    }

    function spans(items, sizeOf) {
        const total = items.reduce((sum, item) => sum + sizeOf(item), 0);
        let before = 0;
        return items.map((item) => {
            const start = before / total;
            before += sizeOf(item);
            return [start, before / total, item];
        });
    }

    /** Number of cells of the state's grid; null without a grid or when its string is malformed. */
    function cellCount(state) {
        if (!state.grid) return null;
        try {
            return gridBoxes(state.grid).length;
        } catch {
            return null;
        }
    }

    /** State with a new ratio string or direction. Regions are added for new cells; untouched ones at the end go with their cells. */
    function setGrid(state, grid) {
        const next = {...state, grid: {...state.grid, ...grid}};
        const cells = cellCount(next);
        if (cells === null || cells > 256) return next;
        const regions = next.regions.slice();
        while (regions.length < cells) regions.push(R.makeRegion());
        while (regions.length > cells && isBlank(regions[regions.length - 1])) regions.pop();
        return {...next, regions};
    }

    function isBlank(region) {
        return Object.keys(R.withoutDefaults(region, R.REGION_DEFAULTS)).length === 0;
    }

    /** Free shapes -> grid. The shapes are remembered for the way back. */
    function useGrid(state) {
        if (state.grid) return state;
        const regions = state.regions.length ? state.regions : [R.makeRegion()];
        const before = state._grid && cellCount({grid: state._grid}) === regions.length ? state._grid : null;
        const grid = before || {ratios: regions.map(() => "1").join(","), direction: "columns"};
        return {...state, grid, _left: grid, regions: regions.map(R.dropShape)};
    }

    /** Grid -> free shapes: the cells as boxes, or the shapes left behind when the grid was not changed since. */
    function useShapes(state) {
        if (!state.grid) return state;
        const back = R.same(state.grid, state._left) && state.regions.every((region) => region._shape);
        const boxes = cellCount(state) === null ? [] : gridBoxes(state.grid).map((box) => box.map(R.tidy));
        const regions = state.regions.map((region, i) => {
            const {_shape, ...rest} = region;
            return {...(back ? _shape : {box: boxes[i] || [0.25, 0.25, 0.75, 0.75]}), ...rest};
        });
        return {...state, grid: null, _grid: state.grid, regions};
    }

    /** Let `change(cells, sizeAt, position)` edit the cells of the group that holds cell `index` (default: the last one). */
    function changeCells(state, change, index) {
        const count = cellCount(state);
        if (count === null || count !== state.regions.length) return state;
        const grid = parseGrid(state.grid.ratios, state.grid.direction);
        let at = index === undefined ? count - 1 : index;
        const group = grid.groups.find((candidate) => at < candidate.cells.length || ((at -= candidate.cells.length), false));
        change(group.cells, (position) => group.cells[position] || 1, at);
        grid.groups = grid.groups.filter((candidate) => candidate.cells.length > 0);
        return {...state, grid: {...state.grid, ratios: formatGrid(grid, state.grid.direction)}};
    }

    Object.assign(R, {
        parseGrid, formatGrid, gridBoxes, cellCount, setGrid, useGrid, useShapes, changeCells, isBlank,
    });

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
