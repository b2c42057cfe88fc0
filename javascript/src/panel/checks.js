// Regional: what the server says about the settings, the weight maps it draws, and the messages below the canvas.
(function (R) {
    "use strict";

    const {t, tell, el, find, debounce, ask} = R.dom;

    function createChecks(panel) {
        let problems = [], warnings = [], seen = null;
        const requests = {};
        const soon = debounce(() => Promise.all([check(), panel.stage.background.kind === "map" && R.refreshBackground(panel.stage)]), 300);

        function request(name) {
            if (requests[name]) requests[name].abort();
            requests[name] = new AbortController();
            return requests[name].signal;
        }

        async function check() {
            if (!panel.visible()) return;
            const body = {settings: R.toJson(panel.store.get()), ...panel.prompts(), ...panel.size()}, asked = JSON.stringify(body);
            if (asked === seen) return;
            try {
                const {ok, status, data} = await ask("validate", {method: "POST", body, signal: request("check")});
                seen = asked;
                problems = ok ? [] : data.problems && data.problems.length ? data.problems : [{field: "", message: data.detail || `The checks answered ${status}.`}];
                warnings = ok ? data.warnings || [] : [];
                panel.cost = ok && data.cost ? tell(data.cost.text) : "";
                panel.stage.bar.update();
                if (panel.onChecked) panel.onChecked(ok ? data : null);
            } catch (error) {
                if (error.name === "AbortError") return;
                [problems, warnings] = [[], [t("The settings could not be checked: the server does not answer.")]];
            }
            show();
        }

        /** The weight maps on a grid, drawn by the server, as an image. */
        async function drawMap(scale, take) {
            if (!panel.visible()) return;
            const body = {settings: R.toJson(panel.store.get()), ...panel.size(), scale, labels: false};
            try {
                const {ok, data} = await ask("preview", {method: "POST", body, signal: request("map")});
                if (ok) take(await createImageBitmap(data));
            } catch (error) {
                if (error.name !== "AbortError") panel.note("The weight map could not be drawn: the server does not answer.", true);
            }
        }

        function show() {
            const state = panel.store.get();
            panel.mount.querySelectorAll("[aria-invalid]").forEach((node) => node.removeAttribute("aria-invalid"));
            panel.messages.replaceChildren(
                ...problems.map((problem) => problemRow(panel, problem)), ...warnings.map((text) => el("div", {class: "rg-message rg-warning", text: tell(text)})),
                ...panel.notes.map(({text, isBad}) => el("div", {class: `rg-message${isBad ? " rg-problem-text" : ""}`, role: isBad ? "alert" : null, text})),
                ...hints(state));
            panel.list.warn(warnings);
            showBadge(panel, state, problems);
        }

        function again() {
            seen = null;
            soon();
        }

        return {soon, again, show, drawMap};
    }

    function hints(state) {
        const written = state.regions.some((region) => region.prompt);
        return !state.enabled && written ? [el("div", {class: "rg-message rg-warning", told: "Regional is off: tick Enable to use these regions."})] : [];
    }

    function showBadge(panel, state, problems) {
        const label = find(`#regional_${panel.tab} .label-wrap span`);
        if (!label) return;
        let badge = label.querySelector(".rg-badge");
        if (!badge) label.append(badge = el("span", {class: "rg-badge"}));
        const wrong = state.enabled && problems.length > 0, text = state.enabled ? tell(R.summary(state) + (wrong ? ", with errors" : "")) : "";
        if (badge.textContent !== text) badge.textContent = text;
        badge.classList.toggle("rg-bad", wrong);
    }

    function problemRow(panel, problem) {
        const node = fieldNode(panel, problem.field), text = tell(problem.message || problem.detail || String(problem));
        if (!node) return el("div", {class: "rg-message rg-problem", text});
        node.setAttribute("aria-invalid", "true");
        return el("button", {type: "button", class: "rg-message rg-problem", text, title: "Go to the field", onclick: () => reveal(node)});
    }

    /** The input of a JSON path, or of the nearest thing around it. */
    function fieldNode(panel, path) {
        for (let name = path || ""; name; name = name.replace(/(\[\d+\]|\.?[^.[\]]+)$/, "")) {
            const node = panel.mount.querySelector(`[data-field="${CSS.escape(name)}"], [data-field="${CSS.escape(name)}[0]"]`);
            if (node) return node;
        }
        return null;
    }

    function reveal(node) {
        for (let details = node.closest("details"); details; details = details.parentElement.closest("details")) details.open = true;
        node.focus();
        node.scrollIntoView({block: "nearest"});
    }

    R.createChecks = createChecks;
})(globalThis.Regional = globalThis.Regional || {});
