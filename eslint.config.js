import js from "@eslint/js";
import globals from "globals";

/** What the WebUI's page offers to scripts. */
const webui = {gradioApp: "readonly", onUiLoaded: "readonly", onAfterUiUpdate: "readonly"};
const hostPage = {...webui, get_uiCurrentTab: "readonly", get_uiCurrentTabContent: "readonly", updateInput: "readonly"};

export default [
    {ignores: ["node_modules/", ".venv/", "build/", "dist/", "javascript/regional.js"]},
    js.configs.recommended,
    {
        files: ["**/*.js", "**/*.mjs"],
        languageOptions: {ecmaVersion: 2023, sourceType: "module"},
        linterOptions: {reportUnusedDisableDirectives: "error"},
        rules: {
            curly: ["error", "multi-line", "consistent"],
            eqeqeq: "error",
            "no-shadow": "error",
            "no-unused-vars": ["error", {argsIgnorePattern: "^_", ignoreRestSiblings: true}],
            "no-var": "error",
            "object-shorthand": "error",
            "one-var": ["error", "never"],
            "prefer-const": ["error", {destructuring: "all"}],
            "no-nested-ternary": "off",
        },
    },
    {
        files: ["javascript/src/**/*.js"],
        languageOptions: {globals: {...globals.browser, ...webui}},
        rules: {
            "max-lines": ["error", 300],
            "max-lines-per-function": ["error", 45],
        },
    },
    {
        files: ["javascript/src/model/**/*.js"],
        languageOptions: {
            globals: {
                ...Object.fromEntries(Object.keys(globals.browser).map((name) => [name, "off"])),
                atob: "readonly",
                btoa: "readonly",
                TextDecoder: "readonly",
            },
        },
    },
    {
        files: ["javascript/tools/**/*.js", "tests/js/**/*.js", "tests/**/*.mjs", "eslint.config.js"],
        languageOptions: {globals: globals.node},
    },
    {
        files: ["lib_regional/standalone/server/static/*.js"],
        languageOptions: {sourceType: "script", globals: {...globals.browser, ...hostPage}},
    },
];
