import test from "node:test";
import assert from "node:assert/strict";
import * as R from "./load.js";
import {readFileSync} from "node:fs";

const cases = JSON.parse(readFileSync(new URL("./cases.json", import.meta.url), "utf8"));

const plain = (state) => R.toJson(state);

function sameBoxes(actual, expected) {
    assert.equal(actual.length, expected.length);
    actual.flat().forEach((value, i) => assert.ok(Math.abs(value - expected.flat()[i]) <= 0.51e-4, `${actual} is not ${expected}`));
}

test("an empty text is an untouched panel: off, two columns, no text", () => {
    const state = R.parse("");
    assert.equal(R.isUntouched(state), true);
    assert.deepEqual(plain(state), {
        version: 4,
        enabled: false,
        method: "attention_couple",
        regions: [{}, {}],
        grid: {ratios: "1,1", direction: "columns"},
        base: {joined: true},
        options: {attention_couple: {isolate_until: 0.3, local_until: 0.6}},
    });
});

test("JSON comes back as it was, short and with unknown keys kept", () => {
    const settings = {
        version: 4,
        enabled: true,
        method: "attention_couple",
        regions: [
            {box: [0, 0, 0.5, 1], prompt: "a", weight: 2, steps: [0, 0.5]},
            {
                polygon: [
                    [0.5, 0],
                    [1, 0],
                    [1, 1],
                ],
            },
            {mask: "rle:1x1:AA"},
            {colour: "?"},
        ],
        base: {prompt: ""},
        common: "c",
        overlap: "over",
        text_from: "break",
        options: {attention_couple: {cache: false}},
        surprise: 1,
    };
    assert.deepEqual(plain(R.parse(JSON.stringify(settings))), settings);
});

test("an edit of versions 1 and 2 keeps the rest with the paper's weight, one of version 3 is as it comes", () => {
    const source = {regions: []};
    const weightOf = (version, mrgd) => R.fromJson({version, method: "mrgd", regions: [], options: {mrgd}}).options.mrgd?.lambda_ip;
    for (const version of [undefined, 1, 2]) {
        assert.equal(weightOf(version, {source}), 300);
        assert.equal(weightOf(version, {source, lambda_ip: 50}), 50);
        assert.equal(weightOf(version, {tau: 0.4}), undefined);
    }
    assert.equal(weightOf(3, {source}), undefined);
});

test("until version 3 an edit has attention control beside the lock, and its joined prediction takes part from the first step", () => {
    const read = (version, settings) => R.fromJson({version, regions: [], ...settings}).options.mrgd;
    const source = {regions: []};
    for (const version of [undefined, 1, 2, 3]) {
        const edit = read(version, {method: "mrgd", options: {mrgd: {source}}});
        assert.deepEqual([edit.t_total, edit.lock_control], [0, true]);
        const named = read(version, {method: "mrgd", options: {mrgd: {source, t_total: 0.5, lock_control: false}}});
        assert.deepEqual([named.t_total, named.lock_control], [0.5, false]);
        assert.deepEqual({...read(version, {method: "mrgd"})}, {t_total: 0});
        assert.equal(read(version, {method: "attention_couple"}), undefined);
    }
    assert.deepEqual(Object.keys(read(4, {method: "mrgd", options: {mrgd: {source}}})), ["source"]);
});

test("an edit of version 1 has no lock, one of version 2 is as it comes", () => {
    const source = {regions: []};
    const lockOf = (settings) => R.fromJson({enabled: true, method: "mrgd", regions: [], ...settings}).options.mrgd?.lock;
    assert.equal(lockOf({version: 1, options: {mrgd: {source}}}), false);
    assert.equal(lockOf({options: {mrgd: {source}}}), false);
    assert.equal(lockOf({version: 1, options: {mrgd: {source, lock: true}}}), true);
    assert.equal(lockOf({version: 2, options: {mrgd: {source}}}), undefined);
    assert.equal(lockOf({version: 3, options: {mrgd: {source}}}), undefined);
    assert.equal(lockOf({version: 1}), undefined);
    assert.equal(R.fromJson({version: 1, regions: []}).version, 4);
    assert.equal(R.fromJson({version: 9, regions: []}).version, 9);
});

