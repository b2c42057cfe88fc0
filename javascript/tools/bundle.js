// Makes javascript/regional.js, the one script that a page loads, from the modules of javascript/src.
//
//     node javascript/tools/bundle.js            write it
//     node javascript/tools/bundle.js --check    exit with 1 when it is not what the sources give
//
// Its first lines carry two SHA-256 sums, of the sources and of the script below: tests/ui/test_bundle.py compares them where there is no Node.js.

import {build} from "esbuild";
import {createHash} from "node:crypto";
import {readdirSync, readFileSync, writeFileSync} from "node:fs";
import path from "node:path";
import {fileURLToPath} from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const SOURCES = path.join(ROOT, "javascript/src");
const BUNDLE = path.join(ROOT, "javascript/regional.js");

/** @param {string} text */
const sha256 = (text) => createHash("sha256").update(text, "utf8").digest("hex");

/**
 * A file's text with the line ends that the repository has.
 *
 * @param {string} file
 */
const readText = (file) => readFileSync(file, "utf8").replaceAll("\r\n", "\n");

/** Sum over the names and texts of all modules, in the order of their names. */
function sourcesSum() {
    const names = readdirSync(SOURCES, {recursive: true, encoding: "utf8"}).map((name) => name.replaceAll(path.sep, "/"));
    const modules = names.filter((name) => name.endsWith(".js")).sort((a, b) => (a < b ? -1 : 1));
    return sha256(modules.map((name) => `${name}\0${readText(path.join(SOURCES, name))}\0`).join(""));
}

/** The script with its header. */
async function bundle() {
    const result = await build({
        absWorkingDir: ROOT,
        entryPoints: ["javascript/src/main.js"],
        bundle: true,
        format: "iife",
        target: "es2020",
        legalComments: "none",
        write: false,
    });
    const script = result.outputFiles[0].text;
    const header = [
        "Generated from javascript/src by `npm run build`: do not edit.",
        `sources ${sourcesSum()}`,
        `script ${sha256(script)}`,
    ];
    return header.map((line) => `// ${line}\n`).join("") + script;
}

const text = await bundle();
if (!process.argv.includes("--check")) {
    writeFileSync(BUNDLE, text);
    console.log(`javascript/regional.js: ${text.length} bytes`);
} else if (readText(BUNDLE) !== text) {
    console.error("javascript/regional.js is stale: run `npm run build` and commit it.");
    process.exitCode = 1;
}
