// Regional: editing a grid by hand: its dividers, splitting and merging of cells. The ratio string stays the only truth.
(function (R) {
    "use strict";

    const LEAST = 0.02;

    const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
    const neat = (number) => Number(number.toPrecision(4));

    /** Borders that can be dragged: {axis, at, from, to, low, high, group, cell}; `cell` is null for a border between groups.
        `axis` "x" is a vertical line at `at`, drawn from `from` to `to` on the other axis. */
    function dividers(grid) {
        const {groups} = R.parseGrid(grid.ratios, grid.direction);
        const [outer, inner] = grid.direction === "rows" ? ["x", "y"] : ["y", "x"];
        const sizes = groups.map((group) => group.size), found = [];
        let from = 0;
        groups.forEach(({size, cells}, group) => {
            const to = from + size / total(sizes);
            if (group + 1 < groups.length) found.push({axis: outer, at: to, from: 0, to: 1, low: from, high: to + sizes[group + 1] / total(sizes), group, cell: null});
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

    /** The ratio string with a divider at `position`: only the two cells (or groups) beside it change. */
    function moveDivider(grid, divider, position) {
        const parsed = R.parseGrid(grid.ratios, grid.direction);
        const sizes = divider.cell === null ? parsed.groups.map((group) => group.size) : parsed.groups[divider.group].cells.slice();
        const at = divider.cell === null ? divider.group : divider.cell;
        const low = Math.min(LEAST, (divider.high - divider.low) / 2);
        const share = (R.clamp(position, divider.low + low, divider.high - low) - divider.low) / (divider.high - divider.low);
        const both = sizes[at] + sizes[at + 1];
        [sizes[at], sizes[at + 1]] = [neat(both * share), neat(both * (1 - share))];
        if (divider.cell === null) parsed.groups.forEach((group, i) => { group.size = sizes[i]; });
        else parsed.groups[divider.group].cells = sizes;
        return R.formatGrid(parsed, grid.direction);
    }

    /** {groups, group, cell, first}: where cell `index` of a grid stands; `first` is the index of its group's first cell. */
    function findCell(grid, index) {
        const {groups} = R.parseGrid(grid.ratios, grid.direction);
        let first = 0;
        for (let group = 0; group < groups.length; group++) {
            if (index < first + groups[group].cells.length) return {groups, group, cell: index - first, first};
            first += groups[group].cells.length;
        }
        return null;
    }

    function withGroups(state, groups, regions) {
        return {...state, grid: {...state.grid, ratios: R.formatGrid({groups}, state.grid.direction)}, regions};
    }

    /** Divide a cell in two along an axis ("x": side by side). Across its group's direction the whole group is divided. The new cells are empty. */
    function splitCell(state, index, axis) {
        const place = state.grid && R.cellCount(state) === state.regions.length ? findCell(state.grid, index) : null;
        if (!place) return state;
        const {groups, group, cell, first} = place, regions = state.regions.slice();
        if ((axis === "x") === (state.grid.direction === "columns")) {
            groups[group].cells.splice(cell, 1, ...Array(2).fill(neat(groups[group].cells[cell] / 2)));
            regions.splice(index + 1, 0, R.makeRegion());
            return withGroups(state, groups, regions);
        }
        const half = neat(groups[group].size / 2), cells = groups[group].cells;
        groups.splice(group, 1, {size: half, cells: cells.slice()}, {size: half, cells: cells.slice()});
        regions.splice(first + cells.length, 0, ...cells.map(() => R.makeRegion()));
        return withGroups(state, groups, regions);
    }

    /** Make one cell of a cell and the next one: the next of its group, or the next group where both are one cell. Null where that is no cell. */
    function mergeCells(state, index) {
        const place = state.grid && R.cellCount(state) === state.regions.length ? findCell(state.grid, index) : null;
        if (!place) return null;
        const {groups, group, cell} = place;
        if (cell + 1 < groups[group].cells.length) {
            groups[group].cells.splice(cell, 2, neat(groups[group].cells[cell] + groups[group].cells[cell + 1]));
        } else if (group + 1 < groups.length && groups[group].cells.length === 1 && groups[group + 1].cells.length === 1) {
            groups.splice(group, 2, {size: neat(groups[group].size + groups[group + 1].size), cells: [1]});
        } else {
            return null;
        }
        const [one, other] = [state.regions[index], state.regions[index + 1]];
        const kept = one.prompt || !other.prompt ? one : other;
        return withGroups(state, groups, state.regions.flatMap((region, i) => (i === index ? [kept] : i === index + 1 ? [] : [region])));
    }

    Object.assign(R, {dividers, moveDivider, splitCell, mergeCells, findCell});

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
