// What a browser tab remembers over a reload.

/** @import {Kept} from "../model/list/kept.js" */

/** @typedef {{prompt: string, negative: string}} Prompts The main prompts of a tab. */

/**
 * Remember the settings of a tab, what its page knows of the regions beside them, and its main prompts.
 *
 * @param {string} tab
 * @param {string} text
 * @param {Kept} kept
 * @param {Prompts} prompts
 */
export function remember(tab, text, kept, prompts) {
    try {
        sessionStorage.setItem(`regional_${tab}`, text);
        sessionStorage.setItem(`regional_${tab}_kept`, JSON.stringify(kept));
        sessionStorage.setItem(`regional_${tab}_prompts`, JSON.stringify(prompts));
    } catch {
        // Full or forbidden: then a reload begins anew.
    }
}

/**
 * Remember which groups of a tab are one line.
 *
 * @param {string} tab
 * @param {Set<string>} names
 */
export function rememberFolded(tab, names) {
    try {
        sessionStorage.setItem(`regional_${tab}_folded`, JSON.stringify([...names]));
    } catch {
        // Full or forbidden: then a reload begins anew.
    }
}

/**
 * What `rememberFolded` got last.
 *
 * @param {string} tab
 * @returns {Set<string>}
 */
export function recallFolded(tab) {
    try {
        return new Set(JSON.parse(sessionStorage.getItem(`regional_${tab}_folded`) || "[]"));
    } catch {
        return new Set();
    }
}

/** Whether work in the panel switches it on; kept by the browser. */
export function switchesOn() {
    try {
        return localStorage.getItem("regional_switches_on") !== "no";
    } catch {
        return true;
    }
}

/** @param {boolean} value */
export function setSwitchesOn(value) {
    try {
        localStorage.setItem("regional_switches_on", value ? "yes" : "no");
    } catch {
        // Forbidden: then the choice holds until the page is left.
    }
}

/**
 * What `remember` got last; a text of "" where nothing was remembered.
 *
 * @param {string} tab
 * @returns {{text: string, kept: Kept | null, prompts: Prompts | null}}
 */
export function recall(tab) {
    try {
        return {
            text: sessionStorage.getItem(`regional_${tab}`) || "",
            kept: JSON.parse(sessionStorage.getItem(`regional_${tab}_kept`) || "null"),
            prompts: JSON.parse(sessionStorage.getItem(`regional_${tab}_prompts`) || "null"),
        };
    } catch {
        return {text: "", kept: null, prompts: null};
    }
}
