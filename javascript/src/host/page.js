// The page of the WebUI: its root, its elements, its events.

/**
 * What holds the WebUI's elements: the document, or the shadow root into which Gradio renders.
 *
 * @returns {ParentNode}
 */
export const root = () => (typeof gradioApp === "function" ? gradioApp() : document);

/**
 * An element of the page, null where there is none. Its kind is the host's choice, hence `any`.
 *
 * @param {string} selector
 * @returns {any}
 */
export const find = (selector) => root().querySelector(selector);

/**
 * Where a menu or a dialog belongs: into the page's main part, or into what fills the screen.
 *
 * @returns {Element}
 */
export const overPage = () => document.fullscreenElement || find(".gradio-container") || document.body;

/**
 * What holds the whole panel of a tab, its header too; null on a page without an accordion.
 *
 * @param {string} tab
 * @returns {HTMLElement | null}
 */
export const accordion = (tab) => find(`#regional_${tab}:has(> .label-wrap)`);

/**
 * A function that calls `action` once, `wait` milliseconds after the last call.
 *
 * @template {unknown[]} A
 * @param {(...args: A) => void} action
 * @param {number} wait
 * @returns {(...args: A) => void}
 */
export function debounce(action, wait) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    return (...args) => {
        clearTimeout(timer);
        timer = setTimeout(() => action(...args), wait);
    };
}

const TEXT_INPUTS = "input:not([type=checkbox]):not([type=range]):not([type=file]), textarea, select, [contenteditable]";

/**
 * Whether keys pressed in `node` are text.
 *
 * @param {Element | null} node
 * @returns {boolean}
 */
export const isTyping = (node) => Boolean(node && node.closest && node.closest(TEXT_INPUTS));
