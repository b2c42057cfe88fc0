// Pictures that the WebUI shows.

import {find, root} from "./page.js";
import {clamp} from "../model/values.js";

/**
 * The picture of the tab's gallery that is shown large, or the first one; null where there is none.
 *
 * @param {string} tab
 * @returns {HTMLImageElement | null}
 */
export function shownPicture(tab) {
    /** @type {HTMLImageElement[]} */
    const all = [...root().querySelectorAll(/** @type {"img"} */ (`#${tab}_gallery img`))];
    const images = all.filter((image) => image.getClientRects().length);
    return images.sort((a, b) => b.getBoundingClientRect().width - a.getBoundingClientRect().width)[0] || null;
}

/**
 * The gallery's pictures in their order, without repetitions; the one that is shown large stands there as a small one too.
 *
 * @param {string} tab
 * @returns {HTMLImageElement[]}
 */
export function allPictures(tab) {
    /** @type {HTMLImageElement[]} */
    const small = [
        ...root().querySelectorAll(/** @type {"img"} */ (`#${tab}_gallery .thumbnail-item img, #${tab}_gallery .grid-wrap img`)),
    ];
    /** @type {HTMLImageElement[]} */
    const all = small.length ? small : [...root().querySelectorAll(/** @type {"img"} */ (`#${tab}_gallery img`))];
    return all.filter((image, i) => image.src && all.findIndex((each) => each.src === image.src) === i);
}

/**
 * The picture that img2img was given; null where there is none. A sketch pad's canvas stands for its picture in some pages.
 *
 * @returns {any}
 */
export function givenPicture() {
    const found = find("#img2img_image img, #img2img_image canvas");
    return found && (found.naturalWidth || found.tagName === "CANVAS") ? found : null;
}

/**
 * Place of a picture inside its <img> that is fitted into it with object-fit: contain.
 *
 * @param {HTMLImageElement} image
 * @returns {{left: number, top: number, width: number, height: number}}
 */
export function pictureBox(image) {
    const frame = image.getBoundingClientRect();
    const ratio = image.naturalWidth / image.naturalHeight || 1;
    if (getComputedStyle(image).objectFit !== "contain") return frame;
    const width = Math.min(frame.width, frame.height * ratio);
    const height = width / ratio;
    return {left: frame.left + (frame.width - width) / 2, top: frame.top + (frame.height - height) / 2, width, height};
}

/**
 * Number of the shown picture among those of the gallery that have maps: grids of pictures come before them.
 *
 * @param {string} tab
 * @param {HTMLImageElement | null} shown
 * @param {number} count
 * @returns {number}
 */
export function shownImage(tab, shown, count) {
    const thumbs = [
        ...root().querySelectorAll(/** @type {"img"} */ (`#${tab}_gallery .thumbnail-item img, #${tab}_gallery .grid-wrap img`)),
    ];
    const at = thumbs.findIndex((image) => shown && image.src === shown.src);
    return clamp(at - Math.max(0, thumbs.length - count), 0, Math.max(0, count - 1));
}
