// What belongs to a region: its number, its line of the list, its part of the main prompt, its menu, its place in a finished picture.
import test from "node:test";
import assert from "node:assert/strict";
import * as R from "./load.js";
import {cssColour, hexColour, regionColour, textColour} from "../../javascript/src/model/colours.js";
import {menuEntries} from "../../javascript/src/model/menu.js";
import {inNumbers, numberOf, numbered, numbersOf, withNumbers} from "../../javascript/src/model/numbers.js";
import {againSettings, detailSettings} from "../../javascript/src/model/shown/one_region.js";
import {scoreWords, withoutGrid, withPictures} from "../../javascript/src/model/shown/pictures.js";
import {completed, completionAt} from "../../javascript/src/model/prompt/completion.js";
import {partsOfPrompt} from "../../javascript/src/model/prompt/parts.js";
import {parametersOf, scoresOf, withBase} from "../../javascript/src/model/words/infotext.js";
import {generalWarnings} from "../../javascript/src/model/words/messages.js";
import {pngParameters} from "../../javascript/src/model/words/png_text.js";

const boxes = (count, more = {}) => ({
    enabled: true,
    regions: Array.from({length: count}, (_, i) => ({box: [i / count, 0, (i + 1) / count, 1], prompt: "abcdef"[i]})),
    ...more,
});
const layout = (count, more) => numbered(R.fromJson(boxes(count, more)));
const prompts = (state) => state.regions.map((region) => region.prompt).join("");

// ---------------------------------------------------------------- numbers

test("a region keeps its number when others go, move or come", () => {
    const three = layout(3);
    assert.deepEqual(numbersOf(three), [1, 2, 3]);
    const two = numbered(R.removeRegion(three, 0));
    assert.deepEqual(numbersOf(two), [2, 3]);
    assert.deepEqual(numbersOf(numbered(R.addRegion(two))), [2, 3, 1], "the lowest that is free");
    assert.deepEqual(numbersOf(R.moveInList(three, 0, 2)), [2, 3, 1]);
    const {state} = R.duplicateRegions(three, new Set([three.regions[1]._id]));
    assert.deepEqual(numbersOf(numbered(state)), [1, 2, 4, 3]);
    assert.equal(numbered(three), three, "nothing to do");
    assert.equal("_number" in R.toJson(three).regions[0], false);
});

test("numbers live through grids, layouts, shapes and a reload", () => {
    const moved = withNumbers(R.fromJson(boxes(3)), [3, 1, 2]);
    assert.deepEqual(numbersOf(R.useGrid(moved)), [3, 1, 2]);
    assert.deepEqual(numbersOf(R.useShapes(R.useGrid(moved))), [3, 1, 2]);
    assert.deepEqual(numbersOf(R.setShapeKind(moved, 0, "ellipse")), [3, 1, 2]);
    assert.deepEqual(numbersOf(numbered(R.withLayout(moved, boxes(4)))), [3, 1, 2, 4]);
    assert.deepEqual(numbersOf(withNumbers(R.fromJson(boxes(3)), [1, 2])), [1, 2, 3], "of another layout");
    assert.deepEqual(numbersOf(withNumbers(R.fromJson(boxes(3)), [2, 2, NaN])), [2, 1, 3], "damaged");
    assert.deepEqual(numbersOf(withNumbers(R.fromJson(boxes(2)), undefined)), [1, 2]);
});

test("the store's regions have numbers, and the server's sentences name them", () => {
    const store = R.createStore(R.fromJson(boxes(3)));
    assert.deepEqual(numbersOf(store.get()), [1, 2, 3]);
    store.update((state) => R.removeRegion(state, 0), "edit");
    assert.equal(
        inNumbers("Region 1 (“b”): weight must be 0 or more, region 2 too, region 7 not.", store.get()),
        "Region 2 (“b”): weight must be 0 or more, region 3 too, region 7 not.",
    );
    const warnings = ["Region 1 has no prompt.", "Region 2 has no prompt.", "Region 3 has no prompt."];
    const of = withNumbers(R.fromJson(boxes(3)), [7, 2, 1]);
    assert.deepEqual(
        generalWarnings(warnings, (index) => numberOf(of, index)),
        ["Regions 1, 2, 7: each has no prompt."],
    );
});