test("defaults that are written out vanish", () => {
    const long = {
        enabled: true,
        version: 1,
        method: "attention_couple",
        overlap: "blend",
        grid: null,
        base: {prompt: null, negative: null},
        common: "",
        text_from: "regions",
        options: {},
        regions: [
            {
                box: [0, 0, 1, 1],
                weight: 1.0,
                base_share: 0,
                feather: 0.05,
                priority: 0,
                steps: [0, 1],
                enabled: true,
                name: "",
                negative: "",
            },
        ],
    };
    assert.deepEqual(plain(R.fromJson(long)), {version: 4, enabled: true, method: "attention_couple", regions: [{box: [0, 0, 1, 1]}]});
});

for (const text of ["{", "[]", "null", "3", '"x"']) {
    test(`no settings: ${text}`, () => assert.throws(() => R.parse(text), /regional settings/i));
}

for (const [text, value] of [
    ["1", 1],
    ["0,5", 0.5],
    [" .25 ", 0.25],
    ["-1", -1],
    ["1e-2", 0.01],
    ["", undefined],
    ["abc", "abc"],
    ["1 2", "1 2"],
    ["0x10", "0x10"],
    ["Infinity", "Infinity"],
]) {
    test(`number field ${JSON.stringify(text)}`, () => assert.deepEqual(R.parseNumber(text), value));
}

test("points come back as they were", () => {
    assert.deepEqual(R.parsePoints("0 0\n1, 0.5; 0 1\n"), [
        [0, 0],
        [1, 0.5],
        [0, 1],
    ]);
    assert.deepEqual(
        R.parsePoints(
            R.formatPoints([
                [0, 0],
                [0.25, 1],
            ]),
        ),
        [
            [0, 0],
            [0.25, 1],
        ],
    );
    assert.deepEqual(R.parsePoints("0 x"), [[0, "x"]]);
});

test("fields are set without touching the old state", () => {
    const before = R.emptyState();
    const after = R.setField(before, "regions[1].steps[0]", 0.25);
    assert.deepEqual(after.regions[1].steps, [0.25, 1]);
    assert.deepEqual(before.regions[1].steps, [0, 1]);
    assert.equal(R.getField(after, "regions[1].steps[0]"), 0.25);
    assert.equal(R.getField(after, "regions[7].steps[0]"), undefined);
    assert.equal("weight" in plain(R.setField(after, "regions[0].weight", undefined)).regions[0], false);
});

test("colours are those of the server", () => {
    assert.deepEqual(
        cases.palette.map((_, i) => R.regionColour(i)),
        cases.palette,
    );
    assert.match(R.cssColour(0), /^rgb\(\d+, \d+, \d+\)$/);
});

for (const {ratios, direction, boxes, error} of cases.grid) {
    test(`grid ${JSON.stringify(ratios)} in ${direction}`, () => {
        if (error) assert.throws(() => R.gridBoxes({ratios, direction}));
        else sameBoxes(R.gridBoxes({ratios, direction}), boxes);
    });
    if (!error) {
        test(`grid ${JSON.stringify(ratios)} in ${direction} written again has the same boxes`, () => {
            const again = R.formatGrid(R.parseGrid(ratios, direction), direction);
            sameBoxes(R.gridBoxes({ratios: again, direction}), boxes);
        });
    }
}

for (const {text, mode, parts, error} of cases.split) {
    test(`split ${JSON.stringify(text)} by ${mode}`, () => {
        if (error) return assert.throws(() => R.splitPrompt(text, mode), /keys of the prompt/);
        const {joined, ...expected} = parts;
        assert.deepEqual(R.splitPrompt(text, mode), expected);
        assert.equal(R.joinedParts(R.splitPrompt(text, mode)), joined);
        return undefined;
    });
}

