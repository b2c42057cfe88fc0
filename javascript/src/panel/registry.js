// The panel of each tab that is on the page now.

/** @import {Panel} from "./panel.js" */

/** By the tab's name. @type {Record<string, Panel>} */
export const panels = {};
