// "Copy API call": the request that makes what the page shows, for curl, Python or JavaScript.

/** @import {Json} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {t} from "../../host/language.js";
import {find} from "../../host/page.js";
import {samplingSteps} from "../../host/tab.js";
import {CALL_KINDS, apiCall} from "../../model/words/api_call.js";
import {toJson} from "../../model/state.js";
import {el} from "../../widgets/elements.js";

/**
 * What the tab's inputs hold, by the API's names; what the page does not have is left out.
 *
 * @param {Panel} panel
 * @returns {Json}
 */
function pageFields(panel) {
    const {prompt, negative} = panel.prompts();
    /** @param {string} name */
    const value = (name) => (find(`#${panel.tab}_${name} input[type=number], #${panel.tab}_${name} input`) || {}).value;
    const number = (/** @type {string} */ name) => (value(name) ? Number(value(name)) : undefined);
    const sampler = (find(`#${panel.tab}_sampling input, #${panel.tab}_sampling select`) || {}).value || undefined;
    return {
        prompt,
        negative_prompt: negative,
        ...panel.size(),
        steps: samplingSteps(panel.tab) ?? undefined,
        cfg_scale: number("cfg_scale"),
        seed: number("seed"),
        sampler_name: sampler,
    };
}

/**
 * The menu. A browser that keeps the clipboard from the page gets the text as a message.
 *
 * @param {Panel} panel
 */
export function callMenu(panel) {
    const menu = el(
        "select",
        {
            "aria-label": "Copy API call",
            title: "Copy the txt2img call that makes what the page shows",
            "data-action": "copy-call",
            onchange: copy,
        },
        el("option", {value: "", localized: "Copy API call…"}),
        CALL_KINDS.map((kind) => el("option", {value: kind, localized: kind})),
    );

    async function copy() {
        const kind = menu.value;
        menu.value = "";
        const text = apiCall(kind, location.origin, {page: pageFields(panel), settings: {...toJson(panel.store.get()), enabled: true}});
        try {
            await navigator.clipboard.writeText(text);
            panel.note(t("The API call is in the clipboard: {0}.", kind));
        } catch {
            panel.note(text);
        }
    }
    return menu;
}
