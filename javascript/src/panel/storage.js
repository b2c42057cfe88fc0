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
