// Regional: what the buttons and keys of the panel do to the chosen regions. Added to the Panel of regional_panel.js.
(function (R) {
    "use strict";

    const {t} = R.dom;

    const ACTS = {
        undo: (panel) => panel.undo(),
        redo: (panel) => panel.redo(),
        remove: (panel) => panel.edit((state) => R.removeRegions(state, panel.selected)),
        duplicate: (panel) => {
            const {state, ids} = R.duplicateRegions(panel.store.get(), panel.selected);
            panel.edit(() => state);
            panel.select([...ids], {reveal: true});
        },
        mirrorX: (panel) => mirror(panel, true),
        mirrorY: (panel) => mirror(panel, false),
        copy: (panel) => copyToClipboard(panel),
        paste: (panel) => pasteFromClipboard(panel),
        splitX: (panel) => splitChosen(panel, "x"),
        splitY: (panel) => splitChosen(panel, "y"),
        merge: (panel) => {
            const next = R.mergeCells(panel.store.get(), chosenIndex(panel));
            if (next) panel.edit(() => next);
            else panel.note("This cell has no next one to merge with: merging works along a row, and between rows of one cell.");
        },
    };

    const chosenIndex = (panel) => panel.store.get().regions.findIndex((region) => panel.selected.has(region._id));

    function splitChosen(panel, axis) {
        const index = chosenIndex(panel);
        if (index >= 0) panel.edit((state) => R.splitCell(state, index, axis));
    }

    /** Shapes by their numbers, masks by their pixels. */
    function transform(panel, change, from, to) {
        const {masks} = panel.stage;
        panel.edit((state) => R.changeRegions(state, panel.selected, (region) => {
            if (region.mask === undefined) return change(region);
            const mask = masks.get(region.mask);
            return mask ? {...region, mask: R.storeMask(panel.stage, R.warpMask(mask, from, to))} : region;
        }));
    }

    function mirror(panel, horizontal) {
        const to = horizontal ? [1, 0, 0, 1] : [0, 1, 1, 0];
        if (!panel.store.get().grid) transform(panel, (region) => R.mirrorShape(region, horizontal), [0, 0, 1, 1], to);
    }

    async function copyToClipboard(panel) {
        const text = R.copyText(panel.store.get(), panel.selected);
        R.copied = text;
        try {
            await navigator.clipboard.writeText(text);
            panel.note(t("Regions copied as JSON: {0}.", panel.selected.size));
        } catch {
            panel.note("Copied within this page. The browser does not let the page write to its clipboard; Ctrl+C on the canvas does.");
        }
    }

    async function pasteFromClipboard(panel) {
        try {
            panel.paste(await navigator.clipboard.readText());
        } catch {
            if (R.copied) panel.paste(R.copied);
            else panel.note("The browser does not let the page read its clipboard. Click the canvas and press Ctrl+V.", true);
        }
    }

    Object.assign(R.Panel.prototype, {
        act(name) {
            ACTS[name](this);
            return true;
        },

        /** Regions from the clipboard's text; what is wrong with it is said, and nothing changes. */
        paste(text) {
            try {
                const regions = R.pasteRegions(text);
                this.edit((state) => R.addRegions(state, regions));
                this.select(regions.map((region) => region._id), {reveal: true});
                this.note(t("Regions pasted: {0}.", regions.length));
            } catch (error) {
                this.note(error.message, true);
            }
        },

        /** The selection with its frame `from` at `to`. */
        place(from, to, key) {
            const map = R.boxMap(from, to), {masks} = this.stage;
            this.edit((state) => R.changeRegions(state, this.selected, (region) => {
                if (region.mask === undefined) return R.mapShape(region, ...map);
                const mask = masks.get(region.mask);
                return mask ? {...region, mask: R.storeMask(this.stage, R.warpMask(mask, from, to))} : region;
            }), {key});
        },

        align(side) {
            if (!side) return;
            const state = this.store.get(), all = this.stage.selectionBox(state);
            const frame = this.selected.size > 1 ? all : [0, 0, 1, 1], {masks} = this.stage;
            this.edit((now) => R.changeRegions(now, this.selected, (region, index) => {
                const from = this.stage.boundsOf(now, index), to = R.alignBox(from, side, frame), mask = region.mask !== undefined && masks.get(region.mask);
                if (region.mask === undefined) return R.mapShape(region, ...R.boxMap(from, to));
                return mask ? {...region, mask: R.storeMask(this.stage, R.warpMask(mask, from, to))} : region;
            }));
        },

        /** A new box in the middle of the picture, or a new cell of the grid. */
        addBox() {
            this.edit(R.addRegion);
            const {regions} = this.store.get();
            this.select([regions[regions.length - 1]._id], {reveal: true});
        },

        reset() {
            this.note("");
            this.edit(() => R.emptyState());
        },
    });
})(globalThis.Regional = globalThis.Regional || {});
