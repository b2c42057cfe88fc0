// The panel of one tab. Holds state, history and selection; its parts (canvas, list, drawers …) draw them and call back.
// Every edit goes at once to the tab's hidden text box, which is all that the host sees.

/** @import {Box, Field, Schema, State} from "../types.js" */

import {translateMessage} from "../host/language.js";
import {debounce} from "../host/page.js";
import {mainPrompts, pictureSize, stateBox} from "../host/tab.js";
import {inheritShare} from "../model/prompt/background.js";
import {createHistory} from "../model/history.js";
import {keptOf} from "../model/list/kept.js";
import {numbered} from "../model/numbers.js";
import {emptyState, learn, readSchema, serialize} from "../model/state.js";
import {createStore, switchedOn} from "../model/store.js";
import {adopt, begin} from "./adopting.js";
import {act, addBox, align, paste, place} from "./acts.js";
import {buildPanel, drawMethodOptions, updateLayout} from "./build.js";
import {Checks} from "./checks.js";
import {attachClipboard} from "./clipboard.js";
import {followHost, followLeaving, followVisibility} from "./page/following.js";
import {followWidth} from "./page/narrow.js";
import {createOffNote} from "./page/off_note.js";
import {remember, switchesOn} from "./storage.js";

/** @typedef {import("./build.js").PanelParts} PanelParts */

/** Milliseconds in which a message and a change belong together; a later change takes the message away. */
const WITH_CHANGE = 300;

/** The panel of a tab. */
export class Panel {
    /** Whether it is as narrow as on a phone. */
    isNarrow = false;
    /** Whether somebody switched it off by hand: then it stays off. */
    keptOff = false;

    /**
     * @param {string} tab "txt2img" or "img2img"
     * @param {HTMLElement} mount Carries the methods and the schema as data attributes.
     */
    constructor(tab, mount) {
        this.tab = tab;
        this.mount = mount;
        /** @type {[string, string][]} */
        this.methods = JSON.parse(mount.dataset.methods || "[]");
        /** @type {Schema} */
        this.schema = readSchema(mount.dataset.schema || "{}");
        learn(this.schema);
        /** Name under which the server keeps the attention maps of this panel's pictures. */
        this.mapsName = `${tab} ${Math.random().toString(36).slice(2, 10)}`;
        /** @type {Set<number>} Ids of the chosen regions. */
        this.selected = new Set();
        /** @type {{text: string, isBad?: boolean, at: number}[]} */
        this.notes = [];
        /** Estimated cost of the layout, in words. */
        this.cost = "";
        /** @type {((checked: any) => void) | null} Called with what the checks found; null when they refused. */
        this.onChecked = null;
        /** The main prompt that the shown message is about. @type {string | null} */
        this.ofPrompt = null;
        /** Whether work in the panel switches it on. */
        this.switches = switchesOn();
        this.written = "";
        this.seen = "";
        this.store = createStore(emptyState());
        this.history = createHistory(this.store.get());
        this.checks = new Checks(this);
        this.offNote = createOffNote(this);
        this.saveSoon = debounce(() => this.save(), 200);
        /** @type {Field[]} */
        this.optionFields = [];
        this.parts = buildPanel(this);
        this.stage = this.parts.stage;
        this.list = this.parts.list;
        this.overlay = this.parts.overlay;
        this.messages = this.parts.messages;
        this.drawOptions();
        begin(this);
        this.store.subscribe((state, origin, before) => this.changed(origin, before));
        this.update();
        attachClipboard(this);
        followVisibility(this);
        followLeaving(this);
        followWidth(this);
    }

    // ------------------------------------------------ text box <-> state

    readText() {
        const box = stateBox(this.tab);
        return box ? box.value : "";
    }

    /**
     * Take over settings that came from outside, such as those of a pasted picture.
     *
     * @param {string} text
     */
    adopt(text) {
        adopt(this, text);
    }

    /** Remember the panel for a reload. */
    save() {
        remember(this.tab, this.written, keptOf(this.store.get()), this.prompts());
    }

    /** Compare the text box with what this panel wrote last, and follow it when they differ. */
    pull() {
        const text = this.readText();
        if (text !== this.written) this.adopt(text);
    }

    /** Write the state into the text box. */
    push() {
        this.write(serialize(this.store.get(), this.stage.background.kind === "words" ? {attention_maps: this.mapsName} : {}));
        this.saveSoon();
    }

    /**
     * Write a text into the text box. One that is not the panel's is for one picture: `push` brings the panel's back.
     *
     * @param {string} text
     */
    write(text) {
        const box = stateBox(this.tab);
        this.written = text;
        if (!box) return;
        box.value = text;
        box.dispatchEvent(new Event("input", {bubbles: true}));
    }