// ---------------------------------------------------------------- the list

test("the list shows what covers above, and moving a line moves the cover", () => {
    const state = layout(3, {overlap: "over"});
    assert.deepEqual(R.listOrder(state), [2, 1, 0]);
    assert.deepEqual(R.listOrder(layout(3)), [0, 1, 2]);
    const given = numbered(
        R.fromJson({...boxes(3, {overlap: "over"}), regions: boxes(3).regions.map((region, i) => ({...region, priority: [5, 0, 2][i]}))}),
    );
    assert.deepEqual(R.listOrder(given), [0, 2, 1]);
    const up = R.moveInList(given, 1, -1);
    assert.equal(prompts(up), "cba");
    assert.deepEqual(
        up.regions.map((region) => region.priority),
        [0, 1, 2],
    );
    assert.equal(prompts(R.moveInList(given, 1, -Infinity)), "cab", "in front");
    assert.equal(prompts(R.moveInList(given, 0, Infinity)), "abc", "at the back");
    assert.equal(R.moveInList(given, 0, -1), given, "it is there");
    assert.equal(prompts(R.reorder(given, 1, 0)), "cab");
    assert.equal(prompts(R.moveInList(layout(3), 0, 1)), "bac");
    assert.equal(layout(3).regions[0].priority, R.moveInList(layout(3), 0, 1).regions[0].priority, "no layers, no priorities");
});

test("every region sees its part of the main prompt", () => {
    const state = (mode) => R.fromJson(boxes(3, {text_from: mode}));
    assert.deepEqual(partsOfPrompt(state("regions"), "a BREAK b"), []);
    assert.deepEqual(partsOfPrompt(state("break"), "all ADDCOMM a BREAK b"), ["a", "b", null]);
    assert.deepEqual(partsOfPrompt(state("lines"), "a\nb\nc\nd"), ["a", "b", "c"]);
    assert.deepEqual(partsOfPrompt(state("and"), "a:1.2 AND b AND c"), ["a", "b", "c"]);
    assert.deepEqual(partsOfPrompt(state("break"), "a ADDBASE b ADDBASE c"), [null, null, null]);
});

// ---------------------------------------------------------------- menu

test("the menu offers what can be done", () => {
    const names = (state, ids, hasPicture = false) =>
        menuEntries(state, ids, hasPicture)
            .flat()
            .map(({name}) => name);
    const state = layout(2, {overlap: "over"});
    const [first, second] = state.regions.map((region) => region._id);
    assert.deepEqual(names(state, new Set()), ["add", "all", "paste"]);
    const one = names(state, new Set([first]), true);
    for (const name of ["again", "detail", "layer", "front", "back", "invert", "toMask", "remove"]) assert.ok(one.includes(name), name);
    assert.ok(!one.includes("splitX"));
    const both = names(state, new Set([first, second]), true);
    for (const name of ["again", "front", "solo", "layer"]) assert.ok(!both.includes(name), name);
    const locked = R.setField(state, "regions[0]._lock", true);
    const some = names(locked, new Set([first]));
    for (const name of ["invert", "toMask", "remove", "again"]) assert.ok(!some.includes(name), name);
    assert.ok(names(R.useGrid(layout(2)), new Set([first])).every((name) => name !== "front"));
    const labels = menuEntries(R.setField(locked, "regions[0].enabled", false), new Set([first]), false).flat();
    assert.deepEqual(
        labels.filter(({name}) => name === "mute" || name === "lock").map(({label}) => label),
        ["Switch on", "Unlock"],
    );
});

test("an inverted mask is what was outside", () => {
    const mask = R.drawShape({box: [0, 0, 0.5, 1]}, 4, 2);
    assert.deepEqual([...R.invertMask(mask).data], [0, 0, 255, 255, 0, 0, 255, 255]);
    assert.deepEqual(R.invertMask(R.invertMask(mask)), mask);
});

