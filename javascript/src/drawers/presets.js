// The drawer of layouts that come along and of presets that the user keeps.

/** @import {Answer, Json} from "../types.js" */
/** @import {Panel} from "../panel/panel.js" */

import {t, translateMessage} from "../host/language.js";
import {callApi, errorText} from "../host/server.js";
import {maskText} from "../model/geometry/shapes.js";
import {withLayout} from "../model/layout.js";
import {fromJson, toJson} from "../model/state.js";
import {drawThumbnail} from "../stage/drawing.js";
import {button, tool} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";
import {chooseFile, download} from "../widgets/files.js";
import {readPresetFile, writePresetFile} from "./preset_files.js";

/**
 * The drawer "Layouts and presets".
 *
 * @param {Panel} panel
 */
export function createPresets(panel) {
    return new PresetDrawer(panel);
}

class PresetDrawer {
    /** @param {Panel} panel */
    constructor(panel) {
        this.panel = panel;
        this.builtin = el("div", {class: "rg-tiles"});
        this.saved = el("div", {class: "rg-tiles"});
        this.status = el("span", {class: "rg-hint rg-report", role: "status", "data-action": "preset-report"});
        this.name = el("input", {
            type: "text",
            "aria-label": "Name of the preset",
            placeholder: "name of a new preset",
            maxlength: 80,
            autocomplete: "off",
            "data-action": "preset-name",
        });
        this.name.addEventListener("keydown", (event) => event.key === "Enter" && !event.ctrlKey && !event.metaKey && this.save());
        this.node = this.build();
    }

    build() {
        const choose = () => chooseFile(".json,application/json", (file) => this.importFile(file));
        const row = [
            this.name,
            button("Save", () => this.save(), {"data-action": "preset-save"}),
            button("Export all", () => this.exportAll(), {"data-action": "preset-export"}),
            button("Import a file…", choose, {"data-action": "preset-import"}),
            this.status,
        ];
        return el(
            "div",
            {class: "rg-presets"},
            el("div", {class: "rg-label", localized: "Layouts: the places change, your prompts stay"}),
            this.builtin,
            el("div", {class: "rg-label", localized: "Your presets"}),
            this.saved,
            el("div", {class: "rg-row"}, row),
        );
    }

    opened() {
        return this.list();
    }

    /**
     * Show what was done or what is wrong.
     *
     * @param {string} text
     * @param {boolean} [isBad]
     */
    report(text, isBad) {
        this.status.textContent = translateMessage(text);
        this.status.classList.toggle("rg-problem-text", Boolean(isBad));
    }

    /**
     * Call a route of presets. -> the answer's data; null for a refusal, which is reported.
     *
     * @param {string} path
     * @param {Parameters<typeof callApi>[1]} [options]
     */
    async request(path, options) {
        try {
            const answer = await callApi(`presets${path}`, options);
            if (answer.ok) return answer.data;
            this.report(errorText(answer), true);
        } catch {
            this.report("The server does not answer.", true);
        }
        return null;
    }

    /** Draw the tiles of all layouts and presets. */
    async list() {
        const data = await this.request("");
        if (!data) return;
        const layouts = this.builtin.children.length ? null : await callApi("layouts").catch(() => null);
        if (layouts && layouts.ok) this.builtin.replaceChildren(...layouts.data.layouts.map(this.layoutTile, this));
        /** @type {string[]} */
        const names = data.names;
        const tiles = names.map((name) => this.presetTile(name));
        const none = el("span", {class: "rg-hint", localized: "none yet: write a name and press Save"});
        this.saved.replaceChildren(...(tiles.length ? tiles : [none]));
        await Promise.all(names.map((name, i) => this.drawPreset(name, tiles[i])));
    }

    /**
     * @param {string} name
     * @param {string} shown
     * @param {() => unknown} onclick
     */
    tile(name, shown, onclick) {
        const canvas = el("canvas", {width: 96, height: 72, "aria-hidden": "true"});
        return el("button", {type: "button", class: "rg-tile", onclick, "data-preset": name}, canvas, el("span", {text: shown}));
    }

    /** @param {{name: string, settings: Json}} layout */
    layoutTile({name, settings}) {
        const node = this.tile(name, t(name), () => this.useLayout(name, settings));
        this.drawInto(node, settings);
        return node;
    }

    /** @param {string} name */
    presetTile(name) {
        const rename = {class: "rg-button rg-small", "aria-label": t("Rename {0}", name)};
        const tools = [
            button("Rename", () => this.rename(name), rename),
            tool("remove", t("Delete {0}", name), () => this.remove(name), {class: "rg-button rg-tool rg-small"}),
        ];
        const bare = this.tile(name, name, () => this.load(name));
        return el("div", {class: "rg-own"}, bare, el("div", {class: "rg-own-tools"}, tools));
    }

