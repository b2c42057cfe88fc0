// The pure half of the editor: geometry, grids by hand, painting, PNG, history, clipboard.
import test from "node:test";
import assert from "node:assert/strict";
import zlib from "node:zlib";
import * as R from "./load.js";

const near = (actual, expected, within = 1e-6) =>
    actual.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) <= within, `${actual} is not ${expected}`));
const state = (regions, more) => R.fromJson({enabled: true, regions, ...more});
const ids = (of, ...indexes) => new Set(indexes.map((i) => of.regions[i]._id));

// ---------------------------------------------------------------- geometry

test("shapes follow the frame of the selection", () => {
    const map = R.boxMap([0, 0, 0.5, 0.5], [0.5, 0.5, 1, 0.75]);
    near(R.mapShape({box: [0, 0, 0.25, 0.5]}, ...map).box, [0.5, 0.5, 0.75, 0.75]);
    near(
        R.mapShape(
            {
                polygon: [
                    [0, 0],
                    [0.5, 0],
                    [0.25, 0.5],
                ],
            },
            ...map,
        ).polygon.flat(),
        [0.5, 0.5, 1, 0.5, 0.75, 0.75],
    );
    assert.deepEqual(R.mapShape({mask: "x"}, ...map), {mask: "x"});
});

test("a moved box keeps its size and stays inside", () => {
    near(R.shiftBox([0.2, 0.2, 0.5, 0.4], 0.9, -0.9), [0.7, 0, 1, 0.2]);
});

for (const [name, point, keep, expected] of [
    ["e", {x: 0.8, y: 0}, false, [0.2, 0.2, 0.8, 0.6]],
    ["nw", {x: 0.1, y: 0.1}, false, [0.1, 0.1, 0.6, 0.6]],
    ["w", {x: 0.9, y: 0}, false, [0.6 - 8 / 512, 0.2, 0.6, 0.6]],
    ["se", {x: 0.9, y: 0.7}, true, [0.2, 0.2, 0.7, 0.7]],
    ["s", {x: 0, y: 5}, false, [0.2, 0.2, 0.6, 1]],
]) {
    test(`handle ${name}${keep ? ", in proportion" : ""}`, () =>
        near(R.resizeBox([0.2, 0.2, 0.6, 0.6], name, point, [512, 512], keep), expected, 1e-5));
}

test("mirrors are their own inverse", () => {
    const region = {
        polygon: [
            [0.1, 0.2],
            [0.4, 0.2],
            [0.3, 0.9],
        ],
    };
    near(R.mirrorShape(region, true).polygon.flat(), [0.9, 0.2, 0.6, 0.2, 0.7, 0.9]);
    near(R.mirrorShape(R.mirrorShape(region, false), false).polygon.flat(), region.polygon.flat());
});

for (const [side, expected] of [
    ["left", [0, 0.2, 0.3, 0.4]],
    ["centre", [0.35, 0.2, 0.65, 0.4]],
    ["right", [0.7, 0.2, 1, 0.4]],
    ["top", [0.1, 0, 0.4, 0.2]],
    ["middle", [0.1, 0.4, 0.4, 0.6]],
    ["bottom", [0.1, 0.8, 0.4, 1]],
]) {
    test(`align ${side}`, () => near(R.alignBox([0.1, 0.2, 0.4, 0.4], side, [0, 0, 1, 1]), expected));
}

test("lines are nearer than the grid of 8 pixels", () => {
    const lines = R.snapLines([[0.2, 0.1, 0.6, 0.9]]);
    assert.deepEqual(R.snapValue(0.605, lines.x, 0.01, 512), {value: 0.6, line: 0.6});
    assert.deepEqual(R.snapValue(0.34, lines.x, 0.01, 512), {value: 1 / 3, line: 1 / 3});
    assert.deepEqual(R.snapValue(0.42, lines.x, 0.001, 512), {value: 216 / 512, line: null});
});

