// Regional: source, result and their difference side by side, for the drawer "Edit".
(function (R) {
    "use strict";

    const {tell, el} = R.dom;
    const WIDTH = 320;

    function createEditViews(panel) {
        const parts = ["Source", "Result", "Difference"].map((label) => {
            const canvas = el("canvas", {class: "rg-edit-picture", role: "img", "aria-label": label}), caption = el("figcaption", {told: label});
            return {canvas, caption, node: el("figure", {class: "rg-edit-view", "data-view": label.toLowerCase()}, canvas, caption)};
        });
        const [source, result, gap] = parts;
        const node = el("div", {class: "rg-row rg-edit-views", hidden: true}, parts.map((part) => part.node));
        let held = null, seen = null;

        /** Keep the picture that is the source: the one that img2img was given, else the one that the gallery shows now. */
        function hold() {
            const image = panel.tab === "img2img" ? R.givenPicture() || picture() : picture();
            held = image ? pixelsOf(image) : null;
            seen = null;
        }

        function picture() {
            const given = panel.tab === "img2img" && !R.edit.sourceOf(panel.store.get()) ? null : R.overlayTarget(panel.tab);
            return given && given.naturalWidth ? given : null;
        }

        function update() {
            const image = picture();
            node.hidden = !held || !R.edit.sourceOf(panel.store.get());
            const name = `${image && image.src} ${held && held.width}`;
            if (node.hidden || name === seen) return;
            seen = name;
            draw(source.canvas, held);
            const made = image ? pixelsOf(image, held) : null;
            result.node.hidden = gap.node.hidden = !made;
            if (!made) return;
            draw(result.canvas, made);
            const {bytes, share} = R.edit.difference(held.data, made.data);
            draw(gap.canvas, new ImageData(bytes, held.width, held.height));
            gap.caption.textContent = tell(`Difference: ${(share * 100).toFixed(share < 0.1 ? 1 : 0)} % of the picture`);
        }

        return {node, update, hold, release: () => { held = seen = null; }};
    }

    /** The pixels of an <img> or <canvas>, at its own size or at that of `like`, at most WIDTH × the screen's density wide. */
    function pixelsOf(image, like) {
        const [across, down] = image.tagName === "CANVAS" ? [image.width, image.height] : [image.naturalWidth, image.naturalHeight];
        const scale = like ? 1 : Math.min(1, WIDTH * 2 / across);
        const width = like ? like.width : Math.max(1, Math.round(across * scale)), height = like ? like.height : Math.max(1, Math.round(down * scale));
        const canvas = el("canvas", {});
        Object.assign(canvas, {width, height});
        const context = canvas.getContext("2d", {willReadFrequently: true});
        context.drawImage(image, 0, 0, width, height);
        return context.getImageData(0, 0, width, height);
    }

    function draw(canvas, data) {
        Object.assign(canvas, {width: data.width, height: data.height});
        canvas.getContext("2d").putImageData(data, 0, 0);
    }

    R.createEditViews = createEditViews;
})(globalThis.Regional = globalThis.Regional || {});