test("regions and cells of a grid are added, copied and removed together", () => {
    let state = R.addRegion(R.emptyState());
    assert.equal(state.grid.ratios, "1,1,1");
    state = R.setGrid(state, {ratios: "1,1;2,1,3"});
    state = R.setField(state, "regions[2].prompt", "c");
    state = R.duplicateRegion(state, 2);
    assert.equal(state.grid.ratios, "1;2,1,3,3");
    assert.deepEqual(
        state.regions.map((region) => region.prompt),
        ["", "", "c", "c"],
    );
    assert.notEqual(state.regions[2]._id, state.regions[3]._id);
    state = R.removeRegion(state, 0);
    assert.equal(state.grid.ratios, "1,3,3");
    state = R.removeRegion(R.removeRegion(state, 0), 0);
    assert.equal(R.canRemove(state), false);
});

test("typing a grid adds regions and takes only untouched ones away", () => {
    let state = R.setGrid(R.emptyState(), {ratios: "1,1,1,1"});
    assert.equal(state.regions.length, 4);
    state = R.setField(state, "regions[2].prompt", "kept");
    state = R.setGrid(state, {ratios: "1,1"});
    assert.equal(state.regions.length, 3);
    assert.equal(R.setGrid(state, {ratios: "1,"}).regions.length, 3);
    assert.equal(R.cellCount(R.setGrid(state, {ratios: "1,"})), null);
});

test("grid to free shapes and back loses nothing", () => {
    const free = R.useShapes(R.setGrid(R.emptyState(), {ratios: "1,3", direction: "rows"}));
    assert.deepEqual(plain(free).regions, [{box: [0, 0, 1, 0.25]}, {box: [0, 0.25, 1, 1]}]);
    assert.equal("grid" in plain(free), false);
    const round = R.setShapeKind(free, 1, "ellipse");
    const grid = R.useGrid(round);
    assert.deepEqual(plain(grid).grid, {ratios: "1,3", direction: "rows"});
    assert.deepEqual(plain(grid).regions, [{}, {}]);
    assert.deepEqual(plain(R.useShapes(grid)), plain(round));
    assert.deepEqual(plain(R.useShapes(R.setGrid(grid, {ratios: "1,1"}))).regions[1], {box: [0, 0.5, 1, 1]});
});

test("a shape of another kind lies where the old one was", () => {
    let state = R.fromJson({enabled: true, regions: [{box: [0.1, 0.2, 0.5, 0.6], prompt: "p"}]});
    state = R.setShapeKind(state, 0, "polygon");
    assert.deepEqual(plain(state).regions[0], {
        polygon: [
            [0.1, 0.2],
            [0.5, 0.2],
            [0.5, 0.6],
            [0.1, 0.6],
        ],
        prompt: "p",
    });
    state = R.setField(R.setShapeKind(state, 0, "mask"), "regions[0].mask", "data:image/png;base64,x");
    state = R.setShapeKind(R.setShapeKind(state, 0, "box"), 0, "mask");
    assert.equal(state.regions[0].mask, "data:image/png;base64,x");
});

test("bounds of nonsense are the whole canvas", () => {
    for (const region of [{}, {box: [0, "x", 1, 1]}, {polygon: []}, {polygon: [[0, 0], [1]]}, {mask: ""}]) {
        assert.deepEqual(R.shapeBounds(region), [0, 0, 1, 1]);
    }
});

test("regions move within the list", () => {
    const state = R.setField(R.emptyState(), "regions[0].prompt", "a");
    assert.equal(R.moveInList(state, 0, 1).regions[1].prompt, "a");
    assert.equal(R.moveInList(state, 0, -1), state);
    assert.equal(R.moveInList(state, 1, 1), state);
});

