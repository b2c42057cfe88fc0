// The group of a region, in its card. It is taken when the name is complete: a card moves to its group.

/** @import {Field, State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */
/** @import {PathOf} from "./card.js" */

import {groupNames, LONGEST_GROUP, setGroup} from "../../model/list/groups.js";
import {indexOf} from "../../model/regions.js";
import {el} from "../../widgets/elements.js";
import {labelled} from "../../widgets/fields.js";

/**
 * @param {Panel} panel
 * @param {PathOf} at
 * @param {number} id
 * @param {string} [title]
 * @returns {Field}
 */
export function groupField(panel, at, id, title) {
    const names = el("datalist", {id: `regional_${panel.tab}_groups_${id}`});
    const input = el("input", {
        type: "text",
        list: names.id,
        title,
        maxlength: LONGEST_GROUP,
        autocomplete: "off",
        "data-action": "region-group",
        onfocus: () => names.replaceChildren(...groupNames(panel.store.get()).map((value) => el("option", {value}))),
        onchange: () => panel.edit((state) => setGroup(state, [id], input.value.trim())),
    });
    /** @param {State} state */
    const update = (state) => {
        input.dataset.field = at("group")();
        const {group = ""} = state.regions[indexOf(state, id)] || {};
        if (input.value !== group && document.activeElement !== input) input.value = group;
    };
    return {node: labelled("Group", el("span", {class: "rg-group-field"}, input, names)), input, update};
}
