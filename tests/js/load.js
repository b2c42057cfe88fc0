"use strict";
// The pure files of javascript/ in the order in which a page loads them.
const fs = require("node:fs");
const path = require("node:path");
const folder = path.join(__dirname, "../../javascript");
fs.readdirSync(folder).filter((name) => name.startsWith("regional_model")).sort().forEach((name) => require(path.join(folder, name)));
module.exports = globalThis.Regional;
