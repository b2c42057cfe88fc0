// The zoomed view of the picture.

/** @import {Point, View} from "../../types.js" */

import {clamp} from "../values.js";

/**
 * A zoomed view: the point `x, y` of the picture lies at the upper left corner, `zoom` 1 shows all of it.
 *
 * @param {View} view
 * @param {number} factor
 * @param {Point} at
 * @returns {View}
 */
export function zoomView(view, factor, at) {
    const zoom = clamp(view.zoom * factor, 1, 32);
    return panView({zoom, x: at.x - ((at.x - view.x) * view.zoom) / zoom, y: at.y - ((at.y - view.y) * view.zoom) / zoom}, 0, 0);
}

/**
 * A view moved by a share of the picture, kept inside it.
 *
 * @param {View} view
 * @param {number} dx
 * @param {number} dy
 * @returns {View}
 */
export function panView(view, dx, dy) {
    const room = 1 - 1 / view.zoom;
    return {zoom: view.zoom, x: clamp(view.x + dx, 0, room), y: clamp(view.y + dy, 0, room)};
}