test("words that are found while sampling have no pixels, found ones do", () => {
    assert.equal(R.searchedWords({words: {text: "hat"}}), "hat");
    assert.equal(R.maskText({words: {text: "hat"}}), "");
    assert.equal(R.searchedWords({words: {text: "hat", found: "rle:1x1:255*1"}}), null);
    assert.match(R.maskText({words: {text: "hat", found: "rle:1x1:255*1"}}), /^shape:/);
    assert.equal(R.searchedWords({box: [0, 0, 1, 1]}), null);
});

// ---------------------------------------------------------------- LoRAs

test("the name of a LoRA is completed where one is being written", () => {
    const names = ["red hat", "hat", "blue"];
    assert.equal(completionAt("a hat", 5, names), null);
    assert.equal(completionAt("a <lora:hat:1>, b", 17, names), null);
    const at = completionAt("a <lora:ha", 10, names);
    assert.deepEqual(at, {from: 8, to: 10, matches: ["hat", "red hat"]});
    assert.deepEqual(completed("a <lora:ha", at, "hat"), {text: "a <lora:hat:1>", caret: 14});
    const inside = completionAt("<lora:bl:0.5>, c", 8, names);
    assert.deepEqual(completed("<lora:bl:0.5>, c", inside, "blue"), {text: "<lora:blue:0.5>, c", caret: 15});
    assert.deepEqual(completionAt("<LORA:", 6, names).matches, ["blue", "hat", "red hat"]);
    assert.deepEqual(completionAt("<lora:x", 7, names).matches, []);
});

// ---------------------------------------------------------------- finished pictures

const INFOTEXT = `grass, a "Steps: 3" sign
Negative prompt: blurry, bad
Steps: 4, Sampler: Euler a, Schedule type: Karras, CFG scale: 5.5, Seed: 3, Size: 128x64, Model: small, Regional: "{\\"enabled\\":true}", Regional score: "0.71 (1: 0.95, 3: 0.71)"`;

test("the parameters of a picture", () => {
    assert.deepEqual(parametersOf(INFOTEXT), {
        prompt: 'grass, a "Steps: 3" sign',
        negative: "blurry, bad",
        sampler: "Euler a",
        scheduler: "Karras",
        steps: 4,
        cfg_scale: 5.5,
        seed: 3,
        width: 128,
        height: 64,
    });
    const bare = parametersOf("only words");
    assert.deepEqual([bare.prompt, bare.seed, bare.width, bare.sampler], ["only words", null, null, null]);
    assert.deepEqual(scoresOf(INFOTEXT), {
        lowest: 0.71,
        regions: [
            [1, 0.95],
            [3, 0.71],
        ],
    });
    assert.equal(scoresOf("Steps: 4, Seed: 3"), null);
});

test("the strip has the newest pictures, each once, with scores by the regions' numbers", () => {
    const entry = (src, infotext = "") => ({src, infotext, numbers: [4, 2, 9], isCut: false});
    const strip = withPictures([], [entry("a", INFOTEXT), entry("b")]);
    assert.deepEqual(
        withPictures(strip, [entry("c"), entry("a")]).map(({src}) => src),
        ["c", "a", "b"],
    );
    assert.equal(withPictures(strip, [entry("b")]), strip);
    assert.equal(
        withPictures(
            strip,
            Array.from({length: 30}, (_, i) => entry(`n${i}`)),
        ).length,
        12,
    );
    assert.deepEqual(scoreWords(strip[0]), {lowest: "0.71", each: "4: 0.95 · 9: 0.71"});
    assert.deepEqual(scoreWords(strip[1]), {lowest: "", each: ""});
    const batch = [entry("grid", "x"), entry("one", "x"), entry("two", "y")];
    assert.deepEqual(withoutGrid(batch), batch.slice(1));
    assert.deepEqual(withoutGrid(batch.slice(1)), batch.slice(1));
});

