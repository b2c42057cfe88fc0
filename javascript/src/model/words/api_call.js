// The API call that makes what the page shows, as text to copy.

/** @import {Json} from "../../types.js" */

/** Kind of a call -> how it is written. @type {Record<string, (address: string, body: Json) => string>} */
const WRITERS = {
    curl: (address, body) =>
        `curl -s ${address}/sdapi/v1/txt2img -H 'Content-Type: application/json' -d @- <<'JSON'\n${indented(body)}\nJSON`,
    Python: (address, body) =>
        [
            "import json",
            "import webuiapi",
            "",
            `api = webuiapi.WebUIApi(baseurl=${JSON.stringify(`${address}/sdapi/v1`)})`,
            `body = json.loads(r'''${indented(escaped(body))}''')`,
            "result = api.txt2img(**body)",
            'result.image.save("picture.png")',
        ].join("\n"),
    JavaScript: (address, body) =>
        [
            `const answer = await fetch(${JSON.stringify(`${address}/sdapi/v1/txt2img`)}, {`,
            '    method: "POST",',
            '    headers: {"Content-Type": "application/json"},',
            `    body: JSON.stringify(${indented(body)}),`,
            "});",
            "const {images} = await answer.json();",
        ].join("\n"),
};

export const CALL_KINDS = Object.keys(WRITERS);

/** @param {unknown} body */
const indented = (body) => (typeof body === "string" ? body : JSON.stringify(body, null, 2));

/**
 * JSON that can stand between three single quotes of a raw string.
 *
 * @param {Json} body
 */
const escaped = (body) => JSON.stringify(body, null, 2).replaceAll("'", "\\u0027");

/**
 * The call as text.
 *
 * @param {string} kind One of CALL_KINDS.
 * @param {string} address Of the WebUI.
 * @param {{page: Json, settings: Json}} call What the page's inputs hold by the API's names, and the regional settings.
 * @returns {string}
 */
export function apiCall(kind, address, {page, settings}) {
    return WRITERS[kind](address, {...page, alwayson_scripts: {Regional: {args: [settings]}}});
}
