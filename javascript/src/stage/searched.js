// Regions whose place is not known before the picture is made.

/** @import {LayoutView, State} from "../types.js" */

import {t} from "../host/language.js";
import {cssColour, textColour} from "../model/colours.js";
import {searchedWords} from "../model/geometry/shapes.js";
import {numberOf} from "../model/numbers.js";

/**
 * Regions whose place is found while the picture is made: a dashed frame around the picture, and a line each that says so.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {State} state
 * @param {LayoutView} view
 */
export function drawSearched(context, state, view) {
    const found = state.regions.map((region, index) => ({words: searchedWords(region), index})).filter(({words}) => words !== null);
    const [x0, y0] = view.at(0, 0);
    const [x1, y1] = view.at(1, 1);
    const size = view.fontSize || 12;
    found.forEach(({words, index}, line) => {
        const number = numberOf(state, index);
        const {colour} = state.regions[index];
        const inset = 4 + 4 * line;
        context.save();
        context.setLineDash([8, 6]);
        context.lineWidth = view.selected?.has(state.regions[index]._id) ? 3 : 1.5;
        context.strokeStyle = cssColour(number - 1, colour);
        context.strokeRect(x0 + inset, y0 + inset, x1 - x0 - 2 * inset, y1 - y0 - 2 * inset);
        context.restore();
        if (!view.labels) return;
        const text = words ? t("{0}  “{1}”: found while the picture is made", number, words) : t("{0}  no words yet", number);
        context.font = `600 ${size}px system-ui, sans-serif`;
        context.textBaseline = "middle";
        const width = Math.min(context.measureText(text).width + 10, view.width - 16);
        const top = (y0 + y1) / 2 + (line - found.length / 2) * (size + 10);
        context.fillStyle = cssColour(number - 1, colour);
        context.fillRect((view.width - width) / 2, top, width, size + 8);
        context.fillStyle = textColour(number - 1, colour);
        context.fillText(text, (view.width - width) / 2 + 5, top + size / 2 + 4.5, width - 10);
    });
}
