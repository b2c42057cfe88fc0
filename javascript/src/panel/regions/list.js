// The list of regions, one card each. Cards live as long as their region: what extensions have attached to their prompts stays.

/** @import {State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {translateMessage} from "../../host/language.js";
import {debounce} from "../../host/page.js";
import {callApi} from "../../host/server.js";
import {samplingSteps} from "../../host/tab.js";
import {partsOfPrompt} from "../../model/prompt/parts.js";
import {listBlocks} from "../../model/list/order.js";
import {button, focusAfterClick} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";
import {backgroundRow} from "./background_row.js";
import {createCard, MANY} from "./card.js";
import {GroupHeads} from "./groups.js";
import {listTools} from "./list_tools.js";
import {splitMainPrompt, writeMainPrompt} from "./prompts.js";

/** @typedef {ReturnType<typeof createCard>} Card */

const SPLIT_HELP = "Split the main prompt at BREAK, at line ends or at AND, and write the parts into the regions";
const WRITE_HELP = "Write the layout's texts into the main prompt, with ADDCOL, ADDROW or BREAK between them; the regions then follow it";

/** The cards of a panel's regions, and the buttons below them. */
export class RegionList {
    /** @param {Panel} panel */
    constructor(panel) {
        this.panel = panel;
        /** @type {Map<number, Card>} Cards by the ids of their regions. */
        this.cards = new Map();
        /** The main prompt as it was split last. @type {{prompt: string, regions: object, mode: string, parts: (string | null)[]} | null} */
        this.split = null;
        /** The texts whose tokens were counted last, as JSON. */
        this.counted = "";
        this.countSoon = debounce(() => this.countTokens(), 400);
        this.background = backgroundRow(panel);
        this.groups = new GroupHeads(this);
        this.tools = listTools(this);
        this.body = el("div", {class: "rg-cards"});
        focusAfterClick(this.body);
        const add = button("+ Add region", () => this.add(), {class: "rg-button rg-add", "data-action": "add"});
        const split = button("Split main prompt", () => splitMainPrompt(panel), {"data-action": "import", title: SPLIT_HELP});
        const write = button("Write main prompt", () => writeMainPrompt(panel), {"data-action": "export", title: WRITE_HELP});
        const row = el("div", {class: "rg-row"}, split, write);
        this.node = el(
            "div",
            {class: "rg-regions", "data-field": "regions", tabindex: "-1"},
            this.background.node,
            this.tools.node,
            this.body,
            add,
            row,
        );
    }

    /**
     * The regions' parts of the main prompt.
     *
     * @param {State} state
     */
    parts(state) {
        if (state.text_from === "regions") return [];
        const {prompt} = this.panel.prompts();
        if (this.split?.prompt !== prompt || this.split.regions !== state.regions || this.split.mode !== state.text_from) {
            this.split = {prompt, regions: state.regions, mode: state.text_from, parts: partsOfPrompt(state, prompt)};
        }
        return this.split.parts;
    }

    /** Draw all cards again. */
    renew() {
        this.cards.forEach((card) => (card.seen = null));
        this.update(this.panel.store.get());
    }

    add() {
        this.panel.addBox();
        this.focusPrompt(this.panel.store.get().regions.length - 1);
    }

    /** @param {State} state */
    update(state) {
        const {cards, groups} = this;
        this.background.update(state);
        const ids = new Set(state.regions.map((region) => region._id));
        for (const [id, card] of cards) {
            if (ids.has(id)) continue;
            card.node.remove();
            cards.delete(id);
        }
        const blocks = listBlocks(state);
        groups.keep(new Set(blocks.map((block) => block.group)));
        const lines = blocks.flatMap(({group, indices}) => [
            ...(group ? [groups.node(state, group, indices.length)] : []),
            ...indices.map((index) => this.card(state, index)),
        ]);
        this.place(lines);
        this.node.classList.toggle("rg-many", state.regions.length > MANY);
        this.tools.update(state);
        this.mark();
        this.countSoon();
    }