test("a moving box snaps with either side", () => {
    const lines = R.snapLines([]);
    const reach = {x: 0.02, y: 0.02};
    const {dx, dy, guides} = R.snapShift([0.1, 0.1, 0.3, 0.3], 0.195, 0.69, lines, reach, [512, 512]);
    near([dx, dy], [0.2, 0.7]);
    assert.deepEqual(guides, {x: 0.5, y: 1});
});

test("the smallest region at a point is hit, ellipses and polygons by their outline", () => {
    const s = state([
        {box: [0, 0, 1, 1]},
        {ellipse: [0.2, 0.2, 0.8, 0.8]},
        {
            polygon: [
                [0.5, 0.5],
                [0.6, 0.5],
                [0.5, 0.6],
            ],
        },
    ]);
    assert.deepEqual(
        [
            [0.05, 0.5],
            [0.23, 0.23],
            [0.5, 0.3],
            [0.52, 0.52],
            [0.59, 0.59],
        ].map(([x, y]) => R.regionAt(s, x, y)),
        [0, 0, 1, 2, 1],
    );
    assert.equal(R.regionAt(state([{box: [0, 0, 0.1, 0.1]}]), 0.5, 0.5), -1);
    assert.equal(
        R.regionAt(state([{mask: "m"}]), 0.5, 0.5, (text, x) => (x > 0.4 ? 255 : 0)),
        0,
    );
});

test("zooming keeps the point, and never leaves the picture", () => {
    const view = R.zoomView({zoom: 1, x: 0, y: 0}, 4, {x: 0.8, y: 0.4});
    near([(0.8 - view.x) * 4, (0.4 - view.y) * 4], [0.8, 0.4]);
    assert.deepEqual(R.zoomView(view, 0.01, {x: 0.5, y: 0.5}), {zoom: 1, x: 0, y: 0});
});

// ---------------------------------------------------------------- grids by hand

test("dividers lie where the cells meet", () => {
    const found = R.dividers({ratios: "1,1,3;1,1", direction: "columns"});
    assert.deepEqual(
        found.map(({axis, at, from, to}) => [axis, at, from, to]),
        [
            ["y", 0.5, 0, 1],
            ["x", 0.25, 0, 0.5],
        ],
    );
});

for (const [ratios, direction, index, position, expected] of [
    ["1,1", "columns", 0, 0.25, "0.5,1.5"],
    ["1,1", "rows", 0, 0.75, "1.5,0.5"],
    ["1,1,1", "columns", 0, 0.9, "1.94,0.06,1"],
    ["1,1,3;1,1", "columns", 0, 0.8, "1.6,1,3;0.4"],
    ["1,1,3;1,1", "columns", 1, 0.5, "1,2,2;1"],
]) {
    test(`divider ${index} of ${ratios} in ${direction} to ${position}`, () => {
        const grid = {ratios, direction};
        const moved = R.moveDivider(grid, R.dividers(grid)[index], position);
        assert.equal(moved, expected);
        if (position < 0.85) near([R.dividers({ratios: moved, direction})[index].at], [position], 1e-3);
    });
}

test("splitting and merging cells keeps regions and cells together", () => {
    let s = state([{prompt: "a"}, {prompt: "b"}], {grid: {ratios: "1,1", direction: "columns"}});
    s = R.splitCell(s, 1, "x");
    assert.equal(s.grid.ratios, "1,0.5,0.5");
    s = R.splitCell(s, 0, "y");
    assert.deepEqual(s.grid, {ratios: "1;1;1,0.5,0.5", direction: "rows"});
    assert.deepEqual(
        s.regions.map((region) => region.prompt),
        ["a", "", "b", ""],
    );
    assert.equal(R.mergeCells(s, 1), null);
    s = R.mergeCells(s, 0);
    assert.equal(s.grid.ratios, "1;2,0.5;1,0.5;1");
    assert.equal(R.cellCount(s), s.regions.length);
    const rows = state([{}, {prompt: "low"}], {grid: {ratios: "1;2", direction: "columns"}});
    assert.deepEqual(
        R.mergeCells(rows, 0).regions.map((region) => region.prompt),
        ["low"],
    );
});

// ---------------------------------------------------------------- painting