test("the text of a PNG", () => {
    const chunk = (name, body) => [...[24, 16, 8, 0].map((by) => (body.length >> by) & 255), ...Buffer.from(name), ...body, 0, 0, 0, 0];
    const png = (...chunks) => Uint8Array.from([137, 80, 78, 71, 13, 10, 26, 10, ...chunks.flat()]);
    const head = chunk("IHDR", Array(13).fill(0));
    assert.equal(pngParameters(png(head, chunk("tEXt", [...Buffer.from("parameters\0a caf\xe9", "latin1")]), chunk("IDAT", []))), "a café");
    assert.equal(pngParameters(png(head, chunk("iTXt", [...Buffer.from("parameters\0\0\0\0\0a “hat”")]))), "a “hat”");
    assert.equal(pngParameters(png(head, chunk("tEXt", [...Buffer.from("Title\0x")]), chunk("IDAT", []))), "");
    assert.equal(pngParameters(png(head, [0, 0, 255, 255, ...Buffer.from("tEXt"), 1])), "", "cut off");
    assert.equal(pngParameters(Uint8Array.from([1, 2, 3])), "");
});

const PARAMETERS = {prompt: "grass", negative: "blurry"};
const MADE = {
    version: 4,
    enabled: true,
    method: "latent_couple",
    base: {joined: true},
    regions: [
        {box: [0, 0, 0.5, 1], prompt: "a"},
        {box: [0.5, 0, 1, 1], prompt: "b"},
    ],
};

test("a region is made again from the picture's own settings, with another seed", () => {
    const state = R.setField(R.fromJson(MADE), "regions[1].prompt", "c");
    const again = againSettings(state, 1, MADE, PARAMETERS, 77);
    assert.equal(again.method, "repaint");
    assert.deepEqual(again.options.repaint.regions, [1]);
    assert.deepEqual(again.base, {joined: true, prompt: "grass", negative: "blurry"});
    assert.deepEqual(again.options.repaint.source, {method: "latent_couple", base: again.base, regions: MADE.regions});
    assert.deepEqual([again.regions[1].prompt, again.regions[1].seed, again.regions[0].seed], ["c", 77, undefined]);
});

test("what was made again before stays as it came out", () => {
    const state = R.fromJson(MADE);
    const first = againSettings(state, 1, MADE, PARAMETERS, 77);
    const second = againSettings(state, 0, first, {prompt: "other", negative: ""}, 78);
    assert.deepEqual(second.options.repaint.regions, [0, 1]);
    assert.deepEqual(
        second.regions.map((region) => region.seed),
        [78, 77],
    );
    assert.deepEqual(second.options.repaint.source, first.options.repaint.source);
    assert.equal(againSettings(state, 1, first, PARAMETERS, 79).regions[1].seed, 79);
    const changed = {...first, options: {repaint: {source: first.options.repaint.source}}};
    assert.deepEqual(againSettings(state, 0, changed, PARAMETERS, 80).options.repaint.regions, [0, 1], "those that differ from the source");
});

test("a region's own colour goes before that of its number, and changes no picture", () => {
    assert.deepEqual(regionColour(3, "#1020F0"), [16, 32, 240]);
    assert.deepEqual([regionColour(3, null), regionColour(3, "blue")], [regionColour(3), regionColour(3)]);
    assert.equal(cssColour(0, "#000001"), "rgb(0, 0, 1)");
    assert.deepEqual(
        ["#101010", "#f0f0f0"].map((own) => textColour(0, own)),
        ["#fff", "#000"],
    );
    assert.deepEqual(regionColour(9, hexColour(4)), regionColour(4));
    const again = againSettings(R.fromJson(MADE), 1, MADE, PARAMETERS, 77);
    const named = {...again, regions: again.regions.map((region, at) => (at ? region : {...region, name: "n", colour: "#102030"}))};
    delete named.options.repaint.regions;
    assert.deepEqual(againSettings(R.fromJson(MADE), 1, named, PARAMETERS, 78).options.repaint.regions, [1]);
    const kept = R.withLayout(R.fromJson({...MADE, regions: [{...MADE.regions[0], colour: "#102030"}]}), {regions: [{box: [0, 0, 1, 1]}]});
    assert.equal(kept.regions[0].colour, "#102030");
});