test("the store notifies its subscribers once per change", () => {
    const store = R.createStore(R.emptyState());
    const seen = [];
    const stop = store.subscribe((state, origin) => seen.push([state.enabled, origin]));
    store.update((state) => R.setField(state, "enabled", true), "field");
    store.set(store.get(), "field");
    stop();
    store.update((state) => R.setField(state, "enabled", false), "field");
    assert.deepEqual(seen, [[true, "field"]]);
});

const imports = [
    ["parts at BREAK fill the columns", "", "red BREAK blue", "", {texts: ["red", "blue"], base: "red, blue", grid: "1,1"}],
    ["more parts widen the grid", "", "a BREAK b BREAK c", "", {texts: ["a", "b", "c"], base: "a, b, c", grid: "1,1,1"}],
    [
        "ADDROW and ADDCOL draw the grid",
        "",
        "a ADDCOL b ADDROW c ADDCOL d",
        "",
        {texts: ["a", "b", "c", "d"], base: "a, b, c, d", grid: "1,1,1;1,1,1"},
    ],
    ["ADDROW alone makes rows", "", "a ADDROW b", "", {texts: ["a", "b"], base: "a, b", grid: "1,1", direction: "rows"}],
    [
        "common and base are taken",
        "",
        "best ADDCOMM park ADDBASE a BREAK b",
        "",
        {texts: ["a", "b"], base: "best, park", common: "best", grid: "1,1"},
    ],
    ["AND brings its weights", "", "a AND b:0.5", "", {texts: ["a", "b"], base: "a, b", grid: "1,1", weights: [1, 0.5]}],
    ["lines", "", "a\nb\n", "", {texts: ["a", "b"], base: "a, b", grid: "1,1"}],
    [
        "a negative of as many parts is dealt out",
        "",
        "a BREAK b",
        "x BREAK y",
        {texts: ["a", "b"], base: "a, b", grid: "1,1", negatives: ["x", "y"], baseNegative: ""},
    ],
    [
        "a negative of one part stays",
        "",
        "a BREAK b",
        "ugly",
        {texts: ["a", "b"], base: "a, b", grid: "1,1", negatives: ["", ""], baseNegative: null},
    ],
];
for (const [name, start, prompt, negative, expected] of imports) {
    test(`import: ${name}`, () => {
        const {state, notes} = R.importPrompt(R.parse(start), prompt, negative);
        assert.deepEqual(
            state.regions.map((region) => region.prompt),
            expected.texts,
        );
        assert.equal(state.base.prompt, expected.base);
        assert.equal(state.common, expected.common || "");
        assert.deepEqual(state.grid, {ratios: expected.grid, direction: expected.direction || "columns"});
        if (expected.weights) {
            assert.deepEqual(
                state.regions.map((region) => region.weight),
                expected.weights,
            );
        }
        if (expected.negatives) {
            assert.deepEqual(
                state.regions.map((region) => region.negative),
                expected.negatives,
            );
            assert.equal(state.base.negative, expected.baseNegative);
        }
        assert.equal(state.text_from, "regions");
        assert.match(notes[0], /Split the main prompt/);
    });
}

test("import: nothing to split is said and changes nothing", () => {
    const before = R.emptyState();
    for (const prompt of ["", "a plain prompt", "a ADDBASE b ADDCOMM c"]) {
        const {state, notes} = R.importPrompt(before, prompt, "");
        assert.equal(state, before);
        assert.equal(notes.length, 1);
    }
});

test("import: free shapes keep their places and new ones are named", () => {
    const {state, notes} = R.importPrompt(R.fromJson({enabled: true, regions: [{box: [0, 0, 0.5, 1]}]}), "a BREAK b", "");
    assert.deepEqual(
        plain(state).regions.map((region) => region.box),
        [
            [0, 0, 0.5, 1],
            [0.25, 0.25, 0.75, 0.75],
        ],
    );
    assert.ok(notes.some((text) => /new/.test(text)));
});

