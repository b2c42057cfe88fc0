// Regional: what lies under the regions: a picture, the weight maps, or where their words were looked at.
(function (R) {
    "use strict";

    const {t, chooseFile} = R.dom;
    const OF_RESULT = ["result", "init", "words"];
    const MOST_PIXELS = 64e6, LONGEST = 2048;

    function setBackground(stage, choice) {
        const [kind, scale] = choice.split(":");
        if (kind === "file") {
            chooseFile("image/png,image/jpeg,image/webp", (file) => showFile(stage, file));
            stage.bar.update();
            return;
        }
        stage.background = {kind, choice, scale: Number(scale) || null, image: null};
        stage.panel.push();
        refreshBackground(stage);
        stage.redraw();
    }

    async function showFile(stage, file) {
        try {
            const image = await readPicture(file);
            stage.background = {kind: "file", choice: "file", image};
            stage.panel.push();
            stage.bar.update();
            stage.redraw();
        } catch (error) {
            stage.panel.note(error instanceof RangeError ? error.message : t("{0} could not be read as a picture. PNG, JPEG and WebP work.", file.name), true);
        }
    }

    /** A file as a bitmap of the size that is needed. Throws for what is no whole picture, RangeError for one that is too large. */
    async function readPicture(file) {
        if (/svg/i.test(file.type)) throw new Error("a drawing without pixels");
        const url = URL.createObjectURL(file), picture = new Image();
        try {
            await new Promise((loaded, failed) => Object.assign(picture, {onload: loaded, onerror: failed, src: url}));
            const {naturalWidth: width, naturalHeight: height} = picture;
            if (width * height > MOST_PIXELS) throw new RangeError(t("{0} has {1} megapixels: at most {2} can be shown.", file.name, Math.round(width * height / 1e6), MOST_PIXELS / 1e6));
            await picture.decode();
            const scale = Math.min(1, LONGEST / Math.max(width, height));
            return await createImageBitmap(picture, {resizeWidth: Math.max(1, Math.round(width * scale)), resizeHeight: Math.max(1, Math.round(height * scale)), resizeQuality: "medium"});
        } finally {
            URL.revokeObjectURL(url);
        }
    }

    /** The picture of a gallery or an image field that is on the page now. */
    function pictureOf(stage) {
        const {tab} = stage.panel;
        if (stage.background.kind !== "init") return R.overlayTarget(tab);
        return R.givenPicture();
    }

    /** Look again what the background shows: the result may be another one, the weights may have changed. */
    function refreshBackground(stage) {
        const {kind, scale} = stage.background;
        if (kind === "map") return void stage.panel.checks.drawMap(scale, (image) => {
            if (stage.background.kind !== "map") return;
            stage.background.image = image;
            stage.redraw();
        });
        if (!OF_RESULT.includes(kind)) return;
        const found = pictureOf(stage);
        if (kind === "words") R.refreshWords(stage, found);
        if (!found) return void (stage.background.image = null);
        if (found.src && stage.background.src === found.src) return;
        stage.background.src = found.src;
        if (found.tagName === "CANVAS") return void (stage.background.image = found);
        const image = new Image();
        image.onload = () => {
            stage.background.image = image;
            stage.redraw();
        };
        image.src = found.src;
    }

    Object.assign(R, {refreshBackground, setBackground, OF_RESULT});
})(globalThis.Regional = globalThis.Regional || {});
