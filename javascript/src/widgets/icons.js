// Icons of buttons.

import {svg} from "./elements.js";

/** Paths in a square of 16 units. @type {Record<string, string>} */
const ICONS = {
    select: "M3 2l9 5-4 1.2L6 13z",
    box: "M2.5 3.5h11v9h-11z",
    ellipse: "M8 3.5c3.3 0 6 2 6 4.5s-2.7 4.5-6 4.5S2 10.500 2 8s2.700-4.500 6-4.500z",
    polygon: "M3 5l6-3 5 5-3 6H4z",
    brush: "M13.500 2.500L7 9M7 9c-2-.5-3.500 1-3.500 2.500 0 1-.5 1.500-1.500 2 3 .5 5.500-.5 5.500-2.500 0-1-.5-1.500-.5-2z",
    eraser: "M9 3l4.500 4.500L8 13H5l-2.500-2.500zM6 6l4.500 4.500M3 13.500h10.500",
    fill: "M7 2.500l5.500 5.500-5 5-5.500-5.500zM2.500 7.500h9M13.500 10.500c.8 1.200 1.200 2 .7 2.700-.4.5-1.200.5-1.500 0-.4-.7 0-1.500.8-2.700z",
    undo: "M5.500 3L2.500 6l3 3M2.500 6H10a3.500 3.500 0 0 1 0 7H6",
    redo: "M10.500 3l3 3-3 3M13.500 6H6a3.500 3.500 0 0 0 0 7h4",
    refresh: "M13 8a5 5 0 1 1-1.500-3.500L13 6M13 2.500V6H9.500",
    copy: "M5.500 5.500h8v8h-8zM10.500 2.500h-8v8",
    paste: "M4 3.500h8v10H4zM6 2.500h4v2H6zM6 7.500h4M6 10h4",
    remove: "M4 4l8 8M12 4l-8 8",
    duplicate: "M2.500 2.500h7v7h-7zM6.500 12v1.500h7v-7H12M10 8v4M8 10h4",
    mirrorX: "M8 2v12M6 4.500L2 11.500h4zM10 4.500l4 7h-4z",
    mirrorY: "M2 8h12M4.500 6L11.500 2v4zM4.500 10l7 4v-4z",
    up: "M8 13V3M4 7l4-4 4 4",
    down: "M8 3v10M4 9l4 4 4-4",
    zoomIn: "M7 2.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9zM10.500 10.500l3.500 3.500M5 7h4M7 5v4",
    zoomOut: "M7 2.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9zM10.500 10.500l3.500 3.500M5 7h4",
    fit: "M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10",
    full: "M2.500 2.500h11v11h-11zM5 7V5h2M11 9v2H9",
    eye: "M1.500 8C4 4 12 4 14.500 8 12 12 4 12 1.500 8zM8 6.200a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600z",
    eyeOff: "M1.500 8C4 4 12 4 14.500 8 12 12 4 12 1.500 8zM3 13L13 3",
    solo: "M8 2.500l1.700 3.600 3.800.500-2.800 2.700.7 3.900L8 11.300l-3.400 1.900.7-3.900L2.500 6.600l3.800-.5z",
    lock: "M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 0 1 5 0v2.500",
    unlock: "M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 0 1 4.800-1",
    grip: "M6 4h.1M10 4h.1M6 8h.1M10 8h.1M6 12h.1M10 12h.1",
    folded: "M6 3.500l4.500 4.500L6 12.500",
    unfolded: "M3.500 6L8 10.500 12.500 6",
    more: "M4 8h.1M8 8h.1M12 8h.1",
    magnet: "M4 2.500v6a4 4 0 0 0 8 0v-6H9.500v6a1.500 1.500 0 0 1-3 0v-6zM4 5h2.500M9.500 5H12",
    splitX: "M2.500 3.500h11v9h-11zM8 3.500v9",
    splitY: "M2.500 3.500h11v9h-11zM2.500 8h11",
    merge: "M2.500 3.500h11v9h-11zM5 8h6M7 6L5 8l2 2M9 6l2 2-2 2",
};

/**
 * An icon as high as its text.
 *
 * @param {string} name
 * @returns {SVGElement}
 */
export function icon(name) {
    const attributes = {viewBox: "0 0 16 16", width: "1.1em", height: "1.1em", fill: "none", stroke: "currentColor", "aria-hidden": "true"};
    const look = {"stroke-width": name === "grip" || name === "more" ? "2" : "1.3", "stroke-linejoin": "round", "stroke-linecap": "round"};
    return svg("svg", {...attributes, ...look}, svg("path", {d: ICONS[name]}));
}
