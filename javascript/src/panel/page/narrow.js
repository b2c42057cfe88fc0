// The panel on a phone: canvas and Generate first, settings below the list, one card open at a time.

/** @import {Panel} from "../panel.js" */

/** A panel of fewer pixels in width is a phone's. */
const NARROW = 500;

/**
 * Follow the width of the panel; its parts stand in the page in the order in which they are seen.
 *
 * @param {Panel} panel
 */
export function followWidth(panel) {
    const {node, bar, run, sections, stage} = panel.parts;
    const follow = () => {
        const width = panel.mount.clientWidth;
        const isNarrow = width > 0 && width < NARROW;
        if (!width || isNarrow === panel.isNarrow) return;
        panel.isNarrow = isNarrow;
        node.classList.toggle("rg-narrow", isNarrow);
        if (isNarrow) {
            sections.before(bar);
            stage.bar.bottom.before(run);
        } else {
            node.prepend(bar);
            stage.node.after(run);
        }
        panel.list.renew();
    };
    follow();
    if (typeof ResizeObserver !== "undefined") new ResizeObserver(follow).observe(panel.mount);
}
