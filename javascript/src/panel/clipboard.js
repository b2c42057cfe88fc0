// Copy, cut and paste of regions as JSON.

/** @import {Panel} from "./panel.js" */

import {t} from "../host/language.js";
import {isTyping} from "../host/page.js";
import {copyText} from "../model/clipboard.js";
import {pictureIn} from "../widgets/files.js";
import {regionOfPaste, takePicture} from "./pickers/given_pictures.js";
import {panels} from "./registry.js";

/** What was copied last within this page, for browsers that keep their clipboard to themselves. */
let copied = "";

/**
 * Write the chosen regions into the clipboard.
 *
 * @param {Panel} panel
 */
export async function copyToClipboard(panel) {
    const text = copyText(panel.store.get(), panel.selected);
    copied = text;
    try {
        await navigator.clipboard.writeText(text);
        panel.note(t("Regions copied as JSON: {0}.", panel.selected.size));
    } catch {
        panel.note("Copied within this page. The browser does not let the page write to its clipboard; Ctrl+C on the canvas does.");
    }
}

/**
 * Add the regions of the clipboard.
 *
 * @param {Panel} panel
 */
export async function pasteFromClipboard(panel) {
    try {
        panel.paste(await navigator.clipboard.readText());
    } catch {
        if (copied) panel.paste(copied);
        else panel.note("The browser does not let the page read its clipboard. Click the canvas and press Ctrl+V.", true);
    }
}

/**
 * Whether the keyboard is in the panel.
 *
 * @param {Panel} panel
 */
const hasKeyboard = (panel) => panels[panel.tab] === panel && panel.mount.contains(document.activeElement);

/**
 * Whether a clipboard event belongs to the panel: the focus is on it and not in a text.
 *
 * @param {Panel} panel
 * @param {Event} event
 */
const isMine = (panel, event) => hasKeyboard(panel) && !isTyping(document.activeElement) && !event.defaultPrevented;

/**
 * @param {Panel} panel
 * @param {ClipboardEvent} event
 */
function copy(panel, event) {
    if (!event.clipboardData || !isMine(panel, event) || !panel.selected.size) return false;
    event.clipboardData.setData("text/plain", copyText(panel.store.get(), panel.selected));
    event.preventDefault();
    return true;
}

/**
 * Take what is pasted: a picture into its region, in a card's prompt too; regions as JSON elsewhere. Whether it was for the panel.
 *
 * @param {Panel} panel
 * @param {ClipboardEvent} event
 */
function paste(panel, event) {
    const data = event.clipboardData;
    if (!data || !hasKeyboard(panel)) return false;
    const picture = pictureIn(data);
    const index = picture ? regionOfPaste(panel) : -1;
    if (picture && index >= 0) takePicture(panel, index, picture);
    else if (!isMine(panel, event)) return false;
    else if (picture) panel.note("Choose one region, and paste the picture again.", true);
    else panel.paste(data.getData("text/plain"));
    return true;
}

/**
 * Copy, cut and paste while the focus is on the panel and not in a text.
 *
 * @param {Panel} panel
 */
export function attachClipboard(panel) {
    document.addEventListener("copy", (event) => copy(panel, event));
    document.addEventListener("cut", (event) => copy(panel, event) && panel.act("remove"));
    document.addEventListener(
        "paste",
        (event) => {
            if (!paste(panel, event)) return;
            event.preventDefault();
            event.stopImmediatePropagation();
        },
        true,
    );
}
