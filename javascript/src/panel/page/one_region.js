// "Again" and "Detail": one region of the shown picture is made again, or gets detail, and the rest stays. One picture with settings of its
// own is made; the panel and the tab's inputs are as before after that.

/** @import {Json} from "../../types.js" */
/** @import {Parameters} from "../../model/words/infotext.js" */
/** @import {Panel} from "../panel.js" */

import {t} from "../../host/language.js";
import {find} from "../../host/page.js";
import {madeWith} from "../../host/made_with.js";
import {writeNumber} from "../../host/tab.js";
import {pause, readNumber, takeParameters} from "../../host/taking.js";
import {numberOf} from "../../model/numbers.js";
import {againSettings, detailSettings} from "../../model/shown/one_region.js";

/** Numbers that this one picture has, whatever stands in the tab. */
const ONE = {batch_count: 1, batch_size: 1};
const SETTLE = 300;
const START = 4000;

/**
 * @param {Panel} panel
 * @param {number} index
 */
export async function makeAgain(panel, index) {
    const made = index < 0 ? null : await madeWith(panel);
    if (!made) return;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const settings = againSettings(panel.store.get(), index, made.settings, made.parameters, seed);
    await makeOne(panel, settings, made.parameters, t("Region {0} is made again, the rest stays.", numberOf(panel.store.get(), index)));
}

/**
 * @param {Panel} panel
 * @param {number} index
 */
export async function addDetail(panel, index) {
    const made = index < 0 ? null : await madeWith(panel);
    if (!made) return;
    const settings = detailSettings(panel.store.get(), index, made.settings, made.parameters);
    if (!settings) return void panel.note("The shown picture has no such region: press Generate first.", true);
    await makeOne(panel, settings, made.parameters, t("Region {0} gets detail, the rest stays.", numberOf(panel.store.get(), index)));
}

/**
 * Make one picture with `settings` by the host's own button.
 *
 * @param {Panel} panel
 * @param {Json} settings
 * @param {Parameters} parameters
 * @param {string} words
 */
async function makeOne(panel, settings, parameters, words) {
    const {tab} = panel;
    const isRunning = () => Boolean(find(`#${tab}_interrupt`)?.getClientRects().length);
    if (isRunning()) return panel.note("A picture is being made: wait for it, or interrupt it.", true);
    const names = Object.keys(ONE).concat("seed");
    const before = names.map((name) => readNumber(tab, name));
    const {taken, missed} = await takeParameters(tab, parameters);
    if (missed.length) return panel.note(t("Set this as it was for the shown picture, and try again: {0}.", missed.join(", ")), true);
    Object.entries(ONE).forEach(([name, value]) => readNumber(tab, name) !== value && writeNumber(tab, name, value));
    panel.write(JSON.stringify(settings));
    await pause(SETTLE);
    find(`#${tab}_generate`)?.click();
    for (let waited = 0; waited < START && !isRunning(); waited += 50) await pause(50);
    names.forEach((name, i) => before[i] !== null && readNumber(tab, name) !== before[i] && writeNumber(tab, name, before[i]));
    panel.push();
    const changed = taken.filter((each) => !each.startsWith("seed "));
    return panel.note(changed.length ? `${words} ${t("As for the shown picture: {0}.", changed.join(", "))}` : words);
}
