// Regional: the shape of a region in numbers, at the end of its card, and its mask as a picture.
(function (R) {
    "use strict";

    const {el, button, download, chooseFile} = R.dom;

    /** Fill `holder` with the inputs of a region's shape; those that follow the state are left in `holder.bound`. */
    function drawShapeInputs(panel, holder, state, region, at) {
        holder.bound = [];
        if (state.grid) return holder.replaceChildren();
        const kind = R.shapeKind(region), index = () => R.indexOf(panel.store.get(), region._id);
        const select = el("select", {"data-field": at("shape")(), "aria-label": "Shape", onchange: () => changeKind(panel, index(), select.value)},
            kind ? null : el("option", {value: "", told: "choose…"}), R.SHAPE_KINDS.map((value) => el("option", {value, told: value})));
        select.value = kind || "";
        return holder.replaceChildren(R.fields.labelled("Shape", select), ...(kind ? shapeInputs(panel, holder, kind, region, at) : []));
    }

    function changeKind(panel, index, kind) {
        const region = panel.store.get().regions[index], {stage} = panel;
        if (kind !== "mask" || region.mask !== undefined || region._mask) return panel.edit((state) => R.setShapeKind(state, index, kind));
        const mask = R.drawShape(region, ...R.maskSize(stage.size()));
        const {box, ellipse, polygon, ...rest} = region;
        return panel.edit((state) => R.replaceRegion(state, index, {...rest, mask: R.storeMask(stage, mask)}));
    }

    function shapeInputs(panel, holder, kind, region, at) {
        if (kind === "mask") return maskInputs(panel, region);
        if (kind === "polygon") return [polygonInput(panel, region, at)];
        return ["left", "top", "right", "bottom"].map((side, i) => {
            const field = R.fields.numberField(panel, at(`${kind}[${i}]`), side, {
                min: 0, max: 1, fallback: i < 2 ? 0 : 1, whenEmpty: i < 2 ? 0 : 1, title: "Share of the picture's width or height, 0 to 1",
            });
            holder.bound.push(field);
            field.update(panel.store.get());
            return field.node;
        });
    }

    function polygonInput(panel, region, at) {
        const input = el("textarea", {
            rows: R.clamp(region.polygon.length, 3, 8), "data-field": at("polygon[0]")(), spellcheck: "false", value: R.formatPoints(region.polygon),
            oninput: () => panel.edit((state) => R.setField(state, at("polygon")(), R.parsePoints(input.value)), {key: `polygon:${region._id}`}),
        });
        return R.fields.labelled("Points: x y, one a line, 0 to 1", input, {class: "rg-field rg-points"});
    }

    function maskInputs(panel, region) {
        const index = () => R.indexOf(panel.store.get(), region._id);
        return [
            button("Load a picture…", () => chooseFile(R.PICTURES, (file) => R.loadMask(panel, index(), file)), {"data-action": "mask-load", title: "White is inside, greys are kept"}),
            button("Save as PNG", () => saveMask(panel, index()), {"data-action": "mask-save"}),
        ];
    }

    async function saveMask(panel, index) {
        const region = panel.store.get().regions[index], mask = await panel.stage.masks.wait(region.mask);
        if (!mask) return panel.note("This region has no mask yet.");
        return download(`${(region.name || `region ${index + 1}`).replace(/[^\p{L}\p{N} _-]/gu, "")}.png`, new Blob([R.encodePng(mask)], {type: "image/png"}));
    }

    R.drawShapeInputs = drawShapeInputs;
})(globalThis.Regional = globalThis.Regional || {});
