// Writing a picture's parameters into the tab's inputs.

/** @import {Parameters} from "../model/words/infotext.js" */

import {find, root} from "./page.js";
import {writeNumber} from "./tab.js";

/** The tab's number inputs that parameters fill, and their words. @type {[keyof Parameters, string][]} */
const NUMBERS = [
    ["seed", "seed"],
    ["steps", "steps"],
    ["cfg_scale", "CFG scale"],
    ["width", "width"],
    ["height", "height"],
];
const SETTLE = 80;

/** @param {number} time Milliseconds. */
export const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

/**
 * @param {string} tab
 * @param {string} name
 * @returns {number | null}
 */
export function readNumber(tab, name) {
    const input = find(`#${tab}_${name} input[type=number], #${tab}_${name}_row input[type=number], #${tab}_${name} input`);
    return input && input.value !== "" ? Number(input.value) : null;
}

/** @param {string} tab */
export const chosenSampler = (tab) => (find(`#${tab}_sampling input, #${tab}_sampling select`) || {}).value || "";

/**
 * Choose an entry of one of the tab's menus, as a person does. False where the menu has no such entry.
 *
 * @param {string} tab
 * @param {string} name
 * @param {string} value
 */
export async function chooseEntry(tab, name, value) {
    const input = find(`#${tab}_${name} input, #${tab}_${name} select`);
    if (!input) return false;
    if (input.value === value) return true;
    input.focus();
    await pause(SETTLE);
    input.value = value;
    input.dispatchEvent(new Event(input.tagName === "SELECT" ? "change" : "input", {bubbles: true}));
    await pause(SETTLE);
    const entry = [...root().querySelectorAll("ul.options li, ul[role=listbox] li")].find(
        (each) => each.getAttribute("aria-label") === value,
    );
    if (entry) entry.dispatchEvent(new MouseEvent("mousedown", {bubbles: true, cancelable: true}));
    else input.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", code: "Enter", bubbles: true}));
    await pause(SETTLE);
    input.blur();
    await pause(SETTLE); // a menu without the entry takes the text back then
    return input.value === value;
}

/**
 * Write what makes a picture again into the tab. -> what is another one now, in words, and what could not be written.
 *
 * @param {string} tab
 * @param {Parameters} parameters
 * @returns {Promise<{taken: string[], missed: string[]}>}
 */
export async function takeParameters(tab, parameters) {
    /** @type {string[]} */
    const taken = [];
    /** @type {string[]} */
    const missed = [];
    for (const [name, words] of NUMBERS) {
        const value = parameters[name];
        if (value === null || typeof value !== "number" || readNumber(tab, name) === value) continue;
        writeNumber(tab, name, value);
        taken.push(`${words} ${value}`);
    }
    const menus = /** @type {const} */ ([
        ["sampling", parameters.sampler],
        ["scheduler", parameters.sampler && (parameters.scheduler || "Automatic")],
    ]);
    for (const [name, value] of menus) {
        if (!value || !find(`#${tab}_${name}`) || (find(`#${tab}_${name} input, #${tab}_${name} select`) || {}).value === value) continue;
        ((await chooseEntry(tab, name, value)) ? taken : missed).push(value);
    }
    return {taken, missed};
}
