// Regional: where the words of every region were looked at, over the finished picture. Maps are kept by the server while this view is chosen.
(function (R) {
    "use strict";

    const {el, root, ask} = R.dom;
    const EVERY = 1500;
    const ASKED = "The next picture shows where the words of each region are looked at.";
    const NONE = "No attention was kept of this picture: the method works without attention of its own regions, or its regions have no words.";

    /** Levels 0..255 of a map as text -> a canvas of its grid in a colour: clear where the words were looked at least, opaque where most. */
    function tinted({grid: [height, width], levels}, [red, green, blue]) {
        const bytes = Uint8Array.from(atob(levels), (letter) => letter.charCodeAt(0));
        const canvas = el("canvas", {width, height}), context = canvas.getContext("2d"), pixels = context.createImageData(width, height);
        const least = bytes.reduce((low, level) => Math.min(low, level), 255), reach = Math.max(1, 255 - least);
        bytes.forEach((level, at) => pixels.data.set([red, green, blue, 255 * ((level - least) / reach) ** 1.5], at * 4));
        context.putImageData(pixels, 0, 0);
        return canvas;
    }

    /** Number of the shown picture among those of the gallery that have maps: grids of pictures come before them. */
    function shownImage(tab, shown, count) {
        const thumbs = [...root().querySelectorAll(`#${tab}_gallery .thumbnail-item img, #${tab}_gallery .grid-wrap img`)];
        const at = thumbs.findIndex((image) => shown && image.src === shown.src);
        return R.clamp(at - Math.max(0, thumbs.length - count), 0, Math.max(0, count - 1));
    }

    /** Ask for the maps of the tab's last picture: when another one is shown, and now and then, since a picture made again has the same address. */
    async function refreshWords(stage, shown) {
        const {panel, background} = stage;
        background.timer = background.timer || setInterval(() => again(stage, background), EVERY);
        const src = shown ? shown.src : "";
        if (background.waits) return;
        background.waits = true;
        const answer = await ask(`attention/${encodeURIComponent(panel.mapsName)}`).catch(() => null);
        background.waits = false;
        const key = `${src} ${answer ? `${answer.status} ${answer.data.serial}` : ""}`;
        if (stage.background !== background || key === background.key) return;
        background.key = key;
        const images = answer && answer.ok ? answer.data.images : [];
        background.words = images[shownImage(panel.tab, shown, images.length)] || null;
        background.tints = new Map();
        panel.note(!answer ? "The server does not answer." : !answer.ok || !images.length ? ASKED : background.words && background.words.length ? "" : NONE);
        stage.redraw();
    }

    function again(stage, background) {
        if (stage.background !== background || !stage.canvas.isConnected) clearInterval(background.timer);
        else if (stage.panel.visible() && !document.hidden) refreshWords(stage, R.overlayTarget(stage.panel.tab));
    }

    /** Draw the maps of the chosen regions, or of all, over what is there; `at` maps fractions to pixels. */
    function drawWords(context, {words, tints}, {at, chosen, state}) {
        const [x0, y0] = at(0, 0), [x1, y1] = at(1, 1);
        context.save();
        context.fillStyle = "rgba(0, 0, 0, 0.35)";
        context.fillRect(x0, y0, x1 - x0, y1 - y0);
        const some = chosen && state.regions.some((region) => chosen.has(region._id));
        for (const map of words || []) {
            if (some && !(state.regions[map.region] && chosen.has(state.regions[map.region]._id))) continue;
            if (!tints.has(map.region)) tints.set(map.region, tinted(map, R.regionColour(map.region)));
            context.globalAlpha = 0.85;
            context.drawImage(tints.get(map.region), x0, y0, x1 - x0, y1 - y0);
        }
        context.restore();
    }

    Object.assign(R, {refreshWords, drawWords});
})(globalThis.Regional = globalThis.Regional || {});