test("detail is added to a region of the picture as it was made", () => {
    const state = R.setField(R.fromJson(MADE), "regions[1].prompt", "c");
    const detailed = detailSettings(state, 1, MADE, PARAMETERS);
    assert.deepEqual(detailed.regions, [MADE.regions[0], {...MADE.regions[1], detail: true}]);
    assert.deepEqual(detailed.base, {joined: true, prompt: "grass", negative: "blurry"});
    assert.deepEqual(detailSettings(R.setField(state, "regions[1].detail", {denoise: 0.7}), 1, MADE, PARAMETERS).regions[1].detail, {
        denoise: 0.7,
    });
    assert.equal(detailSettings(layout(3), 2, MADE, PARAMETERS), null);
    assert.equal(withBase({base: {prompt: "sand"}}, PARAMETERS).base.prompt, "sand");
});

test("an edit's source is the picture's layout, its sampler one that edits have", () => {
    const source = R.sourceOfSettings({...MADE, options: {x: 1}});
    assert.deepEqual(Object.keys(source).sort(), ["base", "regions"]);
    const locked = R.lockSource(R.fromJson({...MADE, regions: []}), source);
    assert.equal(locked.method, "mrgd");
    assert.deepEqual(R.sourceOf(locked), source);
    assert.deepEqual(["ddim", "Euler", "Euler a", null].map(R.editSampler), ["DDIM", "Euler", "Euler", "Euler"]);
});

// ---------------------------------------------------------------- groups

/** Prompts in the order of the list, with brackets around groups. */
const listed = (state) =>
    R.listBlocks(state)
        .map(({group, indices}) => {
            const words = indices.map((index) => state.regions[index].prompt).join("");
            return group ? `[${words}]` : words;
        })
        .join("");
const ids = (state, ...indices) => indices.map((index) => state.regions[index]._id);
const on = (state) => state.regions.map((region) => (region.enabled ? region.prompt : "-")).join("");

test("the regions of a group stand together, and layers of a group follow one another", () => {
    const plain = layout(4);
    const grouped = R.setGroup(plain, ids(plain, 0, 2), "pair");
    assert.equal(listed(grouped), "[ac]bd");
    assert.equal(prompts(grouped), "abcd", "without layers the order of the regions stays");
    const layers = layout(4, {overlap: "over"});
    const stacked = R.setGroup(layers, ids(layers, 0, 2), "pair");
    assert.equal(listed(stacked), "d[ca]b");
    assert.deepEqual(
        stacked.regions.map(({prompt, priority}) => `${prompt}${priority}`),
        ["b0", "a1", "c2", "d3"],
        "what the list shows is what covers",
    );
    const grid = R.fromJson({version: 2, grid: {ratios: "1,1,1"}, regions: ["a", "b", "c"].map((prompt) => ({prompt}))});
    assert.equal(prompts(R.setGroup(grid, ids(grid, 0, 2), "pair")), "abc", "cells keep their texts");
});

test("regions move within their group, groups and others past one another", () => {
    const state = layout(4);
    const four = R.setGroup(state, ids(state, 1, 2), "pair");
    assert.equal(listed(four), "a[bc]d");
    assert.equal(listed(R.moveInList(four, 0, 1)), "[bc]ad", "past the whole group");
    assert.equal(listed(R.moveInList(four, 1, 1)), "a[cb]d");
    assert.equal(listed(R.moveInList(four, 2, Infinity)), "a[bc]d", "it stays in its group");
    assert.equal(listed(R.moveGroup(four, "pair", -1)), "[bc]ad");
    assert.equal(listed(R.placeGroup(four, "pair", 3)), "ad[bc]");
    assert.equal(listed(R.reorder(four, 3, 1)), "a[dbc]", "dropped on a region of a group it joins the group");
    assert.equal(listed(R.reorder(four, 2, 0)), "ca[b]d", "and leaves it on one without");
    const grid = R.fromJson({version: 2, grid: {ratios: "1,1,1"}, regions: ["a", "b", "c"].map((prompt) => ({prompt}))});
    const cells = R.setGroup(grid, ids(grid, 0, 2), "pair");
    assert.equal(R.moveGroup(cells, "pair", 1), cells);
    assert.equal(prompts(R.moveInList(cells, 0, 1)), "bac", "in a grid by cells");
});

