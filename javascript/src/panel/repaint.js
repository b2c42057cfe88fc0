// The inputs of repainting: the picture that is repainted, and its regions.

/** @import {Field, State} from "../types.js" */
/** @import {Panel} from "./panel.js" */

import {t} from "../host/language.js";
import {writeNumber} from "../host/tab.js";
import {numberOf} from "../model/numbers.js";
import {repaintedRegions, repaintSource, setRepainted, setRepaintSource} from "../model/shown/repaint.js";
import {button} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";
import {madeWith} from "../host/made_with.js";

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
        const made = await madeWith(panel);
        if (!made) return undefined;
        panel.edit((state) => setRepaintSource(state, made.settings));
        if (made.parameters.seed !== null) writeNumber(panel.tab, "seed", made.parameters.seed);
        return panel.note("Change regions, or tick those to make again, and press Generate: the rest of the picture stays.");
    } catch {
        return panel.note("The server does not answer.", true);
    }
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
        return el("label", {class: "rg-check"}, check, el("span", {text: String(numberOf(panel.store.get(), index))}));
    };
    /** @param {State} state */
    const update = (state) => {
        const count = Math.max(state.regions.length, ...repaintedRegions(state).map((index) => index + 1));
        const numbers = Array.from({length: count}, (_, index) => numberOf(state, index)).join();
        if (boxes.dataset.numbers !== numbers) boxes.replaceChildren(...Array.from({length: count}, (_, index) => box(index)));
        boxes.dataset.numbers = numbers;
        const on = repaintedRegions(state);
        boxes.querySelectorAll("input").forEach((check, index) => (check.checked = on.includes(index)));
    };
    return {node: input, input, update};
}