test("a stroke is the distance to its line, whatever its pieces", () => {
    const whole = R.makeMask(40, 30);
    const pieces = R.makeMask(40, 30);
    R.strokeSegment(whole, {x: 8, y: 10, r: 5}, {x: 30, y: 20, r: 5}, 0.5);
    R.strokeSegment(pieces, {x: 8, y: 10, r: 5}, {x: 19, y: 15, r: 5}, 0.5);
    R.strokeSegment(pieces, {x: 19, y: 15, r: 5}, {x: 30, y: 20, r: 5}, 0.5);
    for (let row = 0; row < 30; row++) {
        for (let column = 0; column < 40; column++) {
            let best = Infinity;
            for (let k = 0, t; k <= 2000 && ((t = k / 2000), true); k++) {
                best = Math.min(best, Math.hypot(column + 0.5 - 8 - 22 * t, row + 0.5 - 10 - 10 * t));
            }
            const expected = 255 * R.falloff(best, 5, 0.5);
            assert.ok(Math.abs(whole.data[row * 40 + column] - expected) < 2, `${column},${row}`);
            assert.ok(Math.abs(pieces.data[row * 40 + column] - whole.data[row * 40 + column]) < 2);
        }
    }
});

test("falloff goes evenly from one to none", () => {
    assert.deepEqual([R.falloff(0, 10, 0), R.falloff(9, 10, 0), R.falloff(11, 10, 0)], [1, 1, 0]);
    const values = Array.from({length: 50}, (_, i) => R.falloff(i / 5, 10, 1));
    assert.ok(values.every((value, i) => i === 0 || value <= values[i - 1]));
    assert.ok(Math.abs(R.falloff(5, 10, 1) - 0.5) < 0.02);
});

test("painting takes the greater value, erasing takes away", () => {
    const base = R.makeMask(3, 1, Uint8ClampedArray.from([0, 100, 255]));
    const cover = R.makeMask(3, 1, Uint8ClampedArray.from([50, 50, 255]));
    assert.deepEqual([...R.applyStroke(base, cover, false, R.copyMask(base)).data], [50, 100, 255]);
    assert.deepEqual([...R.applyStroke(base, cover, true, R.copyMask(base)).data], [0, 80, 0]);
});

test("the bucket fills what hangs together", () => {
    const rows = ["..#..", "..#..", "###..", "....."];
    const mask = R.makeMask(
        5,
        4,
        Uint8ClampedArray.from(
            rows
                .join("")
                .split("")
                .map((sign) => (sign === "#" ? 255 : 0)),
        ),
    );
    const filled = R.floodFill(mask, 0, 0);
    assert.deepEqual([...filled.data].map((value) => (value ? "#" : ".")).join(""), "###..###..###.......");
    assert.equal([...R.floodFill(mask, 4, 3).data].filter((value) => value === 0).length, 4);
});

test("shapes, bounds and warps of masks agree", () => {
    const mask = R.drawShape({box: [0.25, 0.5, 0.75, 1]}, 16, 8);
    near(R.maskBounds(mask), [0.25, 0.5, 0.75, 1]);
    near(R.maskBounds(R.warpMask(mask, [0, 0, 1, 1], [1, 0, 0, 1])), [0.25, 0.5, 0.75, 1]);
    near(R.maskBounds(R.warpMask(mask, [0.25, 0.5, 0.75, 1], [0, 0, 0.5, 0.5])), [0, 0, 0.5, 0.5]);
    assert.equal(R.maskBounds(R.makeMask(4, 4)), null);
    const ellipse = R.drawShape({ellipse: [0, 0, 1, 1]}, 100, 100).data.reduce((sum, value) => sum + value / 255, 0);
    assert.ok(Math.abs(ellipse / 10000 - Math.PI / 4) < 0.005);
    assert.deepEqual([...R.scaleMask(R.makeMask(4, 1, Uint8ClampedArray.from([0, 255, 255, 255])), 2, 1).data], [128, 255]);
});

