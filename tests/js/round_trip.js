// Settings through the panel's state and back: a JSON list of texts on stdin, {states: their texts, again: those texts once more} on stdout.
import {readFileSync} from "node:fs";
import {parse, serialize} from "../../javascript/src/model/state.js";

const texts = JSON.parse(readFileSync(0, "utf8"));
const pass = (text) => serialize(parse(text));
const states = texts.map(pass);
process.stdout.write(JSON.stringify({states, again: states.map(pass)}));
