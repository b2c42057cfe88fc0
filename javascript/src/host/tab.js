// Inputs and outputs of a tab of the WebUI: size, prompts, seed, infotext.

import {clamp} from "../model/values.js";
import {find} from "./page.js";

/**
 * The text box that holds the settings as JSON: all that the host sees of the panel.
 *
 * @param {string} tab
 */
export const stateBox = (tab) => find(`#regional_${tab}_state textarea, #regional_${tab}_state input`);

/**
 * Size of the tab's pictures in pixels; 512 where the page has no such input.
 *
 * @param {string} tab
 * @returns {{width: number, height: number}}
 */
export function pictureSize(tab) {
    /** @param {string} name */
    const read = (name) => Number((find(`#${tab}_${name} input[type=number]`) || {}).value) || 512;
    return {width: clamp(read("width"), 8, 16384), height: clamp(read("height"), 8, 16384)};
}

/**
 * Number of sampling steps of the tab; null where the page has no such input.
 *
 * @param {string} tab
 * @returns {number | null}
 */
export const samplingSteps = (tab) => Number((find(`#${tab}_steps input[type=number]`) || {}).value) || null;

/**
 * The tab's main prompts.
 *
 * @param {string} tab
 * @returns {{prompt: string, negative: string}}
 */
export function mainPrompts(tab) {
    /** @param {string} id */
    const read = (id) => (find(`#${tab}_${id} textarea`) || {}).value || "";
    return {prompt: read("prompt"), negative: read("neg_prompt")};
}

/**
 * Write a main prompt; `id` is "prompt" or "neg_prompt", null leaves it as it is.
 *
 * @param {string} tab
 * @param {string} id
 * @param {string | null} text
 */
export function writePrompt(tab, id, text) {
    const box = find(`#${tab}_${id} textarea`);
    if (!box || text === null) return;
    box.value = text;
    box.dispatchEvent(new Event("input", {bubbles: true}));
}

/**
 * Write a number input of the tab, such as its seed.
 *
 * @param {string} tab
 * @param {string} name
 * @param {number} value
 */
export function writeNumber(tab, name, value) {
    const input = find(`#${tab}_${name} input[type=number], #${tab}_${name}_row input[type=number], #${tab}_${name} input`);
    if (!input) return;
    input.value = String(value);
    input.dispatchEvent(new Event("input", {bubbles: true}));
    input.dispatchEvent(new Event("change", {bubbles: true}));
}

/**
 * The infotext that the host shows below the gallery.
 *
 * @param {string} tab
 * @returns {string}
 */
export const shownInfotext = (tab) => (find(`#html_info_${tab}`) || {}).textContent || "";

/**
 * The seed that an infotext names, null without one.
 *
 * @param {string} infotext
 */
export function seedOf(infotext) {
    const match = /\bSeed: (\d+)/.exec(infotext);
    return match ? Number(match[1]) : null;
}