test("masks have the picture's aspect and at most 512 pixels", () => {
    assert.deepEqual(R.maskSize([4096, 2048]), [512, 256]);
    assert.deepEqual(R.maskSize([128, 96]), [128, 96]);
    assert.deepEqual([...R.readRle("rle:2x2:0*3,128").data], [0, 0, 0, 128]);
    assert.equal(R.readRle("rle:2x2:0*3"), null);
});

// ---------------------------------------------------------------- PNG

/** An independent reader for the PNGs that are written here. */
function readPng(bytes) {
    const data = Buffer.from(bytes);
    const parts = [];
    let at = 8;
    let header;
    while (at < data.length) {
        const length = data.readUInt32BE(at);
        const name = data.toString("latin1", at + 4, at + 8);
        const body = data.subarray(at + 8, at + 8 + length);
        assert.equal(
            data.readUInt32BE(at + 8 + length),
            zlib.crc32 ? zlib.crc32(data.subarray(at + 4, at + 8 + length)) : data.readUInt32BE(at + 8 + length),
        );
        if (name === "IHDR") header = [body.readUInt32BE(0), body.readUInt32BE(4), body[8], body[9]];
        if (name === "IDAT") parts.push(body);
        at += 12 + length;
    }
    const [width, height, bits, colour] = header;
    const stride = Math.ceil((width * bits) / 8);
    const raw = zlib.inflateSync(Buffer.concat(parts));
    const pixels = [];
    assert.equal(colour, 0);
    const rows = [];
    for (let row = 0; row < height; row++) {
        const filter = raw[row * (stride + 1)];
        const line = [...raw.subarray(row * (stride + 1) + 1, (row + 1) * (stride + 1))];
        rows.push(line.map((value, i) => (value + (filter === 2 ? rows[row - 1][i] : 0)) & 255));
        for (let column = 0; column < width; column++) {
            pixels.push(bits === 8 ? rows[row][column] : (rows[row][column >> 3] >> (7 - (column & 7))) & 1 ? 255 : 0);
        }
    }
    return {width, height, bits, pixels};
}

for (const [name, width, height, value] of [
    ["hard", 37, 21, (i) => (i % 5 ? 255 : 0)],
    ["soft", 64, 64, (i) => i % 256],
    ["noise", 50, 40, (i) => (i * 7919 + ((i * i) % 251)) % 256],
    ["empty", 512, 512, () => 0],
    ["one pixel", 1, 1, () => 129],
    ["long runs", 512, 300, (i) => (i > 60000 ? 200 : 10)],
]) {
    test(`PNG of a mask: ${name}`, () => {
        const mask = R.makeMask(
            width,
            height,
            Uint8ClampedArray.from({length: width * height}, (_, i) => value(i)),
        );
        const {pixels, bits, ...size} = readPng(R.encodePng(mask));
        assert.deepEqual(size, {width, height});
        assert.deepEqual(pixels, [...mask.data]);
        assert.equal(bits, mask.data.every((grey) => grey === 0 || grey === 255) ? 1 : 8);
    });
}

test("a painted mask is a few kilobytes of text, its greys kept to within 4 of 255", () => {
    const mask = R.makeMask(512, 512);
    R.strokeSegment(mask, {x: 100, y: 120, r: 60}, {x: 380, y: 300, r: 40}, 0.6);
    const url = R.maskToUrl(mask);
    assert.ok(url.startsWith("data:image/png;base64,") && url.length < 8500, String(url.length));
    const {width, height, pixels} = readPng(Buffer.from(url.split(",")[1], "base64"));
    const same = R.scaleMask(mask, width, height);
    assert.ok(pixels.every((grey, i) => Math.abs(grey - same.data[i]) <= 5));
});

// ---------------------------------------------------------------- history

test("undo and redo go step by step, and typing is one step", () => {
    const history = R.createHistory("a");
    history.record("b", null, 0);
    history.record("c", "key", 1000);
    history.record("d", "key", 1500);
    history.record("e", "key", 9000);
    assert.deepEqual([history.undo(), history.undo(), history.undo(), history.undo()], ["d", "b", "a", null]);
    assert.deepEqual([history.redo(), history.canRedo()], ["b", true]);
    history.record("f");
    assert.deepEqual([history.redo(), history.canUndo(), history.undo()], [null, true, "b"]);
});

