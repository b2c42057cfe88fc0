// The drawer in which layouts of other tools become one of ours: pasted text, an API payload, or an old picture.

/** @import {Json} from "../types.js" */
/** @import {Panel} from "../panel/panel.js" */

import {t, translateMessage} from "../host/language.js";
import {callApi, errorText} from "../host/server.js";
import {writeNumber, writePrompt} from "../host/tab.js";
import {setField} from "../model/fields.js";
import {fromJson} from "../model/state.js";
import {button} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";
import {labelled} from "../widgets/fields.js";
import {readFile} from "../host/reading.js";
import {chooseFile, droppable, pictureIn} from "../widgets/files.js";

const FORMATS = [
    ["auto", "find out"],
    ["regional", "Regional settings"],
    ["regional_prompter", "Regional Prompter"],
    ["forge_couple", "Forge Couple"],
    ["latent_couple", "Latent Couple"],
    ["tiled_diffusion", "Tiled Diffusion regions"],
];
const DIRECTIONS = [
    ["Columns", "side by side"],
    ["Rows", "one below the other"],
];
const HELP = "Paste a prompt with BREAK, ADDCOL or ADDROW, an API payload (JSON), or the parameters text of an old picture.";
const PICTURES = "image/png,image/jpeg,image/webp";

/** @typedef {{text: string, format: string, ratios: string, direction: string}} Source */
/** @typedef {{title?: string, taken?: string[], lost?: string[], bad?: string[], help?: HTMLElement[]}} Report */

/**
 * The drawer "Import".
 *
 * @param {Panel} panel
 */
export function createImport(panel) {
    const text = el("textarea", {
        rows: 5,
        spellcheck: "false",
        placeholder: HELP,
        "aria-label": "Text to import",
        "data-action": "import-text",
    });
    const format = el(
        "select",
        {"data-action": "import-format"},
        FORMATS.map(([value, words]) => el("option", {value, localized: words})),
    );
    const ratios = el("input", {type: "text", placeholder: "1,1", size: 10, "data-action": "import-ratios"});
    const direction = el(
        "select",
        {},
        DIRECTIONS.map(([value, words]) => el("option", {value, localized: words})),
    );
    const report = el("div", {class: "rg-report", role: "status", "data-action": "import-report"});
    text.addEventListener("input", () => report.replaceChildren());
    const go = () => run(panel, {text: text.value, format: format.value, ratios: ratios.value, direction: direction.value}, report);
    const take = (/** @type {File} */ file) => fromPicture(panel, file, text, report);
    const choose = () => chooseFile(PICTURES, take);
    text.addEventListener("paste", (event) => {
        const picture = event.clipboardData && pictureIn(event.clipboardData);
        if (!picture) return;
        event.preventDefault();
        event.stopPropagation();
        take(picture);
    });
    const row = [
        labelled("Written for", format),
        labelled("Ratios, where the text has none", ratios),
        labelled("Cells of a plain list", direction),
        button("Import", go, {class: "rg-button rg-primary", "data-action": "import-go"}),
        button("From a picture…", choose, {title: "Reads the parameters that the picture carries", "data-action": "import-picture"}),
        button("From the main prompt", () => (text.value = panel.prompts().prompt)),
    ];
    return {node: el("div", {class: "rg-import", ...droppable(take)}, text, el("div", {class: "rg-row"}, row), report)};
}

/**
 * @param {Panel} panel
 * @param {Source} source
 * @param {HTMLElement} report
 */
async function run(panel, {text, format, ratios, direction}, report) {
    if (!text.trim()) return show(report, {bad: ["There is nothing to import: paste something first."]});
    const hints = {...(ratios.trim() ? {ratios: ratios.trim()} : {}), direction};
    const body = {text, format, hints, ...panel.size(), ...panel.prompts()};
    try {
        const answer = await callApi("import", {method: "POST", body});
        if (!answer.ok) return show(report, {bad: [errorText(answer)]});
        const {settings, format: found, taken, lost} = answer.data;
        panel.edit(() => fromJson({...settings, enabled: true}));
        return show(report, {
            title: t("Read as {0}. Undo brings the old layout back.", t(found)),
            taken,
            lost,
            help: helpOf(panel, answer.data),
        });
    } catch {
        return show(report, {bad: ["The server does not answer."]});
    }
}

/**
 * Buttons that do what the settings have no place for: the picture's size, steps and seed, and the main prompt that a base prompt replaces.
 *
 * @param {Panel} panel
 * @param {Json} answer
 * @returns {HTMLElement[]}
 */
function helpOf(panel, {settings, picture = {}}) {
    const words = [...("width" in picture ? [`${picture.width} × ${picture.height}`] : [])];
    words.push(...["steps", "seed"].filter((name) => name in picture).map((name) => `${t(name)} ${picture[name]}`));
    /** @param {HTMLButtonElement} node */
    const done = (node) => (node.disabled = true);
    const take = button(
        t("Set {0} on the page", words.join(", ")),
        () => {
            Object.entries(picture).forEach(([name, value]) => writeNumber(panel.tab, name, value));
            done(take);
        },
        {"data-action": "import-take"},
    );
    const prompt = settings.base?.prompt;
    const main = button(
        "Make the base prompt the main prompt",
        () => {
            writePrompt(panel.tab, "prompt", prompt);
            panel.edit((state) => setField(state, "base.prompt", null));
            done(main);
        },
        {"data-action": "import-main", title: "The text stands in Background, and the page's main prompt becomes it"},
    );
    return [...(words.length ? [take] : []), ...(prompt ? [main] : [])];
}

/**
 * Show what was taken, what could not be, and what is wrong. All of it is text.
 *
 * @param {HTMLElement} report
 * @param {Report} result
 */
function show(report, {title, taken = [], lost = [], bad = [], help = []}) {
    /** @type {(kind: string, text: string, more?: object) => HTMLElement} */
    const line = (kind, text, more) => el("div", {class: `rg-message ${kind}`, text: translateMessage(text), ...more});
    report.replaceChildren(
        ...(title ? [el("div", {text: title})] : []),
        ...taken.map((text) => line("rg-taken", text)),
        ...lost.map((text) => line("rg-warning", text)),
        ...(help.length ? [el("div", {class: "rg-row"}, help)] : []),
        ...bad.map((text) => line("rg-problem-text", text, {role: "alert"})),
    );
}

/**
 * @param {Panel} panel
 * @param {File} file
 * @param {HTMLTextAreaElement} text
 * @param {HTMLElement} report
 */
async function fromPicture(panel, file, text, report) {
    try {
        const picture = await readFile(file);
        const answer = await callApi("parameters", {method: "POST", body: {picture}});
        if (!answer.ok) return show(report, {bad: [`${file.name}: ${errorText(answer)}`]});
        text.value = answer.data.infotext;
        return run(panel, {text: answer.data.infotext, format: "auto", ratios: "", direction: "Columns"}, report);
    } catch (error) {
        return show(report, {bad: [error.message]});
    }
}
