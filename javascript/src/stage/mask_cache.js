// Regional: masks of the layout as pixels in the browser: decoding their text once, tinting them for the canvas.
(function (R) {
    "use strict";

    const {el} = R.dom;
    const MOST = 200;

    /** Cache of decoded masks by their text. `changed` is called when one that was asked for has arrived. */
    function createMasks(changed) {
        const known = new Map();

        function get(text) {
            if (!text) return null;
            if (!known.has(text)) load(text);
            return known.get(text).mask;
        }

        function load(text) {
            const entry = {mask: R.readRle(text), tints: new Map()};
            keep(text, entry);
            if (entry.mask || !text.startsWith("data:image/")) return;
            decode(text).then((mask) => {
                entry.mask = mask;
                changed();
            }, () => {});
        }

        function keep(text, entry) {
            known.set(text, entry);
            if (known.size > MOST) known.delete(known.keys().next().value);
        }

        return {
            get,
            /** Wait for a mask that may not be decoded yet; null where its text is none. */
            wait: async (text) => get(text) || (text && text.startsWith("data:image/") ? decode(text).catch(() => null) : null),
            /** A mask that was just painted needs no decoding. */
            put: (text, mask) => keep(text, {mask, tints: new Map()}),
            at: (text, x, y) => {
                const mask = get(text);
                if (!mask) return 0;
                return mask.data[Math.min(mask.height - 1, Math.floor(y * mask.height)) * mask.width + Math.min(mask.width - 1, Math.floor(x * mask.width))];
            },
            /** The mask in a colour as a canvas, null while it is not decoded. */
            tint: (text, [red, green, blue]) => {
                const mask = get(text);
                if (!mask) return null;
                const {tints} = known.get(text), key = `${red},${green},${blue}`;
                if (!tints.has(key)) tints.set(key, tinted(mask, [red, green, blue]));
                return tints.get(key);
            },
            bounds: (text) => {
                const mask = get(text);
                if (!mask) return null;
                const entry = known.get(text);
                if (entry.bounds === undefined) entry.bounds = R.maskBounds(mask);
                return entry.bounds;
            },
        };
    }

    async function decode(text) {
        const picture = new Image();
        picture.src = text;
        await picture.decode();
        const scale = Math.min(1, 1024 / Math.max(picture.naturalWidth, picture.naturalHeight));
        const canvas = el("canvas", {width: Math.max(1, Math.round(picture.naturalWidth * scale)), height: Math.max(1, Math.round(picture.naturalHeight * scale))});
        const context = canvas.getContext("2d", {willReadFrequently: true});
        context.drawImage(picture, 0, 0, canvas.width, canvas.height);
        const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
        const mask = R.makeMask(canvas.width, canvas.height);
        for (let at = 0; at < mask.data.length; at++) {
            mask.data[at] = (0.299 * data[4 * at] + 0.587 * data[4 * at + 1] + 0.114 * data[4 * at + 2]) * data[4 * at + 3] / 255;
        }
        return mask;
    }

    function tinted(mask, colour) {
        const canvas = el("canvas", {width: mask.width, height: mask.height});
        tintInto(canvas.getContext("2d"), mask, colour, [0, 0, mask.width, mask.height]);
        return canvas;
    }

    /** Write part of a mask into a canvas of its size: the colour, as opaque as the mask is white. */
    function tintInto(context, mask, [red, green, blue], [x0, y0, x1, y1]) {
        if (x1 <= x0 || y1 <= y0) return;
        const pixels = context.createImageData(x1 - x0, y1 - y0);
        for (let row = y0, to = 0; row < y1; row++) {
            for (let from = row * mask.width + x0; from < row * mask.width + x1; from++, to += 4) {
                pixels.data[to] = red;
                pixels.data[to + 1] = green;
                pixels.data[to + 2] = blue;
                pixels.data[to + 3] = mask.data[from];
            }
        }
        context.putImageData(pixels, x0, y0);
    }

    R.masks = {createMasks, tintInto, decode};
})(globalThis.Regional = globalThis.Regional || {});
