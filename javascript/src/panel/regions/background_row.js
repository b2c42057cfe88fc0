// The row "Background" above the regions: the main prompt, and how it acts where regions are.

/** @import {State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {t} from "../../host/language.js";
import {find} from "../../host/page.js";
import {writePrompt} from "../../host/tab.js";
import {backgroundMode, commonShare, setBackgroundMode, withShare} from "../../model/prompt/background.js";
import {parseNumber, setField} from "../../model/fields.js";
import {button} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";
import {completeNames, networkChips, pickerButton} from "../pickers/network_parts.js";

const MODES = [
    ["joined", "joined to every region"],
    ["apart", "only where no region is"],
    ["shared", "mixed into regions by"],
    ["own", "each region has its share"],
];
const MODE_HELP = "How the prompt of the whole picture acts where regions are";
const PICKER_HELP = "LoRAs and embeddings for the whole picture, with their pictures";
const SHARE_HELP = "Share of the main prompt inside every region, in per cent";

/** @typedef {ReturnType<typeof backgroundRow>} BackgroundRow */

/**
 * The row; `update(state)` follows the state and the main prompt of the page.
 *
 * @param {Panel} panel
 */
export function backgroundRow(panel) {
    const parts = {...textParts(panel), ...modeParts(panel)};
    const head = el(
        "div",
        {class: "rg-head"},
        el("strong", {class: "rg-background-name", localized: "Background"}),
        parts.mode,
        parts.share,
    );
    const node = el("div", {class: "rg-background", "data-field": "base", tabindex: "-1"}, head, parts.line, parts.chips.node, parts.own);
    return {
        node,
        focus: () => parts.text.focus({preventScroll: true}),
        update: (/** @type {State} */ state) => updateRow(panel, parts, state),
    };
}

/** @param {Panel} panel */
function textParts(panel) {
    const write = () => {
        if (panel.store.get().base.prompt === null) writePrompt(panel.tab, "prompt", text.value);
        else panel.edit((state) => setField(state, "base.prompt", text.value), {key: "field:base.prompt"});
    };
    const text = el("textarea", {
        rows: 1,
        spellcheck: "false",
        class: "scroll-hide",
        "aria-label": "Background: the main prompt",
        placeholder: "the main prompt",
        "data-action": "background-prompt",
        oninput: write,
    });
    const back = button("Use the main prompt", () => panel.edit((state) => setField(state, "base.prompt", null)), {
        "data-action": "background-main",
    });
    const own = el("div", {class: "rg-row rg-hint"}, el("span", {localized: "A base prompt stands in place of the main prompt."}), back);
    return {text, own, ...networksOf(panel, text)};
}

/**
 * The line of the text with the button of its picker, and the chips of what it names. The negative prompt is the page's, unless the settings
 * have a base one.
 *
 * @param {Panel} panel
 * @param {HTMLTextAreaElement} text
 */
function networksOf(panel, text) {
    const holder = el("div", {class: "rg-wide"}, text);
    const negative = () =>
        panel.store.get().base.negative === null
            ? find(`#${panel.tab}_neg_prompt textarea`)
            : panel.parts.texts.querySelector("[data-field='base.negative']");
    const fields = {
        prompt: {input: text},
        get negative() {
            return {input: negative()};
        },
    };
    const target = () => ({name: t("Background"), title: t("LoRAs and embeddings for the whole picture")});
    completeNames(panel, {node: holder, input: text});
    const opener = pickerButton(panel, target, fields, {name: "background-lora", title: PICKER_HELP});
    return {line: el("div", {class: "rg-background-line"}, holder, opener), chips: networkChips()};
}

/** @param {Panel} panel */
function modeParts(panel) {
    const mode = el(
        "select",
        {
            "aria-label": MODE_HELP,
            title: MODE_HELP,
            "data-field": "base.joined",
            "data-action": "background-mode",
            onchange: () => panel.edit((state) => setBackgroundMode(state, mode.value)),
        },
        MODES.map(([value, words]) => el("option", {value, localized: words, hidden: value === "own"})),
    );
    const take = () => {
        const value = parseNumber(percent.value);
        const share = typeof value === "number" ? value / 100 : value === undefined ? 0 : value;
        panel.edit((state) => withShare(state, share), {key: "background-share"});
    };
    const percent = el("input", {type: "text", inputmode: "decimal", "aria-label": SHARE_HELP, title: SHARE_HELP, oninput: take});
    const share = el("label", {class: "rg-check rg-percent", "data-action": "background-share"}, percent, el("span", {text: "%"}));
    return {mode, percent, share};
}

/**
 * @param {Panel} panel
 * @param {{text: HTMLTextAreaElement, own: HTMLElement, chips: ReturnType<typeof networkChips>, mode: HTMLSelectElement, percent: HTMLInputElement, share: HTMLElement}} parts
 * @param {State} state
 */
function updateRow(panel, {text, own, chips, mode, percent, share}, state) {
    const isOwn = state.base.prompt !== null;
    const shown = isOwn ? String(state.base.prompt) : panel.prompts().prompt;
    if (text.value !== shown) text.value = shown;
    text.setAttribute("aria-label", t(isOwn ? "Background: the base prompt" : "Background: the main prompt"));
    own.hidden = !isOwn;
    chips.show(shown);
    const chosen = backgroundMode(state);
    if (mode.value !== chosen) mode.value = chosen;
    share.hidden = chosen !== "shared";
    const per = commonShare(state);
    if (per !== null && document.activeElement !== percent) percent.value = String(Math.round(per * 1000) / 10);
}
