// Regional: the drawer of mask pictures: one per region, one with a colour per region, one with a region in each of red, green and blue.
(function (R) {
    "use strict";

    const {t, el, button, ask, refusal, download, chooseFile} = R.dom;
    const PICTURES = "image/png,image/jpeg,image/webp,image/bmp,image/gif,image/svg+xml,image/tiff,.png,.jpg,.jpeg,.webp,.bmp,.gif,.svg,.tif,.tiff";
    const LARGEST = 45 * 1024 * 1024;

    function createMaskFiles(panel) {
        const load = (label, kind, title) => button(label, () => chooseFile(PICTURES, (file) => loadRegions(panel, kind, file)), {title, "data-action": `masks-${kind}`});
        const save = (label, kind, title) => button(label, () => savePicture(panel, kind), {title, "data-action": `masks-save-${kind}`});
        const node = el("div", {class: "rg-maskfiles"},
            el("div", {class: "rg-label", told: "Load: the regions are replaced, their prompts stay"}),
            el("div", {class: "rg-row"},
                load("A colour for each region…", "colours", "Every colour becomes a region. Regional Prompter's colours keep their order"),
                load("Red, green and blue…", "channels", "Each of the three channels becomes a region; greys are kept"),
                load("One region…", "grey", "White is inside, greys are kept")),
            el("div", {class: "rg-label", told: "Save"}),
            el("div", {class: "rg-row"}, save("A colour for each region", "colours", "Regional Prompter's colours, in order"),
                save("Red, green and blue", "channels", "The first three regions, greys and all"), save("Every region on its own", "each", "One file per region")));
        return {node};
    }

    /** A file as a data URL. Throws an Error for one that is too large to be looked at. */
    function readFile(file) {
        if (file.size > LARGEST) return Promise.reject(new Error(t("{0} has {1} MB: at most {2} can be read.", file.name, Math.round(file.size / 1048576), LARGEST / 1048576)));
        return new Promise((resolve, reject) => {
            const reader = new FileReader();
            reader.onload = () => resolve(reader.result);
            reader.onerror = () => reject(new Error(t("{0} could not be read.", file.name)));
            reader.readAsDataURL(file);
        });
    }

    /** Masks out of a picture file, by the server: [{mask, name}], or null when it was refused, which is said. */
    async function masksOf(panel, kind, file) {
        try {
            const answer = await ask("masks", {method: "POST", body: {picture: await readFile(file), kind}});
            if (answer.ok) {
                panel.note((answer.data.notes || []).join("\n"));
                return answer.data.regions;
            }
            panel.note(`${file.name}: ${refusal(answer)}`, true);
        } catch (error) {
            panel.note(error instanceof TypeError ? "The server does not answer." : error.message, true);
        }
        return null;
    }

    async function loadRegions(panel, kind, file) {
        const found = await masksOf(panel, kind, file);
        if (!found) return;
        if (kind === "grey") return void panel.edit((state) => R.addRegions(state, [R.makeRegion({mask: found[0].mask, name: file.name.replace(/\.\w+$/, "").slice(0, 60)})]));
        panel.edit((state) => R.withLayout(state, {regions: found.map(({mask, name}) => ({mask, name}))}));
    }

    /** The mask of one region from a file. */
    async function loadMask(panel, index, file) {
        const found = await masksOf(panel, "grey", file);
        if (found) panel.edit((state) => R.setField(state, `regions[${index}].mask`, found[0].mask));
    }

    // ---------------------------------------------------------------- saving

    /** Every region's mask at one size, soft borders of painted ones and all. */
    async function allMasks(panel) {
        const state = panel.store.get(), [width, height] = R.maskSize(panel.stage.size()), {masks} = panel.stage;
        return Promise.all(state.regions.map(async (region, index) => {
            if (!state.grid && region.mask !== undefined) return R.scaleMask((await masks.wait(region.mask)) || R.makeMask(width, height), width, height);
            return R.drawShape(state.grid ? {} : region, width, height, state.grid ? panel.stage.boundsOf(state, index) : undefined);
        }));
    }

    async function savePicture(panel, kind) {
        const masks = await allMasks(panel);
        if (!masks.length) return panel.note("There is no region yet.");
        if (kind === "each") {
            return masks.forEach((mask, i) => download(`region ${i + 1}.png`, new Blob([R.encodePng(mask)], {type: "image/png"})));
        }
        const pixels = kind === "colours" ? R.colourCoded(masks) : R.channelPacked(masks), [{width, height}] = masks;
        const canvas = el("canvas", {width, height}), context = canvas.getContext("2d");
        context.putImageData(new ImageData(pixels, width, height), 0, 0);
        return canvas.toBlob((blob) => download(`regions ${kind}.png`, blob), "image/png");
    }

    Object.assign(R, {PICTURES, readFile, loadMask});
    R.drawers = R.drawers || {};
    R.drawers.masks = createMaskFiles;
})(globalThis.Regional = globalThis.Regional || {});
