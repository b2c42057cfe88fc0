// Regional: the drawer of layouts that come along and of presets that the user keeps.
(function (R) {
    "use strict";

    const {t, el, button, tool, ask, refusal, download, chooseFile} = R.dom;
    const FILE_KIND = "regional/presets";

    function createPresets(panel) {
        const tell = (text, isBad) => {
            report.textContent = R.dom.tell(text);
            report.classList.toggle("rg-problem-text", Boolean(isBad));
        };
        const report = el("span", {class: "rg-hint rg-report", role: "status", "data-action": "preset-report"});
        const builtin = el("div", {class: "rg-tiles"}), own = el("div", {class: "rg-tiles"});
        const name = el("input", {type: "text", "aria-label": "Name of the preset", placeholder: "name of a new preset", maxlength: 80, autocomplete: "off", "data-action": "preset-name"});
        const context = {panel, tell, builtin, own, name, settings: new Map()};
        name.addEventListener("keydown", (event) => event.key === "Enter" && !event.ctrlKey && !event.metaKey && save(context));
        const node = el("div", {class: "rg-presets"},
            el("div", {class: "rg-label", told: "Layouts: the places change, your prompts stay"}), builtin,
            el("div", {class: "rg-label", told: "Your presets"}), own,
            el("div", {class: "rg-row"}, name, button("Save", () => save(context), {"data-action": "preset-save"}),
                button("Export all", () => exportAll(context), {"data-action": "preset-export"}),
                button("Import a file…", () => chooseFile(".json,application/json", (file) => importFile(context, file)), {"data-action": "preset-import"}), report));
        return {node, opened: () => list(context)};
    }

    /** Ask about presets; what is refused is told. Gives the answer's data, or null. */
    async function request({tell}, path, options) {
        try {
            const answer = await ask(`presets${path}`, options);
            if (answer.ok) return answer.data;
            tell(refusal(answer), true);
        } catch {
            tell("The server does not answer.", true);
        }
        return null;
    }

    async function list(context) {
        const data = await request(context, "", {});
        if (!data) return;
        const answer = context.builtin.children.length ? null : await ask("layouts").catch(() => null);
        if (answer && answer.ok) context.builtin.replaceChildren(...answer.data.layouts.map(({name, settings}) => tile(context, name, settings, () => useLayout(context, name, settings), t(name))));
        const tiles = data.names.map((name) => ownTile(context, name));
        context.own.replaceChildren(...(tiles.length ? tiles : [el("span", {class: "rg-hint", told: "none yet: write a name and press Save"})]));
        await Promise.all(data.names.map((name, i) => drawOwn(context, name, tiles[i])));
    }

    function tile(context, name, settings, onclick, shown = name) {
        const canvas = el("canvas", {width: 96, height: 72, "aria-hidden": "true"});
        const node = el("button", {type: "button", class: "rg-tile", onclick, "data-preset": name}, canvas, el("span", {text: shown}));
        if (settings) drawInto(context, canvas, settings);
        return node;
    }

    function drawInto(context, canvas, settings) {
        try {
            const state = R.fromJson(settings), {masks} = context.panel.stage;
            Promise.all(state.regions.map((region) => region.mask && masks.wait(region.mask))).then((found) => {
                state.regions.forEach((region, i) => region.mask && found[i] && !masks.get(region.mask) && masks.put(region.mask, found[i]));
                R.draw.drawThumbnail(canvas, state, masks);
            });
        } catch {
            // A damaged preset has no picture; loading it says what is wrong.
        }
    }

    function ownTile(context, name) {
        const bare = tile(context, name, null, () => load(context, name));
        return el("div", {class: "rg-own"}, bare, el("div", {class: "rg-own-tools"},
            button("Rename", () => rename(context, name), {class: "rg-button rg-small", "aria-label": t("Rename {0}", name)}),
            tool("remove", t("Delete {0}", name), () => remove(context, name), {class: "rg-button rg-tool rg-small"})));
    }

    async function drawOwn(context, name, node) {
        const answer = await ask(`presets/${encodeURIComponent(name)}`).catch(() => null);
        if (answer && answer.ok) drawInto(context, node.querySelector("canvas"), answer.data.settings);
    }

    /** A layout's places with the texts and strengths that the regions have, as far as there are regions. */
    function useLayout({panel, tell}, name, settings) {
        panel.edit((state) => R.withLayout(state, settings));
        tell(t("{0}: {1} regions.", t(name), panel.store.get().regions.length));
    }

    async function load(context, name) {
        const data = await request(context, `/${encodeURIComponent(name)}`, {});
        if (!data) return;
        context.panel.edit(() => R.fromJson(data.settings));
        context.name.value = name;
        context.tell(t('Loaded "{0}".', name));
    }

    async function save(context) {
        const name = context.name.value.trim();
        if (!name) return context.tell("Write a name for the preset first.", true);
        const data = await request(context, `/${encodeURIComponent(name)}`, {method: "PUT", body: {settings: R.toJson(context.panel.store.get())}});
        if (!data) return undefined;
        await list(context);
        return context.tell(t('Saved "{0}".', name));
    }

    async function rename(context, old) {
        const name = window.prompt(t('A new name for "{0}"', old), old);
        if (!name || name === old) return;
        if (!await request(context, `/${encodeURIComponent(old)}/rename`, {method: "POST", body: {name}})) return;
        await list(context);
        context.tell(t('"{0}" is now "{1}".', old, name));
    }

    async function remove(context, name) {
        if (!window.confirm(t('Delete the preset "{0}"?', name))) return;
        if (!await request(context, `/${encodeURIComponent(name)}`, {method: "DELETE"})) return;
        await list(context);
        context.tell(t('Deleted "{0}".', name));
    }

    async function exportAll(context) {
        const data = await request(context, "", {});
        if (!data) return;
        if (!data.names.length) return context.tell("There is no preset yet.");
        const presets = {};
        for (const name of data.names) {
            const one = await request(context, `/${encodeURIComponent(name)}`, {});
            if (one) presets[name] = one.settings;
        }
        download("regional presets.json", new Blob([JSON.stringify({[FILE_KIND]: R.VERSION, presets}, null, 1)], {type: "application/json"}));
        context.tell(t("Presets exported: {0}.", Object.keys(presets).length));
    }

    async function importFile(context, file) {
        let presets;
        try {
            presets = readPresetFile(file.name, await file.text());
        } catch (error) {
            return context.tell(error.message, true);
        }
        const refused = [];
        for (const [name, settings] of Object.entries(presets)) {
            const answer = await ask(`presets/${encodeURIComponent(name)}`, {method: "PUT", body: {settings, overwrite: false}}).catch(() => null);
            if (!answer || !answer.ok) refused.push(`${name}: ${answer ? refusal(answer) : "the server does not answer"}`);
        }
        await list(context);
        const count = Object.keys(presets).length - refused.length;
        return context.tell([t("Presets imported from {1}: {0}.", count, file.name), ...refused].join("\n"), refused.length > 0);
    }

    /** Text of a file -> {name: settings}. One preset's settings do as well; its name is the file's. */
    function readPresetFile(fileName, text) {
        let data;
        try {
            data = JSON.parse(text);
        } catch (error) {
            throw new Error(t("{0} is no preset file: its JSON is broken ({1}).", fileName, error.message));
        }
        if (data && typeof data.presets === "object" && data[FILE_KIND] > R.VERSION) throw new Error(t("{0} was written by a newer Regional (version {1}): this one reads up to {2}.", fileName, data[FILE_KIND], R.VERSION));
        if (data && typeof data.presets === "object" && data.presets && !Array.isArray(data.presets)) return data.presets;
        if (data && Array.isArray(data.regions)) return {[fileName.replace(/\.json$/i, "").replace(/[^\p{L}\p{M}\p{Nd} ._-]/gu, "-")]: data};
        throw new Error(t('{0} holds no presets: it should have been written by "Export all".', fileName));
    }

    R.drawers = R.drawers || {};
    R.drawers.presets = createPresets;
})(globalThis.Regional = globalThis.Regional || {});
