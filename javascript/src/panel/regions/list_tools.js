// Search, and switches for all regions, above a long list.

/** @import {Region, State} from "../../types.js" */
/** @import {RegionList} from "./list.js" */

import {t} from "../../host/language.js";
import {numberOf} from "../../model/numbers.js";
import {button} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";

/** A list of more regions than this has the row. */
const LONG = 8;

/**
 * Whether a region has the words looked for in its name or prompt, or is the one of that number.
 *
 * @param {Region} region
 * @param {number} number
 * @param {string} words
 */
const fits = (region, number, words) =>
    !words || String(number) === words || `${region.name} ${region.group} ${region.prompt}`.toLowerCase().includes(words.toLowerCase());

/**
 * The row of a list; `update` shows the cards that the search finds.
 *
 * @param {RegionList} list
 */
export function listTools(list) {
    const {panel} = list;
    const count = el("span", {class: "rg-hint", role: "status"});
    const search = el("input", {
        type: "text",
        placeholder: "search",
        "aria-label": "Search the regions",
        "data-action": "search",
        oninput: () => update(panel.store.get()),
    });
    /** @param {boolean} enabled */
    const all = (enabled) =>
        panel.edit((state) => ({...state, _solo: null, regions: state.regions.map((region) => ({...region, enabled}))}));
    const node = el(
        "div",
        {class: "rg-row rg-list-tools", hidden: true},
        search,
        button("All on", () => all(true), {"data-action": "all-on"}),
        button("All off", () => all(false), {"data-action": "all-off"}),
        count,
    );

    /** @param {State} state */
    function update(state) {
        node.hidden = state.regions.length <= LONG;
        const words = node.hidden ? "" : search.value.trim();
        const found = state.regions.filter((region, index) => fits(region, numberOf(state, index), words));
        const shown = new Set(words ? found : found.filter((region) => !list.groups.folded.has(region.group)));
        for (const region of state.regions) {
            const card = list.cards.get(region._id);
            if (card && card.node.hidden === shown.has(region)) card.node.hidden = !shown.has(region);
        }
        for (const [name, {node: head}] of list.groups.heads) head.hidden = !found.some((region) => region.group === name);
        count.textContent = words ? t("{0} of {1}", found.length, state.regions.length) : "";
    }
    return {node, update};
}
