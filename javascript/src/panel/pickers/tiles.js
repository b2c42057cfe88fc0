// Tiles of a picker: a picture, or the first letters of a name, with the name below.

import {firstLetters} from "../../model/prompt/networks.js";
import {el} from "../../widgets/elements.js";

/**
 * A tile. A picture is loaded when it comes into view; one that cannot be shown makes room for the letters.
 *
 * @param {string} name
 * @param {string | null} picture
 * @param {() => void} onclick
 */
export function networkTile(name, picture, onclick) {
    const letters = el("span", {class: "rg-letters", "aria-hidden": "true", text: firstLetters(name)});
    const onerror = (/** @type {Event} */ {currentTarget}) => /** @type {Element} */ (currentTarget).replaceWith(letters);
    const face = picture === null ? letters : el("img", {alt: "", loading: "lazy", decoding: "async", onerror, src: picture});
    const attributes = {class: "rg-tile rg-network", "data-network": name, tabindex: "-1", onclick};
    return el("button", {type: "button", ...attributes}, face, el("span", {class: "rg-network-name", text: name}));
}

/**
 * How many tiles stand in a row.
 *
 * @param {HTMLElement[]} tiles
 */
export const columnsOf = (tiles) => Math.max(1, tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length);
