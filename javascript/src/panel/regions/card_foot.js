// What stands between the prompt of a card and its further fields: LoRAs, the region's part of the main prompt, warnings, and the buttons
// that work on the shown picture.

/** @import {Region, State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {t} from "../../host/language.js";
import {numberOf} from "../../model/numbers.js";
import {button} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";
import {addDetail, makeAgain} from "../page/one_region.js";
import {completeNames, networkChips, pickerButton} from "../pickers/network_parts.js";

const PICKER_HELP = "LoRAs and embeddings for this region, with their pictures";
const AGAIN_HELP = "Make this region of the shown picture again; the rest stays";
const DETAIL_HELP = "Make the shown picture again with a detail pass of this region; the rest stays";

/**
 * @param {Panel} panel
 * @param {() => number} index
 * @param {Record<"prompt" | "negative", {node: HTMLElement, input: HTMLTextAreaElement}>} fields
 */
export function cardFoot(panel, index, fields) {
    const {prompt, negative} = fields;
    const part = el("div", {class: "rg-hint rg-part"});
    const chips = networkChips();
    const warning = el("div", {class: "rg-card-warning"});
    const target = () => {
        const number = numberOf(panel.store.get(), index());
        return {name: t("Region {0}", number), title: t("LoRAs and embeddings for region {0}", number)};
    };
    [prompt, negative].forEach((field) => completeNames(panel, field));
    /** @type {(name: string, label: string, title: string, act: () => unknown) => HTMLElement} */
    const act = (name, label, title, action) => button(label, action, {class: "rg-button rg-mini", title, "data-action": name});
    const acts = el(
        "div",
        {class: "rg-card-acts"},
        pickerButton(panel, target, fields, {name: "add-lora", title: PICKER_HELP}),
        act("again", "Again", AGAIN_HELP, () => makeAgain(panel, index())),
        act("detail", "Detail", DETAIL_HELP, () => addDetail(panel, index())),
    );
    return {
        part,
        networks: chips.node,
        warning,
        acts,
        /** @type {(state: State, region: Region, part: string | null | undefined) => void} */
        update(state, region, text) {
            part.hidden = text === undefined;
            part.textContent =
                text === null ? t("The main prompt has no part for this region.") : text ? t("From the main prompt: {0}", text) : "";
            chips.show(region.prompt);
        },
    };
}
