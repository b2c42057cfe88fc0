// Regional: drawing a layout into a canvas: for the editor, for thumbnails and for the overlay on a result.
(function (R) {
    "use strict";

    const css = ([red, green, blue], alpha = 1) => `rgba(${red}, ${green}, ${blue}, ${alpha})`;

    /** Path of a region in pixels; `at` maps (x, y) fractions to pixels. */
    function tracePath(context, region, bounds, at) {
        const [x0, y0] = at(bounds[0], bounds[1]), [x1, y1] = at(bounds[2], bounds[3]);
        context.beginPath();
        if (region.ellipse) {
            context.ellipse((x0 + x1) / 2, (y0 + y1) / 2, Math.max(0, (x1 - x0) / 2), Math.max(0, (y1 - y0) / 2), 0, 0, 2 * Math.PI);
        } else if (region.polygon) {
            region.polygon.forEach((point, i) => {
                const [x, y] = at(...[].concat(point));
                if (i) context.lineTo(x, y);
                else context.moveTo(x, y);
            });
            context.closePath();
        } else {
            context.rect(x0, y0, x1 - x0, y1 - y0);
        }
    }

    /** All regions: filled in their colours, outlined, numbered. `view`: {at, width, height, selected, masks, boundsOf, labels, alpha, hidden} */
    function drawRegions(context, state, view) {
        const order = state.regions.map((_, index) => index);
        if (state.overlap === "over") order.sort((a, b) => (state.regions[a].priority || 0) - (state.regions[b].priority || 0));
        const boxes = order.map((index) => view.boundsOf(state, index));
        order.forEach((index, i) => drawRegion(context, state.regions[index], index, boxes[i], {...view, isGrid: Boolean(state.grid)}));
        if (view.labels) order.forEach((index, i) => drawLabel(context, state.regions[index], index, boxes[i], view));
    }

    function drawRegion(context, region, index, bounds, view) {
        const colour = R.regionColour(index), chosen = view.selected && view.selected.has(region._id);
        const shape = view.isGrid ? {} : region, off = region.enabled === false;
        const alpha = (view.alpha === undefined ? 0.32 : view.alpha) * (off ? 0.3 : 1) * (chosen ? 1.35 : 1);
        context.save();
        if (!view.isGrid && region.mask !== undefined) {
            const tint = view.masks.tint(region.mask, colour);
            context.globalAlpha = Math.min(1, alpha * 1.6);
            const [x0, y0] = view.at(0, 0), [x1, y1] = view.at(1, 1);
            if (tint && view.hidden !== region._id) context.drawImage(tint, x0, y0, x1 - x0, y1 - y0);
        } else {
            tracePath(context, shape, bounds, view.at);
            if (alpha > 0) {
                context.fillStyle = css(colour, alpha);
                context.fill();
            }
            context.lineWidth = chosen ? 2.5 : 1.5;
            context.setLineDash(off ? [3, 4] : []);
            context.strokeStyle = css(colour, off ? 0.6 : 1);
            context.stroke();
        }
        context.restore();
    }

    function drawLabel(context, region, index, bounds, view) {
        if (region.mask !== undefined && view.masks && !view.masks.bounds(region.mask) && view.hidden !== region._id) return;
        const [x0, y0] = view.at(bounds[0], bounds[1]), [x1] = view.at(bounds[2], bounds[3]);
        const words = (region.name || region.prompt || "").replace(/\s+/g, " ").slice(0, 40), room = x1 - x0 - 10;
        context.font = `600 ${view.fontSize || 12}px system-ui, sans-serif`;
        context.textBaseline = "middle";
        let text = `${index + 1}`;
        for (let length = words.length; length > 2; length -= Math.ceil(length / 6)) {
            const longer = `${index + 1}  ${words.slice(0, length)}${length < words.length ? "…" : ""}`;
            if (context.measureText(longer).width <= room - 8) {
                text = longer;
                break;
            }
        }
        const width = context.measureText(text).width + 10, height = (view.fontSize || 12) + 6;
        const x = R.clamp(x0 + 3, 2, Math.max(2, view.width - width - 2)), y = R.clamp(y0 + 3, 2, Math.max(2, view.height - height - 2));
        context.fillStyle = css(R.regionColour(index), region.enabled === false ? 0.6 : 1);
        context.fillRect(x, y, width, height);
        context.fillStyle = R.textColour(index);
        context.fillText(text, x + 5, y + height / 2 + 0.5);
    }

    /** Frame and handles of the selection. */
    function drawSelection(context, box, at, {handles, locked}) {
        const [x0, y0] = at(box[0], box[1]), [x1, y1] = at(box[2], box[3]);
        context.save();
        for (const [colour, width] of [["rgba(0, 0, 0, 0.7)", 3], ["#fff", 1.5]]) {
            context.strokeStyle = colour;
            context.lineWidth = width;
            context.setLineDash(locked ? [2, 4] : [6, 3]);
            context.strokeRect(x0, y0, x1 - x0, y1 - y0);
        }
        context.setLineDash([]);
        for (const [, u, v] of handles ? R.HANDLES : []) drawKnob(context, x0 + (x1 - x0) * u, y0 + (y1 - y0) * v);
        context.restore();
    }

    function drawKnob(context, x, y, round) {
        context.beginPath();
        if (round) context.arc(x, y, 5, 0, 2 * Math.PI);
        else context.rect(x - 4.5, y - 4.5, 9, 9);
        context.fillStyle = "#fff";
        context.strokeStyle = "#111";
        context.lineWidth = 1.5;
        context.fill();
        context.stroke();
    }

    /** Lines of the grid that can be dragged, with a grip in their middle. */
    function drawDividers(context, grid, at) {
        for (const {axis, at: place, from, to} of R.dividers(grid)) {
            const [a, b] = axis === "x" ? [at(place, from), at(place, to)] : [at(from, place), at(to, place)];
            context.beginPath();
            context.moveTo(...a);
            context.lineTo(...b);
            context.strokeStyle = "rgba(0, 0, 0, 0.65)";
            context.lineWidth = 4;
            context.stroke();
            context.strokeStyle = "#fff";
            context.lineWidth = 1.5;
            context.stroke();
            drawKnob(context, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, true);
        }
    }

    /** Lines to which something has just snapped. */
    function drawGuides(context, guides, at) {
        context.save();
        context.strokeStyle = "#f0f";
        context.lineWidth = 1;
        context.setLineDash([4, 3]);
        context.beginPath();
        if (guides.x !== null && guides.x !== undefined) [at(guides.x, 0), at(guides.x, 1)].forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
        if (guides.y !== null && guides.y !== undefined) [at(0, guides.y), at(1, guides.y)].forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
        context.stroke();
        context.restore();
    }

    /** Checkerboard under everything. */
    function drawEmpty(context, width, height) {
        context.fillStyle = "#8a8a8a";
        context.fillRect(0, 0, width, height);
        context.fillStyle = "#969696";
        for (let y = 0; y < height; y += 12) for (let x = (y / 12) % 2 ? 12 : 0; x < width; x += 24) context.fillRect(x, y, 12, 12);
    }

    /** Picture of a layout on `canvas`, without handles: for presets. */
    function drawThumbnail(canvas, state, masks) {
        const context = canvas.getContext("2d"), {width, height} = canvas;
        drawEmpty(context, width, height);
        const boundsOf = (each, index) => R.regionBounds(each, index);
        drawRegions(context, state, {at: (x, y) => [x * width, y * height], width, height, masks, boundsOf, labels: false, alpha: 0.75});
    }

    R.draw = {tracePath, drawRegions, drawSelection, drawKnob, drawDividers, drawGuides, drawEmpty, drawThumbnail};
})(globalThis.Regional = globalThis.Regional || {});
