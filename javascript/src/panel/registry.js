// The panel of each tab that is on the page now.

/** @import {Panel} from "./panel.js" */

/** @type {Record<string, Panel>} */
export const panels = {};
