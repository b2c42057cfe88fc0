// Settings that come into a panel from outside: from the page's text box, a reload, a pasted picture.

/** @import {Panel} from "./panel.js" */

import {t} from "../host/language.js";
import {createHistory} from "../model/history.js";
import {withNumbers} from "../model/numbers.js";
import {isUntouched, parse, untouchedMethod} from "../model/state.js";
import {recall} from "./storage.js";

/**
 * Begin with what the page holds, or after a reload with what this browser tab held before.
 *
 * @param {Panel} panel
 */
export function begin(panel) {
    const given = panel.readText();
    const method = untouchedMethod(given);
    const kept = recall(panel.tab);
    const text = method === null ? given : kept.text;
    if (text) adopt(panel, text, text === kept.text ? kept.numbers : []);
    else panel.written = given;
    if (!text && method) panel.store.set({...panel.store.get(), method}, "host");
    panel.history = createHistory(panel.store.get());
    if (text && text !== panel.readText()) panel.push();
}

/**
 * Take over settings. An empty text switches the panel off and keeps its regions.
 *
 * @param {Panel} panel
 * @param {string} text
 * @param {number[]} [numbers] Of the regions.
 */
export function adopt(panel, text, numbers) {
    panel.written = text;
    const now = panel.store.get();
    try {
        const next = withNumbers(text || isUntouched(now) ? parse(text) : {...now, enabled: false}, numbers);
        panel.history.record(next, null);
        panel.store.set(next, "host");
    } catch (error) {
        panel.note(`${error.message}\n${t("The layout here stays as it was.")}`, true);
        panel.push();
    }
}
