// Regional: the drawer "Edit": hold the picture and its layout as the source, change regions, see what counts as changed and what came of it.
(function (R) {
    "use strict";

    const {t, tell, el, button, find, debounce} = R.dom;
    const NAMES = {
        control: "Attention control", tau: "τ", tau_own: "τ of re-worded regions", self_until: "Self-attention until", total: "Whole picture too", t_total: "T_total",
        lambda_rs: "λ region-specific", lambda_is: "λ inter-image", lambda_ip: "λ inherent", guided: "Guided steps", guidance: "Guidance model", guidance_path: "Its folder",
        gradient: "Picture's gradient", keyword_count: "N keywords", keyword_choice: "Choose keywords", kssa_gain: "Keywords in self-attention",
        inversion: "Invert the picture (img2img)", null_text: "Null-text steps", lock: "Lock what is kept", lock_picture: "… its pixels too",
    };
    const KINDS = {inherent: "kept", added: "added", removed: "removed", reworded: "re-worded"};

    function createEdit(panel) {
        const views = R.createEditViews(panel);
        const head = el("div", {class: "rg-row"}), list = el("div", {class: "rg-edit-list", "data-field": "options.edit"}), options = el("div", {class: "rg-row rg-edit-options"});
        const node = el("div", {class: "rg-edit"}, head, list, views.node, options);
        let fields = [], method = null, changes = null, shown = null, had = null;

        function lock() {
            views.hold();
            const seed = seedOf(infotext(panel)), before = panel.store.get();
            panel.edit(R.edit.lockSource);
            if (seed !== null) writeNumber(panel, "seed", seed);
            const made = R.edit.edits(before) ? "" : ` The picture was made by ${before.method}, an edit starts from the one that ${panel.store.get().method} makes of this layout: press Generate once to see it.`;
            panel.note(`This layout is the source now${seed === null ? "" : `, with its seed ${seed}`}. Change regions and press Generate.${made}`);
        }

        function drawHead(state) {
            const has = Boolean(R.edit.sourceOf(state));
            if (has === had) return;
            had = has;
            head.replaceChildren(
                button(has ? "Take this picture and layout as the source" : "Lock this picture and layout as the source", lock, {"data-action": "edit-lock"}),
                ...(has ? [
                    button("Back to the source layout", () => panel.edit(R.edit.backToSource), {"data-action": "edit-back"}),
                    button("Release", () => (views.release(), panel.edit(R.edit.releaseSource)), {"data-action": "edit-release"}),
                ] : []));
        }

        function drawList(state) {
            const source = R.edit.sourceOf(state), told = JSON.stringify([source, changes, state.regions, R.edit.optionsOf(state), infotext(panel)]);
            if (told === shown || (list.contains(document.activeElement) && R.dom.isTyping(document.activeElement))) return;
            shown = told;
            list.replaceChildren(...(source ? rows(state, source) : [el("div", {class: "rg-message", told: "No source yet. Make a picture with the method MRGD, lock it here, then add, remove or re-word regions: the rest stays."})]));
        }

        function rows(state, source) {
            const found = R.edit.foundKeywords(infotext(panel)), names = sourceNames(source), explicit = R.edit.optionsOf(state).pairs || [];
            const known = (changes || []).filter((pair) => pair.target === null || pair.target < state.regions.length);
            const body = known.map((pair) => changeRow(panel, state, pair, names, found));
            const count = known.filter((pair) => pair.kind !== "inherent").length;
            const text = changes ? (count ? `${count} change${count === 1 ? "" : "s"}` : "Nothing is changed yet") : "Looking at what changed …";
            return [el("div", {class: "rg-row"}, el("strong", {text: tell(text), "data-action": "edit-count"}),
                explicit.length ? button("Find again", () => panel.edit(R.edit.clearPairs), {"data-action": "edit-find"}) : null), ...body];
        }

        function drawOptions(state) {
            if (state.method !== method) {
                method = state.method;
                const known = ((((panel.schema.properties || {}).options || {}).properties || {})[method] || {}).properties || {};
                fields = R.edit.edits(state) ? R.edit.OPTIONS.filter((name) => known[name]).map((name) => optionField(panel, method, name, known[name])).filter(Boolean) : [];
                options.replaceChildren(...fields.map((field) => field.node));
            }
            fields.forEach((field) => field.update(state));
        }

        function update() {
            const state = panel.store.get();
            drawHead(state);
            drawList(state);
            drawOptions(state);
            views.update();
        }

        const soon = debounce(update, 60);
        panel.store.subscribe(soon);
        panel.onChecked = (answer) => {
            changes = answer ? answer.edit || null : null;
            soon();
        };
        setInterval(() => node.isConnected && panel.visible() && update(), 700);
        return {node, opened() {
            panel.checks.again();
            update();
        }};
    }

    // ---------------------------------------------------------------- rows

    /** What the source's regions are called. Cells of a grid have no shape of their own but a number like any other. */
    const sourceNames = (source) => (source.regions || []).map((region, index) => `${index + 1} ${shorten(region.name || region.prompt || "")}`);
    const shorten = (text) => (text.length > 32 ? `${text.slice(0, 31)}…` : text);

    function changeRow(panel, state, pair, names, found) {
        const kind = KINDS[pair.kind] || pair.kind, target = pair.target;
        const badge = el("span", {class: `rg-chip rg-edit-${pair.kind}`, told: kind});
        if (target === null) return el("div", {class: "rg-row rg-edit-row", "data-kind": pair.kind}, badge, el("span", {text: t("Region {0} of the source", names[pair.source])}));
        const region = state.regions[target];
        return el("div", {class: "rg-row rg-edit-row", "data-kind": pair.kind}, badge,
            el("span", {class: "rg-edit-name", text: `${t("Region {0}", target + 1)} ${shorten(region.name || region.prompt)}`}), partnerField(panel, pair, names),
            state.method === "mrgd" ? keywordField(panel, state, target, found[target]) : null);
    }

    function partnerField(panel, pair, names) {
        const choices = [["", t("new in the target")], ...names.map((name, index) => [String(index), t("is {0} of the source", name)])];
        const input = el("select", {"aria-label": t("What region {0} was in the source", pair.target + 1), "data-action": `edit-pair-${pair.target}`,
            onchange: () => panel.edit((state) => R.edit.setPair(state, pair.target, input.value === "" ? null : Number(input.value)))},
        choices.map(([value, text]) => el("option", {value, text})));
        input.value = pair.source === null ? "" : String(pair.source);
        return input;
    }

    function keywordField(panel, state, target, found) {
        const input = el("input", {
            type: "text", class: "rg-edit-keywords", placeholder: found ? t("found: {0}", found) : "keywords: found while sampling", "aria-label": t("Keywords of region {0}", target + 1),
            title: "Words of the region's prompt that say what is seen there. Empty: those whose attention is most concentrated", "data-field": `options.mrgd.keywords[${target}]`,
            value: R.edit.keywordsOf(state, target).join(" "),
            oninput: () => panel.edit((now) => R.edit.setKeywords(now, target, input.value), {key: `keywords-${target}`}),
        });
        return input;
    }

    /** An option with the paper's name for it; a choice that was not made shows the default. */
    function optionField(panel, method, name, schema) {
        const field = R.fields.schemaField(panel, `options.${method}.${name}`, name, schema);
        const label = field && field.node.querySelector("span");
        if (label && NAMES[name]) label.textContent = t(NAMES[name]);
        return field && schema.enum ? {...field, update: (state) => {
            if (R.getField(state, field.input.dataset.field) === undefined) field.input.value = schema.default;
            else field.update(state);
        }} : field;
    }

    // ---------------------------------------------------------------- the tab

    /** The infotext that the host shows below the gallery. */
    const infotext = (panel) => (find(`#html_info_${panel.tab}`) || {}).textContent || "";

    function seedOf(text) {
        const told = /\bSeed: (\d+)/.exec(text);
        return told ? Number(told[1]) : null;
    }

    function writeNumber(panel, name, value) {
        const input = find(`#${panel.tab}_${name} input[type=number], #${panel.tab}_${name}_row input[type=number], #${panel.tab}_${name} input`);
        if (!input) return;
        input.value = String(value);
        input.dispatchEvent(new Event("input", {bubbles: true}));
        input.dispatchEvent(new Event("change", {bubbles: true}));
    }

    R.drawers = R.drawers || {};
    R.drawers.edit = createEdit;
})(globalThis.Regional = globalThis.Regional || {});
