// Regional: inputs bound to a path of the state: {node, update(state)}. `path` is a function, because a region's index changes when it moves.
(function (R) {
    "use strict";

    const {el} = R.dom;
    const LABELS = {base_share: "Base share", cfg_scale: "CFG scale", steps: "Steps"};
    const STEPS = {weight: 0.1, feather: 0.01, base_share: 0.05, cfg_scale: 0.5};

    const asPath = (path) => (typeof path === "function" ? path : () => path);
    const shownText = (value) => (value === undefined || value === null ? "" : String(value));
    const labelOf = (name) => LABELS[name] || (name[0].toUpperCase() + name.slice(1)).replace(/_/g, " ");

    function labelled(label, input, attributes) {
        return el("label", {class: "rg-field", ...attributes}, el("span", {class: "rg-label", told: label}), input);
    }

    function set(panel, path, value) {
        panel.edit((state) => R.setField(state, path, value), {key: `field:${path}`});
    }

    /** What every bound input does on an update: learn its path, take the state's value unless it says the same already. */
    function bound(input, path, read, write) {
        return (state) => {
            const at = path();
            if (input.dataset.field !== at) input.dataset.field = at;
            const value = R.getField(state, at);
            if (!R.same(read(input), value === undefined ? null : value)) write(input, value);
        };
    }

    function checkField(panel, path, label, attributes) {
        const at = asPath(path);
        const input = el("input", {type: "checkbox", "data-field": at(), onchange: () => set(panel, at(), input.checked)});
        const node = el("label", {class: "rg-check", ...attributes}, input, el("span", {told: label}));
        return {node, input, update: bound(input, at, () => input.checked, (_, value) => { input.checked = value === true; })};
    }

    function selectField(panel, path, label, choices, title, fallback) {
        const at = asPath(path);
        const input = el("select", {"data-field": at(), title, onchange: () => set(panel, at(), input.value)}, choices.map(([value, told]) => el("option", {value, told})));
        const write = (_, given) => {
            const value = given ?? fallback ?? null;
            if (![...input.options].some((option) => option.value === value)) input.append(el("option", {value, text: shownText(value)}));
            input.value = value;
        };
        return {node: labelled(label, input), input, update: bound(input, at, () => input.value, write)};
    }

    /** A prompt: a text area as the WebUI has them (class names, `input` events), so that tag completion and weight keys work in it. */
    function promptField(panel, path, label, {rows = 2, placeholder = "", emptyIsNull = false, title, id, after} = {}) {
        const at = asPath(path);
        const value = () => (emptyIsNull && input.value === "" ? null : input.value);
        const input = el("textarea", {
            rows, placeholder, title, id, spellcheck: "false", class: "scroll-hide", "data-testid": "textbox", "data-field": at(), oninput: () => set(panel, at(), value()),
        });
        const name = el("span", {class: "rg-label", told: label});
        const node = el("div", {class: "rg-wide gradio-textbox prompt"}, el("label", {class: "rg-field"}, el("span", {class: "rg-label-row"}, name, after), input));
        return {node, input, name, update: bound(input, at, value, (_, text) => { input.value = shownText(text); })};
    }

    function lineField(panel, path, {label, placeholder = "", title, take, maxlength} = {}) {
        const at = asPath(path);
        const input = el("input", {
            type: "text", placeholder, title, spellcheck: "false", autocomplete: "off", "data-field": at(), "aria-label": label, maxlength,
            oninput: () => (take ? take(input.value) : set(panel, at(), input.value)),
        });
        return {node: input, input, update: bound(input, at, () => input.value, (_, value) => { input.value = shownText(value); })};
    }

    /** A number as text: what is no number stays as typed, and the checks say so. Arrow keys step. An empty one means the default. */
    function numberField(panel, path, label, {step = 0.05, min = -Infinity, max = Infinity, fallback = null, title, whenEmpty}) {
        const at = asPath(path);
        const take = (text) => {
            const value = R.parseNumber(text);
            set(panel, at(), value === undefined ? whenEmpty : value);
        };
        const {input} = lineField(panel, at, {label, placeholder: shownText(fallback), title, take});
        input.inputMode = "decimal";
        input.addEventListener("keydown", (event) => {
            if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
            const from = input.value.trim() === "" ? fallback : R.parseNumber(input.value);
            if (typeof from !== "number") return;
            event.preventDefault();
            input.value = R.clamp(R.tidy(from + (event.key === "ArrowUp" ? step : -step)), min, max);
            take(input.value);
        });
        const read = () => {
            const value = R.parseNumber(input.value);
            return value === undefined ? (whenEmpty === undefined ? null : whenEmpty) : value;
        };
        const write = (_, value) => { input.value = shownText(value); };
        return {node: labelled(label, input, {class: "rg-field rg-number"}), input, update: bound(input, at, read, write)};
    }

    /** The input that a JSON schema asks for: this is how fields and options that this file has never heard of show up. */
    function schemaField(panel, path, name, schema) {
        const types = [].concat(schema.type || []), title = schema.description, label = labelOf(name);
        const optional = types.includes("null");
        if (schema.enum) return selectField(panel, path, label, schema.enum.filter((value) => value !== null).map((value) => [value, shownText(value)]), title, schema.default);
        if (types.includes("boolean")) return withDefault(checkField(panel, path, label, {title}), schema.default);
        if (types.includes("number") || types.includes("integer")) {
            const step = STEPS[name] || (types.includes("integer") ? 1 : 0.05), empty = optional || schema.default === undefined ? undefined : schema.default;
            return numberField(panel, path, label, {step, min: schema.minimum, max: schema.maximum, fallback: schema.default, title, whenEmpty: optional ? null : empty});
        }
        if (!types.includes("string")) return null;
        const line = lineField(panel, path, {label, title, placeholder: shownText(schema.default)});
        return {...line, node: labelled(label, line.input)};
    }

    /** A field whose missing value means `value`: options are not in the state until somebody sets them. */
    function withDefault(field, value) {
        return {...field, update: (state) => {
            field.update(state);
            if (R.getField(state, field.input.dataset.field) === undefined) field.input.checked = value === true;
        }};
    }

    R.fields = {labelled, checkField, selectField, promptField, lineField, numberField, schemaField, labelOf};
})(globalThis.Regional = globalThis.Regional || {});
