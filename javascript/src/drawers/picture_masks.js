// Masks that models find in a picture: words, clicks and boxes, depth; and flows, which make whole settings of a picture. Both, and their
// inputs, come from the server.

/** @import {Field, Json, Region, Schema, State} from "../types.js" */
/** @import {Panel} from "../panel/panel.js" */

/**
 * A way to find masks. `adds`: its masks become further regions, those of others replace them. A `flow` makes settings.
 *
 * @typedef {{name: string, label: string, help: string, adds: boolean, needs: string[], fields: Record<string, Schema>, flow?: boolean}} Way
 */
/** @typedef {{name: string, label: string, models: string[], missing: string | null}} ModelKind */
/** @typedef {{values: Json, fields: Field[], node: HTMLElement, edit: (change: (state: State) => State) => void}} WayForm */

import {givenPicture, shownPicture} from "../host/gallery.js";
import {t, translateMessage} from "../host/language.js";
import {callApi, errorText} from "../host/server.js";
import {addRegions} from "../model/clipboard.js";
import {setField} from "../model/fields.js";
import {shapeKind} from "../model/geometry/shapes.js";
import {useShapes, withLayout} from "../model/layout.js";
import {makeRegion} from "../model/state.js";
import {button} from "../widgets/buttons.js";
import {el} from "../widgets/elements.js";
import {labelled, selectField} from "../widgets/fields.js";
import {readFile} from "../host/reading.js";
import {chooseFile, PICTURES} from "../widgets/files.js";
import {schemaField} from "../widgets/schema_fields.js";
import {ClickArea} from "./click_area.js";

/** Where the masks go that do not replace the regions. */
const INTO = [
    ["new", "further regions"],
    ["selected", "the selected region"],
];

/** The kind of model whose names a field takes, where it is not the way's first. @type {Record<string, string>} */
const MODEL_FIELDS = {sam: "sam"};

/** The part "Find in a picture" of the drawer "Masks". */
export class PictureMasks {
    /** @param {Panel} panel */
    constructor(panel) {
        this.panel = panel;
        this.picture = "";
        /** The picture that is being read. @type {Promise<void>} */
        this.reading = Promise.resolve();
        /** @type {Way[]} */
        this.ways = [];
        /** @type {ModelKind[]} */
        this.kinds = [];
        /** @type {WayForm | null} */
        this.form = null;
        this.clicks = new ClickArea();
        this.message = el("div", {class: "rg-message", role: "status", "data-action": "find-message"});
        this.inputs = el("div", {class: "rg-row rg-options"});
        this.way = el("select", {"data-action": "find-way", onchange: () => this.show()});
        this.into = el(
            "select",
            {"data-action": "find-into"},
            INTO.map(([value, words]) => el("option", {value, localized: words})),
        );
        this.intoField = labelled("Put it into", this.into);
        this.find = button("Find masks", () => this.run(), {class: "rg-button rg-primary", "data-action": "find-go"});
        this.node = el(
            "div",
            {class: "rg-find", hidden: true},
            el("div", {class: "rg-label", localized: "Find in a picture, with a model"}),
            el(
                "div",
                {class: "rg-row"},
                pictureButtons(panel, (reading) => this.read(reading)),
                labelled("Find by", this.way),
                this.intoField,
            ),
            this.clicks.node,
            this.inputs,
            el("div", {class: "rg-row"}, this.find, this.message),
        );
        this.list();
    }

    async list() {
        Object.assign(this, await listWays());
        const group = (/** @type {boolean} */ flow) =>
            this.ways.filter((way) => !!way.flow === flow).map((way) => el("option", {value: valueOf(way), localized: way.label}));
        this.way.replaceChildren(
            el("optgroup", {label: t("Masks")}, group(false)),
            el("optgroup", {label: t("Whole ways of working")}, group(true)),
        );
        this.node.hidden = !this.ways.length;
        this.show();
    }

    get chosen() {
        return this.ways.find((way) => valueOf(way) === this.way.value);
    }

    /**
     * Take a picture that is still read; what is asked for until then waits for it.
     *
     * @param {Promise<string>} reading
     */
    read(reading) {
        this.reading = reading.then(
            (picture) => this.take(picture),
            (/** @type {Error} */ error) => this.panel.note(error.message, true),
        );
        return this.reading;
    }

    /** @param {string} picture */
    take(picture) {
        this.picture = picture;
        this.clicks.show(picture);
        this.say(this.missing());
    }

    /** What the host lacks for the chosen way; "" where it has all. */
    missing() {
        const {chosen} = this;
        return this.kinds.map(({name, missing}) => (chosen?.needs.includes(name) && missing) || "").join("");
    }

    /** @param {string} text */
    say(text) {
        this.message.textContent = translateMessage(text);
    }

    /** The inputs of the chosen way, and which models it lacks. */
    show() {
        const {chosen} = this;
        if (!chosen) return;
        this.form = createForm(chosen, this.kinds);
        this.inputs.replaceChildren(this.form.node);
        this.clicks.allow("clicks" in chosen.fields);
        this.intoField.hidden = !chosen.adds;
        this.find.textContent = t(chosen.flow ? "Make the layout" : "Find masks");
        this.way.title = t(chosen.help);
        this.say(this.missing());
    }

    async run() {
        const {chosen, form} = this;
        if (!chosen || !form) return;
        await this.reading;
        if (!this.picture) await this.read(pageTakes(this.panel));
        if (!this.picture) return;
        this.find.disabled = true;
        this.say("Looking…");
        const given = "clicks" in chosen.fields ? this.clicks.values() : {};
        const body = {...this.shapeFor(chosen, form), picture: this.picture, ...form.values, ...given};
        const put = (/** @type {Json} */ answer) => (chosen.flow ? this.follow(answer.settings) : this.put(chosen, foundRegions(answer)));
        this.say(await ask(chosen, body, put));
        this.find.disabled = false;
    }

