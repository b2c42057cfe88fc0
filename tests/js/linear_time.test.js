// Parsers of users' text take linear time: twice the text takes at most 2.5 times as long.
import test from "node:test";
import assert from "node:assert/strict";
import * as R from "./load.js";

const MOST = 2.5;
const [SHORT, LONGEST] = [4_000, 2_000_000];

const PARSERS = {
    detectMode: (text) => R.detectMode(text),
    splitPrompt: (text) => ["break", "lines", "and"].forEach((mode) => R.joinedParts(R.splitPrompt(text, mode))),
    joinTexts: (text) => R.joinTexts(text, text, text),
    importPrompt: (text) => R.importPrompt(R.parse(""), text, text),
    findNetworks: (text) => R.findNetworks(text),
    parseNumber: (text) => R.parseNumber(text),
    parsePoints: (text) => R.parsePoints(text),
    gridBoxes: (text) => R.gridBoxes({ratios: text, direction: "columns"}),
    foundKeywords: (text) => R.foundKeywords(text),
};

const PIECES = ["(", "<", "<a:", ":", "<lora:", "a", "1", " ", ",", ";", "\n", '"', "a BREAK ", "a AND ", "a:1 AND ", "a,,,,b", "1,"];
const HEADS = ["", "a:", "a BREAK ", "Regional keywords: ", 'Regional keywords: "'];
const TAILS = ["", "x", " BREAK b"];

/** Least milliseconds of processor time of some runs; what is refused counts as well. */
function milliseconds(parse, text, times) {
    let best = Infinity;
    for (let run = 0; run < times; run++) {
        const start = process.cpuUsage();
        try {
            parse(text);
        } catch (error) {
            if (!(error instanceof Error) || error instanceof RangeError) throw error;
        }
        const {user, system} = process.cpuUsage(start);
        best = Math.min(best, (user + system) / 1000);
    }
    return best;
}

/** Factor of time for twice the text, at a length that can be measured. */
function growth(parse, make) {
    let length = SHORT;
    let base = milliseconds(parse, make(length), 3);
    while (base < 8) {
        length *= 2;
        if (length > LONGEST) return 1;
        base = milliseconds(parse, make(length), 3);
    }
    let best = Infinity;
    for (let attempt = 0; attempt < 4 && best > MOST; attempt++) {
        best = Math.min(best, milliseconds(parse, make(2 * length), 5) / Math.max(base, milliseconds(parse, make(length), 3)));
    }
    return best;
}

for (const [name, parse] of Object.entries(PARSERS)) {
    test(`${name} takes linear time`, () => {
        const bad = [];
        for (const head of HEADS) {
            for (const piece of PIECES) {
                for (const tail of TAILS) {
                    const make = (length) => head + piece.repeat(length / piece.length) + tail;
                    if (milliseconds(parse, make(SHORT), 2) < 4) continue;
                    const factor = growth(parse, make);
                    if (factor > MOST) bad.push({head, piece, tail, factor});
                }
            }
        }
        assert.deepEqual(bad, []);
    });
}
