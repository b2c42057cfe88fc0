// The last pictures below the canvas, with their regions' scores. A click lays one under the regions.

/** @import {Entry} from "../../model/shown/pictures.js" */
/** @import {Panel} from "../panel.js" */

import {allPictures} from "../../host/gallery.js";
import {t} from "../../host/language.js";
import {callApi, errorText} from "../../host/server.js";
import {infotextAt} from "../../host/shown.js";
import {takeParameters} from "../../host/taking.js";
import {numbersOf} from "../../model/numbers.js";
import {scoreWords, withoutGrid, withPictures} from "../../model/shown/pictures.js";
import {fromJson} from "../../model/state.js";
import {hasRegions, parametersOf} from "../../model/words/infotext.js";
import {showPicture} from "../../stage/layers/background.js";
import {button} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";

/** The strip of a panel. */
export class Strip {
    /** @param {Panel} panel */
    constructor(panel) {
        this.panel = panel;
        /** @type {Entry[]} */
        this.entries = [];
        /** @type {Entry | null} The one whose picture lies under the regions. */
        this.chosen = null;
        this.reading = "";
        this.row = el("div", {class: "rg-strip", role: "group", "aria-label": "The last pictures"});
        this.words = el("span", {class: "rg-hint", role: "status", "data-action": "strip-words"});
        this.take = button("Take its layout, seed and size", () => this.takeChosen(), {
            class: "rg-button rg-mini",
            "data-action": "strip-take",
        });
        this.line = el("div", {class: "rg-row rg-strip-line", hidden: true}, this.words, this.take);
        this.node = el("div", {hidden: true}, this.row, this.line);
    }

    /**
     * Take the gallery's pictures in that are new.
     *
     * @param {boolean} isCut Whether they were interrupted.
     */
    async follow(isCut) {
        const sources = allPictures(this.panel.tab).map(({src}) => src);
        const key = sources.join("\n");
        const known = new Set(this.entries.map(({src}) => src));
        const fresh = sources.filter((src) => !known.has(src));
        if (!fresh.length || key === this.reading) return;
        this.reading = key;
        const numbers = numbersOf(this.panel.store.get());
        const infotexts = await Promise.all(fresh.map((src) => infotextAt(src).catch(() => "")));
        const made = fresh.map((src, i) => ({src, infotext: infotexts[i], numbers, isCut})).filter(({infotext}) => infotext);
        this.entries = withPictures(this.entries, withoutGrid(made));
        this.choose(null);
    }

    /** @param {Entry | null} entry */
    choose(entry) {
        this.chosen = entry;
        this.draw();
        if (entry) showPicture(this.panel.stage, entry.src);
    }

    draw() {
        this.node.hidden = !this.entries.length;
        this.row.replaceChildren(...this.entries.map((entry, i) => this.tile(entry, i)));
        this.line.hidden = !this.chosen;
        if (!this.chosen) return;
        const {each} = scoreWords(this.chosen);
        const cut = this.chosen.isCut ? t("Interrupted: not finished.") : "";
        this.words.textContent = [cut, each ? t("Scores of the regions: {0}", each) : t("No scores.")].filter(Boolean).join(" ");
        this.take.hidden = !hasRegions(this.chosen.infotext);
    }

    /**
     * @param {Entry} entry
     * @param {number} index
     */
    tile(entry, index) {
        const {lowest, each} = scoreWords(entry);
        const cut = entry.isCut ? el("span", {class: "rg-cut", localized: "interrupted"}) : null;
        const name = [t("Picture {0}", index + 1), entry.isCut ? t("interrupted") : "", each].filter(Boolean).join(", ");
        return el(
            "button",
            {
                type: "button",
                class: "rg-strip-tile",
                title: each || null,
                "aria-label": name,
                "aria-pressed": String(entry === this.chosen),
                onclick: () => this.choose(entry === this.chosen ? null : entry),
            },
            el("img", {src: entry.src, alt: "", loading: "lazy"}),
            lowest ? el("span", {class: "rg-score", text: lowest}) : null,
            cut,
        );
    }

    async takeChosen() {
        const {panel, chosen} = this;
        if (!chosen) return;
        const body = {text: chosen.infotext, format: "regional", hints: {}, ...panel.size(), ...panel.prompts()};
        const answer = await callApi("import", {method: "POST", body}).catch(() => null);
        if (!answer?.ok) return panel.note(answer ? errorText(answer) : "The server does not answer.", true);
        panel.edit(() => fromJson({...answer.data.settings, enabled: true}));
        const {taken, missed} = await takeParameters(panel.tab, parametersOf(chosen.infotext));
        const words = [t("Its layout is here; Undo brings the old one back."), taken.length ? t("Set: {0}.", taken.join(", ")) : ""];
        return panel.note([...words, missed.length ? t("Not there to choose: {0}.", missed.join(", ")) : ""].filter(Boolean).join(" "));
    }
}
