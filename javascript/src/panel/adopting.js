// Settings that come into a panel from outside: from the page's text box, a reload, a pasted picture.

/** @import {Kept} from "../model/list/kept.js" */
/** @import {Panel} from "./panel.js" */
/** @import {Prompts} from "./storage.js" */

import {t} from "../host/language.js";
import {writePrompt} from "../host/tab.js";
import {createHistory} from "../model/history.js";
import {withKept} from "../model/list/kept.js";
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
    const before = recall(panel.tab);
    const text = method === null ? given : before.text;
    if (text) adopt(panel, text, text === before.text ? before.kept : null);
    else panel.written = given;
    if (!text && method) panel.store.set({...panel.store.get(), method}, "host");
    panel.history = createHistory(panel.store.get());
    if (method !== null && text && before.prompts) bringPrompts(panel, before.prompts);
    if (text && text !== panel.readText()) panel.push();
}

/**
 * The main prompts as they were before a reload, where the panel is on: the first is that of the background. WebUIs begin with their own.
 *
 * @param {Panel} panel
 * @param {Prompts} prompts
 */
function bringPrompts(panel, prompts) {
    const now = panel.prompts();
    if (!panel.store.get().enabled) return;
    if (now.prompt !== prompts.prompt) writePrompt(panel.tab, "prompt", prompts.prompt);
    if (now.negative !== prompts.negative) writePrompt(panel.tab, "neg_prompt", prompts.negative);
}

/**
 * Take over settings. An empty text switches the panel off and keeps its regions.
 *
 * @param {Panel} panel
 * @param {string} text
 * @param {Kept | null} [kept] What the page knew of these regions before a reload.
 */
export function adopt(panel, text, kept = null) {
    panel.written = text;
    const now = panel.store.get();
    try {
        const next = withKept(text || isUntouched(now) ? parse(text) : {...now, enabled: false}, kept);
        panel.history.record(next, null);
        panel.store.set(next, "host");
    } catch (error) {
        panel.note(`${error.message}\n${t("The layout here stays as it was.")}`, true);
        panel.push();
    }
}