    /**
     * @param {string} origin "host", "edit" or "history"
     * @param {State} before
     */
    changed(origin, before) {
        const now = performance.now();
        this.notes = this.notes.filter(({at}) => now - at < WITH_CHANGE);
        if (origin !== "host") this.push();
        else this.save();
        const ids = new Set(this.store.get().regions.map((region) => region._id));
        this.selected = new Set([...this.selected].filter((id) => ids.has(id)));
        if (before.method !== this.store.get().method) this.drawOptions();
        this.update();
    }

    /**
     * Change the state: one step of the history, joined with the last one of the same `key`. Work on regions switches the panel on.
     *
     * @param {(state: State) => State} change
     * @param {{key?: string | null}} [options]
     */
    edit(change, {key} = {}) {
        const before = this.store.get();
        const changed = numbered(inheritShare(before, change(before)));
        const next = this.switches && !this.keptOff ? switchedOn(before, changed) : changed;
        this.keptOff = !next.enabled && (before.enabled || this.keptOff);
        this.history.record(next, key);
        this.store.set(next, "edit");
    }

    undo() {
        const state = this.history.undo();
        if (state) this.store.set(state, "history");
    }

    redo() {
        const state = this.history.redo();
        if (state) this.store.set(state, "history");
    }

    // ------------------------------------------------ the tab

    /** Size of the tab's pictures in pixels. */
    size() {
        return pictureSize(this.tab);
    }

    /** The tab's main prompts. */
    prompts() {
        return mainPrompts(this.tab);
    }

    visible() {
        return this.mount.isConnected && this.mount.getClientRects().length > 0;
    }

    /** Size, main prompt or result may have changed: update when they did. */
    hostChanged() {
        followHost(this);
    }

    /** The options of the chosen method, as the schema describes them. */
    drawOptions() {
        this.optionFields = drawMethodOptions(this, this.parts);
    }

    /** Everything that follows from the state. */
    update() {
        const state = this.store.get();
        [...this.parts.bound, ...this.optionFields].forEach((field) => field.update(state));
        updateLayout(this.parts, state);
        this.parts.node.classList.toggle("rg-off", !state.enabled);
        this.list.update(state);
        if (this.stage.background.kind === "map") this.stage.background.stale = true;
        this.offNote.update(state);
        this.stage.update();
        this.overlay.update();
        this.checks.show();
        this.checks.soon();
    }

    /**
     * Show a message below the canvas; an empty text removes it, and so does the next change of the state.
     *
     * @param {string} text
     * @param {boolean} [isBad]
     */
    note(text, isBad) {
        this.notes = text ? [{text: translateMessage(text), isBad, at: performance.now()}] : [];
        this.ofPrompt = null;
        if (this.messages) this.checks.show();
    }

    /**
     * Choose regions by their ids; `reveal` brings the card of a single one into view.
     *
     * @param {Iterable<number>} ids
     * @param {{reveal?: boolean}} [options]
     */
    select(ids, {reveal} = {}) {
        this.selected = new Set(ids);
        this.list.mark();
        this.stage.bar.update();
        this.stage.redraw();
        if (reveal && this.selected.size === 1) this.list.reveal([...this.selected][0]);
    }

    /**
     * A shape was drawn: choose it, and put the keyboard into its prompt. The tool stays until Escape. A finger gets no keyboard: it
     * would cover the canvas.
     *
     * @param {number} id
     */
    drawn(id) {
        this.select([id], {reveal: true});
        if (!this.stage.touched) this.focusPrompt(this.store.get().regions.findIndex((region) => region._id === id));
    }

    /** @param {number} index */
    focusPrompt(index) {
        return this.list.focusPrompt(index);
    }

    /**
     * What a button or key of this name does; always true.
     *
     * @param {string} name
     */
    act(name) {
        act(this, name);
        return true;
    }

    /** @param {string} text */
    paste(text) {
        paste(this, text);
    }

    /**
     * The selection with its frame `from` at `to`.
     *
     * @param {Box} from
     * @param {Box} to
     * @param {string} [key]
     */
    place(from, to, key) {
        place(this, from, to, key);
    }

    /** @param {string} side */
    align(side) {
        if (side) align(this, side);
    }

    /** A new box in the middle of the picture, or a new cell of the grid. */
    addBox() {
        addBox(this);
    }

    reset() {
        this.note("");
        const empty = numbered(emptyState());
        this.history.record(empty);
        this.store.set(empty, "edit");
        this.keptOff = false;
    }
}
