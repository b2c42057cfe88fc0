// The inputs of repainting: the picture that is repainted, and its regions.

/** @import {Field, State} from "../types.js" */
/** @import {Panel} from "./panel.js" */

import {t} from "../host/language.js";
import {shownPicture} from "../host/gallery.js";
import {callApi, errorText} from "../host/server.js";
import {seedOf, shownInfotext, writeNumber} from "../host/tab.js";
import {repaintedRegions, repaintSource, setRepainted, setRepaintSource} from "../model/repaint.js";
import {button} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";
import {readFile} from "../widgets/files.js";

/** Options of repainting that have inputs here. */
export const REPAINT_OPTIONS = ["source", "regions"];

/**
 * @param {Panel} panel
 * @returns {Field[]}
 */
export const repaintFields = (panel) => [sourceField(panel), regionsField(panel)];

/**
 * @param {Panel} panel
 * @returns {Field}
 */
function sourceField(panel) {
    const words = el("span", {class: "rg-hint", "data-action": "repaint-source-words"});
    const input = button("Repaint the shown picture", () => takeShown(panel), {
        title: "The settings and the seed of the picture below become those of the picture that is repainted. Not needed in img2img",
        "data-field": "options.repaint.source",
        "data-action": "repaint-source",
    });
    const release = button("Forget it", () => panel.edit((state) => setRepaintSource(state, null)), {"data-action": "repaint-release"});
    /** @param {State} state */
    const update = (state) => {
        const source = repaintSource(state);
        release.hidden = !source;
        words.textContent = source
            ? t("{0}, regions: {1}", source.method || "attention_couple", (source.regions || []).length)
            : t("No picture yet");
    };
    return {node: el("div", {class: "rg-row rg-wide"}, input, release, words), input, update};
}

/** @param {Panel} panel */
async function takeShown(panel) {
    try {
        const infotext = await infotextOfShown(panel.tab);
        if (!/\bRegional: /.test(infotext)) return panel.note("The shown picture has no regional settings: make one first.", true);
        const body = {text: infotext, format: "regional", hints: {}, ...panel.size(), ...panel.prompts()};
        const answer = await callApi("import", {method: "POST", body});
        if (!answer.ok) return panel.note(errorText(answer), true);
        panel.edit((state) => setRepaintSource(state, answer.data.settings));
        const seed = seedOf(infotext);
        if (seed !== null) writeNumber(panel.tab, "seed", seed);
        return panel.note("Change regions, or tick those to make again, and press Generate: the rest of the picture stays.");
    } catch {
        return panel.note("The server does not answer.", true);
    }
}

/**
 * The parameters that the shown picture's file carries; those that the page shows where it carries none. Pages show long texts cut.
 *
 * @param {string} tab
 * @returns {Promise<string>}
 */
async function infotextOfShown(tab) {
    const shown = shownPicture(tab);
    if (!shown) return "";
    const file = await (await fetch(shown.src)).blob();
    const answer = await callApi("parameters", {
        method: "POST",
        body: {picture: await readFile(new File([file], "picture", {type: file.type}))},
    });
    return (answer.ok && answer.data.infotext) || shownInfotext(tab);
}

/**
 * A check box for every region.
 *
 * @param {Panel} panel
 * @returns {Field}
 */
function regionsField(panel) {
    const boxes = el("span", {class: "rg-row"});
    const title = "Regions that are made again; none ticked: those that are not as they were in the picture";
    const input = el(
        "div",
        {class: "rg-row rg-wide", title, "data-field": "options.repaint.regions"},
        el("span", {localized: "Make again"}),
        boxes,
    );
    /** @param {number} index */
    const box = (index) => {
        const check = el("input", {type: "checkbox", onchange: () => panel.edit((state) => setRepainted(state, index, check.checked))});
        return el("label", {class: "rg-check"}, check, el("span", {text: String(index + 1)}));
    };
    /** @param {State} state */
    const update = (state) => {
        const count = Math.max(state.regions.length, ...repaintedRegions(state).map((index) => index + 1));
        if (boxes.childElementCount !== count) boxes.replaceChildren(...Array.from({length: count}, (_, index) => box(index)));
        const on = repaintedRegions(state);
        boxes.querySelectorAll("input").forEach((check, index) => (check.checked = on.includes(index)));
    };
    return {node: input, input, update};
}
