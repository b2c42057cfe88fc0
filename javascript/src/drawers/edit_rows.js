// The rows of the drawer "Edit": what became of each region, its partner in the source, its keywords.

/** @import {State} from "../types.js" */
/** @import {Panel} from "../panel/panel.js" */

import {t} from "../host/language.js";
import {numberOf} from "../model/numbers.js";
import {keywordsOf, setKeywords, setPair} from "../model/shown/source.js";
import {el} from "../widgets/elements.js";

/** @typedef {{kind: string, source: number | null, target: number | null}} Pair A region of the source and one of the layout. */

/** @type {Record<string, string>} */
const KINDS = {inherent: "kept", added: "added", removed: "removed", reworded: "re-worded"};
const KEYWORDS_HELP = "Words of the region's prompt that say what is seen there. Empty: those whose attention is most concentrated";

/**
 * A text of at most 32 characters.
 *
 * @param {string} text
 */
export const shorten = (text) => (text.length > 32 ? `${text.slice(0, 31)}…` : text);

/**
 * The row of one pair: what happened to it, and for a region of the layout its partner in the source and its keywords.
 *
 * @param {Panel} panel
 * @param {State} state
 * @param {Pair} pair
 * @param {string[]} names Of the source's regions.
 * @param {Record<number, string>} found Keywords that were found while sampling, by region.
 */
export function changeRow(panel, state, pair, names, found) {
    const {kind, source, target} = pair;
    const row = {class: "rg-row rg-edit-row", "data-kind": kind};
    const badge = el("span", {class: `rg-chip rg-edit-${kind}`, localized: KINDS[kind] || kind});
    if (target === null) return el("div", row, badge, el("span", {text: t("Region {0} of the source", names[Number(source)])}));
    const region = state.regions[target];
    const name = el("span", {
        class: "rg-edit-name",
        text: `${t("Region {0}", numberOf(state, target))} ${shorten(region.name || region.prompt)}`,
    });
    const keywords = state.method === "mrgd" ? keywordField(panel, state, target, found[target]) : null;
    return el("div", row, badge, name, partnerField(panel, state, target, source, names), keywords);
}

/**
 * @param {Panel} panel
 * @param {State} state
 * @param {number} target
 * @param {number | null} source
 * @param {string[]} names
 */
function partnerField(panel, state, target, source, names) {
    const choices = [["", t("new")], ...names.map((name, index) => [String(index), t("was {0}", name)])];
    const take = () => panel.edit((now) => setPair(now, target, input.value === "" ? null : Number(input.value)));
    const input = el(
        "select",
        {
            "aria-label": t("What region {0} was in the source", numberOf(state, target)),
            "data-action": `edit-pair-${target}`,
            onchange: take,
        },
        choices.map(([value, text]) => el("option", {value, text})),
    );
    input.value = source === null ? "" : String(source);
    return input;
}

/**
 * @param {Panel} panel
 * @param {State} state
 * @param {number} target
 * @param {string | undefined} found
 */
function keywordField(panel, state, target, found) {
    const input = el("input", {
        type: "text",
        class: "rg-edit-keywords",
        placeholder: found ? t("found: {0}", found) : "keywords: found while sampling",
        "aria-label": t("Keywords of region {0}", numberOf(state, target)),
        title: found ? t("found: {0}", found) : KEYWORDS_HELP,
        "data-field": `options.mrgd.keywords[${target}]`,
        value: keywordsOf(state, target).join(" "),
        oninput: () => panel.edit((now) => setKeywords(now, target, input.value), {key: `keywords-${target}`}),
    });
    return input;
}