test("a group is muted and comes back as it was, and one group can be alone", () => {
    const plain = layout(4);
    const one = R.setGroup(plain, ids(plain, 0, 1, 2), "g");
    const given = {...one, regions: one.regions.map((region, i) => (i === 1 ? {...region, enabled: false} : region))};
    const muted = R.muteGroup(given, "g");
    assert.equal(on(muted), "---d");
    assert.equal(R.isGroupMuted(muted, "g"), true);
    assert.equal(on(R.muteGroup(muted, "g")), "a-cd");
    assert.equal(on(R.muteGroup(R.fromJson(R.toJson(muted)), "g")), "abcd", "settings hold that they are off, not since when");
    const alone = R.soloGroup(given, "g");
    assert.equal(on(alone), "abc-");
    assert.equal(on(R.soloGroup(alone, "g")), "a-cd");
});

test("what a page knows of its regions outlasts a reload: a muted group, what stands alone, locks", () => {
    const plain = layout(4);
    const one = R.setGroup(plain, ids(plain, 0, 1, 2), "g");
    const given = {...one, regions: one.regions.map((region, i) => (i === 1 ? {...region, enabled: false} : {...region, _lock: i === 3}))};
    const reloaded = (state) => R.withKept(R.parse(R.serialize(state)), JSON.parse(JSON.stringify(R.keptOf(state))));
    const muted = reloaded(R.muteGroup(given, "g"));
    assert.equal(on(muted), "---d");
    assert.equal(on(R.muteGroup(muted, "g")), "a-cd");
    assert.deepEqual(
        muted.regions.map((region) => Boolean(region._lock)),
        [false, false, false, true],
    );
    assert.equal(on(R.soloGroup(reloaded(R.soloGroup(given, "g")), "g")), "a-cd");
    assert.equal(on(R.solo(reloaded(R.solo(given, 3)), 3)), "a-cd");
    assert.equal(JSON.stringify(R.toJson(muted)), JSON.stringify(R.toJson(R.muteGroup(given, "g"))), "the settings hold none of it");

    const byHand = {...muted, regions: muted.regions.map((region, i) => (i ? region : R.withSwitch(region, "enabled", false)))};
    assert.equal(on(R.muteGroup(byHand, "g")), "--cd", "a region's own eye was used last");
    for (const damaged of [null, {}, {muted: [true]}, {solo: {of: 9, were: [1]}}, {locked: "xxxx", muted: 7, solo: 3, numbers: "1"}]) {
        assert.equal(on(R.muteGroup(R.withKept(R.parse(R.serialize(muted)), damaged), "g")), "abcd");
    }
});

test("groups have names of their own, and go with the settings", () => {
    const plain = layout(3);
    const {state, name} = R.newGroup(plain, ids(plain, 0), "Group");
    const second = R.newGroup(state, ids(state, 2), "Group");
    assert.deepEqual([name, second.name, R.groupNames(second.state)], ["Group 1", "Group 2", ["Group 1", "Group 2"]]);
    assert.deepEqual(
        R.toJson(second.state).regions.map((region) => region.group),
        ["Group 1", undefined, "Group 2"],
    );
    assert.deepEqual(R.groupNames(R.renameGroup(second.state, "Group 2", " hats ")), ["Group 1", "hats"]);
    assert.equal(R.renameGroup(second.state, "Group 2", "  "), second.state, "an empty name leaves it");
    assert.equal(R.wholeGroup(second.state, new Set(ids(second.state, 2))), "", "one region alone is a region");
    const both = R.renameGroup(second.state, "Group 2", "Group 1");
    assert.equal(R.wholeGroup(both, new Set(ids(both, 0, 2))), "Group 1");
    assert.equal(R.wholeGroup(both, new Set(ids(both, 0))), "");
});
