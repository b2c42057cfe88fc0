// The panel on the whole screen.

/** @import {Stage} from "./stage.js" */

/**
 * Show the panel on the whole screen, or as before.
 *
 * @param {Stage} stage
 */
export function toggleFullScreen({panel}) {
    const change = document.fullscreenElement ? document.exitFullscreen() : panel.parts.node.requestFullscreen?.();
    change?.catch(() => panel.note("The browser does not allow full screen here.", true));
}
