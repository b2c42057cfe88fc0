// Regional: the panel of one tab. Holds state, history and selection; the parts (canvas, list, presets …) draw them and call back.
// Every edit goes at once to the tab's hidden text box, which is all that the host sees.
(function (R) {
    "use strict";

    const {t, tell, el, button, find, debounce} = R.dom;
    const OVERLAPS = [["blend", "share by weight"], ["over", "later one covers"]];
    const TEXTS = [["regions", "written here"], ["break", "main prompt, split at BREAK"], ["lines", "main prompt, one line each"], ["and", "main prompt, split at AND"]];

    class Panel {
        constructor(tab, mount) {
            this.tab = tab;
            this.mount = mount;
            this.methods = JSON.parse(mount.dataset.methods || "[]");
            this.schema = JSON.parse(mount.dataset.schema || "{}");
            R.learn(this.schema);
            this.mapsName = `${tab} ${Math.random().toString(36).slice(2, 10)}`;
            this.selected = new Set();
            this.opened = new Set();
            this.notes = [];
            this.store = R.createStore(R.emptyState());
            this.history = R.createHistory(this.store.get());
            this.checks = R.createChecks(this);
            this.saveSoon = debounce(() => this.remember(), 200);
            this.build();
            this.start();
            this.store.subscribe((state, origin, before) => this.changed(origin, before));
            this.update();
            R.attachClipboard(this);
            if (typeof IntersectionObserver !== "undefined") new IntersectionObserver((all) => all.some((one) => one.isIntersecting) && this.hostChanged()).observe(mount);
        }

        // ------------------------------------------------ text box <-> state

        textBox() {
            return find(`#regional_${this.tab}_state textarea, #regional_${this.tab}_state input`);
        }

        readText() {
            const box = this.textBox();
            return box ? box.value : "";
        }

        /** Begin with what the page holds, or after a reload with what this browser tab held before. */
        start() {
            const given = this.readText(), method = R.untouchedMethod(given);
            const text = method === null ? given : this.recall();
            if (text) this.adopt(text);
            else this.written = given;
            if (!text && method) this.store.set({...this.store.get(), method}, "host");
            this.history = R.createHistory(this.store.get());
            if (text && text !== this.readText()) this.push();
        }

        /** Take over settings that came from outside, such as those of a pasted picture. One without any switches the panel off and keeps its regions. */
        adopt(text) {
            this.written = text;
            const now = this.store.get();
            try {
                const next = text || R.isUntouched(now) ? R.parse(text) : {...now, enabled: false};
                this.history.record(next, null);
                this.store.set(next, "host");
            } catch (error) {
                this.note(`${error.message}\n${t("The layout here stays as it was.")}`, true);
                this.push();
            }
        }

        /** Compare the text box with what this panel wrote last, and follow it when they differ. */
        pull() {
            const text = this.readText();
            if (text !== this.written) this.adopt(text);
        }

        push() {
            const box = this.textBox();
            this.written = R.serialize(this.store.get(), this.stage.background.kind === "words" ? {attention_maps: this.mapsName} : {});
            this.saveSoon();
            if (!box) return;
            box.value = this.written;
            box.dispatchEvent(new Event("input", {bubbles: true}));
        }

        remember() {
            try {
                sessionStorage.setItem(`regional_${this.tab}`, this.written);
            } catch {
                // Full or forbidden: then a reload begins anew.
            }
        }

        recall() {
            try {
                return sessionStorage.getItem(`regional_${this.tab}`) || "";
            } catch {
                return "";
            }
        }

        changed(origin, before) {
            if (origin !== "host") this.push();
            else this.remember();
            const ids = new Set(this.store.get().regions.map((region) => region._id));
            this.selected = new Set([...this.selected].filter((id) => ids.has(id)));
            if (before.method !== this.store.get().method) this.drawOptions();
            this.update();
        }

        /** Change the state: one step of the history, joined with the last one of the same `key`. */
        edit(change, {key} = {}) {
            const next = change(this.store.get());
            this.history.record(next, key);
            this.store.set(next, "edit");
        }

        undo() {
            const state = this.history.undo();
            if (state) this.store.set(state, "history");
        }

        redo() {
            const state = this.history.redo();
            if (state) this.store.set(state, "history");
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

        /** Size, main prompt or result may have changed: look again when they did. */
        hostChanged() {
            const result = R.OF_RESULT.includes(this.stage.background.kind) ? (R.overlayTarget(this.tab) || {}).src : "";
            const now = JSON.stringify([this.size(), this.prompts(), this.visible(), result]);
            if (now === this.seen) return;
            this.seen = now;
            this.stage.update();
            R.refreshBackground(this.stage);
            this.overlay.update();
            this.checks.soon();
        }

        // ------------------------------------------------ building and updating

        build() {
            this.stage = new R.Stage(this);
            this.list = R.createList(this);
            this.overlay = R.createOverlay(this);
            this.messages = el("div", {class: "rg-messages", role: "status", "aria-live": "polite"});
            this.options = el("div", {class: "rg-row rg-options"});
            this.optionsBox = el("details", {class: "rg-more"}, el("summary", {told: "Options of the method"}), this.options);
            this.bound = [];
            const add = (field) => (this.bound.push(field), field.node);
            const texts = this.buildTexts(add);
            this.mount.replaceChildren(el("div", {class: "rg"},
                this.buildBar(add),
                el("div", {class: "rg-body"},
                    el("div", {class: "rg-side"}, this.stage.node, this.messages),
                    el("div", {class: "rg-main"}, this.buildLayout(add), this.list.node, texts)),
                R.createSections(this)));
            this.drawOptions();
        }

        buildBar(add) {
            return el("div", {class: "rg-top"}, el("div", {class: "rg-bar"},
                add(R.fields.checkField(this, "enabled", "Enable", {class: "rg-check rg-enable"})),
                add(R.fields.selectField(this, "method", "Method", this.methods, "How the regions' prompts are made to act where they lie")),
                add(R.fields.selectField(this, "text_from", "Region texts", TEXTS, "Where the texts of the regions come from"))), this.optionsBox);
        }

        buildLayout(add) {
            const mode = (label, change) => button(label, () => this.edit(change), {"data-action": `layout-${label}`});
            this.modes = [mode("Grid", R.useGrid), mode("Free shapes", R.useShapes)];
            const direction = R.fields.selectField(this, "grid.direction", "Grid of", [["columns", "columns"], ["rows", "rows"]], "Direction in which a plain list of sizes runs");
            const ratios = R.fields.lineField(this, "grid.ratios", {
                label: "Sizes", title: "Sizes of the cells: 1,1,2 for three cells; rows of columns as 1,1;2,1,1 (first number: size of the row)",
                take: (text) => this.edit((state) => R.setGrid(state, {ratios: text}), {key: "grid"}),
            });
            const overlap = R.fields.selectField(this, "overlap", "Where regions overlap", OVERLAPS);
            this.count = el("span", {});
            this.gridParts = [add(direction), el("label", {class: "rg-field rg-ratios"}, el("span", {class: "rg-label"}, `${t("Sizes")} `, this.count), add(ratios))];
            this.freeParts = [add(overlap)];
            direction.input.addEventListener("change", () => this.edit((state) => R.setGrid(state, {})));
            return el("div", {class: "rg-row rg-layout", "data-field": "grid"},
                el("div", {class: "rg-switch", role: "group", "aria-label": "Layout"}, this.modes), this.gridParts, this.freeParts);
        }

        buildTexts(add) {
            const {promptField} = R.fields;
            this.texts = el("details", {class: "rg-more"}, el("summary", {told: "Texts for the whole picture"}),
                add(promptField(this, "common", "Common prompt", {placeholder: "put in front of every region's prompt"})),
                add(promptField(this, "base.prompt", "Base prompt", {emptyIsNull: true, placeholder: "empty: the main prompt"})),
                add(promptField(this, "base.negative", "Base negative prompt", {emptyIsNull: true, placeholder: "empty: the main negative prompt"})));
            return this.texts;
        }

        /** The options of the chosen method, as the schema describes them. */
        drawOptions() {
            const {method} = this.store.get();
            const known = ((((this.schema.properties || {}).options || {}).properties || {})[method] || {}).properties || {};
            const apart = R.edit && R.edit.METHODS.includes(method) ? R.edit.OPTIONS : [];
            this.optionFields = Object.entries(known).filter(([name]) => !apart.includes(name)).map(([name, schema]) => R.fields.schemaField(this, `options.${method}.${name}`, name, schema)).filter(Boolean);
            this.options.replaceChildren(...this.optionFields.map((field) => field.node));
            this.optionsBox.hidden = !this.optionFields.length;
        }

        /** Everything that follows from the state. */
        update() {
            const state = this.store.get(), cells = R.cellCount(state);
            [...this.bound, ...this.optionFields].forEach((field) => field.update(state));
            this.modes.forEach((node, i) => {
                const on = Boolean(state.grid) === (i === 0);
                node.classList.toggle("rg-on", on);
                node.setAttribute("aria-pressed", String(on));
            });
            this.gridParts.forEach((node) => { node.hidden = !state.grid; });
            this.freeParts.forEach((node) => { node.hidden = Boolean(state.grid); });
            this.count.textContent = cells === null ? "" : t(cells === 1 ? "(1 cell)" : "({0} cells)", cells);
            if (state.common || state.base.prompt !== null || state.base.negative !== null) this.texts.open = true;
            this.mount.firstChild.classList.toggle("rg-off", !state.enabled);
            this.list.update(state);
            this.stage.update();
            this.overlay.update();
            this.checks.show();
            this.checks.soon();
        }

        /** Say something below the canvas. */
        note(text, isBad) {
            this.notes = text ? [{text: tell(text), isBad}] : [];
            if (this.messages) this.checks.show();
        }

        // ------------------------------------------------ selection

        /** Choose regions by their ids; `reveal` brings the first one's card into view. */
        select(ids, {reveal} = {}) {
            this.selected = new Set(ids);
            this.list.mark();
            this.stage.bar.update();
            this.stage.redraw();
            if (reveal && this.selected.size === 1) this.list.reveal([...this.selected][0]);
        }

        /** A shape was drawn: choose it, and let its prompt be written. */
        drawn(id) {
            this.select([id], {reveal: true});
            this.stage.setTool("select");
        }

        focusPrompt(index) {
            return this.list.focusPrompt(index);
        }
    }

    R.Panel = Panel;
})(globalThis.Regional = globalThis.Regional || {});
