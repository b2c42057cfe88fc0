// What every prompt has for LoRAs and embeddings: completion of their names, chips of what it names, and the button of the picker.

/** @import {Panel} from "../panel.js" */
/** @import {PickerFields, PickerTarget} from "./network_picker.js" */

import {t} from "../../host/language.js";
import {askNetworks, isUnknown, knownNetworks} from "../../host/networks.js";
import {findNetworks} from "../../model/prompt/networks.js";
import {button} from "../../widgets/buttons.js";
import {NameList} from "../../widgets/completion.js";
import {el} from "../../widgets/elements.js";
import {NetworkPicker} from "./network_picker.js";

/** What a host that has not answered has. */
const NONE = {loras: [], embeddings: []};

/**
 * Complete the names of LoRAs and embeddings in a prompt.
 *
 * @param {Panel} panel
 * @param {{node: HTMLElement, input: HTMLTextAreaElement}} field
 */
export function completeNames(panel, {node, input}) {
    const ask = () => askNetworks(() => panel.list.renew());
    new NameList(input, node, () => (ask(), knownNetworks() || NONE));
    input.addEventListener("focus", ask);
}

/**
 * The button that opens the picker for a prompt.
 *
 * @param {Panel} panel
 * @param {() => PickerTarget} target
 * @param {PickerFields} fields
 * @param {{name: string, title: string}} words
 */
export function pickerButton(panel, target, fields, {name, title}) {
    const opener = button("LoRA…", () => new NetworkPicker(panel, target(), fields, opener), {
        class: "rg-button rg-mini",
        title,
        "data-action": name,
    });
    return opener;
}

/** A line of chips, one for each network that a text names; `show(text)` draws it where text or lists are other ones. */
export function networkChips() {
    const node = el("div", {class: "rg-networks"});
    /** @type {unknown[]} */
    let seen = [];
    return {
        node,
        show(/** @type {string} */ text) {
            const now = [text, knownNetworks()];
            if (now.every((value, i) => value === seen[i])) return;
            seen = now;
            node.replaceChildren(...findNetworks(text).map(chip));
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