test("the line about the panel", () => {
    assert.equal(R.summary(R.emptyState()), "off");
    assert.equal(R.summary(R.fromJson({enabled: true, regions: [{}, {enabled: false}]})), "on, 1 region");
});

test("the name of attention maps goes with one request and never kept", () => {
    const state = R.fromJson({enabled: true, attention_maps: "mine", regions: [{box: [0, 0, 1, 1]}]});
    assert.equal("attention_maps" in R.toJson(state), false);
    assert.equal(JSON.parse(R.serialize(state, {attention_maps: "yours"})).attention_maps, "yours");
    assert.equal(R.serialize(R.parse(R.serialize(state, {attention_maps: "yours"}))), R.serialize(state));
});

test("settings that a picture's text does not give are an error in words", () => {
    assert.throws(() => R.parse('{"unreadable": "cut off"}'), /cut off/);
});

test("empty options and an empty base say nothing", () => {
    assert.deepEqual(R.toJson(R.fromJson({enabled: false, options: {attention_couple: {}}, base: {}})), {
        version: 4,
        enabled: false,
        method: "attention_couple",
        regions: [],
    });
});

test("a shape that the server draws has a text of its own, and moves by its points", () => {
    const region = R.makeRegion({procedural: {kind: "linear", from: [0.1, 0.2], to: [0.5, 0.2]}});
    const text = R.maskText(region);
    assert.equal(text, 'shape:{"procedural":{"kind":"linear","from":[0.1,0.2],"to":[0.5,0.2]}}');
    assert.equal(R.maskText({...region, prompt: "other"}), text);
    assert.equal(R.maskText({mask: "rle:1x1:255*1"}), "rle:1x1:255*1");
    assert.equal(R.maskText({box: [0, 0, 1, 1]}), undefined);
    assert.equal(R.maskText({combined: "damaged"}), "");
    const moved = R.mapShape(
        region,
        (x) => x + 0.25,
        (y) => y,
    );
    assert.deepEqual(moved.procedural, {kind: "linear", from: [0.35, 0.2], to: [0.75, 0.2]});
    assert.deepEqual(R.shapeBounds(region), [0, 0, 1, 1]);
    assert.ok(R.contains(region, 0.5, 0.5, () => 200) && !R.contains(region, 0.5, 0.5, () => 3));
});

test("a reference has what its inputs write one by one, and goes away whole", () => {
    const image = "data:image/png;base64,AAAA";
    const settings = {enabled: true, regions: [{box: [0, 0, 1, 1], reference: {image, model: "a.bin"}}, {box: [0, 0, 1, 1]}]};
    let state = R.parse(JSON.stringify(settings));
    assert.deepEqual(state.regions[0].reference, {image, model: "a.bin", weight: 1, steps: [0, 1]});
    state = R.setField(state, "regions[0].reference.steps[0]", 0.2);
    assert.deepEqual(plain(state).regions[0].reference.steps, [0.2, 1]);
    assert.equal("reference" in plain(R.setField(state, "regions[0].reference", null)).regions[1], false);
});

test("words are a shape in either writing, and a mask that was found for them does not move along", () => {
    const region = R.makeRegion({words: "hat"});
    assert.deepEqual(region.words, {text: "hat"});
    assert.equal(R.shapeKind(region), "words");
    const found = R.makeRegion({words: {text: "hat", threshold: 0.5, found: "rle:2x1:0,255"}});
    const moved = R.mapShape(
        found,
        (x) => 1 - x,
        (y) => y,
    );
    assert.deepEqual(JSON.parse(JSON.stringify(moved.words)), {text: "hat", threshold: 0.5});
    assert.equal(R.maskText(found), 'shape:{"words":{"text":"hat","threshold":0.5,"found":"rle:2x1:0,255"}}');
});
