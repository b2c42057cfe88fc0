// Exchange between the regions' prompts and the main prompt.

/** @import {Panel} from "../panel.js" */

import {writePrompt} from "../../host/tab.js";
import {exportPrompt} from "../../model/prompt/export_prompt.js";
import {importPrompt} from "../../model/prompt/import_prompt.js";

/**
 * Split the main prompt into the regions' prompts.
 *
 * @param {Panel} panel
 */
export function splitMainPrompt(panel) {
    const {prompt, negative} = panel.prompts();
    const {state, notes} = importPrompt(panel.store.get(), prompt, negative);
    if (state !== panel.store.get()) panel.edit(() => state);
    panel.note(notes.join("\n"));
    panel.ofPrompt = prompt;
}

/**
 * Write the regions' prompts into the main prompt.
 *
 * @param {Panel} panel
 */
export function writeMainPrompt(panel) {
    const {state, prompt, negative, notes} = exportPrompt(panel.store.get(), panel.prompts());
    writePrompt(panel.tab, "prompt", prompt);
    writePrompt(panel.tab, "neg_prompt", negative);
    panel.edit(() => state);
    panel.note(notes.join("\n"));
}
