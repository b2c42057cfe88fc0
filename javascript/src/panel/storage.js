// What a browser tab remembers over a reload.

/**
 * Remember the settings of a tab.
 *
 * @param {string} tab
 * @param {string} text
 */
export function remember(tab, text) {
    try {
        sessionStorage.setItem(`regional_${tab}`, text);
    } catch {
        // Full or forbidden: then a reload begins anew.
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
 * The settings that `remember` got last.
 *
 * @param {string} tab
 * @returns {string} "" where nothing was remembered.
 */
export function recall(tab) {
    try {
        return sessionStorage.getItem(`regional_${tab}`) || "";
    } catch {
        return "";
    }
}