test("the history has an end", () => {
    const history = R.createHistory(0, 10);
    for (let i = 1; i < 100; i++) history.record(i);
    let steps = 0;
    while (history.undo() !== null) steps++;
    assert.equal(steps, 10);
});

// ---------------------------------------------------------------- several regions

test("locked regions are left alone", () => {
    const s = state([{box: [0, 0, 0.5, 1]}, {box: [0.5, 0, 1, 1]}]);
    s.regions[0]._lock = true;
    assert.equal(R.removeRegions(s, ids(s, 0)), s);
    assert.equal(R.removeRegions(s, ids(s, 0, 1)).regions.length, 1);
    assert.equal(
        R.changeRegions(s, ids(s, 0), () => ({})),
        s,
    );
});

test("copies lie aside and are new regions", () => {
    const s = state([{box: [0, 0, 0.5, 0.5], prompt: "p"}]);
    const {state: next, ids: made} = R.duplicateRegions(s, ids(s, 0));
    near(next.regions[1].box, [0.04, 0.04, 0.54, 0.54]);
    assert.deepEqual([...made], [next.regions[1]._id]);
});

test("solo and back", () => {
    const s = state([{prompt: "a"}, {prompt: "b", enabled: false}, {prompt: "c"}]);
    const on = (each) => each.regions.map((region) => region.enabled);
    const alone = R.solo(s, 2);
    assert.deepEqual(on(alone), [false, false, true]);
    assert.deepEqual(on(R.solo(alone, 0)), [true, false, false]);
    assert.deepEqual(on(R.solo(R.solo(alone, 0), 0)), [true, false, true]);
    assert.equal("_solo" in R.toJson(alone), false);
});

test("later regions cover where the list says so", () => {
    const s = state([{box: [0, 0, 1, 1], priority: 3}, {box: [0, 0, 0.5, 1]}], {overlap: "over"});
    assert.equal(R.onTop(s, R.makeRegion()).priority, 4);
    assert.deepEqual(
        R.reorder(s, 1, 0).regions.map((region) => [region.box[2], region.priority]),
        [
            [1, 0],
            [0.5, 1],
        ],
    );
    assert.equal(R.onTop(state([{box: [0, 0, 1, 1]}]), R.makeRegion()).priority, 0);
});

test("networks in a prompt are found", () => {
    assert.deepEqual(R.findNetworks("a <lora:x y:0.8> <lyco:z> <notes> <hypernet:h:1:2>"), [
        {kind: "lora", name: "x y", weight: "0.8"},
        {kind: "lyco", name: "z", weight: "1"},
        {kind: "hypernet", name: "h", weight: "1:2"},
    ]);
});

test("regions survive the clipboard; cells become boxes", () => {
    const s = state([{prompt: "a"}, {prompt: "b", weight: 2}], {grid: {ratios: "1,3", direction: "columns"}});
    const [pasted] = R.pasteRegions(R.copyText(s, ids(s, 1)));
    assert.deepEqual([pasted.box, pasted.prompt, pasted.weight], [[0.25, 0, 1, 1], "b", 2]);
    assert.equal(R.pasteRegions(JSON.stringify(R.toJson(s))).length, 2);
    assert.equal(R.addRegions(s, [pasted]).regions.length, 3);
});

for (const [text, says] of [
    ["", /empty/],
    ["hello", /plain text/],
    ["[{", /broken/],
    ["3", /no regions/],
    ["[]", /no regions/],
    ['[{"prompt": "a"}]', /no regions/],
    ['{"version": 7, "regions": []}', /newer/],
]) {
    test(`no regions in the clipboard: ${text}`, () => assert.throws(() => R.pasteRegions(text), says));
}

