// A list below a text area with the names that fit what is being written.

/** @import {Completion} from "../model/prompt/completion.js" */

import {completed, completionAt} from "../model/prompt/completion.js";
import {el} from "./elements.js";

const MOST = 40;
let lastList = 0;

/** Whether a page's own tag completion is at work: two lists would stand over one another. */
const hasOther = () => Boolean(document.querySelector(".autocompleteResults, .autocompleteParent"));

/** Completes the names of LoRAs in a text area. */
export class NameList {
    /**
     * @param {HTMLTextAreaElement} input
     * @param {HTMLElement} holder Gets the list.
     * @param {() => string[]} names
     */
    constructor(input, holder, names) {
        this.input = input;
        this.names = names;
        /** @type {Completion | null} */
        this.at = null;
        this.chosen = 0;
        const id = `regional_names_${++lastList}`;
        this.list = el("div", {class: "rg-names", role: "listbox", "aria-label": "LoRAs", id, hidden: true});
        holder.append(this.list);
        input.setAttribute("aria-autocomplete", "list");
        input.addEventListener("input", () => this.show());
        input.addEventListener("keydown", (event) => this.press(event));
        input.addEventListener("blur", () => this.close());
    }

    /** Begin a tag at the caret: the list has all names. */
    open() {
        const {input} = this;
        const {selectionStart: start, selectionEnd: end, value} = input;
        const begun = `${value.slice(0, start)}${start && !/\s$/.test(value.slice(0, start)) ? " " : ""}<lora:`;
        input.focus({preventScroll: true});
        input.value = begun + value.slice(end);
        input.setSelectionRange(begun.length, begun.length);
        input.dispatchEvent(new Event("input", {bubbles: true}));
    }

    close() {
        this.at = null;
        this.list.hidden = true;
        this.input.removeAttribute("aria-controls");
        this.input.removeAttribute("aria-activedescendant");
    }

    show() {
        const {input, list} = this;
        this.at = hasOther() ? null : completionAt(input.value, input.selectionStart, this.names());
        if (!this.at?.matches.length) return this.close();
        this.chosen = 0;
        list.replaceChildren(...this.at.matches.slice(0, MOST).map((name, i) => this.option(name, `${list.id}_${i}`)));
        list.hidden = false;
        input.setAttribute("aria-controls", list.id);
        return this.mark();
    }

    mark() {
        const {children} = this.list;
        [...children].forEach((node, i) => node.setAttribute("aria-selected", String(i === this.chosen)));
        this.input.setAttribute("aria-activedescendant", children[this.chosen].id);
        children[this.chosen].scrollIntoView({block: "nearest"});
    }

    /**
     * @param {string} name
     * @param {string} id
     */
    option(name, id) {
        const choose = (/** @type {Event} */ event) => {
            event.preventDefault(); // the text area keeps the keyboard
            this.take(name);
        };
        return el("div", {class: "rg-name", role: "option", id, text: name, onpointerdown: choose});
    }

    /** @param {string} name */
    take(name) {
        const {input, at} = this;
        if (!at) return;
        const {text, caret} = completed(input.value, at, name);
        input.value = text;
        input.setSelectionRange(caret, caret);
        input.dispatchEvent(new Event("input", {bubbles: true}));
        this.close();
    }

    /** @param {KeyboardEvent} event */
    press(event) {
        const {at, list} = this;
        if (!at || list.hidden) return;
        const count = list.children.length;
        const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
        if (by) this.chosen = (this.chosen + by + count) % count;
        else if ((event.key === "Enter" && !event.ctrlKey && !event.metaKey) || event.key === "Tab") this.take(at.matches[this.chosen]);
        else if (event.key === "Escape") this.close();
        else return;
        event.preventDefault();
        event.stopPropagation();
        if (by) this.mark();
    }
}