    /**
     * Draw the picture of a layout into a tile.
     *
     * @param {HTMLElement} tile
     * @param {Json} settings
     */
    drawInto(tile, settings) {
        const canvas = tile.querySelector("canvas");
        const {masks} = this.panel.stage;
        if (!canvas) return;
        try {
            const state = fromJson(settings);
            Promise.all(state.regions.map((region) => masks.wait(maskText(region)))).then((found) => {
                state.regions.forEach((region, i) => {
                    const mask = maskText(region);
                    const decoded = found[i];
                    if (mask && decoded && !masks.get(mask)) masks.put(mask, decoded);
                });
                drawThumbnail(canvas, state, masks);
            });
        } catch {
            // A damaged preset has no picture; loading it shows what is wrong.
        }
    }

    /**
     * @param {string} name
     * @param {HTMLElement} tile
     */
    async drawPreset(name, tile) {
        const answer = await callApi(`presets/${encodeURIComponent(name)}`).catch(() => null);
        if (answer && answer.ok) this.drawInto(tile, answer.data.settings);
    }

    /**
     * The shapes of a layout with the texts and strengths that the regions have, as far as there are regions.
     *
     * @param {string} name
     * @param {Json} settings
     */
    useLayout(name, settings) {
        this.panel.edit((state) => withLayout(state, settings));
        this.report(t("{0}: {1} regions.", t(name), this.panel.store.get().regions.length));
    }

    /** @param {string} name */
    async load(name) {
        const data = await this.request(`/${encodeURIComponent(name)}`);
        if (!data) return;
        this.panel.edit(() => fromJson(data.settings));
        this.name.value = name;
        this.report(t('Loaded "{0}".', name));
    }

    async save() {
        const name = this.name.value.trim();
        if (!name) return this.report("Write a name for the preset first.", true);
        const body = {settings: toJson(this.panel.store.get())};
        if (!(await this.request(`/${encodeURIComponent(name)}`, {method: "PUT", body}))) return undefined;
        await this.list();
        return this.report(t('Saved "{0}".', name));
    }

    /** @param {string} old */
    async rename(old) {
        const name = window.prompt(t('A new name for "{0}"', old), old);
        if (!name || name === old) return;
        if (!(await this.request(`/${encodeURIComponent(old)}/rename`, {method: "POST", body: {name}}))) return;
        await this.list();
        this.report(t('"{0}" is now "{1}".', old, name));
    }

    /** @param {string} name */
    async remove(name) {
        if (!window.confirm(t('Delete the preset "{0}"?', name))) return;
        if (!(await this.request(`/${encodeURIComponent(name)}`, {method: "DELETE"}))) return;
        await this.list();
        this.report(t('Deleted "{0}".', name));
    }

    async exportAll() {
        const data = await this.request("");
        if (!data) return;
        if (!data.names.length) return void this.report("There is no preset yet.");
        /** @type {Record<string, Json>} */
        const presets = {};
        for (const name of data.names) {
            const one = await this.request(`/${encodeURIComponent(name)}`);
            if (one) presets[name] = one.settings;
        }
        download("regional presets.json", new Blob([writePresetFile(presets)], {type: "application/json"}));
        this.report(t("Presets exported: {0}.", Object.keys(presets).length));
    }

    /** @param {File} file */
    async importFile(file) {
        /** @type {Record<string, Json>} */
        let presets;
        try {
            presets = readPresetFile(file.name, await file.text());
        } catch (error) {
            return this.report(error.message, true);
        }
        const refused = [];
        for (const [name, settings] of Object.entries(presets)) {
            const fault = await importPreset(name, settings);
            if (fault) refused.push(`${name}: ${fault}`);
        }
        await this.list();
        const count = Object.keys(presets).length - refused.length;
        return this.report([t("Presets imported from {1}: {0}.", count, file.name), ...refused].join("\n"), refused.length > 0);
    }
}

/**
 * Save one preset that the user does not have yet. -> why it was refused, "" when it is saved.
 *
 * @param {string} name
 * @param {Json} settings
 */
async function importPreset(name, settings) {
    const options = {method: "PUT", body: {settings, overwrite: false}};
    /** @type {Answer | null} */
    const answer = await callApi(`presets/${encodeURIComponent(name)}`, options).catch(() => null);
    if (!answer) return "the server does not answer";
    return answer.ok ? "" : errorText(answer);
}