test("a layout takes places and leaves texts", () => {
    const s = state([{prompt: "a", weight: 2}, {prompt: "b"}, {prompt: "c"}], {grid: {ratios: "1,1,1", direction: "rows"}, common: "best"});
    const next = R.withLayout(s, {
        regions: [
            {name: "left", box: [0, 0, 0.5, 1]},
            {name: "right", box: [0.5, 0, 1, 1], priority: 1},
        ],
        overlap: "over",
    });
    assert.deepEqual(R.toJson(next).regions, [
        {box: [0, 0, 0.5, 1], name: "left", prompt: "a", weight: 2},
        {box: [0.5, 0, 1, 1], name: "right", priority: 1, prompt: "b"},
    ]);
    assert.deepEqual([next.grid, next.overlap, next.common], [null, "over", "best"]);
});

// ---------------------------------------------------------------- masks of all regions, prompt text

test("the palette is Regional Prompter's", () => {
    const hex = (index) =>
        `#${R.paletteColour(index)
            .map((value) => value.toString(16))
            .join("")}`;
    assert.deepEqual(
        Array.from({length: 10}, (_, i) => hex(i)),
        ["#804040", "#408080", "#608040", "#604080", "#807040", "#408050", "#405080", "#804070", "#805840", "#788040"],
    );
});

test("regions in colours and in channels", () => {
    const masks = [
        [255, 0, 90],
        [0, 200, 80],
    ].map((data) => R.makeMask(3, 1, Uint8ClampedArray.from(data)));
    assert.deepEqual([...R.colourCoded(masks)], [128, 64, 64, 255, 64, 128, 128, 255, 0, 0, 0, 255]);
    assert.deepEqual([...R.channelPacked(masks)], [255, 0, 0, 255, 0, 200, 0, 255, 90, 80, 0, 255]);
});

for (const [ratios, direction, keys] of [
    ["1,1,1", "columns", ["ADDCOL", "ADDCOL"]],
    ["1,1", "rows", ["ADDROW"]],
    ["1,1,1;2,1", "columns", ["ADDCOL", "ADDROW"]],
    ["1;1;1,2;1", "rows", ["ADDROW", "ADDCOL"]],
]) {
    test(`keys of the grid ${ratios} in ${direction}`, () => assert.deepEqual(R.gridKeys({ratios, direction}), keys));
}

test("the layout as prompt text comes back", () => {
    const s = state([{prompt: "a", negative: "x"}, {prompt: "b"}], {grid: {ratios: "1,3", direction: "columns"}, common: "best"});
    const {state: next, prompt, negative} = R.exportPrompt(s, {prompt: "park BREAK", negative: "ugly"});
    assert.equal(prompt, "best ADDCOMM\npark , ADDBASE\na\nADDCOL b");
    assert.equal(negative, "ugly ADDBASE\nx\nADDCOL ");
    const back = R.importPrompt(next, prompt, negative).state;
    assert.deepEqual(
        back.regions.map((region) => [region.prompt, region.negative]),
        [
            ["a", "x"],
            ["b", ""],
        ],
    );
    assert.deepEqual([back.grid, back.common, back.base.negative], [s.grid, "best", "ugly"]);
});

test("fields that only the server knows are left out while they hold their defaults", () => {
    R.learn({properties: {regions: {items: {properties: {cfg_test: {type: ["number", "null"], default: null}, box: {default: 1}}}}}});
    const region = R.makeRegion();
    assert.equal(region.cfg_test, null);
    assert.deepEqual(
        R.toJson(
            state([
                {cfg_test: 5, box: [0, 0, 1, 1]},
                {cfg_test: null, box: [0, 0, 1, 1]},
            ]),
        ).regions,
        [{cfg_test: 5, box: [0, 0, 1, 1]}, {box: [0, 0, 1, 1]}],
    );
    delete R.REGION_DEFAULTS.cfg_test;
});

test("a panel that begins with another method is untouched all the same", () => {
    assert.equal(R.untouchedMethod('{"enabled": false, "method": "latent_couple", "regions": []}'), "latent_couple");
    assert.deepEqual(
        [
            R.untouchedMethod(""),
            R.untouchedMethod('{"enabled": true, "regions": []}'),
            R.untouchedMethod('{"regions": [{}]}'),
            R.untouchedMethod("{"),
        ],
        ["", null, null, null],
    );
});
