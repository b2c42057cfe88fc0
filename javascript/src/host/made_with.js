// What the shown picture was made with, as settings and parameters.

/** @import {Json} from "../types.js" */
/** @import {Parameters} from "../model/words/infotext.js" */
/** @import {Panel} from "../panel/panel.js" */

import {hasRegions, parametersOf} from "../model/words/infotext.js";
import {callApi, errorText} from "./server.js";
import {infotextOfShown} from "./shown.js";

/**
 * What the shown picture was made with. A picture that was made without regions gives null and a message.
 *
 * @param {Panel} panel
 * @returns {Promise<{settings: Json, parameters: Parameters} | null>}
 */
export async function madeWith(panel) {
    const infotext = await infotextOfShown(panel.tab);
    if (!hasRegions(infotext)) {
        panel.note(infotext ? "The shown picture was made without regions." : "There is no picture here yet: press Generate first.", true);
        return null;
    }
    const body = {text: infotext, format: "regional", hints: {}, ...panel.size(), ...panel.prompts()};
    const answer = await callApi("import", {method: "POST", body});
    if (!answer.ok) return (panel.note(errorText(answer), true), null);
    return {settings: answer.data.settings, parameters: parametersOf(infotext)};
}
