// "Lock": the shown picture becomes the source of an edit, with all that makes it again.

/** @import {Json} from "../types.js" */
/** @import {Parameters} from "../model/words/infotext.js" */
/** @import {Panel} from "../panel/panel.js" */

import {t} from "../host/language.js";
import {shownPicture} from "../host/gallery.js";
import {madeWith} from "../host/made_with.js";
import {takeParameters} from "../host/taking.js";
import {EDIT_METHODS, editSampler, lockSource, sourceOfSettings} from "../model/shown/source.js";
import {withBase} from "../model/words/infotext.js";

/**
 * Lock the shown picture. One without regions, or none, is refused with a message.
 *
 * @param {Panel} panel
 * @param {() => boolean} hold Keeps the picture for the views.
 */
export async function lockShown(panel, hold) {
    const made = await madeWith(panel).catch(() => (panel.note("The server does not answer.", true), null));
    await shownPicture(panel.tab)
        ?.decode()
        .catch(() => {});
    if (!made || !hold()) return;
    const {settings, parameters} = made;
    const sampler = editSampler(parameters.sampler);
    const isOther = parameters.prompt !== panel.prompts().prompt;
    panel.edit((state) => lockSource(state, sourceOfSettings(isOther ? withBase(settings, parameters) : settings)));
    const {missed} = await takeParameters(panel.tab, {...parameters, sampler});
    panel.note(lockedWords(panel, settings, parameters, sampler, missed));
}

/**
 * What was taken, and what the edit's first picture will not have of the one that is shown.
 *
 * @param {Panel} panel
 * @param {Json} settings
 * @param {Parameters} parameters
 * @param {string} sampler
 * @param {string[]} missed
 */
function lockedWords(panel, settings, parameters, sampler, missed) {
    const {seed, steps, width, height, sampler: was} = parameters;
    const {method} = panel.store.get();
    const made = settings.method || "attention_couple";
    const name = (/** @type {string} */ key) => panel.methods.find(([each]) => each === key)?.[1] || key;
    const again = t("Press Generate once to see the picture that the edit starts from.");
    const words = [t("This picture is the source: its layout, seed {0}, {1} × {2}, {3} steps, {4}.", seed, width, height, steps, sampler)];
    if (was && was.toLowerCase() !== sampler.toLowerCase()) words.push(t("It was made with {0}; edits work with Euler or DDIM.", was));
    const isRemade = !EDIT_METHODS.includes(made) || words.length > 1;
    if (!EDIT_METHODS.includes(made)) words.push(t('It was made by "{0}", the edit is by "{1}".', name(made), name(method)));
    if (missed.length) words.push(t("Set this by hand: {0}.", missed.join(", ")));
    return [...words, isRemade ? again : t("Change regions and press Generate.")].join(" ");
}
