// Regional: the panel. Draws the state of regional_model.js into the mount of each tab, writes every edit to the tab's hidden text box at once,
// and asks the server (/regional/v1/) what is wrong and how the weight maps look. User text reaches the page only as textContent or value.
(function () {
    "use strict";

    const R = window.Regional;
    const TABS = ["txt2img", "img2img"];
    const ROUTES = "./regional/v1/";
    const LONGEST_MASK_SIDE = 512;
    const SCALES = [[1, "picture"], [8, "latent, 1/8"], [16, "attention, 1/16"], [32, "attention, 1/32"], [64, "attention, 1/64"]];

    const OVERLAPS = [["blend", "share by weight"], ["over", "higher priority covers"]];

    const panels = {};

    // ---------------------------------------------------------------- small helpers

    const root = () => (typeof gradioApp === "function" ? gradioApp() : document);
    const find = (selector) => root().querySelector(selector);

    /** Element with attributes; `on…` are listeners, `text` is textContent, other children follow. */
    function el(tag, attributes, ...children) {
        const node = document.createElement(tag);
        for (const [key, value] of Object.entries(attributes || {})) {
            if (value === undefined || value === null || value === false) continue;
            if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
            else if (key === "text") node.textContent = value;
            else if (key === "value") node.value = value;
            else if (key === "checked") node.checked = value;
            else node.setAttribute(key, value === true ? "" : value);
        }
        node.append(...children.flat().filter((child) => child !== null && child !== undefined));
        return node;
    }

    function svg(tag, attributes) {
        const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
        Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
        return node;
    }

    /** Two sheets, drawn because the sign for it is in few fonts. */
    function copyIcon() {
        const icon = svg("svg", {viewBox: "0 0 16 16", width: "1em", height: "1em", fill: "none", stroke: "currentColor", "stroke-width": "1.4", "aria-hidden": "true"});
        icon.append(svg("rect", {x: 5.5, y: 5.5, width: 8, height: 8, rx: 1}), svg("path", {d: "M10.5 2.5h-7a1 1 0 0 0-1 1v7"}));
        return icon;
    }

    function debounce(action, wait) {
        let timer;
        return (...args) => {
            clearTimeout(timer);
            timer = setTimeout(() => action(...args), wait);
        };
    }

    function button(label, onclick, attributes) {
        return el("button", {type: "button", class: "rg-button", text: label, onclick, ...attributes});
    }

    /** Ask a route; gives {ok, status, data}. A route that is not there is an answer too, not an exception. */
    async function ask(route, {method = "GET", body, signal} = {}) {
        const options = {method, signal};
        if (body !== undefined) Object.assign(options, {headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
        const response = await fetch(ROUTES + route, options);
        const isJson = (response.headers.get("content-type") || "").includes("json");
        return {ok: response.ok, status: response.status, data: isJson ? await response.json() : await response.blob()};
    }

    /** A picture file as the PNG data URL of a mask: grey is brightness times opacity, in 33 steps, which keeps a JPEG's noise out of the text. */
    async function fileToMask(file) {
        const picture = await createImageBitmap(file);
        const scale = Math.min(1, LONGEST_MASK_SIDE / Math.max(picture.width, picture.height));
        const canvas = el("canvas", {width: Math.max(1, Math.round(picture.width * scale)), height: Math.max(1, Math.round(picture.height * scale))});
        const context = canvas.getContext("2d");
        context.imageSmoothingQuality = "high";
        context.drawImage(picture, 0, 0, canvas.width, canvas.height);
        const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
        R.toMaskPixels(pixels.data);
        context.putImageData(pixels, 0, 0);
        return canvas.toDataURL("image/png");
    }

    // ---------------------------------------------------------------- the panel of one tab

    class Panel {
        constructor(tab, mount) {
            this.tab = tab;
            this.mount = mount;
            this.methods = JSON.parse(mount.dataset.methods || "[]");
            this.written = this.readText();
            this.problems = [];
            this.warnings = [];
            this.notes = [];
            this.opened = new Set();
            this.scale = 8;
            this.active = null;
            this.requests = {};
            this.checkSoon = debounce(() => this.check(), 300);
            this.drawSoon = debounce(() => this.drawPreview(), 200);
            this.store = R.createStore(R.emptyState());
            this.adopt(this.written);
            this.store.subscribe((state, origin) => this.changed(origin));
            this.build();
            this.watchVisibility();
        }

        // ------------------------------------------------ text box <-> state

        textBox() {
            return find(`#regional_${this.tab}_state textarea, #regional_${this.tab}_state input`);
        }

        readText() {
            const box = this.textBox();
            return box ? box.value : "";
        }

        /** Take over settings that came from outside, such as those of a pasted picture. One without any switches the panel off and keeps its regions. */
        adopt(text) {
            this.written = text;
            if (!text && !R.isUntouched(this.store.get())) return this.store.set({...this.store.get(), enabled: false}, "structure");
            try {
                this.store.set(R.parse(text), "host");
                this.problems = [];
                this.notes = [];
            } catch (error) {
                this.note(error.message);
            }
            return undefined;
        }

        /** Compare the text box with what this panel wrote last, and follow it when they differ. */
        pull() {
            const text = this.readText();
            if (text !== this.written) this.adopt(text);
        }

        push() {
            const box = this.textBox();
            this.written = R.serialize(this.store.get());
            if (!box) return;
            box.value = this.written;
            box.dispatchEvent(new Event("input", {bubbles: true}));
        }

        changed(origin) {
            if (origin !== "host") this.push();
            if (origin === "field") this.refresh();
            else this.build();
        }

        edit(change, origin) {
            this.store.update(change, origin || "structure");
        }

        // ------------------------------------------------ facts of the tab

        size() {
            const read = (name) => Number((find(`#${this.tab}_${name} input[type=number]`) || {}).value) || 512;
            return {width: R.clamp(read("width"), 8, 16384), height: R.clamp(read("height"), 8, 16384)};
        }

        prompts() {
            const read = (id) => (find(`#${this.tab}_${id} textarea`) || {}).value || "";
            return {prompt: read("prompt"), negative: read("neg_prompt")};
        }

        visible() {
            return this.mount.isConnected && this.mount.getClientRects().length > 0;
        }

        watchVisibility() {
            if (typeof IntersectionObserver === "undefined") return;
            new IntersectionObserver((entries) => {
                if (entries.some((entry) => entry.isIntersecting)) this.hostChanged();
            }).observe(this.mount);
        }

        /** Size or main prompt may have changed: look again when they did. */
        hostChanged() {
            const now = JSON.stringify([this.size(), this.prompts(), this.visible()]);
            if (now === this.seen) return;
            this.seen = now;
            this.resizeStage();
            this.checkSoon();
            this.drawSoon();
        }

        // ------------------------------------------------ building

        build() {
            const focus = this.focused();
            const state = this.store.get();
            this.stage = this.buildStage();
            this.messages = el("div", {class: "rg-messages", role: "status", "aria-live": "polite"});
            this.mount.replaceChildren(el("div", {class: "rg"},
                this.buildBar(state),
                el("div", {class: "rg-body"},
                    el("div", {class: "rg-side"}, this.stage.figure, this.messages),
                    el("div", {class: "rg-main"}, this.buildLayout(state), this.buildRegions(state), this.buildTexts(state))),
                this.buildPresets()));
            this.restoreFocus(focus);
            this.refresh();
        }

        /** After an edit that left the inputs standing: everything that follows from the state. */
        refresh() {
            const state = this.store.get();
            this.mount.querySelectorAll("[data-count]").forEach((node) => { node.textContent = this.cellText(state); });
            this.mount.querySelector(".rg").classList.toggle("rg-off", !state.enabled);
            this.showBadge(state);
            this.showMessages();
            this.resizeStage();
            this.checkSoon();
            this.drawSoon();
        }

        focused() {
            const node = this.mount.contains(document.activeElement) ? document.activeElement : null;
            return node && (node.dataset.field || node.dataset.action);
        }

        restoreFocus(name) {
            const node = name && this.mount.querySelector(`[data-field="${CSS.escape(name)}"], [data-action="${CSS.escape(name)}"]`);
            if (node && !node.disabled) node.focus({preventScroll: true});
        }

        buildBar(state) {
            return el("div", {class: "rg-bar"},
                this.checkField("enabled", "Enable", {class: "rg-check rg-enable"}),
                this.selectField("method", "Method", this.methodChoices(state.method), "How the regions' prompts are made to act where they lie"),
                this.selectField("text_from", "Region texts", [
                    ["regions", "written below"], ["break", "main prompt, split at BREAK"], ["lines", "main prompt, one line each"], ["and", "main prompt, split at AND"],
                ], "Where the texts of the regions come from", () => this.build()));
        }

        methodChoices(current) {
            return this.methods.some(([value]) => value === current) ? this.methods : [...this.methods, [current, current]];
        }

        // ------------------------------------------------ fields

        set(path, value, origin) {
            this.edit((state) => R.setField(state, path, value), origin || "field");
        }

        field(label, input, attributes) {
            return el("label", {class: "rg-field", ...attributes}, el("span", {class: "rg-label", text: label}), input);
        }

        checkField(path, label, attributes) {
            const input = el("input", {
                type: "checkbox", checked: R.getField(this.store.get(), path) === true, "data-field": path,
                onchange: () => this.set(path, input.checked),
            });
            return el("label", {class: "rg-check", ...attributes}, input, el("span", {text: label}));
        }

        selectField(path, label, choices, title, after) {
            const current = R.getField(this.store.get(), path);
            const input = el("select", {
                "data-field": path, title,
                onchange: () => {
                    this.set(path, input.value);
                    if (after) after();
                },
            }, choices.map(([value, text]) => el("option", {value, text})));
            input.value = current;
            return this.field(label, input);
        }

        textField(path, label, {rows = 2, placeholder = "", emptyIsNull = false, title} = {}) {
            const input = el("textarea", {
                rows, placeholder, title, spellcheck: "false", "data-field": path, value: R.getField(this.store.get(), path) || "",
                oninput: () => this.set(path, emptyIsNull && input.value === "" ? null : input.value),
            });
            return this.field(label, input, {class: "rg-field rg-wide prompt"});
        }

        lineField(path, label, {placeholder = "", title, set} = {}) {
            const value = R.getField(this.store.get(), path);
            const input = el("input", {
                type: "text", placeholder, title, spellcheck: "false", autocomplete: "off", "data-field": path, "aria-label": label,
                value: value === undefined || value === null ? "" : String(value),
                oninput: () => (set ? set(input.value) : this.set(path, input.value)),
            });
            return input;
        }

        /** A number as text: what is no number stays as typed, and the checks say so. Arrow keys step. */
        numberField(path, label, {step = 0.05, min, max, fallback, title, whenEmpty}) {
            const take = (text) => {
                const value = R.parseNumber(text);
                this.set(path, value === undefined ? whenEmpty : value);
            };
            const input = this.lineField(path, label, {placeholder: String(fallback), title, set: take});
            input.inputMode = "decimal";
            input.addEventListener("keydown", (event) => {
                if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
                const from = input.value.trim() === "" ? fallback : R.parseNumber(input.value);
                if (typeof from !== "number") return;
                event.preventDefault();
                const value = R.tidy(from + (event.key === "ArrowUp" ? step : -step));
                input.value = R.clamp(value, min === undefined ? -Infinity : min, max === undefined ? Infinity : max);
                take(input.value);
            });
            return this.field(label, input, {class: "rg-field rg-number"});
        }

        // ------------------------------------------------ layout

        buildLayout(state) {
            const grid = state.grid;
            return el("div", {class: "rg-row rg-layout", "data-field": "grid"},
                el("div", {class: "rg-switch", role: "group", "aria-label": "Layout"},
                    this.modeButton("Grid", Boolean(grid), R.useGrid), this.modeButton("Free shapes", !grid, R.useShapes)),
                grid ? this.buildGrid(grid) : null,
                grid && state.overlap === "blend" ? null : this.selectField("overlap", "Where regions overlap", OVERLAPS));
        }

        modeButton(label, on, change) {
            return button(label, () => this.edit(change), {class: "rg-button" + (on ? " rg-on" : ""), "aria-pressed": String(on), "data-action": `layout-${label}`});
        }

        buildGrid(grid) {
            const direction = el("select", {
                "data-field": "grid.direction", title: "Direction in which a plain list of sizes runs",
                onchange: () => this.edit((state) => R.setGrid(state, {direction: direction.value})),
            }, el("option", {value: "columns", text: "columns"}), el("option", {value: "rows", text: "rows"}));
            direction.value = grid.direction;
            const ratios = this.lineField("grid.ratios", "Sizes", {
                title: "Sizes of the cells: 1,1,2 for three cells; rows of columns as 1,1;2,1,1 (first number: size of the row)",
                set: (text) => this.editGrid(text),
            });
            return [this.field("Grid of", direction),
                el("label", {class: "rg-field rg-ratios"}, el("span", {class: "rg-label"}, "Sizes ", el("span", {"data-count": true})), ratios)];
        }

        editGrid(ratios) {
            const before = this.store.get().regions.length;
            const next = R.setGrid(this.store.get(), {ratios});
            this.store.set(next, next.regions.length === before ? "field" : "structure");
        }

        cellText(state) {
            const cells = R.cellCount(state);
            return cells === null ? "" : `(${cells} cell${cells === 1 ? "" : "s"})`;
        }

        // ------------------------------------------------ regions

        buildRegions(state) {
            return el("div", {class: "rg-regions", "data-field": "regions", tabindex: "-1"},
                state.regions.map((region, index) => this.buildRegion(state, region, index)),
                el("div", {class: "rg-row"},
                    button("+ Add region", () => this.addRegion(), {"data-action": "add"}),
                    button("Import from main prompt", () => this.importPrompt(), {
                        "data-action": "import", title: "Split the main prompt at BREAK, at line ends or at AND, and write the parts into the regions",
                    })));
        }

        addRegion() {
            this.edit(R.addRegion);
            this.restoreFocus(`regions[${this.store.get().regions.length - 1}].prompt`);
        }

        buildRegion(state, region, index) {
            const path = `regions[${index}]`;
            const fromPrompt = state.text_from !== "regions";
            const card = el("div", {
                class: "rg-region", role: "group", "aria-label": `Region ${index + 1}`, "data-field": path, tabindex: "-1",
                onfocusin: () => this.highlight(index), onfocusout: () => this.highlight(null),
                onmouseenter: () => this.highlight(index), onmouseleave: () => this.highlight(null),
            }, this.regionHead(state, region, index, path),
            this.textField(`${path}.prompt`, fromPrompt ? "Added to this region's part of the main prompt" : "Prompt", {
                placeholder: fromPrompt ? "nothing added" : "what is in this region",
            }),
            state.grid ? null : this.buildShape(region, index, path), this.buildMore(region, path));
            card.style.setProperty("--rg-colour", R.cssColour(index));
            card.style.setProperty("--rg-on-colour", R.textColour(index));
            return card;
        }

        regionHead(state, region, index, path) {
            const act = (change, name, follow) => () => {
                this.edit(change);
                this.restoreFocus(`${name}-${index + follow}`);
            };
            const tool = (sign, name, change, disabled, follow = 0) => el("button", {
                type: "button", onclick: act(change, name, follow),
                class: "rg-button rg-tool", title: `${name} region ${index + 1}`, "aria-label": `${name} region ${index + 1}`, disabled, "data-action": `${name}-${index}`,
            }, sign);
            return el("div", {class: "rg-head"},
                el("span", {class: "rg-swatch", text: String(index + 1), "aria-hidden": "true"}),
                this.lineField(`${path}.name`, `Name of region ${index + 1}`, {placeholder: `Region ${index + 1}`, title: "Name, for you and for messages"}),
                this.checkField(`${path}.enabled`, "on", {title: "Whether this region takes part"}),
                tool("↑", "Move up", (s) => R.moveRegion(s, index, -1), index === 0, -1),
                tool("↓", "Move down", (s) => R.moveRegion(s, index, 1), index === state.regions.length - 1, 1),
                tool(copyIcon(), "Duplicate", (s) => R.duplicateRegion(s, index)),
                tool("✕", "Remove", (s) => R.removeRegion(s, index), !R.canRemove(state)));
        }

        buildShape(region, index, path) {
            const kind = R.shapeKind(region);
            const select = el("select", {
                "data-field": `${path}.shape`, "aria-label": `Shape of region ${index + 1}`,
                onchange: () => this.edit((state) => R.setShapeKind(state, index, select.value)),
            }, kind ? null : el("option", {value: "", text: "choose…"}), R.SHAPE_KINDS.map((value) => el("option", {value, text: value})));
            select.value = kind || "";
            return el("div", {class: "rg-row rg-shape"}, this.field("Shape", select), kind ? this.shapeInputs(kind, region, path) : null);
        }

        shapeInputs(kind, region, path) {
            if (kind === "mask") return this.maskInputs(region, path);
            if (kind === "polygon") return this.polygonInput(region, path);
            return ["left", "top", "right", "bottom"].map((side, i) => this.numberField(`${path}.${kind}[${i}]`, side, {
                min: 0, max: 1, fallback: i < 2 ? 0 : 1, whenEmpty: i < 2 ? 0 : 1, title: "Share of the picture's width or height, 0 to 1",
            }));
        }

        polygonInput(region, path) {
            const input = el("textarea", {
                rows: R.clamp(region.polygon.length, 3, 8), "data-field": `${path}.polygon[0]`, spellcheck: "false", value: R.formatPoints(region.polygon),
                oninput: () => this.set(`${path}.polygon`, R.parsePoints(input.value)),
            });
            return this.field("Points: x y, one a line, 0 to 1", input, {class: "rg-field rg-points"});
        }

        maskInputs(region, path) {
            const input = el("input", {
                type: "file", accept: "image/png,image/jpeg,image/webp", "data-field": `${path}.mask.file`,
                onchange: () => input.files.length && this.loadMask(path, input.files[0]),
            });
            const isPicture = typeof region.mask === "string" && region.mask.startsWith("data:image/png;base64,");
            return [isPicture ? el("img", {class: "rg-mask", src: region.mask, alt: "mask"}) : el("span", {class: "rg-hint", text: region.mask ? "mask as text" : "no mask yet"}),
                this.field("Mask picture: white is inside", input)];
        }

        async loadMask(path, file) {
            try {
                this.set(`${path}.mask`, await fileToMask(file), "structure");
            } catch {
                this.note(`${file.name} could not be read as a picture. PNG, JPEG and WebP work.`);
            }
        }

        buildMore(region, path) {
            const number = (name, label, limits) => this.numberField(`${path}.${name}`, label, {fallback: R.REGION_DEFAULTS[name], ...limits});
            const more = el("details", {
                class: "rg-more", open: this.opened.has(region._id),
                ontoggle: () => (more.open ? this.opened.add(region._id) : this.opened.delete(region._id)),
            }, el("summary", {text: "Negative, weight, steps …"}),
            this.textField(`${path}.negative`, "Negative prompt", {placeholder: "added to the main negative prompt"}),
            el("div", {class: "rg-numbers"},
                number("weight", "Weight", {step: 0.1, min: 0, title: "How strong this region is where regions overlap"}),
                number("base_share", "Base share", {min: 0, max: 1, title: "How much of the base prompt is mixed in, 0 to 1"}),
                number("feather", "Feather", {step: 0.01, min: 0, max: 0.5, title: "Width of the soft border as a share of the picture's shorter side"}),
                number("priority", "Priority", {step: 1, title: "Which region covers which, when higher priority covers"}),
                this.numberField(`${path}.steps[0]`, "From step", {min: 0, max: 1, fallback: 0, whenEmpty: 0, title: "Share of the steps after which this region begins, 0 to 1"}),
                this.numberField(`${path}.steps[1]`, "To step", {min: 0, max: 1, fallback: 1, whenEmpty: 1, title: "Share of the steps after which this region ends, 0 to 1"}),
                this.numberField(`${path}.cfg_scale`, "CFG scale", {step: 0.5, min: 0, max: 100, fallback: "as picture", whenEmpty: null, title: "CFG scale of this region alone; not with attention couple"}),
                this.numberField(`${path}.seed`, "Seed", {step: 1, min: 0, fallback: "as picture", whenEmpty: null, title: "Seed of this region's part of the first noise"})));
            return more;
        }

        buildTexts(state) {
            const used = state.common || state.base.prompt !== null || state.base.negative !== null;
            const texts = el("details", {
                class: "rg-more", open: this.opened.has("texts") || Boolean(used),
                ontoggle: () => (texts.open ? this.opened.add("texts") : this.opened.delete("texts")),
            }, el("summary", {text: "Texts for the whole picture"}),
            this.textField("common", "Common prompt", {placeholder: "put in front of every region's prompt"}),
            this.textField("base.prompt", "Base prompt", {emptyIsNull: true, placeholder: "empty: the main prompt"}),
            this.textField("base.negative", "Base negative prompt", {emptyIsNull: true, placeholder: "empty: the main negative prompt"}));
            return texts;
        }

        importPrompt() {
            const {prompt, negative} = this.prompts();
            const {state, notes} = R.importPrompt(this.store.get(), prompt, negative);
            this.notes = notes;
            if (state === this.store.get()) this.showMessages();
            else this.edit(() => state);
        }

        // ------------------------------------------------ messages

        note(text) {
            this.notes = [text];
            if (this.messages) this.showMessages();
        }

        showBadge(state) {
            const label = find(`#regional_${this.tab} .label-wrap span`);
            if (!label) return;
            let badge = label.querySelector(".rg-badge");
            if (!badge) label.append(badge = el("span", {class: "rg-badge"}));
            const wrong = state.enabled && this.problems.length > 0;
            const text = state.enabled ? R.summary(state) + (wrong ? ", with errors" : "") : "";
            if (badge.textContent !== text) badge.textContent = text;
            badge.classList.toggle("rg-bad", wrong);
        }

        showMessages() {
            this.mount.querySelectorAll("[aria-invalid]").forEach((node) => node.removeAttribute("aria-invalid"));
            const rows = [
                ...this.problems.map((problem) => this.problemRow(problem)),
                ...this.warnings.map((text) => el("div", {class: "rg-message rg-warning", text})),
                ...this.notes.map((text) => el("div", {class: "rg-message", text})),
            ];
            this.messages.replaceChildren(...rows);
        }

        problemRow(problem) {
            const node = this.fieldNode(problem.field);
            if (node) node.setAttribute("aria-invalid", "true");
            const text = problem.message || problem.detail || String(problem);
            if (!node) return el("div", {class: "rg-message rg-problem", text});
            return el("button", {type: "button", class: "rg-message rg-problem", text, title: "Go to the field", onclick: () => this.reveal(node)});
        }

        /** The input of a JSON path, or of the nearest thing around it. */
        fieldNode(path) {
            for (let name = path || ""; name; name = name.replace(/(\[\d+\]|\.?[^.[\]]+)$/, "")) {
                const node = this.mount.querySelector(`[data-field="${CSS.escape(name)}"], [data-field="${CSS.escape(name)}[0]"]`);
                if (node) return node;
            }
            return null;
        }

        reveal(node) {
            for (let details = node.closest("details"); details; details = details.parentElement.closest("details")) details.open = true;
            node.focus();
            node.scrollIntoView({block: "nearest"});
        }

        // ------------------------------------------------ server: checks and preview

        request(name) {
            if (this.requests[name]) this.requests[name].abort();
            this.requests[name] = new AbortController();
            return this.requests[name].signal;
        }

        async check() {
            if (!this.visible()) return;
            try {
                const body = {settings: R.toJson(this.store.get()), ...this.prompts(), ...this.size()};
                const {ok, status, data} = await ask("validate", {method: "POST", body, signal: this.request("check")});
                this.problems = ok ? [] : data.problems && data.problems.length ? data.problems : [{field: "", message: data.detail || `The checks answered ${status}.`}];
                this.warnings = ok ? data.warnings || [] : [];
                this.cost = ok && data.cost ? data.cost.text : "";
                this.resizeStage();
            } catch (error) {
                if (error.name === "AbortError") return;
                this.problems = [];
                this.warnings = ["The settings could not be checked: the server does not answer."];
            }
            this.showMessages();
            this.showBadge(this.store.get());
        }

        buildStage() {
            const image = el("img", {alt: "Where which region acts", draggable: "false"});
            const marks = svg("svg", {viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true"});
            const picture = el("div", {class: "rg-stage", onclick: (event) => this.pick(event)}, image, marks);
            const scale = el("select", {
                "aria-label": "Grid on which the weight maps are shown", title: "The grids on which the model sees the regions",
                onchange: () => {
                    this.scale = Number(scale.value);
                    this.drawSoon();
                },
            }, SCALES.map(([value, text]) => el("option", {value, text})));
            scale.value = String(this.scale);
            const caption = el("span", {class: "rg-hint"});
            return {figure: el("div", {class: "rg-figure"}, picture, el("div", {class: "rg-row rg-caption"}, caption, scale)), picture, image, marks, caption};
        }

        resizeStage() {
            const {width, height} = this.size();
            this.stage.picture.style.aspectRatio = `${width} / ${height}`;
            this.stage.picture.style.setProperty("--rg-ratio", String(width / height));
            this.stage.caption.textContent = [`${width} × ${height}`, this.cost].filter(Boolean).join(" · ");
            if (this.lastPreview) this.stage.image.src = this.lastPreview;
        }

        async drawPreview() {
            if (!this.visible()) return;
            try {
                const body = {settings: R.toJson(this.store.get()), ...this.size(), scale: this.scale, labels: true};
                const {ok, data} = await ask("preview", {method: "POST", body, signal: this.request("preview")});
                this.stage.picture.classList.toggle("rg-stale", !ok);
                if (ok) this.showPicture(URL.createObjectURL(data));
            } catch (error) {
                if (error.name !== "AbortError") this.stage.picture.classList.add("rg-stale");
            }
        }

        showPicture(url) {
            const before = this.lastPreview;
            this.lastPreview = url;
            this.stage.image.src = url;
            if (before) URL.revokeObjectURL(before);
        }

        /** Outline one region in the preview. */
        highlight(index) {
            const state = this.store.get();
            this.stage.marks.replaceChildren();
            if (index === null || !state.regions[index]) return;
            this.stage.marks.append(outline(state, index));
        }

        /** A click into the preview goes to the smallest region there. */
        pick(event) {
            const state = this.store.get();
            const frame = this.stage.picture.getBoundingClientRect();
            const x = (event.clientX - frame.left) / frame.width, y = (event.clientY - frame.top) / frame.height;
            const hits = state.regions.map((_, index) => [index, R.regionBounds(state, index)])
                .filter(([, [x0, y0, x1, y1]]) => x >= x0 && x < x1 && y >= y0 && y < y1)
                .sort(([, a], [, b]) => (a[2] - a[0]) * (a[3] - a[1]) - (b[2] - b[0]) * (b[3] - b[1]));
            const node = hits.length && this.fieldNode(`regions[${hits[0][0]}].prompt`);
            if (node) this.reveal(node);
        }

        // ------------------------------------------------ presets

        buildPresets() {
            const select = el("select", {"aria-label": "Preset", "data-action": "preset"});
            const name = el("input", {type: "text", "aria-label": "Name of the preset", placeholder: "name of a new preset", maxlength: 80, autocomplete: "off", "data-action": "preset-name"});
            const report = el("span", {class: "rg-hint", role: "status"});
            this.presets = {select, name, report};
            this.listPresets(this.lastPreset);
            name.addEventListener("keydown", (event) => event.key === "Enter" && !event.ctrlKey && !event.metaKey && this.savePreset());
            return el("div", {class: "rg-row rg-presets"},
                this.field("Presets", select), button("Load", () => this.loadPreset(), {"data-action": "preset-load"}),
                button("Delete", () => this.deletePreset(), {"data-action": "preset-delete"}),
                name, button("Save", () => this.savePreset(), {"data-action": "preset-save"}),
                button("Reset", () => this.reset(), {"data-action": "reset", title: "Empty the panel"}), report);
        }

        async preset(name, options, done) {
            try {
                const {ok, data} = await ask(`presets${name === null ? "" : `/${encodeURIComponent(name)}`}`, options);
                return ok ? await done(data) : this.tellPreset(data.detail || "That did not work.", true);
            } catch {
                return this.tellPreset("The server does not answer.", true);
            }
        }

        tellPreset(text, bad) {
            this.presets.report.textContent = text;
            this.presets.report.classList.toggle("rg-problem-text", Boolean(bad));
        }

        listPresets(chosen) {
            return this.preset(null, {}, ({names}) => {
                const {select} = this.presets;
                select.replaceChildren(...(names.length ? [] : [el("option", {value: "", text: "none yet"})]), ...names.map((value) => el("option", {value, text: value})));
                if (names.includes(chosen)) select.value = chosen;
            });
        }

        loadPreset() {
            const name = this.presets.select.value;
            if (!name) return this.tellPreset("There is no preset yet: write a name and press Save.");
            return this.preset(name, {}, (data) => {
                this.lastPreset = name;
                this.edit(() => R.fromJson(data.settings));
                this.tellPreset(`Loaded "${name}".`);
            });
        }

        savePreset() {
            const name = this.presets.name.value.trim() || this.presets.select.value;
            if (!name) return this.tellPreset("Write a name for the preset first.", true);
            return this.preset(name, {method: "PUT", body: {settings: R.toJson(this.store.get())}}, async () => {
                this.lastPreset = name;
                this.presets.name.value = "";
                await this.listPresets(name);
                this.tellPreset(`Saved "${name}".`);
            });
        }

        deletePreset() {
            const name = this.presets.select.value;
            if (!name || !window.confirm(`Delete the preset "${name}"?`)) return undefined;
            return this.preset(name, {method: "DELETE"}, async () => {
                await this.listPresets();
                this.tellPreset(`Deleted "${name}".`);
            });
        }

        reset() {
            this.notes = [];
            this.edit(() => R.emptyState());
        }
    }

    function outline(state, index) {
        const region = state.regions[index];
        const [x0, y0, x1, y1] = R.regionBounds(state, index);
        const look = {class: "rg-outline", "vector-effect": "non-scaling-stroke"};
        if (!state.grid && region.ellipse) {
            return svg("ellipse", {...look, cx: (x0 + x1) / 2, cy: (y0 + y1) / 2, rx: Math.max(0, x1 - x0) / 2, ry: Math.max(0, y1 - y0) / 2});
        }
        if (!state.grid && region.polygon) return svg("polygon", {...look, points: region.polygon.map((point) => [].concat(point).join(",")).join(" ")});
        return svg("rect", {...look, x: x0, y: y0, width: Math.max(0, x1 - x0), height: Math.max(0, y1 - y0)});
    }

    // ---------------------------------------------------------------- life cycle

    /** Draw a panel into every mount that has none yet, and follow text boxes that Python has changed. */
    function attach() {
        for (const tab of TABS) {
            const mount = find(`#regional_${tab}_panel`);
            if (!mount || !find(`#regional_${tab}_state textarea, #regional_${tab}_state input`)) continue;
            if (!panels[tab] || panels[tab].mount !== mount || !mount.firstChild) panels[tab] = new Panel(tab, mount);
            else panels[tab].pull();
            panels[tab].hostChanged();
        }
    }

    function start() {
        const again = debounce(attach, 50);
        const look = debounce(() => Object.values(panels).forEach((panel) => panel.hostChanged()), 100);
        attach();
        if (typeof onAfterUiUpdate === "function") onAfterUiUpdate(attach);
        else new MutationObserver(again).observe(document.body, {childList: true, subtree: true});
        ["input", "change", "click"].forEach((kind) => document.addEventListener(kind, look, true));
    }

    Object.assign(R, {
        panels,
        attach,
        /** Called by the text box when its value changed: Python may have written it. */
        pull: (tab) => setTimeout(() => (panels[tab] ? panels[tab].pull() : attach()), 0),
    });

    if (typeof onUiLoaded === "function") onUiLoaded(start);
    else if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
    else start();
})();