    /**
     * The shape of the selected region, where a flow takes one and no words are given; clicks count before it.
     *
     * @param {Way} way
     * @param {WayForm} form
     * @returns {Json}
     */
    shapeFor(way, form) {
        if (!("shape" in way.fields) || form.values.words) return {};
        const state = useShapes(this.panel.store.get());
        const [id] = this.panel.selected;
        const region = state.regions.find((one) => one._id === id);
        const kind = region && shapeKind(region);
        return kind && kind !== "words" ? {shape: {[kind]: region[kind]}} : {};
    }

    /**
     * Put the settings of a flow into the panel; prompts stay.
     *
     * @param {Json} settings
     * @returns {string}
     */
    follow(settings) {
        this.panel.edit((state) => {
            const {method, options} = settings;
            const merged = Object.entries(options).map(([name, values]) => [name, {...state.options?.[name], ...values}]);
            return {...withLayout(state, settings), method, options: {...state.options, ...Object.fromEntries(merged)}};
        });
        return "";
    }

    /**
     * Put what was found into the layout. Returns what is in the way, "" where nothing is.
     *
     * @param {Way} way
     * @param {Region[]} found
     * @returns {string}
     */
    put(way, found) {
        const {panel} = this;
        if (way.adds && this.into.value === "selected") {
            const [id, ...more] = panel.selected;
            const index = panel.store.get().regions.findIndex((region) => region._id === id);
            if (index < 0 || more.length || found.length !== 1) return "Select one region, and look for one thing.";
            panel.edit((state) => setField(useShapes(state), `regions[${index}].mask`, found[0].mask));
            return "";
        }
        panel.edit((state) => (way.adds ? addRegions(state, found) : withLayout(state, {regions: found})));
        return "";
    }
}

/**
 * @param {Panel} panel
 * @param {(reading: Promise<string>) => void} read
 */
function pictureButtons(panel, read) {
    const fromPage = () => read(pageTakes(panel));
    const fromFile = () => chooseFile(PICTURES, (file) => read(readFile(file)));
    return [
        button("The picture shown", fromPage, {title: "The result, or the picture that img2img was given", "data-action": "find-shown"}),
        button("A file…", fromFile, {"data-action": "find-file"}),
    ];
}

/** @returns {Promise<{ways: Way[], kinds: ModelKind[]}>} */
async function listWays() {
    const [masks, flows] = await Promise.all(["masks", "flows"].map((path) => callApi(path).catch(() => null)));
    if (!masks?.ok) return {ways: [], kinds: []};
    const whole = (flows?.ok && flows.data.flows) || [];
    const ways = [...(masks.data.ways || []), ...whole.map((/** @type {Way} */ way) => ({...way, flow: true}))];
    return {ways, kinds: masks.data.kinds || []};
}

/**
 * The picture of the page as a data URL, "" where there is none.
 *
 * @param {Panel} panel
 */
async function pageTakes(panel) {
    const shown = shownPicture(panel.tab) || (panel.tab === "img2img" ? givenPicture() : null);
    if (!shown) {
        panel.note("There is no picture yet: generate one first, or choose a file.");
        return "";
    }
    if (shown.tagName === "CANVAS") return shown.toDataURL();
    return readFile(new File([await (await fetch(shown.src)).blob()], "picture"));
}

/**
 * Inputs for the parameters of a way. Values that nobody set are left to the server.
 *
 * @param {Way} way
 * @param {ModelKind[]} kinds
 * @returns {WayForm}
 */
function createForm(way, kinds) {
    /** @type {WayForm} */
    const form = {values: {}, fields: [], node: el("div", {class: "rg-row"}), edit: () => undefined};
    form.edit = (change) => {
        form.values = /** @type {any} */ (change(/** @type {any} */ (form.values)));
        form.fields.forEach((field) => field.update(/** @type {any} */ (form.values)));
    };
    form.fields = Object.entries(way.fields).flatMap(([name, schema]) => {
        if (name !== "model" && !(name in MODEL_FIELDS)) return schemaField(form, name, name, schema) || [];
        const kind = MODEL_FIELDS[name] || way.needs[0];
        const names = kinds.find((each) => each.name === kind)?.models || [];
        const choices = names.map((each) => [each, each]);
        return names.length > 1 ? selectField(form, name, name === "sam" ? "SAM" : "Model", choices, schema.description, names[0]) : [];
    });
    form.fields.forEach((field) => field.update(/** @type {any} */ (form.values)));
    form.node.append(...form.fields.map((field) => field.node));
    return form;
}

/** @param {Json} answer */
const foundRegions = (answer) => answer.regions.map((/** @type {Json} */ {mask, name}) => makeRegion({mask, name}));

/** @param {Way} way */
const valueOf = (way) => (way.flow ? `flow:${way.name}` : way.name);

/**
 * Ask the server, and `put` what it answers. Returns the sentence that is shown.
 *
 * @param {Way} way
 * @param {Json} body
 * @param {(answer: Json) => string} put
 * @returns {Promise<string>}
 */
async function ask(way, body, put) {
    try {
        const answer = await callApi(way.flow ? "flows" : "masks", {method: "POST", body: {...body, kind: way.name}});
        if (!answer.ok) return errorText(answer);
        return put(answer.data) || answer.data.notes.map((/** @type {string} */ note) => t(note)).join("\n");
    } catch {
        return "The server does not answer.";
    }
}
