// Regional: the list of regions and the shapes in it.
(function (R) {
    "use strict";

    // ---------------------------------------------------------------- regions

    function shapeKind(region) {
        return R.SHAPE_KINDS.find((kind) => kind in region && region[kind] !== undefined) || null;
    }

    function dropShape(region) {
        const kind = shapeKind(region);
        const rest = {...region};
        R.SHAPE_KINDS.forEach((key) => delete rest[key]);
        if (kind) rest._shape = {[kind]: region[kind]};
        return rest;
    }

    /** Smallest box around a region's shape; the whole canvas for a mask or numbers that make no sense. */
    function shapeBounds(region) {
        const numbers = region.box || region.ellipse;
        const usable = (list) => Array.isArray(list) && list.every((value) => typeof value === "number" && Number.isFinite(value));
        if (usable(numbers) && numbers.length === 4) return numbers.slice();
        const points = region.polygon;
        if (!Array.isArray(points) || points.length < 2 || !points.every((point) => usable(point) && point.length === 2)) return [0, 0, 1, 1];
        const xs = points.map((point) => point[0]), ys = points.map((point) => point[1]);
        return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    }

    /** Box of region `index` as it lies in the picture: its grid cell, or the bounds of its shape. */
    function regionBounds(state, index) {
        if (!state.grid) return shapeBounds(state.regions[index] || {});
        return R.cellCount(state) === null ? [0, 0, 1, 1] : R.gridBoxes(state.grid)[index] || [0, 0, 1, 1];
    }

    /** State in which region `index` has a shape of another kind, as near as can be to the one it had. */
    function setShapeKind(state, index, kind) {
        const region = state.regions[index];
        if (shapeKind(region) === kind) return state;
        const [x0, y0, x1, y1] = shapeBounds(region);
        const shape = {
            box: [x0, y0, x1, y1], ellipse: [x0, y0, x1, y1],
            polygon: [[x0, y0], [x1, y0], [x1, y1], [x0, y1]], mask: region._mask || "",
        }[kind];
        const rest = {...region, _mask: region.mask || region._mask};
        R.SHAPE_KINDS.forEach((key) => delete rest[key]);
        return replaceRegion(state, index, {[kind]: shape, ...rest});
    }

    function replaceRegion(state, index, region) {
        return {...state, regions: state.regions.map((old, i) => (i === index ? region : old))};
    }

    /** Add a region at the end; a grid gets one more cell. */
    function addRegion(state) {
        const region = R.onTop(state, R.makeRegion(state.grid ? {} : {box: [0.25, 0.25, 0.75, 0.75]}));
        return {...R.changeCells(state, (cells, sizes) => cells.push(sizes(cells.length - 1))), regions: [...state.regions, region]};
    }

    function duplicateRegion(state, index) {
        const {_id, ...fields} = state.regions[index];
        const regions = state.regions.slice();
        regions.splice(index + 1, 0, R.makeRegion(fields));
        return {...R.changeCells(state, (cells, sizes, at) => cells.splice(at + 1, 0, sizes(at)), index), regions};
    }

    function removeRegion(state, index) {
        return {...R.changeCells(state, (cells, _, at) => cells.splice(at, 1), index), regions: state.regions.filter((_, i) => i !== index)};
    }

    /** Whether one region fewer still is a layout: a grid has at least one cell. */
    function canRemove(state) {
        return state.regions.length > (state.grid ? 1 : 0);
    }

    function moveRegion(state, index, step) {
        const target = index + step;
        if (target < 0 || target >= state.regions.length) return state;
        const regions = state.regions.slice();
        [regions[index], regions[target]] = [regions[target], regions[index]];
        return {...state, regions};
    }

    Object.assign(R, {
        shapeKind, shapeBounds, regionBounds, setShapeKind, replaceRegion, addRegion, duplicateRegion, removeRegion, canRemove, moveRegion, dropShape,
    });

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
