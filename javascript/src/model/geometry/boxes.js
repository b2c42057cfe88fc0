// Regional: moving, sizing, snapping, aligning and hitting shapes. Places are fractions of the picture, sizes are [width, height] in pixels.
(function (R) {
    "use strict";

    const CELL = 8;
    const SMALLEST = 8;
    const HANDLES = [["nw", 0, 0], ["n", 0.5, 0], ["ne", 1, 0], ["e", 1, 0.5], ["se", 1, 1], ["s", 0.5, 1], ["sw", 0, 1], ["w", 0, 0.5]];

    const fine = (value) => Math.round(value * 1e6) / 1e6;
    const inside = (value) => R.clamp(fine(value), 0, 1);

    // ---------------------------------------------------------------- shapes under an affine map

    /** The shape of a region with every coordinate mapped. A mask has none: its pixels are another matter. */
    function mapShape(region, mapX, mapY) {
        const corners = (box) => {
            const [x0, x1] = [inside(mapX(box[0])), inside(mapX(box[2]))].sort((a, b) => a - b);
            const [y0, y1] = [inside(mapY(box[1])), inside(mapY(box[3]))].sort((a, b) => a - b);
            return [x0, y0, x1, y1];
        };
        if (region.box) return {...region, box: corners(region.box)};
        if (region.ellipse) return {...region, ellipse: corners(region.ellipse)};
        if (region.polygon) return {...region, polygon: region.polygon.map(([x, y]) => [inside(mapX(x)), inside(mapY(y))])};
        return region;
    }

    /** What takes `from` to `to`, axis by axis. */
    function boxMap(from, to) {
        const axis = (a0, a1, b0, b1) => (value) => (a1 - a0 < 1e-9 ? b0 : b0 + (value - a0) * (b1 - b0) / (a1 - a0));
        return [axis(from[0], from[2], to[0], to[2]), axis(from[1], from[3], to[1], to[3])];
    }

    function unionBox(boxes) {
        if (!boxes.length) return null;
        const side = (pick, at) => pick(...boxes.map((box) => box[at]));
        return [side(Math.min, 0), side(Math.min, 1), side(Math.max, 2), side(Math.max, 3)];
    }

    /** A box between two corners in any order, inside the picture. */
    const boxBetween = (a, b) => [inside(Math.min(a.x, b.x)), inside(Math.min(a.y, b.y)), inside(Math.max(a.x, b.x)), inside(Math.max(a.y, b.y))];

    /** Whether a drawn box is more than a slip of the hand. */
    const isDrawn = (box, [width, height]) => (box[2] - box[0]) * width >= SMALLEST && (box[3] - box[1]) * height >= SMALLEST;

    /** `box` moved by (dx, dy), kept inside the picture at its size. */
    function shiftBox(box, dx, dy) {
        const x = R.clamp(dx, -box[0], 1 - box[2]), y = R.clamp(dy, -box[1], 1 - box[3]);
        return [fine(box[0] + x), fine(box[1] + y), fine(box[2] + x), fine(box[3] + y)];
    }

    /** `box` with the handle `name` at `point`; it never turns over and keeps at least 8 pixels. `keep`: width to height as they were. */
    function resizeBox(box, name, point, [width, height], keep) {
        const next = box.slice(), least = [SMALLEST / width, SMALLEST / height];
        if (name.includes("w")) next[0] = R.clamp(point.x, 0, box[2] - least[0]);
        if (name.includes("e")) next[2] = R.clamp(point.x, box[0] + least[0], 1);
        if (name.includes("n")) next[1] = R.clamp(point.y, 0, box[3] - least[1]);
        if (name.includes("s")) next[3] = R.clamp(point.y, box[1] + least[1], 1);
        if (keep && name.length === 2) keepAspect(next, box, name);
        return next.map(fine);
    }

    function keepAspect(next, box, name) {
        const scale = Math.min((next[2] - next[0]) / (box[2] - box[0]), (next[3] - next[1]) / (box[3] - box[1]));
        const w = (box[2] - box[0]) * scale, h = (box[3] - box[1]) * scale;
        if (name.includes("w")) next[0] = box[2] - w;
        else next[2] = box[0] + w;
        if (name.includes("n")) next[1] = box[3] - h;
        else next[3] = box[1] + h;
    }

    /** A mirror image within the picture, or within `box`. */
    function mirrorShape(region, horizontal, box = [0, 0, 1, 1]) {
        return horizontal ? mapShape(region, (x) => box[0] + box[2] - x, (y) => y) : mapShape(region, (x) => x, (y) => box[1] + box[3] - y);
    }

    /** Where `box` goes when it is aligned to a side ("left", "centre", "right", "top", "middle", "bottom") of `frame`. */
    function alignBox(box, side, frame) {
        const width = box[2] - box[0], height = box[3] - box[1];
        const x = {left: frame[0], centre: (frame[0] + frame[2] - width) / 2, right: frame[2] - width}[side];
        const y = {top: frame[1], middle: (frame[1] + frame[3] - height) / 2, bottom: frame[3] - height}[side];
        return shiftBox(box, x === undefined ? 0 : x - box[0], y === undefined ? 0 : y - box[1]);
    }

    // ---------------------------------------------------------------- snapping

    /** Lines to which things snap: the borders, middle and thirds of the picture, and the borders of `boxes`. */
    function snapLines(boxes) {
        const own = [0, 1 / 3, 0.5, 2 / 3, 1];
        return {x: [...own, ...boxes.flatMap((box) => [box[0], box[2]])], y: [...own, ...boxes.flatMap((box) => [box[1], box[3]])]};
    }

    /** The nearest line within `reach`, else the nearest multiple of 8 pixels: {value, line} (line: null for the 8-pixel grid). */
    function snapValue(value, lines, reach, pixels) {
        let best = null;
        for (const line of lines) if (Math.abs(line - value) <= reach && (best === null || Math.abs(line - value) < Math.abs(best - value))) best = line;
        return best === null ? {value: R.clamp(Math.round(value * pixels / CELL) * CELL / pixels, 0, 1), line: null} : {value: best, line: best};
    }

    function snapPoint(point, lines, reach, [width, height]) {
        const x = snapValue(point.x, lines.x, reach.x, width), y = snapValue(point.y, lines.y, reach.y, height);
        return {x: x.value, y: y.value, guides: {x: x.line, y: y.line}};
    }

    /** How far `box`, wanted at an offset (dx, dy), really goes: its sides snap to lines first, then to 8 pixels. -> {dx, dy, guides} */
    function snapShift(box, dx, dy, lines, reach, [width, height]) {
        const axis = (low, high, shift, targets, near, pixels) => {
            const tries = [low, high].map((side) => ({side, ...snapValue(side + shift, targets, near, pixels)}));
            const held = tries.filter((found) => found.line !== null).sort((a, b) => Math.abs(a.value - a.side - shift) - Math.abs(b.value - b.side - shift))[0];
            const taken = held || tries[0];
            return {shift: R.clamp(taken.value - taken.side, -low, 1 - high), line: taken.line};
        };
        const x = axis(box[0], box[2], dx, lines.x, reach.x, width), y = axis(box[1], box[3], dy, lines.y, reach.y, height);
        return {dx: x.shift, dy: y.shift, guides: {x: x.line, y: y.line}};
    }

    // ---------------------------------------------------------------- hitting

    /** Whether a point lies in a shape; `maskAt(text, x, y)` answers 0..255 for masks. */
    function contains(region, x, y, maskAt) {
        if (region.polygon) return insidePolygon(region.polygon, x, y);
        if (region.mask !== undefined) return Boolean(maskAt) && maskAt(region.mask, x, y) > 24;
        const [x0, y0, x1, y1] = R.shapeBounds(region);
        if (x < x0 || x > x1 || y < y0 || y > y1) return false;
        if (!region.ellipse) return true;
        return ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1;
    }

    /** Even-odd. */
    function insidePolygon(points, x, y) {
        let odd = false;
        points.forEach(([x0, y0], i) => {
            const [x1, y1] = points[(i + 1) % points.length];
            if ((y0 > y) !== (y1 > y) && x < x0 + (x1 - x0) * (y - y0) / (y1 - y0)) odd = !odd;
        });
        return odd;
    }

    /** Index of the smallest region at a point, the later one of two of a size; -1 where there is none. */
    function regionAt(state, x, y, maskAt, boundsOf = R.regionBounds) {
        let best = -1, least = Infinity;
        state.regions.forEach((region, index) => {
            const [x0, y0, x1, y1] = boundsOf(state, index), area = (x1 - x0) * (y1 - y0);
            const hit = state.grid ? x >= x0 && x < x1 && y >= y0 && y < y1 : contains(region, x, y, maskAt);
            if (hit && area <= least) [best, least] = [index, area];
        });
        return best;
    }

    /** Name of the handle of `box` at a point, null where there is none; `reach` in fractions. */
    function handleAt(box, point, reach) {
        const found = HANDLES.find(([, u, v]) =>
            Math.abs(box[0] + (box[2] - box[0]) * u - point.x) <= reach.x && Math.abs(box[1] + (box[3] - box[1]) * v - point.y) <= reach.y);
        return found ? found[0] : null;
    }

    // ---------------------------------------------------------------- view

    /** A zoomed view: the point `x, y` of the picture lies at the upper left corner, `zoom` 1 shows all of it. */
    function zoomView(view, factor, at) {
        const zoom = R.clamp(view.zoom * factor, 1, 32);
        return panView({zoom, x: at.x - (at.x - view.x) * view.zoom / zoom, y: at.y - (at.y - view.y) * view.zoom / zoom}, 0, 0);
    }

    function panView(view, dx, dy) {
        const room = 1 - 1 / view.zoom;
        return {zoom: view.zoom, x: R.clamp(view.x + dx, 0, room), y: R.clamp(view.y + dy, 0, room)};
    }

    Object.assign(R, {
        HANDLES, mapShape, boxMap, unionBox, boxBetween, isDrawn, shiftBox, resizeBox, mirrorShape, alignBox,
        snapLines, snapValue, snapPoint, snapShift, contains, insidePolygon, regionAt, handleAt, zoomView, panView,
    });

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
