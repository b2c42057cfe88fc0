// Regional: the tools of the canvas. Each answers down, move and up with a point of the picture; the keyboard's crosshair calls the same three.
// Work in progress is the stage's `draft`; nothing reaches the panel before `up`.
(function (R) {
    "use strict";

    const PRESS = 0.15;

    // ---------------------------------------------------------------- select: choose, move, size

    const select = {
        label: "Select", key: "v", cursor: "default",

        down(stage, point) {
            const state = stage.panel.store.get();
            const divider = state.grid && R.cellCount(state) !== null && nearDivider(stage, state, point);
            if (divider) return void (stage.gesture = {kind: "divider", divider, state});
            const knob = !state.grid && grabbed(stage, state, point);
            if (knob) return void (stage.gesture = knob);
            const hit = R.regionAt(state, point.x, point.y, stage.masks.at, (s, i) => stage.boundsOf(s, i));
            if (hit < 0) return startMarquee(stage, point);
            return chooseForMove(stage, state, hit, point);
        },

        move(stage, point) {
            if (stage.gesture) gestures[stage.gesture.kind](stage, stage.gesture, point);
            stage.redraw();
        },

        up(stage, point) {
            const gesture = stage.gesture;
            stage.gesture = null;
            if (!gesture) return;
            if (gesture.kind === "marquee") finishMarquee(stage, gesture, point);
            else if (gesture.lifted) finishMasks(stage, gesture);
            else if (!stage.draft && gesture.click) stage.panel.select(gesture.click, {reveal: true});
            stage.commit();
        },

        hover(stage, point) {
            const state = stage.panel.store.get();
            const divider = state.grid && R.cellCount(state) !== null && nearDivider(stage, state, point);
            const knob = !divider && !state.grid && grabbed(stage, state, point);
            const sized = knob && knob.kind === "size" ? {nw: "nwse", se: "nwse", ne: "nesw", sw: "nesw", n: "ns", s: "ns", e: "ew", w: "ew"}[knob.handle] : null;
            stage.canvas.style.cursor = divider ? (divider.axis === "x" ? "col-resize" : "row-resize") : sized ? `${sized}-resize` : knob ? "move" : "default";
        },

        /** A double click on a polygon's side adds a corner, elsewhere it goes to the region's prompt. */
        double(stage, point) {
            const state = stage.panel.store.get(), [region] = stage.selectedRegions(state);
            if (!region) return;
            const index = R.indexOf(state, region._id);
            const side = region.polygon && !region._lock && !state.grid ? nearSide(stage, region.polygon, point) : -1;
            if (side < 0) return void stage.panel.focusPrompt(index);
            const polygon = region.polygon.slice();
            polygon.splice(side + 1, 0, [R.tidy(point.x), R.tidy(point.y)]);
            stage.panel.edit((s) => R.replaceRegion(s, index, {...region, polygon}));
        },
    };

    function nearDivider(stage, state, point) {
        const reach = stage.reach(point.touch ? 2 : 0.8);
        return R.dividers(state.grid).find(({axis, at, from, to}) => {
            const [along, across, near] = axis === "x" ? [point.x, point.y, reach.x] : [point.y, point.x, reach.y];
            return Math.abs(along - at) <= near && across >= from && across <= to;
        });
    }

    /** The corner of a polygon or the handle of the selection under a point, as a gesture. */
    function grabbed(stage, state, point) {
        const chosen = stage.selectedRegions(state), box = stage.selectionBox(state), reach = stage.reach(point.touch ? 2 : 1);
        if (!box || chosen.every((region) => region._lock)) return null;
        const points = chosen.length === 1 && chosen[0].polygon;
        const corner = points ? points.findIndex(([x, y]) => Math.abs(x - point.x) <= reach.x && Math.abs(y - point.y) <= reach.y) : -1;
        if (corner >= 0) return {kind: "corner", state, id: chosen[0]._id, corner};
        const handle = R.handleAt(box, point, reach);
        return handle && {kind: "size", state, handle, box, lifted: hasMasks(chosen)};
    }

    const hasMasks = (regions) => regions.some((region) => region.mask !== undefined && !region._lock);

    function startMarquee(stage, point) {
        if (!point.shift) stage.panel.select([]);
        stage.gesture = {kind: "marquee", from: point, kept: new Set(stage.panel.selected)};
    }

    function chooseForMove(stage, state, hit, point) {
        const id = state.regions[hit]._id, was = stage.panel.selected.has(id);
        if (point.shift || point.ctrl) stage.panel.select([...stage.panel.selected].filter((each) => each !== id).concat(was ? [] : [id]));
        else if (!was) stage.panel.select([id], {reveal: true});
        if (state.grid) return;
        const box = stage.selectionBox(state);
        if (box) stage.gesture = {kind: "move", state, box, from: point, lifted: hasMasks(stage.selectedRegions(state)), click: was && !point.shift ? [id] : null};
    }

    const gestures = {
        divider(stage, {divider, state}, point) {
            const at = stage.snapping && !point.alt ? stage.snapped(point, new Set(state.regions.map((region) => region._id))) : point;
            stage.guides = at.guides ? {[divider.axis]: at.guides[divider.axis]} : null;
            stage.draft = {...state, grid: {...state.grid, ratios: R.moveDivider(state.grid, divider, at[divider.axis])}};
        },

        corner(stage, {state, id, corner}, point) {
            const at = stage.snapped(point, new Set([id]));
            stage.guides = at.guides;
            stage.draft = R.changeRegions(state, new Set([id]), (region) => ({...region, polygon: region.polygon.map((old, i) => (i === corner ? [R.tidy(at.x), R.tidy(at.y)] : old))}));
        },

        size(stage, gesture, point) {
            const at = stage.snapped(point, stage.panel.selected);
            stage.guides = at.guides;
            const to = R.resizeBox(gesture.box, gesture.handle, at, stage.size(), point.shift);
            shapeDraft(stage, gesture, to);
        },

        move(stage, gesture, point) {
            const dx = point.x - gesture.from.x, dy = point.y - gesture.from.y, [width, height] = stage.size();
            if (!stage.draft && Math.abs(dx) * stage.box.width * stage.view.zoom < 3 && Math.abs(dy) * stage.box.height * stage.view.zoom < 3) return;
            const free = {dx, dy, guides: null};
            const {dx: x, dy: y, guides} = stage.snapping && !point.alt
                ? R.snapShift(gesture.box, dx, dy, stage.lines(stage.panel.selected), stage.reach(), [width, height]) : free;
            stage.guides = guides;
            shapeDraft(stage, gesture, R.shiftBox(gesture.box, x, y));
        },

        marquee(stage, gesture, point) {
            gesture.to = point;
            const box = R.boxBetween(gesture.from, point), state = stage.panel.store.get();
            const touched = state.regions.filter((_, index) => overlaps(stage.boundsOf(state, index), box)).map((region) => region._id);
            stage.panel.select([...new Set([...gesture.kept, ...touched])]);
        },
    };

    const overlaps = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

    function finishMarquee(stage, gesture) {
        if (!gesture.to && !gesture.kept.size) stage.panel.select([]);
    }

    /** The selection with its frame at `to`: shapes follow at once, masks when the pointer is let go. */
    function shapeDraft(stage, gesture, to) {
        gesture.to = to;
        const map = R.boxMap(gesture.box, to);
        stage.draft = R.changeRegions(gesture.state, stage.panel.selected, (region) => (region.mask === undefined ? R.mapShape(region, ...map) : warped(stage, gesture, region, to)));
    }

    /** While a mask is dragged it is warped at a quarter of its resolution; `finishMasks` does it in full. */
    function warped(stage, gesture, region, to) {
        const mask = stage.masks.get(region.mask);
        if (!mask) return region;
        const text = `draft:${region._id}`;
        const small = gesture[text] || (gesture[text] = R.scaleMask(mask, Math.ceil(mask.width / 4), Math.ceil(mask.height / 4)));
        stage.masks.put(text, R.warpMask(small, gesture.box, to));
        return {...region, mask: text};
    }

    function finishMasks(stage, gesture) {
        if (!gesture.to) return;
        stage.draft = R.changeRegions(stage.draft, stage.panel.selected, (region) => {
            const before = gesture.state.regions.find((each) => each._id === region._id);
            return before.mask === undefined ? region : {...region, mask: storeMask(stage, R.warpMask(stage.masks.get(before.mask), gesture.box, gesture.to))};
        });
    }

    /** Mask -> its text, known to the cache under it. */
    function storeMask(stage, mask) {
        const text = R.maskToUrl(mask);
        stage.masks.put(text, mask);
        return text;
    }

    function nearSide(stage, points, point) {
        const far = (value) => value * stage.view.zoom;
        return points.findIndex(([x0, y0], i) => {
            const [x1, y1] = points[(i + 1) % points.length];
            const [ax, ay, bx, by, px, py] = [x0, y0, x1, y1, point.x, point.y].map((value, k) => far(value) * (k % 2 ? stage.box.height : stage.box.width));
            const length2 = (bx - ax) ** 2 + (by - ay) ** 2, t = length2 ? R.clamp(((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length2, 0, 1) : 0;
            return Math.hypot(px - ax - t * (bx - ax), py - ay - t * (by - ay)) <= 7;
        });
    }

    // ---------------------------------------------------------------- box, ellipse

    const drag = (kind, label, key) => ({
        label, key,
        down(stage, point) {
            stage.gesture = {state: stage.freeState(), from: stage.snapped(point)};
        },
        move(stage, point) {
            if (!stage.gesture) return;
            const to = stage.snapped(point), {state, from} = stage.gesture;
            stage.guides = to.guides;
            const box = R.boxBetween(from, point.shift ? square(stage, from, to) : to);
            stage.gesture.region = stage.gesture.region || R.onTop(state, R.makeRegion({[kind]: box}));
            stage.gesture.region = {...stage.gesture.region, [kind]: box};
            stage.draft = R.isDrawn(box, stage.size()) ? {...state, regions: [...state.regions, stage.gesture.region]} : null;
            stage.redraw();
        },
        up(stage) {
            const region = stage.draft && stage.gesture && stage.gesture.region;
            stage.gesture = null;
            stage.commit();
            if (region) stage.panel.drawn(region._id);
        },
    });

    function square(stage, from, to) {
        const [width, height] = stage.size();
        const side = Math.max(Math.abs(to.x - from.x) * width, Math.abs(to.y - from.y) * height);
        return {x: from.x + Math.sign(to.x - from.x || 1) * side / width, y: from.y + Math.sign(to.y - from.y || 1) * side / height};
    }

    // ---------------------------------------------------------------- polygon

    const polygon = {
        label: "Polygon: click its corners, double click ends; or draw it in one stroke", key: "p",
        down(stage, point) {
            const at = stage.snapped(point);
            stage.polygon = stage.polygon || {state: stage.freeState(), points: []};
            const [first] = stage.polygon.points, reach = stage.reach();
            if (stage.polygon.points.length > 2 && Math.abs(first[0] - at.x) <= reach.x && Math.abs(first[1] - at.y) <= reach.y) return polygon.close(stage);
            stage.polygon.points.push([R.tidy(at.x), R.tidy(at.y)]);
            stage.redraw();
            return undefined;
        },
        move(stage, point) {
            if (!stage.polygon) return;
            const last = stage.polygon.points[stage.polygon.points.length - 1], reach = stage.reach(1.2);
            if (Math.abs(last[0] - point.x) < reach.x && Math.abs(last[1] - point.y) < reach.y) return;
            if (stage.polygon.points.length < 500) stage.polygon.points.push([R.tidy(R.clamp(point.x, 0, 1)), R.tidy(R.clamp(point.y, 0, 1))]);
            stage.polygon.stroke = true;
            stage.redraw();
        },
        up(stage) {
            if (stage.polygon && stage.polygon.stroke && stage.polygon.points.length > 3) polygon.close(stage);
        },
        hover(stage, point) {
            if (!stage.polygon) return;
            const at = stage.snapped(point);
            stage.polygon.next = [at.x, at.y];
            stage.redraw();
        },
        double(stage) {
            if (stage.polygon && stage.polygon.points.length > 3) stage.polygon.points.pop();
            polygon.close(stage);
        },
        close(stage) {
            if (!stage.polygon) return;
            const {state, points} = stage.polygon;
            stage.polygon = null;
            const box = R.shapeBounds({polygon: points});
            if (points.length < 3 || !R.isDrawn(box, stage.size())) return void stage.redraw();
            const region = R.onTop(state, R.makeRegion({polygon: points}));
            stage.draft = {...state, regions: [...state.regions, region]};
            stage.commit();
            stage.panel.drawn(region._id);
        },
    };

    // ---------------------------------------------------------------- brush, eraser, bucket

    /** The region that is painted on, as {state, region, mask, isNew}: the selected one, turned into a mask where it is a shape; else a new one. */
    function paintTarget(stage, mayMake) {
        const state = stage.freeState(), chosen = state.regions.filter((region) => stage.panel.selected.has(region._id));
        const [width, height] = R.maskSize(stage.size());
        if (chosen.length !== 1) return mayMake ? {state, region: R.onTop(state, R.makeRegion({mask: ""})), mask: R.makeMask(width, height), isNew: true} : null;
        const [region] = chosen;
        if (region._lock) return null;
        const known = region.mask === undefined ? R.drawShape(region, width, height) : stage.masks.get(region.mask) || R.makeMask(width, height);
        return {state, region, mask: R.scaleMask(known, width, height), isNew: false};
    }

    const brush = (label, key, erase) => ({
        label, key, isBrush: true, cursor: "none",
        down(stage, point) {
            const target = paintTarget(stage, !erase);
            if (!target) return void stage.panel.note(erase ? "Choose the region to erase from first." : "This region is locked.");
            const {mask, region, state, isNew} = target, index = isNew ? state.regions.length : R.indexOf(state, region._id);
            const canvas = document.createElement("canvas");
            Object.assign(canvas, {width: mask.width, height: mask.height});
            stage.paint = {...target, id: region._id, cover: R.makeMask(mask.width, mask.height), out: R.copyMask(mask), canvas, context: canvas.getContext("2d"), colour: R.regionColour(index)};
            R.masks.tintInto(stage.paint.context, mask, stage.paint.colour, [0, 0, mask.width, mask.height]);
            this.move(stage, point);
        },
        move(stage, point) {
            const {paint} = stage;
            if (!paint) return;
            const r = Math.max(0.6, stage.brush.size / 2 * Math.min(paint.mask.width, paint.mask.height) * Math.max(PRESS, point.pressure));
            const to = {x: point.x * paint.mask.width, y: point.y * paint.mask.height, r};
            const rect = R.strokeSegment(paint.cover, paint.last || to, to, stage.brush.softness);
            R.applyStroke(paint.mask, paint.cover, erase, paint.out, rect);
            R.masks.tintInto(paint.context, paint.out, paint.colour, rect);
            paint.last = to;
            stage.redraw();
        },
        up(stage) {
            const {paint} = stage;
            if (!paint) return;
            stage.paint = null;
            putMask(stage, paint, paint.out);
        },
    });

    function putMask(stage, {state, region, isNew}, mask) {
        if (R.isEmptyMask(mask)) {
            stage.panel.note("Nothing would be left of the region: remove it instead.");
            return stage.cancel();
        }
        const {box, ellipse, polygon: points, ...rest} = region, painted = {...rest, mask: storeMask(stage, mask)};
        stage.draft = isNew ? {...state, regions: [...state.regions, painted]} : {...state, regions: state.regions.map((each) => (each._id === region._id ? painted : each))};
        stage.commit();
        stage.panel.select([region._id], {reveal: isNew});
        return undefined;
    }

    const fill = {
        label: "Fill: the area around a click", key: "g", cursor: "cell",
        down(stage, point) {
            const target = paintTarget(stage, true);
            if (!target) return void stage.panel.note("This region is locked.");
            const {width, height} = target.mask;
            const x = R.clamp(Math.floor(point.x * width), 0, width - 1), y = R.clamp(Math.floor(point.y * height), 0, height - 1);
            return putMask(stage, target, R.floodFill(target.mask, x, y, point.alt ? 0 : 255));
        },
        move() {},
        up() {},
    };

    R.tools = {
        select, box: drag("box", "Box", "r"), ellipse: drag("ellipse", "Ellipse", "e"), polygon,
        brush: brush("Brush", "b", false), eraser: brush("Eraser", "x", true), fill,
    };
    R.storeMask = storeMask;
})(globalThis.Regional = globalThis.Regional || {});
