// The script that a page loads, run without one: what it leaves on `window`.
import test from "node:test";
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import vm from "node:vm";

const SCRIPT = readFileSync(new URL("../../javascript/regional.js", import.meta.url), "utf8");

/** A page that is still loading; `more` is what its host has put on `window`. */
function load(more = {}) {
    const listeners = [];
    const page = {document: {readyState: "loading", addEventListener: (kind) => listeners.push(kind)}, ...more};
    page.window = page;
    const before = new Set(Object.keys(page));
    vm.runInNewContext(SCRIPT, page);
    return {page, listeners, added: Object.keys(page).filter((name) => !before.has(name))};
}

test("the page has one object more", () => {
    const {page, added} = load();
    assert.deepEqual(added, ["Regional"]);
    assert.deepEqual(Object.keys(page.Regional), ["panels", "attach", "strings", "pull"]);
    assert.equal(page.Regional.strings(), "{}");
});

test("a page without the WebUI's callbacks is waited for", () => assert.deepEqual(load().listeners, ["DOMContentLoaded"]));

test("the WebUI's callback is taken where there is one", () => {
    const actions = [];
    const {listeners} = load({onUiLoaded: (action) => actions.push(action)});
    assert.deepEqual([listeners, actions.length], [[], 1]);
});
