import test from "node:test";
import assert from "node:assert/strict";
import * as R from "./load.js";
import {apiCall, CALL_KINDS} from "../../javascript/src/model/words/api_call.js";
import {backgroundMode, inheritShare, setBackgroundMode, withShare} from "../../javascript/src/model/prompt/background.js";
import {firstWords, generalWarnings, helpWords, panelWords, ranges, regionWarnings} from "../../javascript/src/model/words/messages.js";
import {switchedOn} from "../../javascript/src/model/store.js";

const shares = (state) => state.regions.map((region) => region.base_share);

test("a new layout joins the main prompt to every region's, saved ones keep what they meant", () => {
    assert.equal(backgroundMode(R.emptyState()), "joined");
    assert.deepEqual(R.toJson(R.emptyState()).base, {joined: true});
    for (const version of [1, 2]) assert.equal(backgroundMode(R.parse(JSON.stringify({version, enabled: true, regions: [{}]}))), "apart");
});

test("the ways in which the main prompt acts are distinguished and set", () => {
    const state = R.emptyState();
    const shared = setBackgroundMode(state, "shared");
    assert.equal(backgroundMode(shared), "shared");
    assert.deepEqual(shares(shared), [0.2, 0.2]);
    assert.deepEqual(shares(setBackgroundMode(withShare(shared, 0.5), "joined")), [0, 0]);
    assert.equal(backgroundMode(setBackgroundMode(shared, "apart")), "apart");
    const own = R.setField(setBackgroundMode(state, "apart"), "regions[0].base_share", 0.7);
    assert.equal(backgroundMode(own), "own");
    assert.deepEqual(shares(setBackgroundMode(own, "joined")), [0.7, 0]);
});

test("a new region gets the share that all others have", () => {
    const shared = setBackgroundMode(R.emptyState(), "shared");
    assert.deepEqual(shares(inheritShare(shared, R.addRegion(shared))), [0.2, 0.2, 0.2]);
    const apart = setBackgroundMode(shared, "apart");
    assert.deepEqual(shares(inheritShare(apart, R.addRegion(apart))), [0, 0, 0]);
});

test("work on regions switches on, taking away does not", () => {
    const off = R.emptyState();
    const on = (next) => switchedOn(off, next).enabled;
    assert.equal(on(R.setField(off, "regions[0].prompt", "a")), true);
    assert.equal(on(R.useShapes(off)), true);
    assert.equal(on(R.setGrid(off, {ratios: "1,1,1"})), true);
    assert.equal(on(R.removeRegion(off, 1)), false);
    assert.equal(on(R.setField(off, "regions[0].weight", 2)), false);
    assert.equal(on(R.setField(off, "common", "x")), false);
    const written = R.setField(off, "regions[0].prompt", "a");
    assert.equal(switchedOn(written, R.setField(written, "regions[0].prompt", "")).enabled, false);
});

test("a split divides the cell alone", () => {
    const split = (ratios, direction, index, axis) => {
        const state = R.fromJson({
            enabled: true,
            grid: {ratios, direction},
            regions: Array(R.cellCount({grid: {ratios, direction}})).fill({prompt: "a"}),
        });
        return R.splitCell(state, index, axis);
    };
    const boxes = (state) => (state.grid ? R.gridBoxes(state.grid) : state.regions.map((region) => region.box));
    const flipped = split("1,2,1", "columns", 1, "y");
    assert.deepEqual(flipped.grid, {ratios: "1,2;1;1,1", direction: "rows"});
    assert.deepEqual(boxes(flipped), [
        [0, 0, 0.25, 1],
        [0.25, 0, 0.75, 0.5],
        [0.25, 0.5, 0.75, 1],
        [0.75, 0, 1, 1],
    ]);
    assert.deepEqual(
        flipped.regions.map((region) => region.prompt),
        ["a", "a", "", "a"],
    );
    assert.equal(split("1,1", "rows", 0, "x").regions.length, 3);
    assert.equal(boxes(split("1,1;2,1,1", "columns", 0, "y")).length, 4);
    const nested = split("1,1,1;1,1,1", "columns", 1, "y");
    assert.equal(nested.grid, null);
    assert.deepEqual(boxes(nested)[1], [0.5, 0, 1, 0.25]);
    assert.deepEqual(boxes(nested)[2], [0.5, 0.25, 1, 0.5]);
    assert.equal(nested.regions.length, 5);
});

