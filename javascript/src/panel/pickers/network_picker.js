// The picker of a prompt: the host's LoRAs and embeddings with their pictures. Choosing one writes it into that prompt, or into its negative one.

/** @import {NetworkKind} from "../../model/prompt/networks.js" */
/** @import {Panel} from "../panel.js" */

import {t} from "../../host/language.js";
import {knownNetworks, loadNetworks, pictureOf} from "../../host/networks.js";
import {nameInPrompt, nextTile, searchNames, spaced} from "../../model/prompt/networks.js";
import {button, tool} from "../../widgets/buttons.js";
import {typeInto} from "../../widgets/completion.js";
import {openDialog} from "../../widgets/dialog.js";
import {el} from "../../widgets/elements.js";
import {columnsOf, networkTile} from "./tiles.js";

/** Tiles that are drawn at once; more are found by searching. */
const MOST = 200;
/** @type {Record<NetworkKind, {label: string, none: string, unmatched: string}>} */
const KINDS = {
    loras: {
        label: "LoRAs",
        none: "The host lists no LoRAs. Put files into its folder for them, and press the arrow that asks again.",
        unmatched: 'No LoRA has "{0}" in its name.',
    },
    embeddings: {
        label: "Embeddings",
        none: "The host lists no embeddings. Put files into its folder for them, and press the arrow that asks again.",
        unmatched: 'No embedding has "{0}" in its name.',
    },
};
const NAMES = /** @type {NetworkKind[]} */ (Object.keys(KINDS));

/** What a picker is for: as its tiles and as its title name it. @typedef {{name: string, title: string}} PickerTarget */
/** Where it writes; a negative prompt that the page lacks is null. @typedef {{prompt: {input: HTMLTextAreaElement}, negative: {input: HTMLTextAreaElement | null}}} PickerFields */

/** An open picker. */
export class NetworkPicker {
    /** Why the lists could not be had. */
    fault = "";
    isAsking = false;
    /** @type {NetworkKind} */
    kind = "loras";

    /**
     * @param {Panel} panel
     * @param {PickerTarget} target
     * @param {PickerFields} fields
     * @param {HTMLElement} back Gets the keyboard when nothing is chosen.
     */
    constructor(panel, target, fields, back) {
        this.panel = panel;
        this.name = target.name;
        this.fields = fields;
        this.back = back;
        this.switches = NAMES.map((kind) => button(KINDS[kind].label, () => this.show(kind), {"data-kind": kind}));
        this.search = el("input", {
            type: "text",
            class: "rg-picker-search",
            placeholder: "search: parts of a name",
            "aria-label": "Search by name",
            "data-action": "picker-search",
            spellcheck: "false",
            autocomplete: "off",
            oninput: () => this.draw(),
        });
        this.into = el("input", {type: "checkbox", "data-action": "picker-negative"});
        this.intoLabel = el("label", {class: "rg-check"}, this.into, el("span", {localized: "into the negative prompt"}));
        this.status = el("div", {class: "rg-hint", role: "status"});
        this.tiles = el("div", {class: "rg-tiles rg-picker-tiles", role: "group"});
        const parts = [this.head(), this.search, this.intoLabel, this.status, this.tiles];
        this.dialog = openDialog("rg-picker", target.title, () => this.back, parts);
        this.dialog.addEventListener("keydown", (event) => this.press(event));
        this.search.focus();
        this.show("loras");
        if (!knownNetworks()) this.ask();
    }

    head() {
        const kinds = el("div", {class: "rg-switch", role: "group", "aria-label": "What to choose from"}, this.switches);
        const again = tool("refresh", "Ask the host for its lists again", () => this.ask(), {"data-action": "picker-refresh"});
        const close = tool("remove", "Close", () => this.dialog.close(), {"data-action": "picker-close", key: "Esc"});
        return el("div", {class: "rg-picker-head"}, kinds, el("span", {class: "rg-last"}, again, close));
    }

    /** Ask the host for its lists, and draw what it answers. */
    async ask() {
        if (this.isAsking) return;
        this.isAsking = true;
        this.draw();
        this.fault = await loadNetworks(() => this.panel.list.renew());
        this.isAsking = false;
        if (this.dialog.isConnected) this.draw();
    }

    /** @param {NetworkKind} kind */
    show(kind) {
        this.kind = kind;
        this.switches.forEach((node) => {
            const isThis = node.dataset.kind === kind;
            node.classList.toggle("rg-on", isThis);
            node.setAttribute("aria-pressed", String(isThis));
        });
        this.tiles.setAttribute("aria-label", t(KINDS[kind].label));
        this.intoLabel.hidden = kind !== "embeddings" || !this.fields.negative.input;
        this.draw();
    }

    /** The tiles that the search finds, and in words what is not there. */
    draw() {
        const names = knownNetworks()?.[this.kind] || [];
        const found = searchNames(names, this.search.value);
        this.status.textContent = this.words(names.length, found.length);
        this.status.classList.toggle("rg-problem-text", Boolean(this.fault) && !this.isAsking);
        this.tiles.replaceChildren(
            ...found.slice(0, MOST).map((name) => networkTile(name, pictureOf(this.kind, name), () => this.choose(name))),
        );
        this.tiles.scrollTop = 0;
        const first = /** @type {HTMLElement | null} */ (this.tiles.firstElementChild);
        if (first) first.tabIndex = 0;
    }

    /**
     * @param {number} all How many the host lists.
     * @param {number} found How many of them the search finds.
     */
    words(all, found) {
        const {none, unmatched} = KINDS[this.kind];
        if (this.isAsking) return t("Asking the host …");
        if (this.fault) return t("The list could not be had: {0}", this.fault);
        if (!all) return t(none);
        if (!found) return t(unmatched, this.search.value.trim());
        const more = found > MOST ? t("{0} of {1}: search for the others.", MOST, found) : t("{0} of {1}", found, all);
        return `${this.name} · ${more}`;
    }

    /**
     * Write a network into the prompt, at its caret, as one step of the history.
     *
     * @param {string} name
     */
    choose(name) {
        const {prompt, negative} = this.fields;
        const input = (this.kind === "embeddings" && this.into.checked && negative.input) || prompt.input;
        const at = input.selectionEnd;
        const words = spaced(input.value, at, nameInPrompt(this.kind, name));
        const closed = input.closest("details");
        if (closed) closed.open = true;
        this.back = input;
        this.dialog.close();
        this.panel.history.seal();
        typeInto(input, at, at, words);
        this.panel.history.seal();
    }

    /** @param {KeyboardEvent} event */
    press(event) {
        const tiles = /** @type {HTMLElement[]} */ ([...this.tiles.children]);
        const at = tiles.indexOf(/** @type {HTMLElement} */ (event.target));
        if (event.target === this.search) {
            if (event.isComposing || !tiles.length) return;
            if (event.key === "Enter") tiles[0].click();
            else if (event.key === "ArrowDown") move(tiles, 0);
            else return;
        } else {
            const to = at < 0 ? null : nextTile(event.key, at, tiles.length, columnsOf(tiles));
            if (to === null) return;
            if (to < 0) this.search.focus();
            else move(tiles, to);
        }
        event.preventDefault();
    }
}

/**
 * Give a tile the keyboard; Tab comes back to it.
 *
 * @param {HTMLElement[]} tiles
 * @param {number} to
 */
function move(tiles, to) {
    tiles.forEach((tile, i) => (tile.tabIndex = i === to ? 0 : -1));
    tiles[to].focus();
}
