// Regional: painted masks as plain bytes, {width, height, data}: 0 is outside, 255 inside, row by row. Brush, eraser, bucket, shapes.
(function (R) {
    "use strict";

    const LONGEST_MASK_SIDE = 512;

    /** [width, height] of a mask for a picture of `size`: its aspect, at most 512 pixels long, at most the picture itself. */
    function maskSize([width, height]) {
        const scale = Math.min(1, LONGEST_MASK_SIDE / Math.max(width, height));
        return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
    }

    const makeMask = (width, height, data) => ({width, height, data: data || new Uint8ClampedArray(width * height)});
    const copyMask = (mask) => makeMask(mask.width, mask.height, mask.data.slice());

    /** How much of a stroke of radius `r` arrives at distance `d`: all within the hard core, smoothly less up to the rim.
        `softness` 0 is a hard edge (one pixel wide), 1 falls off from the middle. */
    function falloff(d, r, softness) {
        const core = Math.min(r * (1 - softness), r - 0.5), rim = Math.max(r, core + 1);
        if (d <= core) return 1;
        if (d >= rim) return 0;
        const t = (rim - d) / (rim - core);
        return t * t * (3 - 2 * t);
    }

    /** Lay one piece of a stroke into `cover`, a mask: the most that any piece gives counts, so that overlap does not add up.
        `a` and `b` are {x, y, r} in mask pixels; the radius runs evenly between them. -> [x0, y0, x1, y1], what was touched. */
    function strokeSegment(cover, a, b, softness) {
        const reach = Math.max(a.r, b.r) + 1;
        const x0 = Math.max(0, Math.floor(Math.min(a.x, b.x) - reach)), x1 = Math.min(cover.width, Math.ceil(Math.max(a.x, b.x) + reach));
        const y0 = Math.max(0, Math.floor(Math.min(a.y, b.y) - reach)), y1 = Math.min(cover.height, Math.ceil(Math.max(a.y, b.y) + reach));
        const dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
        for (let row = y0; row < y1; row++) {
            for (let column = x0; column < x1; column++) {
                const px = column + 0.5 - a.x, py = row + 0.5 - a.y;
                const t = length2 ? R.clamp((px * dx + py * dy) / length2, 0, 1) : 0;
                const d = Math.hypot(px - t * dx, py - t * dy), r = a.r + t * (b.r - a.r);
                const at = row * cover.width + column;
                if (d < r + 1) cover.data[at] = Math.max(cover.data[at], 255 * falloff(d, r, softness));
            }
        }
        return [x0, y0, x1, y1];
    }

    /** `base` with a stroke on it, written into `out` within `rect`: painting takes the greater value, erasing takes away. */
    function applyStroke(base, cover, erase, out, [x0, y0, x1, y1] = [0, 0, base.width, base.height]) {
        for (let row = y0; row < y1; row++) {
            for (let at = row * base.width + x0, end = row * base.width + x1; at < end; at++) {
                const before = base.data[at], stroke = cover.data[at];
                out.data[at] = erase ? before * (255 - stroke) / 255 : Math.max(before, stroke);
            }
        }
        return out;
    }

    /** A copy of the mask in which the area around pixel (x, y) that is as it, up to `tolerance`, has `value`. */
    function floodFill(mask, x, y, value = 255, tolerance = 96) {
        const {width, height} = mask, result = copyMask(mask), seed = mask.data[y * width + x];
        const seen = new Uint8Array(width * height), stack = [y * width + x];
        const open = (at) => !seen[at] && Math.abs(mask.data[at] - seed) <= tolerance;
        while (stack.length) {
            const start = stack.pop();
            if (!open(start)) continue;
            const row = start - (start % width);
            let left = start, right = start;
            while (left > row && open(left - 1)) left--;
            while (right < row + width - 1 && open(right + 1)) right++;
            for (let at = left; at <= right; at++) {
                seen[at] = 1;
                result.data[at] = value;
                if (at >= width && open(at - width)) stack.push(at - width);
                if (at < width * (height - 1) && open(at + width)) stack.push(at + width);
            }
        }
        return result;
    }

    /** A region's box, ellipse or polygon as a mask, hard-edged, judged at the pixels' centres. */
    function drawShape(region, width, height, bounds) {
        const mask = makeMask(width, height);
        const shape = bounds ? {box: bounds} : region;
        for (let row = 0; row < height; row++) {
            for (let column = 0; column < width; column++) {
                if (R.contains(shape, (column + 0.5) / width, (row + 0.5) / height)) mask.data[row * width + column] = 255;
            }
        }
        return mask;
    }

    /** Smallest box around everything above `least`, as fractions; null for an empty mask. */
    function maskBounds(mask, least = 12) {
        let x0 = mask.width, y0 = mask.height, x1 = -1, y1 = -1;
        for (let row = 0, at = 0; row < mask.height; row++) {
            for (let column = 0; column < mask.width; column++, at++) {
                if (mask.data[at] < least) continue;
                if (column < x0) x0 = column;
                if (column > x1) x1 = column;
                if (row < y0) y0 = row;
                y1 = row;
            }
        }
        return x1 < 0 ? null : [x0 / mask.width, y0 / mask.height, (x1 + 1) / mask.width, (y1 + 1) / mask.height];
    }

    /** The mask as it looks after `from` (a box) has become `to`; a turned-over `to` mirrors. Bilinear; outside is 0. */
    function warpMask(mask, from, to) {
        const {width, height} = mask, result = makeMask(width, height);
        const back = R.boxMap(to, from);
        const flipX = to[0] > to[2], flipY = to[1] > to[3];
        const mapX = flipX ? (x) => from[0] + (x - to[0]) * (from[2] - from[0]) / (to[2] - to[0]) : back[0];
        const mapY = flipY ? (y) => from[1] + (y - to[1]) * (from[3] - from[1]) / (to[3] - to[1]) : back[1];
        for (let row = 0, at = 0; row < height; row++) {
            const y = mapY((row + 0.5) / height) * height - 0.5;
            for (let column = 0; column < width; column++, at++) result.data[at] = sample(mask, mapX((column + 0.5) / width) * width - 0.5, y);
        }
        return result;
    }

    function sample({width, height, data}, x, y) {
        const [x0, y0] = [Math.floor(x + 1e-6), Math.floor(y + 1e-6)], u = Math.max(0, x - x0), v = Math.max(0, y - y0);
        const pixel = (column, row) => (column < 0 || row < 0 || column >= width || row >= height ? 0 : data[row * width + column]);
        if (u < 1e-6 && v < 1e-6) return pixel(x0, y0);
        return (pixel(x0, y0) * (1 - u) + pixel(x0 + 1, y0) * u) * (1 - v) + (pixel(x0, y0 + 1) * (1 - u) + pixel(x0 + 1, y0 + 1) * u) * v;
    }

    /** Another resolution, by averaging or repeating pixels. */
    function scaleMask(mask, width, height) {
        if (mask.width === width && mask.height === height) return mask;
        const result = makeMask(width, height);
        for (let row = 0; row < height; row++) {
            const y0 = Math.floor(row * mask.height / height), y1 = Math.max(y0 + 1, Math.floor((row + 1) * mask.height / height));
            for (let column = 0; column < width; column++) {
                const x0 = Math.floor(column * mask.width / width), x1 = Math.max(x0 + 1, Math.floor((column + 1) * mask.width / width));
                let sum = 0;
                for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += mask.data[y * mask.width + x];
                result.data[row * width + column] = Math.round(sum / ((y1 - y0) * (x1 - x0)));
            }
        }
        return result;
    }

    /** `rle:WxH:0*1024,255*3,128` -> mask; null for anything else. */
    function readRle(text) {
        const match = /^rle:(\d+)x(\d+):(.*)$/s.exec(text);
        if (!match || match[1] * match[2] > 64e6) return null;
        const mask = makeMask(Number(match[1]), Number(match[2]));
        let at = 0;
        for (const piece of match[3].split(",")) {
            const [value, length] = piece.split("*");
            mask.data.fill(Number(value), at, at += Number(length || 1));
        }
        return at === mask.data.length ? mask : null;
    }

    const isEmpty = (mask) => maskBounds(mask, 1) === null;

    Object.assign(R, {
        maskSize, makeMask, copyMask, falloff, strokeSegment, applyStroke, floodFill, drawShape, maskBounds, warpMask, scaleMask, readRle, isEmptyMask: isEmpty,
    });

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
