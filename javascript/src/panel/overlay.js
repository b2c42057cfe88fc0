// Regional: the regions drawn over the picture in the gallery.
(function (R) {
    "use strict";

    const {el, find, root} = R.dom;

    /** The picture of the tab's gallery that is shown large, or the first one; null where there is none. */
    function overlayTarget(tab) {
        const images = [...root().querySelectorAll(`#${tab}_gallery img`)].filter((image) => image.getClientRects().length);
        return images.sort((a, b) => b.getBoundingClientRect().width - a.getBoundingClientRect().width)[0] || null;
    }

    /** The picture that img2img was given; null where there is none. A sketch pad's canvas stands for its picture in some pages. */
    function givenPicture() {
        const found = find("#img2img_image img, #img2img_image canvas");
        return found && (found.naturalWidth || found.tagName === "CANVAS") ? found : null;
    }

    /** Place of a picture inside its <img> that is fitted into it with object-fit: contain. */
    function pictureBox(image) {
        const frame = image.getBoundingClientRect(), ratio = image.naturalWidth / image.naturalHeight || 1;
        if (getComputedStyle(image).objectFit !== "contain") return frame;
        const width = Math.min(frame.width, frame.height * ratio), height = width / ratio;
        return {left: frame.left + (frame.width - width) / 2, top: frame.top + (frame.height - height) / 2, width, height};
    }

    function createOverlay(panel) {
        const canvas = el("canvas", {class: "rg-overlay", "aria-hidden": "true"});
        let on = false, timer = null;

        function update() {
            const image = on ? overlayTarget(panel.tab) : null;
            if (!image || !image.naturalWidth || !panel.visible()) return void canvas.remove();
            const box = pictureBox(image);
            if (!canvas.isConnected) document.body.append(canvas);
            Object.assign(canvas.style, {left: `${box.left + window.scrollX}px`, top: `${box.top + window.scrollY}px`, width: `${box.width}px`, height: `${box.height}px`});
            Object.assign(canvas, {width: Math.round(box.width), height: Math.round(box.height)});
            R.draw.drawRegions(canvas.getContext("2d"), panel.store.get(), {
                at: (x, y) => [x * box.width, y * box.height], width: box.width, height: box.height, masks: panel.stage.masks, labels: true, alpha: 0.12,
                boundsOf: (state, index) => panel.stage.boundsOf(state, index),
            });
        }

        return {update, show(value) {
            on = value;
            clearInterval(timer);
            if (on) timer = setInterval(update, 400);
            update();
        }};
    }

    Object.assign(R, {createOverlay, givenPicture, overlayTarget});
})(globalThis.Regional = globalThis.Regional || {});
