// The host's networks as pickers and prompts name them.
import assert from "node:assert/strict";
import test from "node:test";
import {completed, embeddingAt} from "../../javascript/src/model/prompt/completion.js";
import * as R from "./load.js";

test("a search finds the names that have all its words", () => {
    const names = ["Red hat", "hat of a cat", "blue"];
    assert.deepEqual(R.searchNames(names, " HAT "), ["Red hat", "hat of a cat"]);
    assert.deepEqual(R.searchNames(names, "cat hat"), ["hat of a cat"]);
    assert.deepEqual(R.searchNames(names, ""), names);
    assert.deepEqual(R.searchNames(names, "(hat"), []);
});

test("a name without a picture has letters", () => {
    const letters = ["red hat", "easynegative", "x", "_-", "a_very-long", "ёлка 2", "𝒜b"].map(R.firstLetters);
    assert.deepEqual(letters, ["RH", "EA", "X", "?", "AV", "Ё2", "𝒜B"]);
});

test("a network is kept apart from the words around it", () => {
    assert.equal(R.nameInPrompt("loras", "red hat"), "<lora:red hat:1>");
    assert.equal(R.nameInPrompt("embeddings", "ring"), "ring");
    assert.equal(R.spaced("", 0, "x"), "x");
    assert.equal(R.spaced("a cat", 5, "x"), " x");
    assert.equal(R.spaced("a cat", 2, "x"), "x ");
    assert.equal(R.spaced("a , b", 2, "x"), "x");
    assert.equal(R.spaced("(a)", 1, "x"), "x ");
    assert.equal(R.spaced("(a)", 2, "x"), " x");
});

test("keys move among tiles", () => {
    const to = (key, at) => R.nextTile(key, at, 8, 3);
    assert.deepEqual([to("ArrowRight", 2), to("ArrowLeft", 2), to("ArrowDown", 2), to("ArrowUp", 5)], [3, 1, 5, 2]);
    assert.deepEqual([to("ArrowUp", 1), to("ArrowLeft", 0), to("ArrowDown", 6), to("ArrowRight", 7)], [-1, 0, 7, 7]);
    assert.deepEqual([to("Home", 4), to("End", 4), to("Enter", 4), to("a", 4)], [0, 7, null, null]);
});

test("the name of an embedding is completed after three letters", () => {
    const names = ["ring", "easynegative", "Easy-2.1"];
    assert.equal(embeddingAt("ea", 2, names), null);
    assert.equal(embeddingAt("eas", 3, []), null);
    const at = embeddingAt("a (eas, b", 6, names);
    assert.deepEqual(at, {from: 3, to: 6, matches: ["Easy-2.1", "easynegative"], isWord: true});
    assert.deepEqual(completed("a (eas, b", at, "easynegative"), {text: "a (easynegative, b", caret: 15});
    assert.deepEqual(embeddingAt("easy-2.", 7, names).matches, ["Easy-2.1"]);
    assert.deepEqual(embeddingAt("uneas", 5, names).matches, [], "names begin with what is written");
    assert.equal(embeddingAt("ring", 4, names), null, "a whole name is complete");
    assert.equal(embeddingAt("easily", 3, names), null, "in the middle of a word");
    assert.equal(embeddingAt("<lora:eas", 9, names)?.from, 6, "the caller asks for tags first");
});

test("a sealed history joins nothing", () => {
    const history = R.createHistory("a");
    history.record("ab", "typing", 0);
    history.seal();
    history.record("ab <lora:x:1>", "typing", 10);
    history.seal();
    history.record("ab <lora:x:1>c", "typing", 20);
    history.record("ab <lora:x:1>cd", "typing", 30);
    assert.deepEqual([history.undo(), history.undo(), history.undo()], ["ab <lora:x:1>", "ab", "a"]);
});
