// The parameters that the shown picture carries.

import {pngParameters} from "../model/words/png_text.js";
import {shownPicture} from "./gallery.js";
import {readFile} from "./reading.js";
import {callApi} from "./server.js";
import {shownInfotext} from "./tab.js";

/**
 * The parameters in the file at an address; "" where it carries none. Other kinds than PNG are read by the server.
 *
 * @param {string} address
 * @returns {Promise<string>}
 */
export async function infotextAt(address) {
    const file = await (await fetch(address)).blob();
    const own = pngParameters(new Uint8Array(await file.arrayBuffer()));
    if (own || file.type === "image/png") return own;
    const picture = await readFile(new File([file], "picture", {type: file.type}));
    const answer = await callApi("parameters", {method: "POST", body: {picture}});
    return answer.ok ? answer.data.infotext : "";
}

/**
 * Those of the shown picture; those that the page shows where its file carries none. Pages show long texts cut.
 *
 * @param {string} tab
 * @returns {Promise<string>}
 */
export async function infotextOfShown(tab) {
    const shown = shownPicture(tab);
    return shown ? (await infotextAt(shown.src)) || shownInfotext(tab) : "";
}
