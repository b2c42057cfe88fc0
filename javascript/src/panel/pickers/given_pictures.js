// Pictures that are pasted or dropped onto a region's card: laid into the region where the method lays pictures, its reference otherwise.

/** @import {State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {t} from "../../host/language.js";
import {isTyping} from "../../host/page.js";
import {readFile} from "../../host/reading.js";
import {getField, setField} from "../../model/fields.js";
import {numberOf} from "../../model/numbers.js";
import {indexOf} from "../../model/regions.js";
import {makeReference} from "../../model/state.js";

/** @typedef {"picture" | "reference"} PictureName Field of a region that holds a picture. */

/** What is said of a picture that was taken. @type {Record<PictureName, string>} */
const TAKEN = {
    picture: "The picture is laid into region {0}.",
    reference: "The picture is the reference of region {0}.",
};

/**
 * Index of the region that a pasted picture belongs to: the one whose card has the keyboard, else the only chosen one; -1 without one, and
 * where the keyboard is in a text outside of the cards.
 *
 * @param {Panel} panel
 * @returns {number}
 */
export function regionOfPaste(panel) {
    const {activeElement} = document;
    /** @type {HTMLElement | null | undefined} */
    const card = activeElement?.closest(".rg-region");
    if (card) return Number(/\d+/.exec(card.dataset.field || "")?.[0] ?? -1);
    const [id, ...more] = isTyping(activeElement) ? [] : panel.selected;
    return id === undefined || more.length ? -1 : indexOf(panel.store.get(), id);
}

/**
 * Put a picture into region `index`, and show it there.
 *
 * @param {Panel} panel
 * @param {number} index
 * @param {File} file
 */
export async function takePicture(panel, index, file) {
    const id = panel.store.get().regions[index]._id;
    const name = fieldFor(panel.store.get());
    try {
        const picture = await readFile(file);
        const now = panel.store.get();
        const at = indexOf(now, id);
        if (at < 0) return;
        const path = `regions[${at}].${name}`;
        panel.edit((state) =>
            setField(state, path, name === "picture" ? picture : makeReference({...getField(state, path), image: picture})),
        );
        const more = panel.list.cards.get(id)?.node.querySelector("details");
        if (more) more.open = true;
        panel.note(t(TAKEN[name], numberOf(now, at)));
    } catch (error) {
        panel.note(error.message, true);
    }
}

/**
 * The field that has the keyboard, else the one that the method works with.
 *
 * @param {State} state
 * @returns {PictureName}
 */
function fieldFor({method}) {
    const path = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.field || "";
    const [, own] = /^regions\[\d+\]\.(picture|reference)/.exec(path) || [];
    return /** @type {PictureName} */ (own || (method === "collage" ? "picture" : "reference"));
}
