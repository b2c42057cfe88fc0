// Regional: the list of regions, one card each. Cards live as long as their region: what extensions have attached to their prompts stays.
(function (R) {
    "use strict";

    const {t, tell, el, tool, dressTool, button, debounce, ask} = R.dom;
    const PLAIN = ["weight", "base_share", "feather", "priority"];
    const OWN = ["prompt", "negative", "name", "enabled", "steps", ...R.SHAPE_KINDS || [], "box", "ellipse", "polygon", "mask"];

    function createList(panel) {
        const cards = new Map();
        const body = el("div", {class: "rg-cards"});
        const add = button("+ Add region", () => {
            panel.addBox();
            focusPrompt(panel.store.get().regions.length - 1);
        }, {class: "rg-button rg-add", "data-action": "add"});
        const node = el("div", {class: "rg-regions", "data-field": "regions", tabindex: "-1"}, body, add, el("div", {class: "rg-row"},
            button("Split main prompt", () => importPrompt(panel), {"data-action": "import", title: "Split the main prompt at BREAK, at line ends or at AND, and write the parts into the regions"}),
            button("Write main prompt", () => writePrompt(panel), {"data-action": "export", title: "Write the layout's texts into the main prompt, with ADDCOL, ADDROW or BREAK between them; the regions then follow it"})));
        const countSoon = debounce(() => countTokens(panel, cards), 400);

        function update(state) {
            const ids = new Set(state.regions.map((region) => region._id));
            for (const [id, card] of cards) {
                if (ids.has(id)) continue;
                card.node.remove();
                cards.delete(id);
            }
            state.regions.forEach((region, index) => {
                if (!cards.has(region._id)) cards.set(region._id, createCard(panel, region._id));
                const card = cards.get(region._id);
                if (body.children[index] !== card.node) body.insertBefore(card.node, body.children[index] || null);
                card.update(state, region, index);
            });
            mark();
            countSoon();
        }

        function mark() {
            for (const [id, card] of cards) {
                card.node.classList.toggle("rg-chosen", panel.selected.has(id));
                card.node.setAttribute("aria-current", String(panel.selected.has(id)));
            }
        }

        function reveal(id) {
            const card = cards.get(id);
            if (!card || !panel.visible()) return;
            const frame = body.getBoundingClientRect(), place = card.node.getBoundingClientRect();
            if (body.scrollHeight > body.clientHeight + 2) body.scrollTop += place.top - frame.top - Math.max(0, (frame.height - place.height) / 2);
        }

        function focusPrompt(index) {
            const region = panel.store.get().regions[index], card = region && cards.get(region._id);
            if (!card) return false;
            reveal(region._id);
            card.prompt.focus({preventScroll: true});
            return true;
        }

        return {node, update, mark, reveal, focusPrompt, warn: (warnings) => warnCards(panel, cards, warnings)};
    }

    // ---------------------------------------------------------------- a card

    function createCard(panel, id) {
        const index = () => R.indexOf(panel.store.get(), id), at = (name) => () => `regions[${index()}]${name ? `.${name}` : ""}`;
        const fields = cardFields(panel, at, id);
        const head = cardHead(panel, index, fields.name);
        const extras = {tokens: fields.tokens, networks: el("div", {class: "rg-networks"}), warning: el("div", {class: "rg-card-warning"}), shape: el("div", {class: "rg-row rg-shape"})};
        const more = el("details", {class: "rg-more"}, el("summary", {told: "Negative, weight, steps …"}), fields.negative.node,
            el("div", {class: "rg-numbers"}, fields.numbers.map((field) => field.node)), extras.shape);
        const node = el("div", {class: "rg-region", role: "group", tabindex: "-1", onfocusin: () => panel.selected.has(id) || panel.select([id]), onclick: (event) => chooseByClick(panel, id, event)},
            head.node, fields.prompt.node, extras.networks, extras.warning, more);
        attachDrag(panel, node, head.grip, index);
        const all = [fields.name, fields.prompt, fields.negative, ...fields.numbers];
        let shapeKind, before;
        return {
            node, prompt: fields.prompt.input, tokens: extras.tokens, warning: extras.warning,
            update(state, region, position) {
                all.forEach((field) => field.update(state));
                head.update(state, region, position);
                const isFirst = before === undefined;
                if (isFirst || before.region !== region || before.position !== position || before.mode !== state.text_from) dressCard(node, fields, extras, state, region, position);
                const kind = `${Boolean(state.grid)} ${R.shapeKind(region)}`;
                if (kind !== shapeKind || (more.open && !R.same(before.region.polygon, region.polygon))) R.drawShapeInputs(panel, extras.shape, state, region, at);
                (extras.shape.bound || []).forEach((field) => field.update(state));
                shapeKind = kind;
                before = {region, position, mode: state.text_from};
            },
        };
    }

    function chooseByClick(panel, id, event) {
        if (event.target.closest("button, input, textarea, select, summary, label")) return;
        panel.select(event.ctrlKey || event.metaKey || event.shiftKey ? [...panel.selected, id] : [id]);
        panel.stage.canvas.focus({preventScroll: true});
    }

    function cardFields(panel, at, id) {
        const tokens = el("span", {class: "rg-tokens", title: "Tokens of this prompt, as the host counts them"});
        const schema = ((((panel.schema.properties || {}).regions || {}).items || {}).properties) || {};
        const names = [...PLAIN, ...Object.keys(schema).filter((name) => !PLAIN.includes(name) && !OWN.includes(name))];
        const numbers = names.map((name) => R.fields.schemaField(panel, at(name), name, schema[name] || {type: "number", default: R.REGION_DEFAULTS[name]})).filter(Boolean);
        const step = (side, label, fallback) => R.fields.numberField(panel, at(`steps[${side}]`), label, {
            min: 0, max: 1, fallback, whenEmpty: fallback, title: side ? "Share of the steps after which this region ends, 0 to 1" : "Share of the steps after which this region begins, 0 to 1",
        });
        return {
            tokens, numbers: [...numbers, step(0, "From step", 0), step(1, "To step", 1)],
            name: R.fields.lineField(panel, at("name"), {label: "Name", title: "Name, for you and for messages", maxlength: 200}),
            prompt: R.fields.promptField(panel, at("prompt"), "Prompt", {id: `regional_${panel.tab}_prompt_${id}`, after: tokens, placeholder: "what is in this region"}),
            negative: R.fields.promptField(panel, at("negative"), "Negative prompt", {placeholder: "added to the main negative prompt"}),
        };
    }

    function cardHead(panel, index, name) {
        const swatch = el("span", {class: "rg-swatch", "aria-hidden": "true"}), grip = el("span", {class: "rg-grip", title: "Drag to another place in the list", "aria-hidden": "true"}, R.dom.icon("grip"));
        const act = (icon, label, change) => tool(icon, label, () => panel.edit((state) => change(state, index())));
        const toggle = (field, value) => (state, at) => R.replaceRegion(state, at, {...state.regions[at], [field]: value(state.regions[at])});
        const mute = act("eye", "Mute", toggle("enabled", (region) => region.enabled === false)), solo = act("solo", "Solo", R.solo);
        const lock = act("unlock", "Lock", toggle("_lock", (region) => !region._lock));
        const move = (by) => (state, at) => R.moveRegion(state, at, by);
        const up = act("up", "Move up", (state, at) => covering(move(-1)(state, at))), down = act("down", "Move down", (state, at) => covering(move(1)(state, at)));
        const remove = act("remove", "Remove", (state, at) => (state.regions[at]._lock ? state : R.removeRegion(state, at)));
        const node = el("div", {class: "rg-head"}, grip, swatch, name.node, mute, solo, lock, up, down, remove);
        return {node, grip, update(state, region, position) {
            const number = position + 1, off = region.enabled === false;
            swatch.textContent = String(number);
            name.input.placeholder = t("Region {0}", number);
            dressTool(mute, off ? "eyeOff" : "eye", t(off ? "Switch region {0} on" : "Mute region {0}", number));
            dressTool(solo, "solo", t("Only region {0}, or all again", number));
            solo.classList.toggle("rg-on", Boolean(state._solo) && state._solo.id === region._id);
            dressTool(lock, region._lock ? "lock" : "unlock", t(region._lock ? "Unlock region {0}" : "Lock region {0}", number));
            lock.classList.toggle("rg-on", Boolean(region._lock));
            dressTool(up, "up", t("Move region {0} up", number));
            dressTool(down, "down", t("Move region {0} down", number));
            dressTool(remove, "remove", t("Remove region {0}", number));
            up.disabled = position === 0;
            down.disabled = position === state.regions.length - 1;
            remove.disabled = !R.canRemove(state) || Boolean(region._lock);
        }};
    }

    /** Where the upper one covers, the order of the list is the order of covering. */
    const covering = (state) => (state.overlap === "over" && !state.grid ? R.prioritise(state) : state);

    function dressCard(node, fields, extras, state, region, position) {
        node.dataset.field = `regions[${position}]`;
        node.setAttribute("aria-label", t("Region {0}", position + 1));
        node.style.setProperty("--rg-colour", R.cssColour(position));
        node.style.setProperty("--rg-on-colour", R.textColour(position));
        node.classList.toggle("rg-muted", region.enabled === false);
        const split = state.text_from !== "regions";
        fields.prompt.name.textContent = t(split ? "Added to this region's part of the main prompt" : "Prompt");
        fields.prompt.input.placeholder = t(split ? "nothing added" : "what is in this region");
        extras.networks.replaceChildren(...R.findNetworks(region.prompt).map(({kind, name, weight}) => el("span", {class: "rg-chip", title: t("{0}, strength {1}", kind, weight), text: `${name} ${weight}`})));
    }

    // ---------------------------------------------------------------- dragging cards

    function attachDrag(panel, node, grip, index) {
        grip.addEventListener("pointerdown", () => { node.draggable = true; });
        grip.addEventListener("pointerup", () => { node.draggable = false; });
        node.addEventListener("dragstart", (event) => {
            event.dataTransfer.setData("application/x-regional", String(index()));
            event.dataTransfer.effectAllowed = "move";
        });
        node.addEventListener("dragend", () => { node.draggable = false; });
        node.addEventListener("dragover", (event) => {
            if (!event.dataTransfer.types.includes("application/x-regional")) return;
            event.preventDefault();
            node.classList.add("rg-drop");
        });
        node.addEventListener("dragleave", () => node.classList.remove("rg-drop"));
        node.addEventListener("drop", (event) => {
            node.classList.remove("rg-drop");
            const from = event.dataTransfer.getData("application/x-regional");
            if (from === "") return;
            event.preventDefault();
            panel.edit((state) => covering(R.reorder(state, Number(from), index())));
        });
    }

    // ---------------------------------------------------------------- what others know of the prompts

    async function countTokens(panel, cards) {
        if (!panel.visible()) return;
        const {regions} = panel.store.get(), texts = regions.map((region) => region.prompt || "");
        const key = JSON.stringify(texts);
        if (key === panel.counted) return;
        panel.counted = key;
        try {
            const {ok, data} = await ask("tokens", {method: "POST", body: {texts}});
            if (ok) regions.forEach((region, i) => cards.has(region._id) && data.counts[i] && (cards.get(region._id).tokens.textContent = texts[i] ? `${data.counts[i].tokens}/${data.counts[i].limit}` : ""));
        } catch {
            panel.counted = null;
        }
    }

    /** Warnings that begin with a region's number stand in its card too. */
    function warnCards(panel, cards, warnings) {
        panel.store.get().regions.forEach((region, index) => {
            const mine = warnings.map((text) => /^Region (\d+)(?: \(.*?\))?:? (.*)$/s.exec(text)).filter((match) => match && Number(match[1]) === index + 1);
            const card = cards.get(region._id), text = mine.map((match) => tell(match[2])).join(" ");
            if (card && card.warning.textContent !== text) card.warning.textContent = text;
        });
    }

    function importPrompt(panel) {
        const {prompt, negative} = panel.prompts();
        const {state, notes} = R.importPrompt(panel.store.get(), prompt, negative);
        if (state !== panel.store.get()) panel.edit(() => state);
        panel.note(notes.join("\n"));
    }

    function writePrompt(panel) {
        const {state, prompt, negative, notes} = R.exportPrompt(panel.store.get(), panel.prompts());
        const write = (id, text) => {
            const box = R.dom.find(`#${panel.tab}_${id} textarea`);
            if (!box || text === null) return;
            box.value = text;
            box.dispatchEvent(new Event("input", {bubbles: true}));
        };
        write("prompt", prompt);
        write("neg_prompt", negative);
        panel.edit(() => state);
        panel.note(notes.join("\n"));
    }

    R.createList = createList;
})(globalThis.Regional = globalThis.Regional || {});
