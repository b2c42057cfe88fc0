// What an edit says in the state, and the difference of two pictures.
import test from "node:test";
import assert from "node:assert";
import * as R from "./load.js";

const state = () =>
    R.fromJson({
        enabled: true,
        method: "attention_couple",
        regions: [
            {box: [0, 0, 0.5, 1], prompt: "a red circle"},
            {box: [0.5, 0, 1, 1], prompt: "a blue square"},
        ],
        common: "best",
    });
const sent = (next) => JSON.parse(R.serialize(next));

test("locking makes the layout the source of a method that edits", () => {
    const next = sent(R.lockSource(state()));
    assert.equal(next.method, "mrgd");
    assert.deepEqual(next.options.mrgd.source, {
        regions: [
            {box: [0, 0, 0.5, 1], prompt: "a red circle"},
            {box: [0.5, 0, 1, 1], prompt: "a blue square"},
        ],
        common: "best",
    });
    assert.equal(sent(R.lockSource({...state(), method: "p2p"})).options.p2p.source.common, "best");
    assert.equal(next.options.mrgd.pairs, undefined);
});

test("a grid is part of the source and comes back", () => {
    const locked = R.lockSource(
        R.fromJson({enabled: true, method: "mrgd", regions: [{prompt: "a"}, {prompt: "b"}], grid: {ratios: "1,2", direction: "rows"}}),
    );
    const changed = R.backToSource({...locked, grid: null, regions: [], common: "x"});
    assert.deepEqual(sent(changed).grid, {ratios: "1,2", direction: "rows"});
    assert.deepEqual(
        changed.regions.map((region) => region.prompt),
        ["a", "b"],
    );
    assert.equal(changed.common, "");
    assert.ok(R.sourceOf(changed));
    assert.equal(R.sourceOf(R.releaseSource(changed)), null);
});

test("pairs set by hand name every region once", () => {
    let next = R.lockSource(state());
    next = R.setPair(next, 0, null);
    next = R.setPair(next, 1, 0);
    assert.deepEqual(sent(next).options.mrgd.pairs, [
        [null, 0],
        [0, 1],
    ]);
    next = R.setPair(next, 0, 0);
    assert.deepEqual(sent(next).options.mrgd.pairs, [[0, 0]]);
    assert.equal(sent(R.clearPairs(next)).options.mrgd.pairs, undefined);
});

test("keywords are lists for every region, none when all are empty", () => {
    const next = R.setKeywords(R.lockSource(state()), 1, "blue,  square");
    assert.deepEqual(sent(next).options.mrgd.keywords, [[], ["blue", "square"]]);
    assert.deepEqual(R.keywordsOf(next, 1), ["blue", "square"]);
    assert.equal(sent(R.setKeywords(next, 1, " ")).options.mrgd.keywords, undefined);
});

test("found keywords are read from an infotext", () => {
    assert.deepEqual(R.foundKeywords('Steps: 20, Regional keywords: "1: red circle; 2: blue", Seed: 5'), {0: "red circle", 1: "blue"});
    assert.deepEqual(R.foundKeywords("Steps: 20, Regional keywords: 1: red, Seed: 5"), {0: "red"});
    assert.deepEqual(R.foundKeywords("Steps: 20"), {});
});

test("the difference is strong where pictures differ and counts the pixels", () => {
    const {bytes, share} = R.pictureDifference([10, 20, 30, 255, 0, 0, 0, 255], [10, 20, 30, 255, 0, 50, 4, 255]);
    assert.deepEqual([...bytes], [0, 0, 0, 255, 0, 150, 12, 255]);
    assert.equal(share, 0.5);
    assert.equal(R.pictureDifference([], []).share, 0);
});

test("repainting: the picture's settings without what is not part of them, and the regions to make again", () => {
    const settings = {version: 2, enabled: true, method: "rag", regions: [{box: [0, 0, 1, 1]}], options: {rag: {bind: 0.4}}};
    const next = R.setRepaintSource({...state(), method: "repaint"}, settings);
    assert.deepEqual(sent(next).options.repaint.source, {
        method: "rag",
        regions: [{box: [0, 0, 1, 1]}],
        options: {rag: {bind: 0.4}},
    });
    assert.equal(R.repaintSource(next).method, "rag");
    const ticked = R.setRepainted(R.setRepainted(next, 1, true), 0, true);
    assert.deepEqual(sent(ticked).options.repaint.regions, [0, 1]);
    assert.deepEqual(R.repaintedRegions(R.setRepainted(ticked, 0, false)), [1]);
    const bare = sent(R.setRepainted(R.setRepainted(R.setRepaintSource(ticked, null), 0, false), 1, false));
    assert.deepEqual(bare.options?.repaint ?? {}, {});
});
