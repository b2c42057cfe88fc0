// What stands between the prompt of a card and its further fields: LoRAs, the region's part of the main prompt, warnings, and the buttons
// that work on the shown picture.

/** @import {Region, State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {t} from "../../host/language.js";
import {askNetworks, isUnknown, knownNetworks} from "../../host/networks.js";
import {findNetworks} from "../../model/prompt/networks.js";
import {button} from "../../widgets/buttons.js";
import {NameList} from "../../widgets/completion.js";
import {el} from "../../widgets/elements.js";
import {addDetail, makeAgain} from "../page/one_region.js";
import {NetworkPicker} from "../pickers/network_picker.js";

const PICKER_HELP = "LoRAs and embeddings for this region, with their pictures";
const AGAIN_HELP = "Make this region of the shown picture again; the rest stays";
/** What a host that has not answered has. */
const NONE = {loras: [], embeddings: []};
const DETAIL_HELP = "Make the shown picture again with a detail pass of this region; the rest stays";

/**
 * @param {Panel} panel
 * @param {() => number} index
 * @param {Record<"prompt" | "negative", {node: HTMLElement, input: HTMLTextAreaElement}>} fields
 */
export function cardFoot(panel, index, fields) {
    const {prompt, negative} = fields;
    const part = el("div", {class: "rg-hint rg-part"});
    const networks = el("div", {class: "rg-networks"});
    const warning = el("div", {class: "rg-card-warning"});
    const ask = () => askNetworks(() => panel.list.renew());
    const names = () => (ask(), knownNetworks() || NONE);
    [prompt, negative].forEach(({node, input}) => {
        new NameList(input, node, names);
        input.addEventListener("focus", ask);
    });
    /** @type {(name: string, label: string, title: string, act: () => unknown) => HTMLElement} */
    const act = (name, label, title, action) => button(label, action, {class: "rg-button rg-mini", title, "data-action": name});
    const loras = act("add-lora", "LoRA…", PICKER_HELP, () => new NetworkPicker(panel, index, fields, loras));
    const acts = el(
        "div",
        {class: "rg-card-acts"},
        loras,
        act("again", "Again", AGAIN_HELP, () => makeAgain(panel, index())),
        act("detail", "Detail", DETAIL_HELP, () => addDetail(panel, index())),
    );
    return {
        part,
        networks,
        warning,
        acts,
        /** @type {(state: State, region: Region, part: string | null | undefined) => void} */
        update(state, region, text) {
            part.hidden = text === undefined;
            part.textContent =
                text === null ? t("The main prompt has no part for this region.") : text ? t("From the main prompt: {0}", text) : "";
            networks.replaceChildren(...findNetworks(region.prompt).map(chip));
        },
    };
}

/** @param {{kind: string, name: string, weight: string}} network */
function chip({kind, name, weight}) {
    const unknown = isUnknown(kind, name);
    const title = unknown ? t("There is no LoRA of this name.") : t("{0}, strength {1}", kind, weight);
    const text = unknown ? t("{0}: no such LoRA", name) : `${name} ${weight}`;
    return el("span", {class: `rg-chip${unknown ? " rg-unknown" : ""}`, title, text});
}
