"use strict";
// Settings through the panel's state and back: a JSON list of texts on stdin, {states: their texts, again: those texts once more} on stdout.
const R = require("./load.js");
const texts = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const pass = (text) => R.serialize(R.parse(text));
const states = texts.map(pass);
process.stdout.write(JSON.stringify({states, again: states.map(pass)}));
