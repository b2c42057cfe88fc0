// The tools of the canvas by name, in the order of the toolbar.

/** @import {Tool} from "../../types.js" */

import {brush, fill} from "./paint.js";
import {select} from "./select.js";
import {drag, polygon} from "./shapes.js";

/** By name. @type {Record<string, Tool>} */
export const tools = {
    select,
    box: drag("box", "Box", "r"),
    ellipse: drag("ellipse", "Ellipse", "e"),
    polygon,
    brush: brush("Brush", "b", false),
    eraser: brush("Eraser", "x", true),
    fill,
};
