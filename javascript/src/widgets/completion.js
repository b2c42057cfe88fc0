// A list below a text area with the names that fit what is being written, and writing into a text area.

/** @import {Completion} from "../model/prompt/completion.js" */

import {completed, completionAt, embeddingAt} from "../model/prompt/completion.js";
import {el} from "./elements.js";

const MOST = 40;
let lastList = 0;

/** Whether a page's own tag completion is at work: two lists would stand over one another. */
const hasOther = () => Boolean(document.querySelector(".autocompleteResults, .autocompleteParent"));

/**
 * Write words in place of a part of a text area as if they were typed: the page's own undo takes them back, and listeners see an input.
 *
 * @param {HTMLTextAreaElement} input
 * @param {number} from
 * @param {number} to
 * @param {string} words
 */
export function typeInto(input, from, to, words) {
    input.focus({preventScroll: true});
    input.setSelectionRange(from, to);
    if (document.execCommand("insertText", false, words)) return;
    input.setRangeText(words, from, to, "end"); // a browser without that command
    input.dispatchEvent(new Event("input", {bubbles: true}));
}

/** Completes the names of LoRAs and embeddings in a text area. */
export class NameList {
    /**
     * @param {HTMLTextAreaElement} input
     * @param {HTMLElement} holder Gets the list.
     * @param {() => {loras: string[], embeddings: string[]}} names
     */
    constructor(input, holder, names) {
        this.input = input;
        this.names = names;
        /** @type {Completion | null} */
        this.at = null;
        this.chosen = 0;
        const id = `regional_names_${++lastList}`;
        this.list = el("div", {class: "rg-names", role: "listbox", "aria-label": "LoRAs and embeddings", id, hidden: true});
        holder.append(this.list);
        input.setAttribute("aria-autocomplete", "list");
        input.addEventListener("input", () => this.show());
        input.addEventListener("keydown", (event) => this.press(event));
        input.addEventListener("blur", () => this.close());
    }

    close() {
        this.at = null;
        this.list.hidden = true;
        this.input.removeAttribute("aria-controls");
        this.input.removeAttribute("aria-activedescendant");
    }

    show() {
        const {input, list} = this;
        this.at = hasOther() ? null : this.completion(input.value, input.selectionStart);
        if (!this.at?.matches.length) return this.close();
        this.chosen = this.at.isWord ? -1 : 0; // Enter and Tab after a plain word are the text's own
        list.replaceChildren(...this.at.matches.slice(0, MOST).map((name, i) => this.option(name, `${list.id}_${i}`)));
        list.hidden = false;
        input.setAttribute("aria-controls", list.id);
        return this.mark();
    }

    /**
     * @param {string} text
     * @param {number} caret
     */
    completion(text, caret) {
        const {loras, embeddings} = this.names();
        return completionAt(text, caret, loras) || embeddingAt(text, caret, embeddings);
    }

    mark() {
        const {children} = this.list;
        [...children].forEach((node, i) => node.setAttribute("aria-selected", String(i === this.chosen)));
        if (this.chosen < 0) return this.input.removeAttribute("aria-activedescendant");
        this.input.setAttribute("aria-activedescendant", children[this.chosen].id);
        return children[this.chosen].scrollIntoView({block: "nearest"});
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
        typeInto(input, at.from, at.to, text.slice(at.from, caret));
        this.close();
    }

    /** @param {KeyboardEvent} event */
    press(event) {
        const {at, list} = this;
        if (!at || list.hidden) return;
        const count = list.children.length;
        const isMarked = this.chosen >= 0;
        const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
        const takes = event.key === "Tab" || (event.key === "Enter" && !event.ctrlKey && !event.metaKey);
        if (by) this.chosen = isMarked ? (this.chosen + by + count) % count : by > 0 ? 0 : count - 1;
        else if (takes && isMarked) this.take(at.matches[this.chosen]);
        else if (event.key === "Escape") this.close();
        else return;
        event.preventDefault();
        event.stopPropagation();
        if (by) this.mark();
    }
}
