// Regional: the rows of buttons above and below the canvas.
(function (R) {
    "use strict";

    const {t, el, tool, dressTool} = R.dom;
    const SCALES = [[1, "picture"], [8, "latent, 1/8"], [16, "attention, 1/16"], [32, "attention, 1/32"], [64, "attention, 1/64"]];
    const ALIGN = ["left", "centre", "right", "top", "middle", "bottom"];

    function createToolbar(stage) {
        const {panel} = stage;
        const tools = Object.entries(R.tools).map(([name, each]) =>
            tool(name, each.label, () => stage.setTool(name), {key: each.key.toUpperCase(), "aria-pressed": "false", "data-action": `tool-${name}`}));
        const acts = Object.fromEntries([
            ["undo", "Undo", "Ctrl+Z"], ["redo", "Redo", "Ctrl+Y"], ["duplicate", "Duplicate", "Ctrl+D"], ["mirrorX", "Mirror left and right", "H"],
            ["mirrorY", "Mirror top and bottom", "J"], ["copy", "Copy as JSON", "Ctrl+C"], ["paste", "Paste", "Ctrl+V"], ["remove", "Remove", "Delete"],
        ].map(([name, label, key]) => [name, tool(name, label, () => panel.act(name), {key, "data-action": name})]));
        const cells = Object.fromEntries([["splitX", "Split the cell side by side"], ["splitY", "Split the cell into upper and lower"], ["merge", "Merge with the next cell"]]
            .map(([name, label]) => [name, tool(name, label, () => panel.act(name), {"data-action": name})]));
        const align = el("select", {"aria-label": "Align", title: "Align: one region to the picture, several to each other", onchange: () => {
            panel.align(align.value);
            align.value = "";
        }}, el("option", {value: "", told: "Align…"}), ALIGN.map((side) => el("option", {value: side, told: side})));
        const parts = {stage, tools, acts, cells, align, ...brushInputs(stage), ...viewInputs(stage)};
        const group = (...nodes) => el("div", {class: "rg-tools", role: "group"}, nodes);
        return {
            top: el("div", {class: "rg-toolbar", role: "toolbar", "aria-label": "Tools of the layout"}, group(...tools), group(...Object.values(acts)), group(align, ...Object.values(cells)), parts.brush),
            bottom: el("div", {class: "rg-toolbar rg-caption"}, parts.background, group(parts.snap, parts.zoomOut, parts.zoomIn, parts.fit), parts.overlay, parts.caption),
            update: () => update(parts),
        };
    }

    function brushInputs(stage) {
        const range = (name, label, min, max) => {
            const input = el("input", {type: "range", min, max, step: 0.01, "aria-label": label, title: label, oninput: () => { stage.brush[name] = Number(input.value); }});
            return input;
        };
        const size = range("size", "Size of the brush", 0.01, 1), softness = range("softness", "Softness of the brush", 0, 1);
        const brush = el("div", {class: "rg-tools rg-brush"}, el("label", {class: "rg-check"}, el("span", {told: "Size"}), size), el("label", {class: "rg-check"}, el("span", {told: "Soft"}), softness));
        return {brush, brushSize: size, brushSoftness: softness};
    }

    function viewInputs(stage) {
        const background = el("select", {"aria-label": "Background", title: "What lies under the regions", "data-action": "background", onchange: () => R.setBackground(stage, background.value)},
            el("option", {value: "none", told: "Background: none"}), el("option", {value: "result", told: "last result"}), el("option", {value: "init", told: "init image"}),
            el("option", {value: "file", told: "a picture…"}),
            el("optgroup", {label: t("Weight map")}, SCALES.map(([value, text]) => el("option", {value: `map:${value}`, text: `${t("weights")}: ${t(text)}`}))),
            el("optgroup", {label: t("Attention")}, el("option", {value: "words", told: "attention of the words"})));
        if (stage.panel.tab !== "img2img") background.querySelector("[value=init]").remove();
        const snap = tool("magnet", "Snap to edges, thirds and 8 pixels", () => {
            stage.snapping = !stage.snapping;
            stage.bar.update();
        }, {"aria-pressed": "true", "data-action": "snap"});
        const overlay = el("input", {type: "checkbox", "data-action": "overlay", onchange: () => stage.panel.overlay.show(overlay.checked)});
        return {
            background, snap, caption: el("span", {class: "rg-hint"}),
            overlay: el("label", {class: "rg-check", title: "Draw the regions over the picture in the gallery"}, overlay, el("span", {told: "over the result"})),
            zoomIn: tool("zoomIn", "Zoom in", () => stage.zoom(1.5), {key: "+"}), zoomOut: tool("zoomOut", "Zoom out", () => stage.zoom(1 / 1.5), {key: "-"}),
            fit: tool("fit", "Show all", () => stage.fit(), {key: "0"}),
        };
    }

    function update({stage, tools, acts, cells, align, brush, brushSize, brushSoftness, snap, caption, background, fit}) {
        const {panel} = stage, state = panel.store.get(), some = panel.selected.size > 0, {width, height} = panel.size();
        tools.forEach((node) => {
            const on = node.dataset.action === `tool-${stage.tool}`;
            node.classList.toggle("rg-on", on);
            node.setAttribute("aria-pressed", String(on));
        });
        acts.undo.disabled = !panel.history.canUndo();
        acts.redo.disabled = !panel.history.canRedo();
        for (const name of ["duplicate", "copy", "remove"]) acts[name].disabled = !some;
        for (const name of ["mirrorX", "mirrorY"]) acts[name].disabled = !some || Boolean(state.grid);
        align.hidden = Boolean(state.grid);
        align.disabled = !some;
        Object.values(cells).forEach((node) => {
            node.hidden = !state.grid;
            node.disabled = panel.selected.size !== 1;
        });
        brush.hidden = !R.tools[stage.tool].isBrush;
        brushSize.value = stage.brush.size;
        brushSoftness.value = stage.brush.softness;
        snap.classList.toggle("rg-on", stage.snapping);
        snap.setAttribute("aria-pressed", String(stage.snapping));
        fit.disabled = stage.view.zoom === 1;
        const zoom = stage.view.zoom > 1 ? `${Math.round(stage.view.zoom * 100)} %` : "";
        caption.textContent = [`${width} × ${height}`, zoom, panel.cost].filter(Boolean).join(" · ");
        background.value = stage.background.choice || "none";
        dressTool(snap, "magnet", t(stage.snapping ? "Snapping to edges, thirds and 8 pixels: on" : "Snapping: off"));
    }

    R.createToolbar = createToolbar;
})(globalThis.Regional = globalThis.Regional || {});