test("what is pasted lies beside what is there", () => {
    const state = R.fromJson({enabled: true, regions: [{box: [0.1, 0.1, 0.4, 0.4]}]});
    const twice = R.addRegions(R.addRegions(state, [R.makeRegion({box: [0.1, 0.1, 0.4, 0.4]})]), [
        R.makeRegion({box: [0.1, 0.1, 0.4, 0.4]}),
    ]);
    assert.deepEqual(
        twice.regions.map((region) => region.box[0]),
        [0.1, 0.14, 0.18],
    );
});

test("a malformed ratio string is named", () => {
    assert.match(R.ratiosFault("1,,", "columns"), /not a size/);
    assert.equal(R.ratiosFault("1,2;1", "columns"), "");
    assert.match(R.ratiosFault(Array(300).fill(1).join(), "columns"), /at most 256/);
});

test("steps are counted from 1", () => {
    assert.deepEqual(R.stepSpan([0, 1], 20), [1, 20]);
    assert.deepEqual(R.stepSpan([0.2, 0.5], 20), [5, 10]);
    assert.equal(R.stepSpan([0.51, 0.52], 10), null);
    assert.equal(R.stepSpan(["x", 1], 10), null);
});

test("a warning of many regions is one line, one of few stands in their cards", () => {
    const no = (n) => `Region ${n} has no prompt: the base's acts there, "a".`;
    const warnings = [no(1), no(2), no(3), no(7), 'Region 4 ("x") has an empty mask: nothing is inside.', "The canvas is small."];
    assert.deepEqual(generalWarnings(warnings), [
        "The canvas is small.",
        'Regions 1 to 3, 7: each has no prompt: the base\'s acts there, "a".',
    ]);
    assert.deepEqual([...regionWarnings(warnings)], [[3, ["has an empty mask: nothing is inside."]]]);
    assert.equal(ranges([1, 2, 4, 5, 6, 10]), "1, 2, 4 to 6, 10");
});

test("sentences of the server use the panel's words", () => {
    const text = 'text_from "break" splits the prompt into 3 parts, but there are 2 regions.';
    assert.equal(panelWords(text), "The main prompt has 3 parts for 2 regions.");
    assert.equal(panelWords("Region 1: base_share must be 1 or less, got 2."), "Region 1: Base share must be 1 or less, got 2.");
    assert.equal(firstWords("a  <lora:x:1>\nred circle"), "a red circle");
});

test("descriptions of fields use the panel's words", () => {
    assert.equal(
        helpWords("CFG scale of the region alone; null is the picture's."),
        "CFG scale of the region alone; empty: the picture's.",
    );
    assert.equal(helpWords("Number of the ControlNet unit, from 0; null for none."), "Number of the ControlNet unit, from 0.");
    assert.equal(
        helpWords("Strength, 0 keeps its pixels; null as options.collage has it."),
        "Strength, 0 keeps its pixels; empty: as the options have it.",
    );
    const reference =
        "By an IP-Adapter: an object with image (data URL), steps ([0, 1]) and model (null: the first that fits); null for none.";
    assert.equal(helpWords(reference), "By an IP-Adapter.");
});

test("the API call holds what the page shows, in every language", () => {
    const page = {prompt: "it's grass", steps: 4, seed: undefined};
    const settings = {version: 2, enabled: true, regions: [{prompt: 'a "red" circle'}]};
    const wanted = {prompt: "it's grass", steps: 4, alwayson_scripts: {Regional: {args: [settings]}}};
    assert.deepEqual(CALL_KINDS, ["curl", "Python", "JavaScript"]);
    for (const kind of CALL_KINDS) {
        const text = apiCall(kind, "http://host", {page, settings});
        const json = text.slice(
            text.indexOf(
                kind === "JavaScript" ? "stringify(" : "{",
                kind === "JavaScript" ? 0 : text.indexOf(kind === "curl" ? "JSON'" : "r'''"),
            ),
        );
        const body = json.slice(json.indexOf("{"), json.lastIndexOf("}", kind === "JavaScript" ? json.indexOf("),\n}") : undefined) + 1);
        assert.deepEqual(JSON.parse(body), wanted, kind);
    }
});
