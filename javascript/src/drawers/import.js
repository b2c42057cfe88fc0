// Regional: the drawer in which layouts of other tools become one of ours: pasted text, an API payload, or an old picture.
(function (R) {
    "use strict";

    const {t, tell, el, button, ask, refusal, chooseFile} = R.dom;
    const FORMATS = [["auto", "find out"], ["regional", "Regional settings"], ["regional_prompter", "Regional Prompter"], ["forge_couple", "Forge Couple"],
        ["latent_couple", "Latent Couple"], ["tiled_diffusion", "Tiled Diffusion regions"]];
    const HELP = "Paste a prompt with BREAK, ADDCOL or ADDROW, an API payload (JSON), or the parameters text of an old picture.";

    function createImport(panel) {
        const text = el("textarea", {rows: 5, spellcheck: "false", placeholder: HELP, "aria-label": "Text to import", "data-action": "import-text"});
        const format = el("select", {"data-action": "import-format"}, FORMATS.map(([value, told]) => el("option", {value, told})));
        const ratios = el("input", {type: "text", placeholder: "1,1", size: 10, "data-action": "import-ratios"});
        const direction = el("select", {}, ["Columns", "Rows", "Horizontal", "Vertical"].map((value) => el("option", {value, told: value})));
        const report = el("div", {class: "rg-report", role: "status", "data-action": "import-report"});
        const go = () => run(panel, {text: text.value, format: format.value, ratios: ratios.value, direction: direction.value}, report);
        const node = el("div", {class: "rg-import"}, text, el("div", {class: "rg-row"},
            R.fields.labelled("Written for", format), R.fields.labelled("Ratios, where the text has none", ratios), R.fields.labelled("Direction", direction),
            button("Import", go, {class: "rg-button rg-primary", "data-action": "import-go"}),
            button("From a picture…", () => chooseFile("image/png,image/jpeg,image/webp", (file) => fromPicture(panel, file, text, report)), {title: "Reads the parameters that the picture carries", "data-action": "import-picture"}),
            button("From the main prompt", () => { text.value = panel.prompts().prompt; }, {})), report);
        return {node};
    }

    async function run(panel, {text, format, ratios, direction}, report) {
        if (!text.trim()) return show(report, {bad: ["There is nothing to import: paste something first."]});
        const body = {text, format, hints: {...(ratios.trim() ? {ratios: ratios.trim()} : {}), direction}, ...panel.size(), ...panel.prompts()};
        try {
            const answer = await ask("import", {method: "POST", body});
            if (!answer.ok) return show(report, {bad: [refusal(answer)]});
            const {settings, format: found, taken, lost} = answer.data;
            panel.edit(() => R.fromJson({...settings, enabled: true}));
            return show(report, {title: t("Read as {0}. Undo brings the old layout back.", t(found)), taken, lost});
        } catch {
            return show(report, {bad: ["The server does not answer."]});
        }
    }

    /** What was taken, what could not be, and what is wrong. All of it is text. */
    function show(report, {title, taken = [], lost = [], bad = []}) {
        report.replaceChildren(
            ...(title ? [el("div", {text: title})] : []),
            ...taken.map((line) => el("div", {class: "rg-message rg-taken", text: tell(line)})),
            ...lost.map((line) => el("div", {class: "rg-message rg-warning", text: tell(line)})),
            ...bad.map((line) => el("div", {class: "rg-message rg-problem-text", role: "alert", text: tell(line)})));
    }

    async function fromPicture(panel, file, text, report) {
        try {
            const picture = await R.readFile(file);
            const answer = await ask("parameters", {method: "POST", body: {picture}});
            if (!answer.ok) return show(report, {bad: [`${file.name}: ${refusal(answer)}`]});
            text.value = answer.data.infotext;
            return run(panel, {text: answer.data.infotext, format: "auto", ratios: "", direction: "Columns"}, report);
        } catch (error) {
            return show(report, {bad: [error.message]});
        }
    }

    R.drawers = R.drawers || {};
    R.drawers.import = createImport;
})(globalThis.Regional = globalThis.Regional || {});