    /**
     * The card of region `index`, as the state has it.
     *
     * @param {State} state
     * @param {number} index
     */
    card(state, index) {
        const {cards, panel} = this;
        const region = state.regions[index];
        const card = cards.get(region._id) || createCard(panel, region._id);
        cards.set(region._id, card);
        const ofHost = [this.parts(state)[index], samplingSteps(panel.tab)];
        const seen = [region, index, state.regions.length, Boolean(state.grid), state.text_from, state._solo, ...ofHost];
        if (!card.seen || seen.some((value, at) => value !== card.seen?.[at])) card.update(state, region, index);
        card.seen = seen;
        return card.node;
    }

    /**
     * Bring the lines of the list in order; those that stand right stay, and keep the keyboard.
     *
     * @param {HTMLElement[]} lines
     */
    place(lines) {
        const {body} = this;
        lines.forEach((node, line) => {
            if (body.children[line] !== node) body.insertBefore(node, body.children[line] || null);
        });
    }

    /** Mark the cards of the chosen regions. */
    mark() {
        for (const [id, card] of this.cards) {
            const chosen = this.panel.selected.has(id);
            if (card.node.getAttribute("aria-current") === String(chosen)) continue;
            card.node.classList.toggle("rg-chosen", chosen);
            card.node.setAttribute("aria-current", String(chosen));
        }
    }

    /**
     * Scroll a region's card into view.
     *
     * @param {number} id
     */
    reveal(id) {
        const {body} = this;
        const card = this.cards.get(id);
        const group = this.panel.store.get().regions.find((region) => region._id === id)?.group;
        if (group && this.groups.folded.has(group)) this.groups.fold(group, false);
        if (!card || !this.panel.visible()) return;
        const frame = body.getBoundingClientRect();
        const place = card.node.getBoundingClientRect();
        const offset = place.top - frame.top - Math.max(0, (frame.height - place.height) / 2);
        if (body.scrollHeight > body.clientHeight + 2) body.scrollTop += offset;
    }

    /**
     * Put the keyboard into the prompt of region `index`; false where there is no such region.
     *
     * @param {number} index
     */
    focusPrompt(index) {
        const region = this.panel.store.get().regions[index];
        const card = region && this.cards.get(region._id);
        if (!card) return false;
        if (!this.panel.selected.has(region._id)) this.panel.select([region._id]);
        this.reveal(region._id);
        card.prompt.focus({preventScroll: true});
        return true;
    }

    /**
     * The keyboard stays in the list when the card that had it is gone.
     *
     * @param {number} index Of the region that was removed.
     */
    focusAfterRemoval(index) {
        const {regions} = this.panel.store.get();
        const next = regions[Math.min(index, regions.length - 1)];
        const card = next && this.cards.get(next._id);
        (card ? card.node : this.node).focus({preventScroll: true});
    }

    /**
     * Show each region's warnings in its card.
     *
     * @param {Map<number, string[]>} warnings
     */
    warn(warnings) {
        this.panel.store.get().regions.forEach((region, index) => {
            const text = (warnings.get(index) || []).map(translateMessage).join(" ");
            const card = this.cards.get(region._id);
            if (card && card.warning.textContent !== text) card.warning.textContent = text;
        });
    }

    /** Show how many tokens each prompt has, as the host counts them. */
    async countTokens() {
        if (!this.panel.visible()) return;
        const {regions} = this.panel.store.get();
        const texts = regions.map((region) => region.prompt || "");
        const key = JSON.stringify(texts);
        if (key === this.counted) return;
        this.counted = key;
        try {
            const {ok, data} = await callApi("tokens", {method: "POST", body: {texts}});
            if (ok) regions.forEach((region, i) => this.showCount(region._id, texts[i], data.counts[i]));
        } catch {
            this.counted = "";
        }
    }

    /**
     * @param {number} id
     * @param {string} text
     * @param {{tokens: number, limit: number} | undefined} count
     */
    showCount(id, text, count) {
        const card = this.cards.get(id);
        if (card && count) card.tokens.textContent = text ? `${count.tokens}/${count.limit}` : "";
    }
}
